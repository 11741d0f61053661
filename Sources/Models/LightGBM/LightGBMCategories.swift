/// Reads the last line of a model trained from a pandas frame: one list of categories for each
/// categorical column, as JSON.
struct LightGBMCategories {
  private let text: ArraySlice<UInt8>
  private let lineNumber: Int
  private var position: Int

  /// What begins the line.
  static let key = "pandas_categorical:"

  /// Reads the line.
  ///
  /// - Parameters:
  ///   - text: what follows the key.
  ///   - lineNumber: where it stands, for errors.
  /// - Returns: the lists; none if the line says `null`.
  /// - Throws: `ModelError` naming the line and the byte.
  static func read(_ text: ArraySlice<UInt8>, lineNumber: Int) throws(ModelError) -> [[Category]] {
    var reader = LightGBMCategories(
      text: text, lineNumber: lineNumber, position: text.startIndex)
    reader.skipBlanks()
    var lists: [[Category]] = []
    if !reader.take("null") {
      try reader.list { (reader) throws(ModelError) in
        var categories: [Category] = []
        try reader.list { (reader) throws(ModelError) in
          categories.append(try reader.category())
        }
        lists.append(categories)
      }
    }
    reader.skipBlanks()
    guard reader.position == text.endIndex else { throw reader.error("text after the lists") }
    return lists
  }

  /// Reads `[element, element, …]`.
  private mutating func list(
    _ element: (inout LightGBMCategories) throws(ModelError) -> Void
  ) throws(ModelError) {
    skipBlanks()
    guard take("[") else { throw error("expected a list") }
    skipBlanks()
    if take("]") { return }
    repeat {
      skipBlanks()
      try element(&self)
      skipBlanks()
    } while take(",")
    guard take("]") else { throw error("expected a comma or the end of a list") }
  }

  private mutating func category() throws(ModelError) -> Category {
    if take("true") { return .boolean(true) }
    if take("false") { return .boolean(false) }
    if peek == UInt8(ascii: "\"") { return .text(try string()) }
    let start = position
    while let byte = peek, byte != UInt8(ascii: ","), byte != UInt8(ascii: "]"),
      byte != UInt8(ascii: " ")
    {
      position += 1
    }
    let literal = text[start..<position]
    guard let number = ByteText.double(literal), !number.isNaN else {
      throw error("expected a string, a number or a truth value")
    }
    return .number(String(decoding: literal, as: UTF8.self))
  }

  private mutating func string() throws(ModelError) -> String {
    position += 1
    var bytes: [UInt8] = []
    while let byte = peek, byte != UInt8(ascii: "\"") {
      position += 1
      if byte == UInt8(ascii: "\\") {
        try escape(into: &bytes)
      } else {
        bytes.append(byte)
      }
    }
    guard take("\"") else { throw error("a string has no end") }
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw error("a string is not UTF-8")
    }
    return string
  }

  private mutating func escape(into bytes: inout [UInt8]) throws(ModelError) {
    guard let byte = peek else { throw error("a string has no end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(byte)
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "f"): bytes.append(0x0c)
    case UInt8(ascii: "n"): bytes.append(0x0a)
    case UInt8(ascii: "r"): bytes.append(0x0d)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "u"):
      var value = try hexadecimal()
      if 0xd800..<0xdc00 ~= value {
        guard take("\\u") else { throw error("half of a surrogate pair") }
        let low = try hexadecimal()
        guard 0xdc00..<0xe000 ~= low else { throw error("half of a surrogate pair") }
        value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(value) else { throw error("half of a surrogate pair") }
      bytes += Array(String(Character(scalar)).utf8)
    default: throw error("an unknown escape in a string")
    }
  }

  private mutating func hexadecimal() throws(ModelError) -> UInt32 {
    let digits = text[position..<min(position + 4, text.endIndex)]
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw error("an escape needs four hexadecimal digits") }
    position += 4
    return value
  }

  private var peek: UInt8? { position < text.endIndex ? text[position] : nil }

  private mutating func take(_ word: StaticString) -> Bool {
    let bytes = Array(word.description.utf8)
    guard text[position...].starts(with: bytes) else { return false }
    position += bytes.count
    return true
  }

  private mutating func skipBlanks() {
    while peek == UInt8(ascii: " ") { position += 1 }
  }

  private func error(_ message: String) -> ModelError {
    ModelError(
      code: .malformed,
      context: """
        line \(lineNumber), key pandas_categorical, byte \(position - text.startIndex): \(message)
        """)
  }
}
