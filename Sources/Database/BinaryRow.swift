/// Where the fields of one row of a binary COPY lie.
///
/// Nothing is believed: every length is held against what is left of the row.
package struct BinaryRow: Sendable {
  /// One range of the row's bytes for each field, `nil` for NULL.
  package private(set) var fields: [Range<Int>?] = []

  package init() {}

  /// Finds the fields of a row.
  ///
  /// - Parameters:
  ///   - row: What `CopyReader.next` hands over.
  ///   - fieldCount: How many there must be.
  /// - Throws: `malformed`.
  package mutating func parse(
    _ row: UnsafeRawBufferPointer, fieldCount: Int
  ) throws(DatabaseError) {
    fields.removeAll(keepingCapacity: true)
    guard row.count >= 2 else { throw Self.malformed("\(row.count) bytes") }
    let count = unsafe Int(row.loadUnaligned(as: Int16.self).bigEndian)
    guard count == fieldCount else {
      throw Self.malformed("\(count) fields instead of \(fieldCount)")
    }
    var offset = 2
    for _ in 0..<count {
      guard row.count - offset >= 4 else { throw Self.malformed("it ends at byte \(row.count)") }
      let length = unsafe Int(
        row.loadUnaligned(fromByteOffset: offset, as: Int32.self).bigEndian)
      offset += 4
      guard length >= 0 else {
        guard length == -1 else { throw Self.malformed("a field of \(length) bytes") }
        fields.append(nil)
        continue
      }
      guard length <= row.count - offset else {
        throw Self.malformed("a field of \(length) bytes at byte \(offset) of \(row.count)")
      }
      fields.append(offset..<offset + length)
      offset += length
    }
    guard offset == row.count else {
      throw Self.malformed("\(row.count - offset) bytes after its last field")
    }
  }

  static func malformed(_ reason: String) -> DatabaseError {
    DatabaseError(code: .malformed, context: "a row of the COPY is broken: \(reason)")
  }
}

/// Values as a binary COPY writes them: big-endian, lengths checked.
package enum BinaryValue {
  /// A whole number of exactly the type's size.
  package static func integer<Number: FixedWidthInteger>(
    _ bytes: UnsafeRawBufferPointer, as type: Number.Type = Number.self
  ) throws(DatabaseError) -> Number {
    guard bytes.count == MemoryLayout<Number>.size else {
      throw BinaryRow.malformed(
        "\(bytes.count) bytes where a value has \(MemoryLayout<Number>.size)")
    }
    return unsafe Number(bigEndian: bytes.loadUnaligned(as: Number.self))
  }

  /// A float of four bytes.
  package static func float32(_ bytes: UnsafeRawBufferPointer) throws(DatabaseError) -> Float {
    Float(bitPattern: unsafe try integer(bytes))
  }

  /// A float of eight bytes.
  package static func float64(_ bytes: UnsafeRawBufferPointer) throws(DatabaseError) -> Double {
    Double(bitPattern: unsafe try integer(bytes))
  }

  /// A boolean: one byte, 0 or 1.
  package static func boolean(_ bytes: UnsafeRawBufferPointer) throws(DatabaseError) -> Bool {
    let byte: UInt8 = unsafe try integer(bytes)
    guard byte <= 1 else { throw BinaryRow.malformed("a boolean of \(byte)") }
    return byte == 1
  }

  /// The text of a jsonb: what follows its version, which is 1.
  package static func jsonb(
    _ bytes: UnsafeRawBufferPointer
  ) throws(DatabaseError) -> UnsafeRawBufferPointer {
    guard let version = unsafe bytes.first, version == 1 else {
      throw BinaryRow.malformed("a jsonb of another version")
    }
    return unsafe UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
  }

  /// Writes a numeric exactly as the server's own text of it.
  ///
  /// Four 16-bit words (digit groups, weight, sign, digits after the point), then base-10,000
  /// digit groups (`numeric_send` of the server).
  ///
  /// - Parameters:
  ///   - bytes: The value.
  ///   - text: Gets the digits, or `NaN`, `Infinity`, `-Infinity`.
  /// - Throws: `malformed`.
  package static func appendNumeric(
    _ bytes: UnsafeRawBufferPointer, to text: inout [UInt8]
  ) throws(DatabaseError) {
    guard bytes.count >= 8, bytes.count % 2 == 0 else {
      throw BinaryRow.malformed("a numeric of \(bytes.count) bytes")
    }
    func word(_ index: Int) -> UInt16 {
      unsafe UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
    }
    let groupCount = Int(word(0))
    let weight = Int(Int16(bitPattern: word(1)))
    let scale = Int(word(3))
    switch word(2) {
    case 0: break
    case 0x4000: text.append(UInt8(ascii: "-"))
    case 0xC000: return text += "NaN".utf8
    case 0xD000: return text += "Infinity".utf8
    case 0xF000: return text += "-Infinity".utf8
    default: throw BinaryRow.malformed("a numeric of sign \(word(2))")
    }
    guard bytes.count == 8 + 2 * groupCount, scale <= 0x3FFF else {
      throw BinaryRow.malformed("a numeric of \(groupCount) groups in \(bytes.count) bytes")
    }
    /// The group that stands for 10,000 to the power of `power`.
    func group(_ power: Int) throws(DatabaseError) -> Int {
      let index = weight - power
      guard index >= 0, index < groupCount else { return 0 }
      let value = Int(word(4 + index))
      guard value < 10_000 else { throw BinaryRow.malformed("a digit group of \(value)") }
      return value
    }
    var power = max(weight, 0)
    text += String(try group(power)).utf8
    while power > 0 {
      power -= 1
      appendGroup(try group(power), digitCount: 4, to: &text)
    }
    guard scale > 0 else { return }
    text.append(UInt8(ascii: "."))
    var rest = scale
    while rest > 0 {
      power -= 1
      appendGroup(try group(power), digitCount: min(rest, 4), to: &text)
      rest -= 4
    }
  }

  /// The first digits of a group of four.
  private static func appendGroup(_ group: Int, digitCount: Int, to text: inout [UInt8]) {
    var divisor = 1_000
    for _ in 0..<digitCount {
      text.append(UInt8(ascii: "0") + UInt8(group / divisor % 10))
      divisor /= 10
    }
  }
}
