/// Words and phrases that have no place, each with what stands in its stead.
enum TextRules {
  /// One phrase of code, and where it is banned.
  struct Ban: Sendable {
    let phrase: String
    let problem: String
    let replacement: String
    let applies: @Sendable (SourceFile) -> Bool
  }

  @Sendable private static func isPure(_ file: SourceFile) -> Bool {
    file.isSwift && ImportTable.pure.contains(file.module)
      && ImportTable.impureFiles[file.path] == nil
  }

  @Sendable private static func isSwift(_ file: SourceFile) -> Bool { file.isSwift }

  private static func isSwiftSource(_ file: SourceFile) -> Bool { file.isSwift && file.isSource }

  /// In code; comments and string literals may say what they like.
  static let bans = [
    Ban(
      phrase: ".now", problem: "a pure module reads the clock",
      replacement: "take `now: Instant` as an argument", applies: isPure),
    Ban(
      phrase: "Date(", problem: "a pure module reads the clock",
      replacement: "take `now: Instant` as an argument", applies: isPure),
    Ban(
      phrase: "ContinuousClock", problem: "a pure module makes a clock",
      replacement: "take `now: Instant` as an argument", applies: isPure),
    Ban(
      phrase: "SuspendingClock", problem: "a pure module makes a clock",
      replacement: "take `now: Instant` as an argument", applies: isPure),
    Ban(
      phrase: "Task.sleep", problem: "a pure module waits",
      replacement: "return an effect, or the instant at which to be called again", applies: isPure),
    Ban(
      phrase: "SystemRandomNumberGenerator", problem: "a pure module draws random numbers",
      replacement: "take `inout some RandomNumberGenerator`", applies: isPure),
    Ban(
      phrase: ".shuffled()", problem: "a pure module draws random numbers",
      replacement: "write .shuffled(using: &generator)", applies: isPure),
    Ban(
      phrase: ".randomElement()", problem: "a pure module draws random numbers",
      replacement: "write .randomElement(using: &generator)", applies: isPure),
    Ban(
      phrase: "print(", problem: "a pure module prints",
      replacement: "return an effect", applies: isPure),
    Ban(
      phrase: "try!", problem: "try! ends the process without a word",
      replacement: "throw, or use invariant(_:_:)", applies: isSwift),
    Ban(
      phrase: "@testable", problem: "@testable keeps the suite from sharing the release build",
      replacement: "give the declaration `package` access", applies: isSwift),
    Ban(
      phrase: "public", problem: "nothing is public here",
      replacement: "write `package`", applies: isSwift),
    Ban(
      phrase: "import XCTest", problem: "XCTest is not used here",
      replacement: "import Testing", applies: isSwift),
    Ban(
      phrase: "unsafeFlags", problem: "a package with unsafe flags cannot be depended on",
      replacement: "use a named setting", applies: isSwift),
  ]

  static func findings(in file: SourceFile) -> [Finding] {
    guard !file.isOurs, !file.isGenerated else { return [] }
    var findings: [Finding] = []
    let bans = bans.filter { $0.applies(file) }
    for (number, line) in file.code.enumerated() {
      for ban in bans where contains(line, ban.phrase) {
        findings.append(file.finding(number, ban.problem, ban.replacement))
      }
    }
    if isPure(file) { findings += randomFindings(in: file) }
    if isSwiftSource(file) { findings += unwrapFindings(in: file) + reasonFindings(in: file) }
    return findings + remarkFindings(in: file)
  }

  /// Whether a phrase stands in a line, not as a part of longer words.
  static func contains(_ line: Substring, _ phrase: String) -> Bool {
    guard let place = line.range(of: phrase) else { return false }
    let before = line[..<place.lowerBound].utf8.last
    let after = line[place.upperBound...].utf8.first
    let startsWord = phrase.utf8.first?.isPartOfWord == true
    let endsWord = phrase.utf8.last?.isPartOfWord == true
    if startsWord, before?.isPartOfWord == true { return false }
    return !(endsWord && after?.isPartOfWord == true)
  }

