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
    // The text since the last brace of this level, and the line in which its last part begins.
    var head = ""
    var headLine = 0
    for (number, line) in file.code.enumerated() {
      if !file.isSwift, line.trimmed.hasPrefix("#") { continue }  // the preprocessor's
      for byte in line.utf8 {
        switch byte {
        case UInt8(ascii: "("): depth += 1
        case UInt8(ascii: ")"): depth -= 1
        case UInt8(ascii: "{"):
          let isArgument = depth > (stack.last?.parenthesisDepth ?? 0)
          let isFunction = !isArgument && begins(function: head, isSwift: file.isSwift)
          stack.append(Open(line: headLine, isFunction: isFunction, parenthesisDepth: depth))
          if !isArgument { head = "" }
          continue
        case UInt8(ascii: "}"):
          guard let open = stack.popLast() else { continue }
          let count = number - open.line + 1
          if open.isFunction, count > functionLineLimit {
            findings.append(
              file.finding(
                open.line, "a function of \(count) lines; the limit is \(functionLineLimit)",
                "move a straight part of it into a function of its own"))
          }
          if depth <= (stack.last?.parenthesisDepth ?? 0) { head = "" }
          continue
        default: break
        }
        if head.isEmpty {
          guard byte.isPartOfWord else { continue }
          headLine = number
        }
        head.unicodeScalars.append(UnicodeScalar(byte))
      }
      if !head.isEmpty { head += "\n" }
    }
    return findings
  }

  private static func begins(function head: String, isSwift: Bool) -> Bool {
    guard isSwift else {
      let first = head.split(separator: " ", maxSplits: 1).first ?? ""
      return head.contains("(") && !["namespace", "struct", "extern", "enum"].contains(first)
    }
    let words = head[...].words
    return words.contains { word in
      let isMember = head[..<word.range.lowerBound].last == "."
      return !isMember && ["func", "init", "deinit", "subscript"].contains(word.text)
    }
  }
}
