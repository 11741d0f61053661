/// Takes a JSON text apart.
struct JSONParser {
  private let bytes: [UInt8]
  private var position = 0
  var builder: DocumentBuilder

  init(_ bytes: [UInt8], _ builder: DocumentBuilder) {
    self.bytes = bytes
    self.builder = builder
  }

  mutating func parseDocument() throws(ModelError) {
    skipBlanks()
    try parseValue()
    skipBlanks()
    guard position == bytes.count else { throw error("text after the end of the value") }
  }

  private mutating func parseValue() throws(ModelError) {
    guard let byte = peek else { throw cutError() }
    switch byte {
    case UInt8(ascii: "{"): try parseObject()
    case UInt8(ascii: "["): try parseArray()
    case UInt8(ascii: "\""):
      let index = builder.begin(.string, at: position)
      let text = try parseString()
      builder.end(index, at: position, count: text.count, text: text.lowerBound)
    case UInt8(ascii: "t"): try parseWord("true", .boolean, marker: 1)
    case UInt8(ascii: "f"): try parseWord("false", .boolean)
    case UInt8(ascii: "n"): try parseWord("null", .null)
    default:
      let index = builder.begin(.number, at: position)
      try skipNumber()
      builder.end(index, at: position)
    }
  }

  private mutating func parseObject() throws(ModelError) {
    try builder.checkDepth(at: position)
    builder.enter(builder.begin(.object, at: position))
    position += 1
    skipBlanks()
    if peek == UInt8(ascii: "}") {
      position += 1
      return try builder.leave(at: position)
    }
    while true {
      guard let byte = peek else { throw cutError() }
      guard byte == UInt8(ascii: "\"") else { throw error("expected a key") }
      let key = try parseString()
      skipBlanks()
      try take(UInt8(ascii: ":"), "expected a colon")
      skipBlanks()
      builder.key = key
      try parseValue()
      builder.key = 0..<0
      skipBlanks()
      if peek == UInt8(ascii: ",") {
        position += 1
        skipBlanks()
        continue
      }
      try take(UInt8(ascii: "}"), "expected a comma or the end of an object")
      return try builder.leave(at: position)
    }
  }

  private mutating func parseArray() throws(ModelError) {
    try builder.checkDepth(at: position)
    let index = builder.begin(.numbers, at: position + 1)
    builder.key = 0..<0
    position += 1
    skipBlanks()
    if peek == UInt8(ascii: "]") {
      builder.end(index, at: position)
      position += 1
      return
    }
    if let count = try skipNumbers() {
      builder.end(index, at: position, count: count)
      position += 1
      return
    }
    builder.makeGeneral(index)
    builder.enter(index)
    while true {
      try parseValue()
      skipBlanks()
      if peek == UInt8(ascii: ",") {
        position += 1
        skipBlanks()
        continue
      }
      try take(UInt8(ascii: "]"), "expected a comma or the end of an array")
      return try builder.leave(at: position)
    }
  }

  /// Moves to the end of an array of nothing but numbers.
  ///
  /// Whether each is a well-formed number is seen when it is read.
  ///
  /// - Returns: how many there are; nil, and nothing moved, if there is anything else.
  private mutating func skipNumbers() throws(ModelError) -> Int? {
    let start = position
    let (end, count) = unsafe bytes.withUnsafeBufferPointer { bytes in
      unsafe Self.numbersEnd(bytes, from: start)
    }
    guard let count else {
      guard end < bytes.count else {
        position = end
        throw cutError()
      }
      return nil
    }
    position = end
    return count
  }

  private static func numbersEnd(
    _ bytes: UnsafeBufferPointer<UInt8>, from start: Int
  ) -> (end: Int, count: Int?) {
    var at = start
    var count = 0
    var isInNumber = false
    var hasEnded = false
    while at < bytes.count {
      let byte = unsafe bytes[at]
      if isDigitOrMark(byte) {
        if hasEnded { return (at, nil) }
        isInNumber = true
      } else if byte == UInt8(ascii: ",") {
        guard isInNumber else { return (at, nil) }
        count += 1
        (isInNumber, hasEnded) = (false, false)
      } else if byte == UInt8(ascii: "]") {
        return isInNumber ? (at, count + 1) : (at, nil)
      } else if isBlank(byte) {
        hasEnded = isInNumber
      } else if isByteOfNumber(byte), !hasEnded {
        isInNumber = true
      } else {
        return (at, nil)
      }
      at += 1
    }
    return (at, nil)
  }

