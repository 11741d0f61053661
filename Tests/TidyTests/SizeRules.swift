/// How long files and functions may be.
enum SizeRules {
  static let functionLineLimit = 70
  static let fileLineLimit = 500
  static let readmeLineLimit = 150

  /// Files that may be longer, each one state machine or one table, and why.
  static let longFiles: [String: String] = [:]

  static func findings(in file: SourceFile) -> [Finding] {
    guard !file.isGenerated else { return [] }
    var findings = functionFindings(in: file)
    let count = file.lines.count - (file.lines.last == "" ? 1 : 0)
    if count > fileLineLimit, longFiles[file.path] == nil {
      findings.append(
        file.finding(
          count - 1, "a file of \(count) lines; the limit is \(fileLineLimit)",
          "move one facet to Type+Facet.swift"))
    }
    return findings
  }

  /// A brace that is open.
  private struct Open {
    let line: Int
    let isFunction: Bool
    /// Parentheses that were open before it.
    let parenthesisDepth: Int
  }

  private static func functionFindings(in file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    var stack: [Open] = []
    var depth = 0
    // The code since the last brace of this level.
    var head: [UInt8] = []
    var isContinued = false
    for (number, line) in file.code.enumerated() {
      // The preprocessor's lines, and those that a backslash adds to them.
      let isDirective = !file.isSwift && (isContinued || line.trimmed.hasPrefix("#"))
      isContinued = isDirective && line.hasSuffix("\\")
      if isDirective { continue }
      for byte in line.utf8 {
        switch byte {
        case UInt8(ascii: "("): depth += 1
        case UInt8(ascii: ")"): depth -= 1
        case UInt8(ascii: "{"):
          let isArgument = depth > (stack.last?.parenthesisDepth ?? 0)
          let distance = isArgument ? nil : functionDistance(head, isSwift: file.isSwift)
          stack.append(
            Open(
              line: number - (distance ?? 0), isFunction: distance != nil, parenthesisDepth: depth))
          if !isArgument { head.removeAll(keepingCapacity: true) }
          continue
        case UInt8(ascii: "}"):
          guard let open = stack.popLast() else { continue }
          let count = number - open.line + 1
          if open.isFunction, count > functionLineLimit {
            findings.append(tooLong(count, open.line, file))
          }
          if depth <= (stack.last?.parenthesisDepth ?? 0) { head.removeAll(keepingCapacity: true) }
          continue
        default: break
        }
        head.append(byte)
      }
      head.append(UInt8(ascii: "\n"))
    }
    return findings
  }

  private static func tooLong(_ count: Int, _ line: Int, _ file: SourceFile) -> Finding {
    file.finding(
      line, "a function of \(count) lines; the limit is \(functionLineLimit)",
      "move a straight part of it into a function of its own")
  }

  /// How many lines before its brace a function begins; `nil` where the brace is no function's.
  private static func functionDistance(_ head: [UInt8], isSwift: Bool) -> Int? {
    let text = Substring(String(decoding: head, as: UTF8.self))
    let words = text.words
    guard isSwift else {
      let others: Set<Substring> = ["namespace", "struct", "extern", "enum"]
      guard let first = words.first, text.contains("("), !others.contains(first.text) else {
        return nil
      }
      return text[first.range.lowerBound...].utf8.count { $0 == UInt8(ascii: "\n") }
    }
    let last = words.last { word in
      let isMember = text[..<word.range.lowerBound].utf8.last == UInt8(ascii: ".")
      return !isMember && ["func", "init", "deinit", "subscript"].contains(word.text)
    }
    return last.map { text[$0.range.lowerBound...].utf8.count { $0 == UInt8(ascii: "\n") } }
  }
}
