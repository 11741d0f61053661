internal import CKernels

/// What the kernels need to know of characters, from the standard library's Unicode tables.
struct CharacterTables: Sendable {
  private let lower: [UInt32]
  private let words: [UInt64]

  /// The tables, made when they are first needed: about a hundredth of a second.
  static let shared = CharacterTables()

  private init() {
    var lower = (0..<UInt32(NS_LOWER_COUNT)).map { $0 }
    var words = [UInt64](repeating: 0, count: Int(NS_WORD_COUNT) / 64)
    for code in 0..<UInt32(NS_WORD_COUNT) {
      guard let scalar = Unicode.Scalar(code) else { continue }
      if Self.isWord(scalar) { words[Int(code >> 6)] |= 1 << UInt64(code & 63) }
      guard code < NS_LOWER_COUNT, scalar.properties.changesWhenLowercased else { continue }
      let mapping = scalar.properties.lowercaseMapping.unicodeScalars
      if mapping.count == 1, let first = mapping.first { lower[Int(code)] = first.value }
    }
    self.lower = lower
    self.words = words
  }

  /// What `\w` means to Python: letters, numbers of all kinds, and the low line.
  private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .decimalNumber, .letterNumber, .otherNumber:
      true
    default: scalar == "_"
    }
  }

  /// Lends the tables to a kernel.
  func withTables<Result>(_ body: (UnsafePointer<ns_characters>) -> Result) -> Result {
    unsafe lower.withUnsafeBufferPointer { lower in
      unsafe words.withUnsafeBufferPointer { words in
        unsafe withStart(of: lower) { lower in
          unsafe withStart(of: words) { words in
            var tables = unsafe ns_characters(lower: lower, words: words)
            return unsafe body(&tables)
          }
        }
      }
    }
  }
}
