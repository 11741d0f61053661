internal import CWire
internal import Jobs

/// Checks of single fields of an unpacked message: what passes is within the protocol.
///
/// protobuf-c checks neither UTF-8 nor enums, and a missing field looks like its default.
enum Field {
  static func bytes(
    _ data: ProtobufCBinaryData, limit: Int, _ field: StaticString
  ) throws(WireError) -> [UInt8] {
    let count = unsafe data.len
    guard count <= limit else {
      throw .invalid(field, "\(count) bytes of at most \(limit)")
    }
    guard count > 0 else { return [] }
    guard let start = unsafe data.data else { throw .invalid(field, "no bytes") }
    return unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
  }

  static func bytes(
    _ data: ProtobufCBinaryData, exactly count: Int, _ field: StaticString
  ) throws(WireError) -> [UInt8] {
    let bytes = try unsafe bytes(data, limit: max(count, data.len), field)
    guard bytes.count == count else {
      throw .invalid(field, "\(bytes.count) bytes instead of \(count)")
    }
    return bytes
  }

  static func digest(
    _ data: ProtobufCBinaryData, _ field: StaticString
  ) throws(WireError) -> ContentDigest {
    let words = try unsafe words(data, count: 4, field)
    return ContentDigest(words: [words[0], words[1], words[2], words[3]])
  }

  /// Words of 8 bytes, the highest byte first.
  static func words(
    _ data: ProtobufCBinaryData, count: Int, _ field: StaticString
  ) throws(WireError) -> [UInt64] {
    guard unsafe data.len == 8 * count else {
      throw unsafe .invalid(field, "\(data.len) bytes instead of \(8 * count)")
    }
    guard count > 0 else { return [] }
    guard let start = unsafe data.data else { throw .invalid(field, "no bytes") }
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: 8 * count)
    return (0..<count).map { word in
      UInt64(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: 8 * word, as: UInt64.self))
    }
  }

  static func text(
    _ start: UnsafePointer<CChar>?, limit: Int, _ field: StaticString
  ) throws(WireError) -> String {
    guard let start = unsafe start else { return "" }
    guard let text = unsafe String(validatingCString: start) else {
      throw .invalid(field, "not UTF-8")
    }
    guard text.utf8.count <= limit else {
      throw .invalid(field, "\(text.utf8.count) bytes of at most \(limit)")
    }
    return text
  }

  /// A number within limits.
  static func number<Number: FixedWidthInteger>(
    _ value: Number, in allowed: ClosedRange<Int>, _ field: StaticString
  ) throws(WireError) -> Int {
    guard let number = Int(exactly: value), allowed.contains(number) else {
      throw .invalid(field, "\(value) is not in \(allowed)")
    }
    return number
  }

  /// An offset, a size or a sum that can be added to others.
  static func count(
    _ value: UInt64, limit: UInt64 = WireLimits.largestCount, _ field: StaticString
  ) throws(WireError) -> UInt64 {
    guard value <= limit else { throw .invalid(field, "\(value) of at most \(limit)") }
    return value
  }

  /// A part of a message that has to be there.
  static func required<Message>(
    _ message: UnsafeMutablePointer<Message>?, _ field: StaticString
  ) throws(WireError) -> Message {
    guard let message = unsafe message else { throw .invalid(field, "missing") }
    return unsafe message.pointee
  }

  /// A repeated field's messages, each read by `read`.
  static func messages<Message, Value>(
    _ list: UnsafeMutablePointer<UnsafeMutablePointer<Message>?>?, count: Int, limit: Int,
    _ field: StaticString, _ read: (Message) throws(WireError) -> Value
  ) throws(WireError) -> [Value] {
    guard count <= limit else { throw .invalid(field, "\(count) of at most \(limit)") }
    guard count > 0 else { return [] }
    guard let list = unsafe list else { throw .invalid(field, "missing") }
    var values: [Value] = []
    values.reserveCapacity(count)
    for index in 0..<count {
      values.append(try read(try unsafe required(list[index], field)))
    }
    return values
  }

  /// A repeated field's numbers.
  static func numbers<Number>(
    _ list: UnsafeMutablePointer<Number>?, count: Int, limit: Int, _ field: StaticString
  ) throws(WireError) -> [Number] {
    guard count <= limit else { throw .invalid(field, "\(count) of at most \(limit)") }
    guard count > 0 else { return [] }
    guard let list = unsafe list else { throw .invalid(field, "missing") }
    return unsafe [Number](UnsafeBufferPointer(start: list, count: count))
  }

  /// A parser's state: 0, or one more than the offset of the record that it is inside of.
  static func state(_ code: UInt64, _ field: StaticString) throws(WireError) -> RangeState {
    let code = try count(code, limit: WireLimits.largestCount, field)
    guard let state = RangeState(code: Int64(code) - 1) else {
      throw .invalid(field, "\(code) is no state")
    }
    return state
  }
}

extension RangeState {
  /// The state as `Field.state` reads it.
  var wireCode: UInt64 { UInt64(code + 1) }
}

extension Duration {
  /// Whole milliseconds, between nothing and what 32 bits hold (49 days).
  var wireMilliseconds: UInt32 { UInt32(clamping: max(0, milliseconds)) }
}
