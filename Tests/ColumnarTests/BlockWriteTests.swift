import Columnar
import Jobs
import Testing

/// Blocks as Arrow IPC streams, and files of them: what comes back, and which bytes.
struct BlockWriteTests {
  @Test(arguments: [1, 7, 8, 9, 63, 64, 65, 1_000])
  func everyValueComesBack(rowCount: Int) throws {
    let table = WriteTable.random(rowCount: rowCount, seed: UInt64(rowCount))
    let block = try table.blocks(of: [rowCount])
    try expect(ColumnarRows(.stream, bytes: block[0]), table)
    for format in [ColumnarFileFormat.parquet, .arrow] {
      for isCompressed in [true, false] {
        let file = try writeFile(
          format, block, columns: table.columns, isCompressed: isCompressed)
        try expect(ColumnarRows(.file(format), bytes: file), table)
      }
    }
  }

  @Test func columnsWithoutNullsAndOfNullsOnly() throws {
    for nullPart in [1, .max] {
      let table = WriteTable.random(rowCount: 70, seed: 3, nullPart: nullPart)
      let file = try writeFile(
        .parquet, try table.blocks(of: [70]), columns: table.columns)
      try expect(ColumnarRows(.file(.parquet), bytes: file), table)
    }
  }

  @Test(arguments: [ColumnarFileFormat.parquet, .arrow])
  func blocksAndBatchesFollowEachOther(format: ColumnarFileFormat) throws {
    let table = WriteTable.random(rowCount: 1_100, seed: 4)
    let blocks = try table.blocks(of: [100, 0, 399, 1, 600], batchRowCount: 64)
    let file = try writeFile(format, blocks, columns: table.columns)
    try expect(ColumnarRows(.file(format), bytes: file), table)
  }

  @Test(arguments: [ColumnarFileFormat.parquet, .arrow])
  func bytesDoNotDependOnPieces(format: ColumnarFileFormat) throws {
    let table = WriteTable.random(rowCount: 900, seed: 5)
    let blocks = try table.blocks(of: [250, 250, 0, 400], batchRowCount: 128)
    #expect(try blocks == table.blocks(of: [250, 250, 0, 400], batchRowCount: 128))
    let whole = try writeFile(format, blocks, columns: table.columns)
    for count in [1, 7, 64, 1_000] {
      let file = try writeFile(format, blocks, columns: table.columns, pieceByteCount: count)
      #expect(file == whole, "pieces of \(count) bytes")
    }
  }

  @Test(arguments: [ColumnarFileFormat.parquet, .arrow])
  func aFileWithoutRowsHasItsColumns(format: ColumnarFileFormat) throws {
    let columns = WriteTable.allColumns
    let table = WriteTable(columns: columns, rows: [])
    let none = try writeFile(format, [], columns: columns)
    #expect(try writeFile(format, try table.blocks(of: [0, 0]), columns: columns) == none)
    #expect(try ColumnarRows(.file(format), bytes: none).count() == 0)
    #expect(throws: ColumnarWriteError.self) {
      try ColumnarRows(.file(format), bytes: none).row(0)
    }
  }

  @Test func aTextOfManyMebibytes() throws {
    let long = [UInt8](repeating: UInt8(ascii: "a"), count: 20 << 20)
    let columns = [ResultColumn(name: "text", type: .text)]
    let table = WriteTable(
      columns: columns, rows: [[.text([])], [.text(long)], [.null], [.text([0x62])]])
    let blocks = try table.blocks(of: [2, 2])
    for format in [ColumnarFileFormat.parquet, .arrow] {
      let file = try writeFile(format, blocks, columns: columns)
      #expect(try ColumnarRows(.file(format), bytes: file).row(1)[0].value == .text(long))
      #expect(try ColumnarRows(.file(format), bytes: file).row(3)[0].value == .text([0x62]))
    }
  }

  @Test func rowsOfABlockAreCounted() throws {
    let table = WriteTable.random(rowCount: 30, seed: 6)
    let blocks = try table.blocks(of: [10, 20])
    let writer = try unsafe ColumnarFileWriter(
      columns: table.columns, format: .parquet, isCompressed: true, version: "0"
    ) { _ in true }
    try writer.append(blocks[0])
    #expect(try writer.endBlock() == 10)
    #expect(try writer.endBlock() == 0)
    try writer.append(blocks[1])
    #expect(try writer.endBlock() == 20)
    try writer.finish()
  }

  private func expect(_ rows: ColumnarRows, _ table: WriteTable) throws {
    #expect(try rows.count() == UInt64(table.rows.count))
    let step = max(1, table.rows.count / 20)
    for index in stride(from: 0, to: table.rows.count, by: step) {
      let row = try rows.row(UInt64(index))
      #expect(row.map(\.name) == table.columns.map(\.name))
      for (found, expected) in zip(row.map(\.value), table.rows[index]) {
        if case .number(let one) = found, case .number(let other) = expected {
          #expect(one.bitPattern == other.bitPattern)
        } else {
          #expect(found == expected)
        }
      }
    }
    #expect(throws: ColumnarWriteError.self) { try rows.row(UInt64(table.rows.count)) }
  }
}
