/// A file of the repository, as text and as code.
struct SourceFile {
  /// Path from the top of the repository.
  let path: String
  /// As it stands in the file.
  let lines: [Substring]
  /// The same lines with spaces for comments and for what stands in string literals.
  let code: [Substring]

  init(path: String, text: String) {
    self.path = path
    lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    code = CodeText.blanked(text, isC: !path.hasSuffix(".swift"))
      .split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// The module or test target that the file belongs to; empty where there is none.
  var module: String {
    let parts = path.split(separator: "/")
    if parts.first == "bench" { return ImportTable.benchmarks }
    if path.hasPrefix("Tests/Fuzz/") { return ImportTable.fuzzers }
    guard parts.count > 2, parts[0] == "Sources" || parts[0] == "Tests" else { return "" }
    return String(parts[1])
  }

  var isSwift: Bool { path.hasSuffix(".swift") }
  var isSource: Bool { path.hasPrefix("Sources/") }
  /// Written by `protoc-c`.
  var isGenerated: Bool { path.hasPrefix("Sources/CWire/") && !path.hasSuffix("CWire.h") }
  /// Whether it holds the rules themselves, whose bad examples are meant to be bad.
  var isOurs: Bool { path.hasPrefix("Tests/TidyTests/") }

  func finding(_ line: Int, _ problem: String, _ replacement: String) -> Finding {
    Finding(path: path, line: line + 1, problem: problem, replacement: replacement)
  }
}

/// Swift or C with comments and the text of literals blanked out, line by line.
struct CodeText {
  /// What surrounds the current byte, innermost last.
  private enum Place: Equatable {
    /// Code; parentheses opened since an interpolation began.
    case code(depth: Int)
    case string(hashCount: Int, isMultiline: Bool)
  }

  private let bytes: [UInt8]
  private let isC: Bool
  private var output: [UInt8] = []
  private var places = [Place.code(depth: 0)]
  private var index = 0

  static func blanked(_ text: String, isC: Bool) -> String {
    var scanner = CodeText(bytes: Array(text.utf8), isC: isC)
    return scanner.run()
  }

  private init(bytes: [UInt8], isC: Bool) {
    self.bytes = bytes
    self.isC = isC
    output.reserveCapacity(bytes.count)
  }

  private mutating func run() -> String {
    while index < bytes.count {
      switch places[places.count - 1] {
      case .code(let depth): scanCode(depth)
      case .string(let hashCount, let isMultiline): scanString(hashCount, isMultiline)
      }
    }
    return String(decoding: output, as: UTF8.self)
  }

  private func starts(_ text: StaticString, at place: Int) -> Bool {
    guard place + text.utf8CodeUnitCount <= bytes.count else { return false }
    return text.withUTF8Buffer { wanted in
      wanted.indices.allSatisfy { bytes[place + $0] == wanted[$0] }
    }
  }

  private mutating func keep(_ count: Int) {
    output += bytes[index..<index + count]
    index += count
  }

  private mutating func blank(_ count: Int) {
    for byte in bytes[index..<min(bytes.count, index + count)] {
      output.append(byte == UInt8(ascii: "\n") ? byte : UInt8(ascii: " "))
    }
    index = min(bytes.count, index + count)
  }

  private mutating func scanCode(_ depth: Int) {
    switch bytes[index] {
    case UInt8(ascii: "/") where starts("//", at: index): blank(lineEnd(from: index) - index)
    case UInt8(ascii: "/") where starts("/*", at: index): blank(commentLength())
    case UInt8(ascii: "'") where isC: blank(characterLength())
    case UInt8(ascii: "\""), UInt8(ascii: "#"): scanQuote()
    case UInt8(ascii: "(") where places.count > 1:
      places[places.count - 1] = .code(depth: depth + 1)
      keep(1)
    case UInt8(ascii: ")") where places.count > 1:
      if depth == 1 {
        places.removeLast()
      } else {
        places[places.count - 1] = .code(depth: depth - 1)
      }
      keep(1)
    default: keep(1)
    }
  }

