import Columnar
import Testing

/// Row groups whose sizes are those of no file, which would overflow where they are added up.
struct ReadSizesTests {
  @Test(arguments: [
    [Int64.max], [.max, .max, .max], [1 << 59, 1 << 59, 1], [1 << 60, 1], [-1], [5, .min],
  ]) func rowsThatNoFileHasAreDamage(rows: [Int64]) throws {
    let error = #expect(throws: ColumnarReadError.self) {
      try ReadFixture.open(ThriftFile(rows: rows).bytes, .parquet)
    }
    #expect(error?.code == .damaged && error?.context.contains("row group") == true)
  }

  @Test(arguments: [[Int64.max, .max], [0, .max], [.min, -1], [7, 0]])
  func bytesThatNoFileHasOnlyCountAsItsSize(sizes: [Int64]) throws {
    let bytes = ThriftFile(rows: [3, 4], groupByteCount: sizes[0], columnByteCount: sizes[1]).bytes
    let file = try ReadFixture.open(bytes, .parquet)
    #expect(file.rowCount == 7)
    #expect(file.groups.allSatisfy { $0.storedByteCount <= UInt64(bytes.count) })
  }
}

/// The footer of a Parquet file of two columns and of any sizes, and nothing before it
/// (`parquet.thrift`, in Thrift's compact protocol).
private struct ThriftFile {
  private var footer: [UInt8] = []

  /// - Parameters:
  ///   - rows: Of each row group.
  ///   - groupByteCount: What each says that it takes.
  ///   - columnByteCount: What each of its columns says that it takes.
  init(rows: [Int64], groupByteCount: Int64 = 0, columnByteCount: Int64 = 10) {
    number(1, 5, 2)  // version
    list(1, 12, 3)
    text(4, "schema")
    number(1, 5, 2)  // children
    footer.append(0)
    for name in ["a", "b"] {
      number(1, 5, 2)  // INT64
      number(2, 5, 0)  // required
      text(1, name)
      footer.append(0)
    }
    number(1, 6, 1)  // rows of all
    list(1, 12, rows.count)
    for count in rows {
      list(1, 12, 2)
      for name in ["a", "b"] { column(name, columnByteCount) }
      number(1, 6, groupByteCount)  // as it is decoded
      number(1, 6, count)
      number(3, 6, groupByteCount)  // as it is stored
      footer.append(0)
    }
    footer.append(0)
  }

  var bytes: [UInt8] {
    let count = UInt32(footer.count)
    let size = (0..<4).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
    return Array("PAR1".utf8) + footer + size + Array("PAR1".utf8)
  }

  private mutating func column(_ name: String, _ byteCount: Int64) {
    number(2, 6, 4)  // offset
    footer.append(0x1C)  // what follows is a struct, the next field
    number(1, 5, 2)  // INT64
    list(1, 5, 1)
    varint(0)  // plain
    list(1, 8, 1)
    bytes(name)
    number(1, 5, 0)  // not compressed
    number(1, 6, 1)  // values
    number(1, 6, byteCount)
    number(1, 6, byteCount)
    number(2, 6, 4)  // the first page
    footer += [0, 0]
  }

  /// A number of a type, so many fields after the last one.
  private mutating func number(_ delta: UInt8, _ type: UInt8, _ value: Int64) {
    footer.append(delta << 4 | type)
    varint(UInt64(bitPattern: value << 1 ^ value >> 63))
  }

  private mutating func text(_ delta: UInt8, _ text: String) {
    footer.append(delta << 4 | 8)
    bytes(text)
  }

  private mutating func bytes(_ text: String) {
    varint(UInt64(text.utf8.count))
    footer += text.utf8
  }

  private mutating func list(_ delta: UInt8, _ type: UInt8, _ count: Int) {
    footer.append(delta << 4 | 9)
    footer.append(UInt8(count) << 4 | type)
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      footer.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    footer.append(UInt8(rest))
  }
}
