import Columnar
import Jobs
import Testing

/// Bytes that are not what they were: an error, never a crash, and never a short result.
struct DamageWriteTests {
  private static let table = WriteTable.random(rowCount: 120, seed: 9)

  @Test func aBlockCutAnywhereIsAnError() throws {
    let block = try Self.table.blocks(of: [120], batchRowCount: 50)[0]
    for count in stride(from: 1, to: block.count, by: 13) {
      let error = #expect(throws: ColumnarWriteError.self) {
        try Self.write(Array(block.prefix(count)))
      }
      #expect(error?.code == .corrupt, "cut to \(count) bytes")
    }
  }

  @Test func aChangedBlockIsAnErrorOrRows() throws {
    let block = try Self.table.blocks(of: [120], batchRowCount: 50)[0]
    var generator = SeededNumbers(state: 10)
    var errorCount = 0
    for _ in 0..<2_000 {
      var changed = block
      for _ in 0...Int.random(in: 0..<3, using: &generator) {
        let place = Int.random(in: 0..<changed.count, using: &generator)
        changed[place] = UInt8.random(in: 0...255, using: &generator)
      }
      do throws(ColumnarWriteError) {
        try Self.write(changed)
      } catch {
        errorCount += 1
        #expect(error.code != .bytes)
      }
    }
    #expect(errorCount > 200)
  }

  @Test func bytesBehindABlockAreAnError() throws {
    let block = try Self.table.blocks(of: [120])[0]
    #expect(throws: ColumnarWriteError.self) { try Self.write(block + [0]) }
    #expect(throws: ColumnarWriteError.self) { try Self.write(block + block) }
  }

  @Test func otherColumnsAreAnError() throws {
    let other = WriteTable(
      columns: [ResultColumn(name: "c_boolean", type: .integer)], rows: [[.integer(1)]])
    let error = try #require(
      #expect(throws: ColumnarWriteError.self) { try Self.write(try other.blocks(of: [1])[0]) })
    #expect(error.code == .corrupt)
    #expect(error.context.contains("other columns"))
  }

  @Test(arguments: [ColumnarFileFormat.parquet, .arrow])
  func aSinkThatFailsIsToldApart(format: ColumnarFileFormat) throws {
    let blocks = try Self.table.blocks(of: [120])
    let whole = Room(.max)
    try Self.write(format, blocks[0], into: whole)
    let length = Int.max - whole.left
    for limit in stride(from: 0, to: length, by: max(1, length / 30)) {
      let error = #expect(throws: ColumnarWriteError.self) {
        try Self.write(format, blocks[0], into: Room(limit))
      }
      if limit > 8 { #expect(error?.code == .bytes, "room for \(limit) of \(length) bytes") }
    }
  }

  /// What takes a file's bytes until it is full.
  private final class Room {
    var left: Int

    init(_ left: Int) {
      self.left = left
    }
  }

  private static func write(
    _ format: ColumnarFileFormat, _ block: [UInt8], into room: Room
  ) throws(ColumnarWriteError) {
    let writer = try unsafe ColumnarFileWriter(
      columns: table.columns, format: format, isCompressed: true, version: "0"
    ) { bytes in
      room.left -= bytes.count
      return room.left >= 0
    }
    try writer.append(block)
    _ = try writer.endBlock()
    try writer.finish()
  }

  @Test(arguments: [ColumnarFileFormat.parquet, .arrow])
  func aChangedFileIsAnErrorOrRows(format: ColumnarFileFormat) throws {
    let file = try writeFile(
      format, try Self.table.blocks(of: [60, 60]), columns: Self.table.columns)
    var generator = SeededNumbers(state: 11)
    for round in 0..<600 {
      var changed = file
      if round % 4 == 0 {
        changed.removeLast(Int.random(in: 1...file.count, using: &generator))
      } else {
        for _ in 0...Int.random(in: 0..<3, using: &generator) {
          let place = Int.random(in: 0..<changed.count, using: &generator)
          changed[place] = UInt8.random(in: 0...255, using: &generator)
        }
      }
      let rows = ColumnarRows(.file(format), bytes: changed)
      // What is checked is that each call comes back.
      _ = try? rows.count()
      _ = try? rows.row(UInt64.random(in: 0..<120, using: &generator))
    }
    #expect(throws: ColumnarWriteError.self) {
      try ColumnarRows(.file(format), bytes: Array(file.dropLast())).count()
    }
  }

  @Test func aPageOfAParquetFileHasAChecksum() throws {
    let columns = [ResultColumn(name: "x", type: .number)]
    var generator = SeededNumbers(state: 12)
    let table = WriteTable(
      columns: columns,
      rows: (0..<200).map { _ in [.number(.random(in: 0..<1, using: &generator))] })
    var file = try writeFile(
      .parquet, try table.blocks(of: [200]), columns: columns, isCompressed: false)
    #expect(try ColumnarRows(.file(.parquet), bytes: file).row(0)[0].value == table.rows[0][0])
    file[500] ^= 1  // within a page of numbers
    #expect(throws: ColumnarWriteError.self) {
      try ColumnarRows(.file(.parquet), bytes: file).row(0)
    }
  }

  private static func write(_ block: [UInt8]) throws(ColumnarWriteError) {
    try write(.parquet, block, into: Room(.max))
  }
}