  /// `.random(` has to say `using:` before its parenthesis closes.
  private static func randomFindings(in file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    for (number, line) in file.code.enumerated() {
      guard let place = line.range(of: ".random(") else { continue }
      let rest = line[place.upperBound...] + " " + (file.code.dropFirst(number + 1).first ?? "")
      guard rest.range(of: "using:") == nil else { continue }
      findings.append(
        file.finding(
          number, "a pure module draws random numbers", "write .random(in: …, using: &generator)"))
    }
    return findings
  }

  /// `!` behind a value, also in a type and in `as!`.
  private static func unwrapFindings(in file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    for (number, line) in file.code.enumerated() {
      let bytes = Array(line.utf8)
      for place in bytes.indices where place > 0 && bytes[place] == UInt8(ascii: "!") {
        let before = bytes[place - 1]
        let isBehindValue =
          before.isPartOfWord || [")", "]", ">", "?"].contains(Character(UnicodeScalar(before)))
        let isComparison = place + 1 < bytes.count && bytes[place + 1] == UInt8(ascii: "=")
        let isTry = line.utf8.prefix(place).suffix(3).elementsEqual("try".utf8)
        guard isBehindValue, !isComparison, !isTry else { continue }
        findings.append(
          file.finding(
            number, "a forced unwrap ends the process without a word",
            "use guard let, or invariant(_:_:)"))
      }
    }
    return findings
  }

  /// What may stand only beside a comment that says why.
  private static let explained = [
    ("try?", "a comment that says why the error does not matter"),
    ("@unchecked Sendable", "a comment that names what guards the data"),
    ("nonisolated(unsafe)", "a comment that names what guards the data"),
  ]

  private static func reasonFindings(in file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    for (number, line) in file.code.enumerated() {
      for (phrase, reason) in explained where line.range(of: phrase) != nil {
        let near = file.lines[max(0, number - 8)...min(file.lines.count - 1, number + 3)]
        let isExplained = near.contains { line in
          ["//", "throw ", "fatalError("].contains { line.range(of: $0) != nil }
        }
        guard !isExplained else { continue }
        findings.append(file.finding(number, "\(phrase) without a reason", "add \(reason)"))
      }
    }
    return findings
  }

  /// Notes to oneself, in comments and in texts.
  private static func remarkFindings(in file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    for (number, line) in file.lines.enumerated() {
      if line.range(of: "FIXME") != nil {
        findings.append(file.finding(number, "a FIXME", "mend it, or open an issue"))
      }
      if let place = line.range(of: "TODO"), !hasIssue(line[place.upperBound...]) {
        findings.append(file.finding(number, "a TODO without an issue", "write TODO(#12): …"))
      }
      if line.range(of: "fatalError(\"not implemented") != nil {
        findings.append(
          file.finding(number, "a stub that ends the process", "refuse what is asked, by its name"))
      }
    }
    return findings
  }

  private static func hasIssue(_ text: Substring) -> Bool {
    guard text.hasPrefix("(#") else { return false }
    let number = text.dropFirst(2).prefix { $0.isNumber }
    return !number.isEmpty && text.dropFirst(2 + number.count).hasPrefix(")")
  }
}

extension StringProtocol {
  /// Where a text stands first, byte by byte.
  func range(of text: String) -> Range<Index>? {
    let wanted = Array(text.utf8)
    let found = utf8.withContiguousStorageIfAvailable { Self.place(of: wanted, in: $0) }
    guard let place = found ?? nil else { return nil }
    let start = utf8.index(utf8.startIndex, offsetBy: place)
    return start..<utf8.index(start, offsetBy: wanted.count)
  }

  private static func place(of wanted: [UInt8], in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    guard let first = wanted.first, bytes.count >= wanted.count else { return nil }
    for start in 0...bytes.count - wanted.count where bytes[start] == first {
      if wanted.indices.allSatisfy({ bytes[start + $0] == wanted[$0] }) { return start }
    }
    return nil
  }
}
