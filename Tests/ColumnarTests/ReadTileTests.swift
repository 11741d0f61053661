import CKernels
import Columnar
import Digests
import Foundation
import Jobs
import Tables
import Testing

/// Tiles of a columnar file: the same records however leases divide it.
struct ReadTileTests {
  /// Bytes in memory as a source that gives a few at a time.
  private struct Source: ByteSource {
    let bytes: [UInt8]
    var byteCount: UInt64? { UInt64(bytes.count) }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
      let count = min(buffer.count, 1_000, bytes.count - Int(offset))
      unsafe bytes.withUnsafeBytes {
        let range = Int(offset)..<Int(offset) + count
        unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[range]))
      }
      return count
    }
  }

  /// A record as a tile has it.
  private struct Record: Hashable {
    var block: Int
    var ordinal: UInt64
    var row: UInt64
    var error: RecordError?
    var texts: [[UInt8]?]
    var numbers: [UInt64]
  }

  private static func table(
    _ file: ColumnarFile, numbers: [String], texts: [String], filter: String? = nil,
    format: JobRequest.InstancesFormat = .parquet
  ) throws -> InputTable {
    var request = JobRequest(
      displayName: "job", model: "model", inputConfig: .init(uris: ["file"]),
      outputConfig: .init(uri: "out"))
    request.inputConfig.instancesFormat = format
    request.inputConfig.filter = filter
    let names = file.columns.map(\.name)
    let places = { (wanted: [String]) in Set(wanted.compactMap { names.firstIndex(of: $0) }) }
    return try InputTable(
      configuration: JobConfiguration(
        request: request, columns: names, types: file.columns.map { $0.type ?? .binary }),
      needs: ColumnNeeds(numbers: places(numbers), texts: places(texts)))
  }

  private static func read(
    _ bytes: [UInt8], _ table: InputTable, range: LeaseRange
  ) throws -> (records: [Record], digests: [Digest128], pruned: [UInt64]) {
    try read(table, range: range) { Source(bytes: bytes) }
  }

  private static func read(
    _ table: InputTable, range: LeaseRange, open: () throws -> any ByteSource
  ) throws -> (records: [Record], digests: [Digest128], pruned: [UInt64]) {
    let reader = try table.reader(of: range, compression: .none, open: open)
    var tile = RecordTile()
    var records: [Record] = []
    var values = [Double](repeating: 0, count: RecordTile.recordLimit)
    let words = table.csv.nullWords
    while try reader.readTile(into: &tile) {
      var numbers: [[UInt64]] = []
      for column in table.needs.numbers.sorted() {
        var failures = RecordSet()
        let failed = unsafe values.withUnsafeMutableBufferPointer {
          unsafe tile.readNumbers(
            column: column, nullWords: words, into: $0, failures: &failures)
        }
        #expect(failed == 0)
        numbers.append(values.prefix(tile.count).map(\.bitPattern))
      }
      for index in 0..<tile.count {
        let error = tile.error(of: index)
        records.append(
          Record(
            block: tile.blockIndex, ordinal: tile.firstOrdinal + UInt64(index),
            row: tile.offset(of: index), error: error,
            texts: table.needs.texts.sorted().map { column in
              guard error == nil else { return nil }
              let field = unsafe tile.field(index, column)
              return unsafe field.isQuoted || !field.bytes.isEmpty ? Array(field.bytes) : nil
            }, numbers: numbers.map { $0[index] }))
      }
      checkCodes(of: tile, table)
    }
    let blocks = 0..<range.blockCount
    return (records, blocks.map(reader.inputDigest(ofBlock:)), blocks.map(reader.prunedCount))
  }

  /// Codes stand for the texts of the fields.
  private static func checkCodes(of tile: borrowing RecordTile, _ table: InputTable) {
    for column in table.needs.texts {
      guard let (codes, texts) = unsafe tile.codes(ofColumn: column) else { continue }
      for record in 0..<tile.count where tile.error(of: record) == nil {
        let field = unsafe tile.field(record, column)
        let code = Int(unsafe codes[record])
        #expect(unsafe code < 0 ? !field.isQuoted : texts.texts[code] == Array(field.bytes))
      }
    }
  }

  private static func range(
    _ rows: Range<UInt64>, blockLength: UInt64, groups: Int, total: UInt64, version: String = ""
  ) -> LeaseRange {
    let blockCount = Int((rows.upperBound - rows.lowerBound + blockLength - 1) / blockLength)
    return LeaseRange(
      path: "file", version: version, begin: rows.lowerBound, end: rows.upperBound,
      blockLength: blockLength, blockCount: blockCount, shardOffset: 0, places: 0..<UInt64(groups))
  }

  private static let numbers = ["int32", "double", "timestamp_us", "boolean", "price"]
  private static let texts = ["text", "key", "date32", "int64", "float", "binary"]

  @Test(arguments: [
    ("zstd.parquet", JobRequest.InstancesFormat.parquet), ("zstd.orc", .orc),
    ("file.arrow", .arrow), ("stream.arrow", .arrow), ("small-dictionary.parquet", .parquet),
  ])
  func recordsDoNotDependOnLeases(name: String, format: JobRequest.InstancesFormat) throws {
    let bytes = try ReadFixture.bytes(name)
    let file = try ReadFixture.open(name)
    let table = try Self.table(file, numbers: Self.numbers, texts: Self.texts, format: format)
    let groups = file.groups.count
    let whole = try Self.read(
      bytes, table, range: Self.range(0..<250, blockLength: 64, groups: groups, total: 250))
    #expect(whole.records.map(\.row) == Array(0..<250))
    #expect(whole.records.map(\.block) == (0..<250).map { $0 / 64 })
    #expect(whole.records.map(\.ordinal) == (0..<250).map { UInt64($0 % 64) })
    try Self.compare(whole.records, file)
    for first in 0..<4 {
      for end in first + 1...4 {
        let rows = UInt64(first * 64)..<min(250, UInt64(end * 64))
        let part = try Self.read(
          bytes, table, range: Self.range(rows, blockLength: 64, groups: groups, total: 250))
        #expect(part.digests == Array(whole.digests[first..<end]))
        let wanted = whole.records.filter { rows.contains($0.row) }
        #expect(part.records.map(\.texts) == wanted.map(\.texts))
        #expect(part.records.map(\.numbers) == wanted.map(\.numbers))
        #expect(part.records.map(\.ordinal) == wanted.map(\.ordinal))
        #expect(part.records.map { $0.block + first } == wanted.map(\.block))
      }
    }
    #expect(Set(whole.digests).count == 4)
  }

  /// Leases on a file leave to each other what they decoded beyond their ends.
  @Test(arguments: [
    ("zstd.parquet", JobRequest.InstancesFormat.parquet), ("zstd.orc", .orc),
    ("file.arrow", .arrow),
  ])
  func leasesGoOnWhereOthersEnded(name: String, format: JobRequest.InstancesFormat) throws {
    let path = ReadFixture.folder.appending(path: name).path
    let file = try ReadFixture.open(name)
    let table = try Self.table(file, numbers: Self.numbers, texts: Self.texts, format: format)
    let read = { (rows: Range<UInt64>, version: String) in
      let range = Self.range(
        rows, blockLength: 30, groups: file.groups.count, total: 250, version: version)
      return try Self.read(table, range: range) { try FileSource(path: path) }
    }
    let whole = try read(0..<250, "")
    #expect(table.keptRows.count == 0)
    // In order, with a place that was left twice, one that nobody left, and one that is over; the
    // last four are of two versions of an object.
    let leases: [(rows: Range<Int>, version: String, keptCount: Int)] = [
      (0..<30, "", 1), (30..<90, "", 1), (90..<120, "", 1), (60..<90, "", 2), (90..<120, "", 2),
      (120..<210, "", 2), (210..<250, "", 1), (30..<250, "", 1), (120..<150, "other", 2),
      (120..<150, "", 2), (150..<250, "other", 1), (150..<250, "", 0),
    ]
    for (rows, version, keptCount) in leases {
      let rows = UInt64(rows.lowerBound)..<UInt64(rows.upperBound)
      let part = try read(rows, version)
      #expect(table.keptRows.count == keptCount, "\(rows) \(version)")
      let wanted = whole.records.filter { rows.contains($0.row) }
      #expect(part.records.map(\.row) == wanted.map(\.row))
      #expect(part.records.map(\.texts) == wanted.map(\.texts))
      #expect(part.records.map(\.numbers) == wanted.map(\.numbers))
      let first = Int(rows.lowerBound / 30)
      #expect(part.digests == Array(whole.digests[first..<first + part.digests.count]))
    }
  }

  private static func compare(_ records: [Record], _ file: ColumnarFile) throws {
    let expected = try #require(ExpectedColumn.tables["common"])
    let ordered = { (names: [String]) in
      file.columns.map(\.name).filter { names.contains($0) }
    }
    for (place, name) in ordered(texts).enumerated() {
      let wanted = try #require(expected.first { $0.name == name })
      #expect(records.map { $0.texts[place] } == wanted.values.map(\.text), "\(name)")
    }
    for (place, name) in ordered(numbers).enumerated() {
      let wanted = try #require(expected.first { $0.name == name })
      let found = records.map { record in
        Double(bitPattern: record.numbers[place]).isNaN ? nil : record.numbers[place]
      }
      #expect(found == wanted.values.map(\.number), "\(name)")
    }
  }

  @Test func equalValuesHaveEqualDigestsInEveryCodec() throws {
    var digests: Set<[Digest128]> = []
    for name in ["none", "snappy", "zstd", "pages-v2", "plain-encoding"] {
      let file = try ReadFixture.open(name + ".parquet")
      let table = try Self.table(file, numbers: Self.numbers, texts: Self.texts)
      let read = try Self.read(
        ReadFixture.bytes(name + ".parquet"), table,
        range: Self.range(0..<250, blockLength: 1_024, groups: 3, total: 250))
      digests.insert(read.digests)
    }
    #expect(digests.count == 1)
  }

  @Test func rowGroupsThatTheFilterRulesOutAreNotRead() throws {
    let bytes = try ReadFixture.bytes("sorted.parquet")
    let file = try ReadFixture.open("sorted.parquet")
    #expect(file.groups.map(\.rowCount) == [100, 100, 100, 50])
    for (filter, kept) in [
      ("number >= 100 and number < 200", 100..<200), ("number = 349", 300..<350),
      ("number < 5 or number > 320", 0..<350), ("day >= '1970-12-17'", 200..<350),
      ("text like 'row-1%'", 100..<200), ("number > 1000", 0..<0),
    ] {
      let table = try Self.table(
        file, numbers: ["number"], texts: ["text", "day"], filter: filter)
      for blockLength in [32, 128, 1_024] as [UInt64] {
        let read = try Self.read(
          bytes, table,
          range: Self.range(0..<350, blockLength: blockLength, groups: 4, total: 350))
        var rows = kept.map { UInt64($0) }
        if filter.hasPrefix("number < 5") { rows = Array(0..<100) + Array(300..<350) }
        #expect(read.records.map(\.row) == rows, "\(filter)")
        #expect(read.pruned.reduce(0, +) == UInt64(350 - rows.count), "\(filter)")
        for (block, pruned) in read.pruned.enumerated() {
          let all = min(350, UInt64(block + 1) * blockLength) - UInt64(block) * blockLength
          #expect(pruned + UInt64(read.records.count { $0.block == block }) == all)
        }
        #expect(read.records.allSatisfy { UInt64($0.block) * blockLength + $0.ordinal == $0.row })
      }
    }
  }

  @Test func textThatIsNoUTF8IsAnErrorRecord() throws {
    for name in ["no-utf8.parquet", "no-utf8.arrow"] {
      let bytes = try ReadFixture.bytes(name)
      let file = try ReadFixture.open(name)
      let table = try Self.table(
        file, numbers: ["number"], texts: ["text"],
        format: name.hasSuffix("arrow") ? .arrow : .parquet)
      let read = try Self.read(
        bytes, table, range: Self.range(0..<4, blockLength: 1_024, groups: 1, total: 4))
      #expect(read.records.map(\.error) == [nil, .invalidUTF8, nil, .invalidUTF8])
    }
  }

  @Test func aTileEndsBeforeItsTextIsTooLong() throws {
    let bytes = try ReadFixture.bytes("long.parquet")
    let file = try ReadFixture.open("long.parquet")
    let table = try Self.table(file, numbers: [], texts: ["text"])
    let read = try Self.read(
      bytes, table, range: Self.range(0..<8, blockLength: 1_024, groups: 1, total: 8))
    #expect(read.records.map(\.error) == [nil, nil, .recordTooLong, nil, nil, nil, nil, nil])
    #expect(
      read.records.map { $0.texts[0]?.count }
        == [3, 5_000_000, nil, 3_000_000, 2_000_000, 1, 0, nil])
  }

  @Test func anotherFileIsToldApart() throws {
    let file = try ReadFixture.open("zstd.parquet")
    let table = try Self.table(file, numbers: ["int32"], texts: [])
    for (name, rows, groups) in [
      ("no-rows.parquet", 250 as UInt64, 0), ("zstd.parquet", 251, 3), ("zstd.parquet", 250, 4),
      ("pandas.parquet", 3, 1),
    ] {
      let error = #expect(throws: TableError.self) {
        try Self.read(
          ReadFixture.bytes(name), table,
          range: Self.range(0..<rows, blockLength: 1_024, groups: groups, total: rows))
      }
      #expect(error?.code == .inputChanged, "\(name)")
    }
  }

  @Test func cutsAreAtRowGroups() {
    let groups = [10, 20, 0, 30, 5].map { count in
      ColumnarGroup(rowCount: UInt64(count), storedByteCount: UInt64(count) * 100)
    }
    #expect(
      ColumnarCuts.cuts(of: groups, shardByteCount: 3_000)
        == [(0, 0), (30, 2), (60, 4), (65, 5)].map { InputCut(offset: $0, place: $1) })
    #expect(ColumnarCuts.cuts(of: groups, shardByteCount: .max).count == 2)
    #expect(
      ColumnarCuts.cuts(of: [], shardByteCount: 1)
        == [InputCut(offset: 0, place: 0), InputCut(offset: 0, place: 0)])
  }
}
