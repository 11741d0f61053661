/// Reads the fields of one protobuf message, one after the other.
///
/// https://protobuf.dev/programming-guides/encoding. Nothing is trusted: every length is checked
/// against the message that it stands in, groups are refused.
struct ProtobufReader {
  /// The whole file; shared, not copied.
  let bytes: [UInt8]
  /// Where the next field begins.
  private(set) var position: Int
  private let end: Int
  /// What the message is, for errors.
  let place: String

  /// One field of a message.
  struct Field {
    let number: Int
    /// Where it begins in the file.
    let offset: Int
    let payload: Payload
  }

  enum Payload {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    /// A range of the file: text, bytes, a message or packed numbers.
    case bytes(Range<Int>)
  }

  init(_ bytes: [UInt8], range: Range<Int>, place: String) {
    self.bytes = bytes
    position = range.lowerBound
    end = range.upperBound
    self.place = place
  }

  /// The next field, nil at the end of the message.
  mutating func next() throws(ModelError) -> Field? {
    guard position < end else { return nil }
    let offset = position
    let tag = try varint()
    let number = Int(truncatingIfNeeded: tag >> 3)
    guard number > 0, number < 1 << 29 else { throw malformed("a field's number is \(number)") }
    switch tag & 7 {
    case 0: return Field(number: number, offset: offset, payload: .varint(try varint()))
    case 1: return Field(number: number, offset: offset, payload: .fixed64(try fixed(8)))
    case 2:
      let count = try varint()
      guard count <= UInt64(end - position) else {
        throw ModelError(
          code: .truncated,
          context: "\(place), byte \(offset): \(count) bytes of field \(number) "
            + "where \(end - position) are left")
      }
      let start = position
      position += Int(count)
      return Field(number: number, offset: offset, payload: .bytes(start..<position))
    case 5:
      let bits = UInt32(truncatingIfNeeded: try fixed(4))
      return Field(number: number, offset: offset, payload: .fixed32(bits))
    default:
      throw malformed("field \(number) has the wire type \(tag & 7)")
    }
  }

  /// The numbers of a packed field.
  mutating func varint() throws(ModelError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < end {
      let byte = bytes[position]
      position += 1
      guard shift < 63 || byte <= 1 else { throw malformed("a number is longer than 64 bits") }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
      guard shift < 70 else { throw malformed("a number is longer than 64 bits") }
    }
    throw ModelError(code: .truncated, context: "\(place), byte \(position): a number is cut")
  }

  /// Whether all fields were read.
  var isAtEnd: Bool { position >= end }

  private mutating func fixed(_ count: Int) throws(ModelError) -> UInt64 {
    guard end - position >= count else {
      throw ModelError(code: .truncated, context: "\(place), byte \(position): a number is cut")
    }
    var value: UInt64 = 0
    for index in 0..<count { value |= UInt64(bytes[position + index]) << UInt64(8 * index) }
    position += count
    return value
  }

  /// An error at the place that was reached.
  func malformed(_ problem: String) -> ModelError {
    ModelError(code: .malformed, context: "\(place), byte \(position): \(problem)")
  }

  // MARK: Payloads

  /// The text of a field.
  func text(_ field: Field) throws(ModelError) -> String {
    guard let text = String(validating: bytes[try range(field)], as: UTF8.self) else {
      throw malformed("field \(field.number) is not UTF-8")
    }
    return text
  }

  /// Where the bytes of a field lie.
  func range(_ field: Field) throws(ModelError) -> Range<Int> {
    guard case .bytes(let range) = field.payload else {
      throw malformed("field \(field.number) is not a string of bytes")
    }
    return range
  }

  /// A message within this one.
  func message(_ field: Field, _ place: String) throws(ModelError) -> ProtobufReader {
    ProtobufReader(bytes, range: try range(field), place: place)
  }

  /// A whole number of a field.
  func integer(_ field: Field) throws(ModelError) -> Int64 {
    guard case .varint(let value) = field.payload else {
      throw malformed("field \(field.number) is not a whole number")
    }
    return Int64(bitPattern: value)
  }

  /// A float of a field.
  func float(_ field: Field) throws(ModelError) -> Float {
    guard case .fixed32(let bits) = field.payload else {
      throw malformed("field \(field.number) is not a float")
    }
    return Float(bitPattern: bits)
  }

  /// Appends the whole numbers of a repeated field, packed or not.
  func append(_ field: Field, to values: inout [Int64]) throws(ModelError) {
    guard case .bytes(let range) = field.payload else {
      values.append(try integer(field))
      return
    }
    var reader = ProtobufReader(bytes, range: range, place: place)
    while !reader.isAtEnd { values.append(Int64(bitPattern: try reader.varint())) }
  }

  /// Appends the floats of a repeated field, packed or not.
  func append(_ field: Field, to values: inout [Float]) throws(ModelError) {
    guard case .bytes(let range) = field.payload else {
      values.append(try float(field))
      return
    }
    guard range.count % 4 == 0 else { throw malformed("packed floats have \(range.count) bytes") }
    values.reserveCapacity(values.count + range.count / 4)
    for bits in littleEndian(UInt32.self, range) { values.append(Float(bitPattern: bits)) }
  }

  /// Appends the doubles of a repeated field, packed or not.
  func append(_ field: Field, to values: inout [Double]) throws(ModelError) {
    switch field.payload {
    case .fixed64(let bits): values.append(Double(bitPattern: bits))
    case .bytes(let range):
      guard range.count % 8 == 0 else {
        throw malformed("packed doubles have \(range.count) bytes")
      }
      for bits in littleEndian(UInt64.self, range) { values.append(Double(bitPattern: bits)) }
    case .varint, .fixed32: throw malformed("field \(field.number) is not a double")
    }
  }

  /// Whole numbers of a fixed size that stand one after the other; what is left over is ignored.
  func littleEndian<Word: FixedWidthInteger & BitwiseCopyable>(
    _ type: Word.Type, _ range: Range<Int>
  ) -> [Word] {
    let size = MemoryLayout<Word>.size
    return unsafe bytes.withUnsafeBytes { bytes in
      let count = range.count / size
      return unsafe [Word](unsafeUninitializedCapacity: count) { words, initialized in
        for index in 0..<count {
          let word = unsafe bytes.loadUnaligned(
            fromByteOffset: range.lowerBound + index * size, as: Word.self)
          unsafe words[index] = Word(littleEndian: word)
        }
        initialized = count
      }
    }
  }
}
