import CKernels
import Columnar
import Foundation
import Jobs
import Testing

/// Every type, encoding and codec of the three formats gives the values that were written.
struct ReadValueTests {
  /// Files and the tables they hold.
  static let files: [(name: String, table: String)] = {
    let parquet = [
      "none", "snappy", "gzip", "zstd", "lz4", "brotli", "pages-v2", "plain-encoding",
      "small-dictionary", "checksums", "int96", "other-encodings",
    ]
    let orc = ["uncompressed", "zlib", "snappy", "zstd", "lz4"]
    let arrow = ["file", "file-zstd", "stream", "stream-lz4"]
    var files: [(name: String, table: String)] = [
      ("arrow-types.parquet", "arrow"), ("types-file.arrow", "arrow"),
      ("types-stream.arrow", "arrow"), ("ipc-types.arrow", "ipc"),
      ("ipc-types-stream.arrow", "ipc"), ("replaced-stream.arrow", "words"),
      ("deltas-stream.arrow", "words"),
    ]
    files += parquet.map { ($0 + ".parquet", "common") }
    files += orc.map { ($0 + ".orc", "common") }
    files += arrow.map { ($0 + ".arrow", "common") }
    return files
  }()

  @Test(arguments: files) func everyValueIsExact(file: (name: String, table: String)) throws {
    let expected = try #require(ExpectedColumn.tables[file.table])
    let columnar = try ReadFixture.open(file.name)
    for takesDictionaries in [false, true] {
      for batchRowLimit in [0, 7] {
        var selection = ColumnarSelection(
          groups: 0..<columnar.groups.count, columns: Array(columnar.columns.indices))
        selection.batchRowLimit = batchRowLimit
        if takesDictionaries { selection.dictionaryColumns = Set(columnar.columns.indices) }
        let values = try ReadFixture.read(columnar, selection)
        for (column, values) in zip(columnar.columns, values) {
          let wanted = try #require(expected.first { $0.name == column.name })
          #expect(column.type?.rawValue == wanted.type, "\(column.name)")
          #expect(values == wanted.values, "\(column.name)")
        }
      }
    }
  }

