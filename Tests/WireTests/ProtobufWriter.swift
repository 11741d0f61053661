/// Writes protobuf by its specification alone, without our schema or encoder, so that a test can
/// send what they never would: https://protobuf.dev/programming-guides/encoding.
struct ProtobufWriter {
  var bytes: [UInt8] = []

  static func message(_ write: (inout ProtobufWriter) -> Void) -> [UInt8] {
    var writer = ProtobufWriter()
    write(&writer)
    return writer.bytes
  }

  private mutating func raw(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func varint(_ field: UInt64, _ value: UInt64) {
    raw(field << 3)
    raw(value)
  }

  mutating func fixed64(_ field: UInt64, _ value: UInt64) {
    raw(field << 3 | 1)
    bytes += (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }

  mutating func bytes(_ field: UInt64, _ content: [UInt8]) {
    raw(field << 3 | 2)
    raw(UInt64(content.count))
    bytes += content
  }

  mutating func text(_ field: UInt64, _ text: String) {
    bytes(field, Array(text.utf8))
  }

  mutating func packed(_ field: UInt64, _ values: [UInt64]) {
    bytes(
      field,
      Self.message { writer in
        for value in values { writer.raw(value) }
      })
  }

  mutating func message(_ field: UInt64, _ write: (inout ProtobufWriter) -> Void) {
    bytes(field, Self.message(write))
  }
}

/// A request's frame as the schema says, with any body; the fields before it can be other than
/// they should.
func request(
  version: UInt64 = 2, minimumVersion: UInt64 = 2, proof: [UInt8] = Array(repeating: 7, count: 32),
  requestID: UInt64 = 99, _ write: (inout ProtobufWriter) -> Void
) -> [UInt8] {
  ProtobufWriter.message { writer in
    writer.varint(1, version)
    writer.varint(2, minimumVersion)
    writer.bytes(3, proof)
    writer.fixed64(4, 5)
    writer.fixed64(5, requestID)
    write(&writer)
  }
}

/// An answer's frame as the schema says.
func answer(
  version: UInt64 = 2, requestID: UInt64 = 99, _ write: (inout ProtobufWriter) -> Void
) -> [UInt8] {
  ProtobufWriter.message { writer in
    writer.varint(1, version)
    writer.fixed64(2, requestID)
    write(&writer)
  }
}

/// A lease's fields; what a test replaces goes after the rest, where it wins.
func lease(_ replace: (inout ProtobufWriter) -> Void = { _ in }) -> [UInt8] {
  ProtobufWriter.message { writer in
    writer.fixed64(1, 11)
    writer.varint(2, 3)
    writer.varint(3, 4)
    writer.varint(4, 8)
    writer.varint(5, 1)
    writer.varint(6, 2)
    writer.fixed64(7, 5)
    writer.bytes(9, Array(repeating: 9, count: 32))
    replace(&writer)
  }
}