  private mutating func scanQuote() {
    var hashCount = 0
    while index + hashCount < bytes.count, bytes[index + hashCount] == UInt8(ascii: "#") {
      hashCount += 1
    }
    guard index + hashCount < bytes.count, bytes[index + hashCount] == UInt8(ascii: "\"") else {
      return keep(max(1, hashCount))
    }
    let isMultiline = !isC && starts("\"\"\"", at: index + hashCount)
    keep(hashCount + (isMultiline ? 3 : 1))
    places.append(.string(hashCount: hashCount, isMultiline: isMultiline))
  }

  private mutating func scanString(_ hashCount: Int, _ isMultiline: Bool) {
    let byte = bytes[index]
    if byte == UInt8(ascii: "\\"), hasHashes(hashCount, at: index + 1) {
      let next = index + 1 + hashCount
      guard !isC, next < bytes.count, bytes[next] == UInt8(ascii: "(") else {
        return blank(2 + hashCount)
      }
      blank(1 + hashCount)
      keep(1)
      return places.append(.code(depth: 1))
    }
    let quoteCount = isMultiline ? 3 : 1
    let isQuote = isMultiline ? starts("\"\"\"", at: index) : byte == UInt8(ascii: "\"")
    if isQuote, hasHashes(hashCount, at: index + quoteCount) {
      keep(quoteCount + hashCount)
      places.removeLast()
    } else if byte == UInt8(ascii: "\n"), !isMultiline {
      places.removeLast()  // not closed: no use to read the rest of the file as text
    } else {
      blank(1)
    }
  }

  private func hasHashes(_ count: Int, at place: Int) -> Bool {
    guard place + count <= bytes.count else { return false }
    return bytes[place..<place + count].allSatisfy { $0 == UInt8(ascii: "#") }
  }

  private func lineEnd(from place: Int) -> Int {
    bytes[place...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
  }

  /// Swift's comments nest; those of C do not.
  private func commentLength() -> Int {
    var place = index + 2
    var depth = 1
    while place < bytes.count {
      if starts("*/", at: place) {
        depth -= 1
        place += 2
        if depth == 0 { break }
      } else if !isC, starts("/*", at: place) {
        depth += 1
        place += 2
      } else {
        place += 1
      }
    }
    return min(place, bytes.count) - index
  }

  private func characterLength() -> Int {
    // A digit separator of C++ is no quote.
    if index > 0, isHexadecimalDigit(bytes[index - 1]) { return 1 }
    var place = index + 1
    while place < bytes.count, bytes[place] != UInt8(ascii: "'"), bytes[place] != UInt8(ascii: "\n")
    {
      place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
    }
    return min(place + 1, bytes.count) - index
  }

  private func isHexadecimalDigit(_ byte: UInt8) -> Bool {
    Character(UnicodeScalar(byte)).isHexDigit
  }
}

/// A word of code: an identifier or a keyword, and where it stands in its line.
struct Word {
  let text: Substring
  let range: Range<Substring.UTF8View.Index>
}

extension Substring {
  /// The identifiers and keywords of a line of code.
  var words: [Word] {
    var found: [Word] = []
    var start: Index?
    var place = utf8.startIndex
    while place < utf8.endIndex {
      let isPart = utf8[place].isPartOfWord
      if isPart, start == nil { start = place }
      if !isPart, let first = start {
        found.append(Word(text: self[first..<place], range: first..<place))
        start = nil
      }
      place = utf8.index(after: place)
    }
    if let first = start { found.append(Word(text: self[first...], range: first..<utf8.endIndex)) }
    return found
  }

  var trimmed: Substring {
    var text = self
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}

extension UInt8 {
  var isPartOfWord: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 128...255:
      true
    default: false
    }
  }
}