  private static func isDigitOrMark(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "-") && byte <= UInt8(ascii: "9") && byte != UInt8(ascii: "/")
  }

  /// Digits, marks and the letters of exponents, NaN and Infinity; too few to spell true, false or
  /// null.
  private static func isByteOfNumber(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "N"),
      UInt8(ascii: "a"), UInt8(ascii: "I"), UInt8(ascii: "n"), UInt8(ascii: "f"),
      UInt8(ascii: "i"), UInt8(ascii: "t"), UInt8(ascii: "y"):
      true
    default: isDigitOrMark(byte)
    }
  }

  private mutating func skipNumber() throws(ModelError) {
    var end = position
    let isNumber = unsafe bytes.withUnsafeBufferPointer { bytes in
      unsafe DecimalText(bytes, at: &end) != nil
    }
    guard isNumber else {
      let rest = bytes[position...].prefix(64)
      let isCut = rest.endIndex == bytes.count && rest.allSatisfy(Self.isByteOfNumber)
      throw isCut ? cutError() : error("expected a value")
    }
    position = end
  }

  private mutating func parseWord(
    _ word: String, _ kind: DocumentNode.Kind, marker: UInt8 = 0
  ) throws(ModelError) {
    guard bytes[position...].starts(with: word.utf8) else {
      throw bytes.count - position < word.utf8.count ? cutError() : error("expected a value")
    }
    let index = builder.begin(kind, at: position, marker: marker)
    position += word.utf8.count
    builder.end(index, at: position)
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func take(_ byte: UInt8, _ message: String) throws(ModelError) {
    guard let next = peek else { throw cutError() }
    guard next == byte else { throw error(message) }
    position += 1
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
      || byte == UInt8(ascii: "\t")
  }

  private mutating func skipBlanks() {
    while let byte = peek, Self.isBlank(byte) { position += 1 }
  }

  private func error(_ message: String) -> ModelError { builder.error(message, at: position) }

  private func cutError() -> ModelError {
    builder.error("the text ends early", at: bytes.count, code: .truncated)
  }
}

extension JSONParser {
  /// Reads a string into the texts.
  ///
  /// - Returns: where it stands among them.
  private mutating func parseString() throws(ModelError) -> Range<Int> {
    let start = builder.texts.count
    let opening = position
    position += 1
    var isASCII = true
    while let byte = peek, byte != UInt8(ascii: "\"") {
      position += 1
      if byte == UInt8(ascii: "\\") {
        try parseEscape()
        isASCII = false
      } else {
        guard byte >= 0x20 else { throw error("a control character in a string") }
        if byte >= 0x80 { isASCII = false }
        builder.texts.append(byte)
      }
    }
    guard peek != nil else { throw cutError() }
    position += 1
    let text = start..<builder.texts.count
    guard isASCII || String(validating: builder.texts[text], as: UTF8.self) != nil else {
      throw builder.error("a string is not UTF-8", at: opening)
    }
    return text
  }

  private mutating func parseEscape() throws(ModelError) {
    guard let byte = peek else { throw cutError() }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): builder.texts.append(byte)
    case UInt8(ascii: "b"): builder.texts.append(0x08)
    case UInt8(ascii: "f"): builder.texts.append(0x0c)
    case UInt8(ascii: "n"): builder.texts.append(0x0a)
    case UInt8(ascii: "r"): builder.texts.append(0x0d)
    case UInt8(ascii: "t"): builder.texts.append(0x09)
    case UInt8(ascii: "u"):
      var value = try parseHexadecimal()
      if 0xd800..<0xdc00 ~= value {
        guard bytes[position...].starts(with: "\\u".utf8) else {
          throw error("half of a surrogate pair")
        }
        position += 2
        let low = try parseHexadecimal()
        guard 0xdc00..<0xe000 ~= low else { throw error("half of a surrogate pair") }
        value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(value) else { throw error("half of a surrogate pair") }
      builder.texts += Array(String(Character(scalar)).utf8)
    default: throw error("an unknown escape in a string")
    }
  }

  private mutating func parseHexadecimal() throws(ModelError) -> UInt32 {
    guard bytes.count - position >= 4 else { throw cutError() }
    var value: UInt32 = 0
    for byte in bytes[position..<position + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw error("an escape needs four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
    }
    position += 4
    return value
  }
}