  @Test(arguments: [ns_isa_portable, ns_isa_avx2, ns_isa_avx512])
  func everyInstructionSetGivesTheSame(isa: ns_isa) throws {
    guard isa.rawValue <= ns_isa_best().rawValue else { return }
    for name in ["none.parquet", "arrow-types.parquet", "ipc-types.arrow"] {
      let file = try ReadFixture.open(name)
      let selection = ColumnarSelection(
        groups: 0..<file.groups.count, columns: Array(file.columns.indices))
      #expect(
        try ReadFixture.read(file, selection, isa: isa)
          == ReadFixture.read(file, selection, isa: ns_isa_portable), "\(name)")
    }
  }

  @Test(arguments: ["zstd.parquet", "zstd.orc", "file.arrow", "stream.arrow"])
  func rowGroupsAndColumnsAreReadAlone(name: String) throws {
    let file = try ReadFixture.open(name)
    let all = try ReadFixture.read(
      file,
      ColumnarSelection(
        groups: 0..<file.groups.count, columns: Array(file.columns.indices)))
    let columns = [file.columns.count - 1, 0, 5]
    var begin = 0
    for (index, group) in file.groups.enumerated() {
      let rowCount = Int(group.rowCount)
      for skipped in [0, 1, rowCount / 2, rowCount - 1, rowCount] {
        var selection = ColumnarSelection(groups: index..<index + 1, columns: columns)
        selection.skippedRowCount = UInt64(skipped)
        selection.batchRowLimit = 16
        let values = try ReadFixture.read(file, selection)
        for (column, values) in zip(columns, values) {
          #expect(values == Array(all[column][begin + skipped..<begin + rowCount]))
        }
      }
      begin += rowCount
    }
    #expect(begin == 250)
    #expect(file.groups.allSatisfy { $0.storedByteCount > 0 })
  }

  @Test(arguments: [
    "no-rows.parquet", "no-row-groups.parquet", "no-rows.orc", "no-batches.arrow",
    "no-batches-stream.arrow",
  ])
  func filesWithoutRowsHaveColumns(name: String) throws {
    let file = try ReadFixture.open(name)
    #expect(file.rowCount == 0)
    #expect(file.columns.count >= 15)
    let selection = ColumnarSelection(
      groups: 0..<file.groups.count, columns: Array(file.columns.indices))
    #expect(try ReadFixture.read(file, selection).allSatisfy(\.isEmpty))
  }

  @Test func otherWritersFilesAreRead() throws {
    for name in ["pandas.parquet", "polars.parquet", "polars.arrow"] {
      let file = try ReadFixture.open(name)
      let index = try #require(file.columns.firstIndex { $0.name == "category" })
      let values = try ReadFixture.read(
        file, ColumnarSelection(groups: 0..<file.groups.count, columns: [index, 0]))
      #expect(values[0].map(\.text) == [Array("x".utf8), nil, Array("y".utf8)])
      #expect(values[1].map(\.number) == [(1.5).bitPattern, nil, (3.0).bitPattern])
    }
    let pandas = try ReadFixture.open("pandas.parquet")
    let when = try #require(pandas.columns.firstIndex { $0.name == "when" })
    #expect(pandas.columns[when].type == .timestamp)
    let values = try ReadFixture.read(pandas, ColumnarSelection(groups: 0..<1, columns: [when]))
    #expect(
      values[0].map { $0.text.map { String(decoding: $0, as: UTF8.self) } }
        == ["2024-01-01T00:00:00", nil, "2024-02-29T12:30:00"])
  }

  @Test func nestedColumnsAreRefusedOnceTheyAreNeeded() throws {
    let file = try ReadFixture.open("nested.parquet")
    #expect(file.columns.map(\.name) == ["id", "list", "struct", "label"])
    #expect(file.columns.map { $0.type == nil } == [false, true, true, false])
    let values = try ReadFixture.read(file, ColumnarSelection(groups: 0..<1, columns: [3, 0]))
    #expect(values[1].map(\.number) == [1.0, 2.0, 3.0].map(\.bitPattern))
    let error = #expect(throws: ColumnarReadError.self) {
      try ReadFixture.read(file, ColumnarSelection(groups: 0..<1, columns: [0, 1]))
    }
    #expect(error?.code == .unsupported)
    #expect(error?.context.contains("column list is of type list<") == true)
  }

  @Test func rowsAreCountedWithoutColumns() throws {
    for name in ["zstd.parquet", "zstd.orc", "file.arrow", "stream.arrow"] {
      let file = try ReadFixture.open(name)
      let reader = try ColumnarReader(
        file, ColumnarSelection(groups: 0..<file.groups.count, columns: []))
      var count = 0
      while let batch = try reader.next() { count += batch.rowCount }
      #expect(count == 250)
    }
  }

  @Test func batchesMayOutliveTheirFile() throws {
    var batches: [ColumnarBatch] = []
    for name in ["zstd.parquet", "file-zstd.arrow", "stream.arrow", "zstd.orc"] {
      let file = try ReadFixture.open(name)
      let reader = try ColumnarReader(
        file, ColumnarSelection(groups: 0..<file.groups.count, columns: [0, 1, 2]))
      while let batch = try reader.next() { batches.append(batch) }
    }
    #expect(batches.reduce(0) { $0 + $1.rowCount } == 1_000)
    for batch in batches {
      let column = unsafe batch.values(ofColumn: 0)
      #expect(unsafe column.values != nil)
    }
  }

  @Test func statisticsBoundTheValues() throws {
    for name in ["zstd.parquet", "plain-encoding.parquet", "arrow-types.parquet"] {
      let file = try ReadFixture.open(name)
      var known = 0
      for column in file.columns.indices {
        for group in file.groups.indices {
          let bounds = file.bounds(group: group, column: column)
          let values = try ReadFixture.read(
            file, ColumnarSelection(groups: group..<group + 1, columns: [column]))[0]
          let numbers = values.compactMap(\.number).map { Double(bitPattern: $0) }
          if let range = bounds.numbers {
            #expect(numbers.allSatisfy { range.contains($0) }, "\(file.columns[column].name)")
            known += 1
          }
          if let texts = bounds.texts {
            for text in values.compactMap(\.text) {
              #expect(!text.lexicographicallyPrecedes(texts.least))
              #expect(!texts.greatest.lexicographicallyPrecedes(text))
            }
            known += 1
          }
          if let nullCount = bounds.nullCount, file.columns[column].type != .float,
            file.columns[column].type != .number
          {
            #expect(values.count { $0.text == nil } == Int(nullCount))
          }
        }
      }
      #expect(known >= 2 * file.groups.count, "\(name)")
    }
  }
}
