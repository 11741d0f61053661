import Columnar
import Foundation
import Jobs
import Testing

/// Rows of files against blocks that were encoded anew.
@Suite struct ColumnarComparisonTests {
  private static let rows = (0..<1_000).map {
    ColumnarFixture.Row(shard: Int64($0 / 100), prediction: Double($0) / 7)
  }

  /// A file of blocks of 90 rows, in groups of about 200.
  private func file(
    _ rows: [ColumnarFixture.Row], _ format: ColumnarFileFormat
  ) throws -> [UInt8] {
    let sink = Sink()
    let writer = try unsafe ColumnarFileWriter(
      columns: ColumnarFixture.columns, format: format, isCompressed: true, version: "1",
      rowCountPerGroup: 200
    ) { bytes in
      sink.bytes += unsafe Array(bytes)
      return true
    }
    for first in stride(from: 0, to: rows.count, by: 90) {
      try writer.append(ColumnarFixture.block(Array(rows[first..<min(first + 90, rows.count)])))
      _ = try writer.endBlock()
    }
    try writer.finish()
    return sink.bytes
  }

  private final class Sink {
    var bytes: [UInt8] = []
  }

  private func comparison(
    of bytes: [UInt8], _ format: ColumnarFileFormat
  ) throws -> ColumnarComparison {
    try unsafe ColumnarComparison(format, byteCount: UInt64(bytes.count)) { offset, buffer in
      unsafe buffer.copyBytes(from: bytes[Int(offset)..<Int(offset) + buffer.count])
      return true
    }
  }

  @Test(arguments: [ColumnarFileFormat.parquet, .arrow])
  func blocksOfAnyBoundsAreTheSame(format: ColumnarFileFormat) throws {
    let comparison = try comparison(of: try file(Self.rows, format), format)
    // Some are passed over, and one lies in three groups.
    for range in [0..<10, 150..<300, 300..<301, 310..<900, 999..<1_000] {
      let found = try comparison.compare(
        ColumnarFixture.block(Array(Self.rows[range])), fromRow: UInt64(range.lowerBound))
      #expect(found.rowCount == UInt64(range.count) && found.differences == [])
    }
  }

  @Test(arguments: [ColumnarFileFormat.parquet, .arrow])
  func everyBitOfARowCounts(format: ColumnarFileFormat) throws {
    var rows = Self.rows
    rows[3] = .init(shard: 0, prediction: .nan)
    rows[4] = .init(shard: 0, prediction: 0)
    let comparison = try comparison(of: try file(rows, format), format)
    var others = rows
    others[4] = .init(shard: 0, prediction: -0.0)
    others[250] = .init(shard: 2, prediction: rows[250].prediction.nextUp)
    others[777] = .init(shard: 8, prediction: rows[777].prediction)
    let found = try comparison.compare(ColumnarFixture.block(Array(others[2...])), fromRow: 2)
    #expect(found.differences.map(\.row) == [4, 250, 777])
    #expect(found.differences.map(\.blockRow) == [2, 248, 775])
  }

  @Test(arguments: [ColumnarFileFormat.parquet, .arrow])
  func whatCannotBeComparedIsAnError(format: ColumnarFileFormat) throws {
    let bytes = try file(Self.rows, format)
    let comparison = try comparison(of: bytes, format)
    let block = ColumnarFixture.block(Array(Self.rows[..<10]))
    #expect(throws: ColumnarWriteError.self) { try comparison.compare(block, fromRow: 991) }
    #expect(throws: ColumnarWriteError.self) {
      try comparison.compare(Array("no block".utf8), fromRow: 0)
    }
    let other = ColumnarFixture.block(
      Array(Self.rows[..<10]),
      columns: [.init(name: "shard", type: .integer), .init(name: "other", type: .number)])
    let anew = try self.comparison(of: bytes, format)
    let error = #expect(throws: ColumnarWriteError.self) { try anew.compare(other, fromRow: 0) }
    #expect(
      error?.context.contains("column 1 is prediction") == true, "\(String(describing: error))")
    #expect(throws: ColumnarWriteError.self) {
      try self.comparison(of: Array(bytes.dropLast(20)), format)
    }
  }
}
