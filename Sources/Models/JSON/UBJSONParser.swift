/// Takes a UBJSON text apart: https://ubjson.org, draft 12.
struct UBJSONParser {
  private let bytes: [UInt8]
  private var position = 0
  var builder: DocumentBuilder

  init(_ bytes: [UInt8], _ builder: DocumentBuilder) {
    self.bytes = bytes
    self.builder = builder
  }

  /// How many bytes a number of a type takes; nil if the marker is none of a number.
  static func width(_ marker: UInt8) -> Int? {
    switch marker {
    case UInt8(ascii: "i"), UInt8(ascii: "U"): 1
    case UInt8(ascii: "I"): 2
    case UInt8(ascii: "l"), UInt8(ascii: "d"): 4
    case UInt8(ascii: "L"), UInt8(ascii: "D"): 8
    default: nil
    }
  }

  mutating func parseDocument() throws(ModelError) {
    try parseValue(marker: try byte())
    guard position == bytes.count else { throw error("bytes after the end of the value") }
  }

  /// Takes a value apart whose marker has been read.
  private mutating func parseValue(marker: UInt8) throws(ModelError) {
    if let width = Self.width(marker) {
      let index = builder.begin(.number, at: position, marker: marker)
      try skip(width)
      return builder.end(index, at: position)
    }
    switch marker {
    case UInt8(ascii: "{"): try parseObject()
    case UInt8(ascii: "["): try parseArray()
    case UInt8(ascii: "S"):
      let index = builder.begin(.string, at: position)
      let text = try parseText(byteCount: try length())
      builder.end(index, at: position, count: text.count, text: text.lowerBound)
    case UInt8(ascii: "C"):
      let index = builder.begin(.string, at: position)
      let text = try parseText(byteCount: 1)
      builder.end(index, at: position, count: text.count, text: text.lowerBound)
    case UInt8(ascii: "T"):
      builder.end(builder.begin(.boolean, at: position, marker: 1), at: position)
    case UInt8(ascii: "F"): builder.end(builder.begin(.boolean, at: position), at: position)
    case UInt8(ascii: "Z"): builder.end(builder.begin(.null, at: position), at: position)
    case UInt8(ascii: "H"): throw error("numbers of high precision are not read", .unsupported)
    default: throw error("a byte that begins no value")
    }
  }

  private mutating func parseObject() throws(ModelError) {
    try builder.checkDepth(at: position)
    builder.enter(builder.begin(.object, at: position))
    guard peek != UInt8(ascii: "$") else {
      throw error("objects of one type are not read", .unsupported)
    }
    var left: Int?
    if peek == UInt8(ascii: "#") {
      position += 1
      left = try count(elementByteCount: 3)
    }
    while true {
      if let count = left {
        guard count > 0 else { break }
        left = count - 1
      } else if peek == UInt8(ascii: "}") {
        position += 1
        break
      }
      let key = try parseText(byteCount: try length())
      let marker = try byte()
      builder.key = key
      try parseValue(marker: marker)
      builder.key = 0..<0
    }
    try builder.leave(at: position)
  }

  private mutating func parseArray() throws(ModelError) {
    try builder.checkDepth(at: position)
    if peek == UInt8(ascii: "$") { return try parseTypedArray() }
    var size: Int?
    if peek == UInt8(ascii: "#") {
      position += 1
      size = try count(elementByteCount: 1)
    }
    let index = builder.begin(.numbers, at: position)
    builder.key = 0..<0
    if let (end, count) = numbersEnd(size) {
      builder.end(index, at: end, count: count)
      position = size == nil ? end + 1 : end
      return
    }
    builder.makeGeneral(index)
    builder.enter(index)
    while true {
      if let count = size {
        guard count > 0 else { break }
        size = count - 1
      } else if peek == UInt8(ascii: "]") {
        position += 1
        break
      }
      try parseValue(marker: try byte())
    }
    try builder.leave(at: position)
  }

  /// Reads `$` type `#` count and skips the numbers.
  private mutating func parseTypedArray() throws(ModelError) {
    position += 1
    let marker = try byte()
    guard let width = Self.width(marker) else {
      throw error("arrays of this type are not read", .unsupported)
    }
    guard try byte() == UInt8(ascii: "#") else { throw error("a typed array without a count") }
    let count = try count(elementByteCount: width)
    let index = builder.begin(.numbers, at: position, marker: marker)
    builder.key = 0..<0
    try skip(count * width)
    builder.end(index, at: position, count: count)
  }

  /// Where an array of nothing but numbers, each with its own type, ends; nil if it is none.
  private func numbersEnd(_ size: Int?) -> (end: Int, count: Int)? {
    var at = position
    var count = 0
    while count != size {
      guard at < bytes.count else { return nil }
      if size == nil, bytes[at] == UInt8(ascii: "]") { break }
      guard let width = Self.width(bytes[at]), bytes.count - at > width else { return nil }
      at += 1 + width
      count += 1
    }
    return (at, count)
  }

  /// A count of elements, each of at least so many bytes, that the bytes left can hold.
  private mutating func count(elementByteCount: Int) throws(ModelError) -> Int {
    let count = try length()
    guard count <= (bytes.count - position) / elementByteCount else {
      throw error("\(count) elements in \(bytes.count - position) bytes", .truncated)
    }
    return count
  }

  /// An integer of any type that is not negative.
  private mutating func length() throws(ModelError) -> Int {
    let marker = try byte()
    guard let width = Self.width(marker), marker != UInt8(ascii: "d"), marker != UInt8(ascii: "D")
    else { throw error("expected a length") }
    let start = position
    try skip(width)
    let value = BigEndian.integer(bytes[start..<position], isSigned: marker != UInt8(ascii: "U"))
    guard value >= 0 else { throw error("a length below zero") }
    return value
  }

  private mutating func parseText(byteCount: Int) throws(ModelError) -> Range<Int> {
    let start = position
    try skip(byteCount)
    let text = bytes[start..<position]
    guard text.allSatisfy({ $0 < 0x80 }) || String(validating: text, as: UTF8.self) != nil else {
      throw builder.error("a string is not UTF-8", at: start)
    }
    let first = builder.texts.count
    builder.texts += text
    return first..<builder.texts.count
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func byte() throws(ModelError) -> UInt8 {
    guard let byte = peek else { throw cutError() }
    position += 1
    return byte
  }

  private mutating func skip(_ byteCount: Int) throws(ModelError) {
    guard byteCount <= bytes.count - position else { throw cutError() }
    position += byteCount
  }

  private func error(_ message: String, _ code: ModelError.Code = .malformed) -> ModelError {
    builder.error(message, at: position, code: code)
  }

  private func cutError() -> ModelError {
    builder.error("the bytes end early", at: bytes.count, code: .truncated)
  }
}

/// Numbers of one to eight bytes, the highest one first.
enum BigEndian {
  @inline(__always)
  static func bits(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    var bits: UInt64 = 0
    for byte in bytes { bits = bits << 8 | UInt64(byte) }
    return bits
  }

  @inline(__always)
  static func integer(_ bytes: ArraySlice<UInt8>, isSigned: Bool) -> Int {
    let shift = UInt64(64 - 8 * bytes.count)
    let high = bits(bytes) << shift
    return isSigned ? Int(Int64(bitPattern: high) >> Int64(shift)) : Int(high >> shift)
  }
}
