import Database
import Digests
import Foundation
import Jobs
import Tables
import Testing

/// A planned query and what reads it.
struct QueryJob {
  let request: JobRequest
  let table: SurveyedTable
  let plan: Plan

  init(
    _ database: TestDatabase, _ query: String, key: String = "k", blockByteCount: UInt64 = 1 << 20
  ) throws {
    var input = JobRequest.InputConfig(uris: [database.server.text(database.name)])
    input.instancesFormat = .postgresql
    input.query = query
    input.splitColumn = key
    var request = JobRequest(
      displayName: "test", model: "", inputConfig: input,
      outputConfig: JobRequest.OutputConfig(uri: ""))
    request.blockByteCount = blockByteCount
    self.request = request
    table = try SurveyedTable(queryOf: request)
    plan = try Plan(inputs: table.inputs, blockByteCount: blockByteCount, allowsNone: true)
  }

  /// A reader of some blocks of a shard, all columns as text and those named as numbers.
  func reader(
    _ shard: Int, blocks: Range<Int>? = nil, numbers: Set<Int> = [], texts: Set<Int>? = nil
  ) throws -> any TileReader {
    let range = plan.range(of: ShardID(UInt32(shard)))
    let blocks = blocks ?? 0..<range.blockCount
    let texts = texts ?? Set(table.columns.indices)
    let configuration = JobConfiguration(
      request: request, columns: table.columns, types: table.types)
    let input = try InputTable(
      configuration: configuration, needs: ColumnNeeds(numbers: numbers, texts: texts))
    let lease = LeaseRange(
      path: plan.inputs[0].path, version: plan.inputs[0].version,
      begin: range.offset + UInt64(blocks.lowerBound) * range.blockLength,
      end: range.blockOffset(blocks.upperBound) ?? 0, blockLength: range.blockLength,
      blockCount: blocks.count, shardOffset: range.offset, places: range.places)
    return try input.reader(of: lease, compression: .none) { throw CancellationError() }
  }
}

/// What a reader gave for one block.
struct ReadBlock: Hashable {
  var rows: [[String?]] = []
  var keys: [UInt64] = []
  var errors: [RecordError?] = []
  var digest: Digest128?
}

extension TileReader {
  /// Reads everything; a quoted field stands between bars.
  func readAll(blockCount: Int, columnCount: Int) throws -> [ReadBlock] {
    var blocks = Array(repeating: ReadBlock(), count: blockCount)
    var tile = RecordTile()
    while try readTile(into: &tile) {
      #expect(tile.firstOrdinal == UInt64(blocks[tile.blockIndex].rows.count))
      for record in 0..<tile.count {
        let error = tile.error(of: record)
        blocks[tile.blockIndex].errors.append(error)
        blocks[tile.blockIndex].keys.append(tile.offset(of: record))
        var row: [String?] = []
        for column in 0..<columnCount where error == nil {
          let field = unsafe tile.field(record, column)
          let text = unsafe String(decoding: field.unescaped(), as: UTF8.self)
          row.append(unsafe field.isQuoted ? "|\(text)|" : text.isEmpty ? nil : text)
        }
        blocks[tile.blockIndex].rows.append(row)
      }
    }
    for block in blocks.indices { blocks[block].digest = inputDigest(ofBlock: block) }
    return blocks
  }
}

/// Queries as tiles of records.
@Suite struct TileTests {
  private static let everyType = """
    SELECT * FROM (VALUES
      (1, true, 2::int2, -3::int4, 4::int8, 5::oid, 1.5::float4, -2.25::float8, 10.50::numeric,
       'say "a", b'::text, '{"f": 2}'::jsonb, '00112233-4455-6677-8899-aabbccddeeff'::uuid,
       '\\x00ff'::bytea, '2024-02-29'::date, '1969-12-31 23:59:59.5'::timestamp,
       '2024-02-29 13:45:00.000250+01'::timestamptz),
      (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL),
      (3, false, -32768, 2147483647, 9007199254740993, 4294967295, 'NaN', '-Infinity', 'NaN', '',
       'null', '00000000-0000-0000-0000-000000000000', '', '-infinity', 'infinity', '0044-03-15 BC')
    ) AS t(k, a, b, c, d, e, f, g, h, i, j, l, m, n, o, p)
    """

  @Test func everyTypeHasItsText() throws {
    let job = try QueryJob(TestDatabase(), Self.everyType)
    #expect(
      job.table.types == [
        .integer, .boolean, .integer, .integer, .integer, .integer, .float, .number, .number,
        .text, .text, .text, .binary, .date, .timestamp, .timestamp,
      ])
    let rows = try job.reader(0).readAll(blockCount: 1, columnCount: 16)[0].rows
    #expect(
      rows[0] == [
        "1", "true", "2", "-3", "4", "5", "1.5", "-2.25", "10.50", "|say \"a\", b|",
        "|{\"f\": 2}|", "|00112233-4455-6677-8899-aabbccddeeff|", "|\\x00ff|", "|2024-02-29|",
        "|1969-12-31T23:59:59.5|", "|2024-02-29T12:45:00.00025Z|",
      ])
    #expect(rows[1] == ["2"] + [String?](repeating: nil, count: 15))
    #expect(
      rows[2] == [
        "3", "false", "-32768", "2147483647", "9007199254740993", "4294967295", "NaN", "-Infinity",
        "NaN", "||", "|null|", "|00000000-0000-0000-0000-000000000000|", "|\\x|", "|-Infinity|",
        "|Infinity|", "|-0043-03-15T00:00:00Z|",
      ])
  }

  @Test func everyTypeHasItsNumber() throws {
    let job = try QueryJob(TestDatabase(), Self.everyType)
    // Column 9 is text: it is read as a number from its text, and is none.
    let columns = [1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 9]
    let reader = try job.reader(0, numbers: Set(columns), texts: [])
    var tile = RecordTile()
    let isRead = try reader.readTile(into: &tile)
    #expect(isRead)
    var values = [[Double]](repeating: [], count: 3)
    var failures = RecordSet()
    let nulls = NullWords(CSVOptions.standardNullWords)
    for column in columns {
      var numbers = [Double](repeating: -1, count: 3)
      _ = unsafe numbers.withUnsafeMutableBufferPointer {
        unsafe tile.readNumbers(
          column: column, nullWords: nulls, into: $0, failures: &failures)
      }
      for record in 0..<3 { values[record].append(numbers[record]) }
    }
    #expect(failures.contains(0) && !failures.contains(1) && !failures.contains(2))
    #expect(
      values[0].dropLast() == [
        1, 2, -3, 4, 5, 1.5, -2.25, 10.5, 19_782, -500_000, 1_709_210_700_000_250,
      ])
    #expect(values[1].filter { !$0.isNaN } == [])
    #expect(values[2][0..<5] == [0, -32_768, 2_147_483_647, 9_007_199_254_740_992, 4_294_967_295])
    #expect(values[2][5].isNaN && values[2][6] == -.infinity && values[2][7].isNaN)
    #expect(values[2][8] == -.infinity && values[2][9] == .infinity)
    #expect(values[2][10] == -63_517_824_000_000_000)
    let hasMore = try reader.readTile(into: &tile)
    #expect(!hasMore)
    #expect(tile.count == 0)
  }

  @Test func onlyNeededColumnsAreAskedFor() throws {
    let job = try QueryJob(
      TestDatabase(), "SELECT 1 AS k, 'text' AS a, 1/(SELECT 1)::int AS b, 'more' AS c")
    let blocks = try job.reader(0, texts: [1]).readAll(blockCount: 1, columnCount: 4)
    #expect(blocks[0].rows == [[nil, "|text|", nil, nil]])
  }

  /// Some 9,000 rows with keys that leave gaps, in several shards.
  private func manyRows() throws -> QueryJob {
    let database = try TestDatabase(
      """
      CREATE TABLE t AS SELECT -5000 + g * g / 700 + g AS k, g::float8 / 3 AS a,
        CASE WHEN g % 7 = 0 THEN NULL ELSE repeat('x"y', g % 50) END AS b
      FROM generate_series(1, 9000) g ORDER BY md5(g::text)
      """)
    return try QueryJob(database, "SELECT * FROM t", blockByteCount: 4_096)
  }

  @Test func concurrentReadersEqualOne() async throws {
    let job = try manyRows()
    #expect(job.plan.shardCount > 2)
    #expect(job.plan.inputs[0].path.hasPrefix("postgresql://127.0.0.1:"))
    #expect(!job.plan.inputs[0].path.contains("secret"))
    var first: [[ReadBlock]] = []
    for shard in 0..<job.plan.shardCount {
      let count = job.plan.range(of: ShardID(UInt32(shard))).blockCount
      first.append(try job.reader(shard).readAll(blockCount: count, columnCount: 3))
    }
    let all = first.flatMap { $0 }
    #expect(all.reduce(0) { $0 + $1.rows.count } == 9_000)
    #expect(all.flatMap(\.keys) == all.flatMap(\.keys).sorted())
    #expect(Set(all.map(\.digest)).count > 10)
    // Every block on a connection of its own, four at a time, in any order.
    let parts = try await withThrowingTaskGroup(of: (Int, [ReadBlock]).self) { group in
      for shard in 0..<job.plan.shardCount {
        group.addTask {
          let count = job.plan.range(of: ShardID(UInt32(shard))).blockCount
          let middle = count / 2
          var blocks: [ReadBlock] = []
          for part in [0..<middle, middle..<count] where !part.isEmpty {
            blocks += try job.reader(shard, blocks: part).readAll(
              blockCount: part.count, columnCount: 3)
          }
          return (shard, blocks)
        }
      }
      return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
    for shard in 0..<job.plan.shardCount { #expect(parts[shard] == first[shard]) }
    _ = job.table.snapshot  // held until here
  }

  @Test func aSecondRowOfOneKeyIsRefused() throws {
    let job = try QueryJob(
      TestDatabase(), "SELECT g / 2 AS k, 'value-4711' AS v FROM generate_series(2, 9) g")
    var message = ""
    do {
      _ = try job.reader(0).readAll(blockCount: 1, columnCount: 2)
    } catch let error as TableError {
      message = error.context
    }
    #expect(message.contains("two rows have the same key") && !message.contains("4711"))
  }

  @Test func longRowsAreErrorsAndTheRestGoesOn() throws {
    let job = try QueryJob(
      TestDatabase(),
      """
      SELECT k, repeat('x', size) AS v FROM (VALUES (1, 3), (2, 17000000), (3, 4)) s(k, size)
      """)
    let block = try job.reader(0, numbers: [0]).readAll(blockCount: 1, columnCount: 2)[0]
    #expect(block.errors == [nil, .recordTooLong, nil])
    #expect(block.rows == [["1", "|xxx|"], [], ["3", "|xxxx|"]])
  }

  @Test func textThatIsNoUTF8IsAnErrorRecord() throws {
    let name = "ascii_\(UInt32.random(in: 0 ... .max))"
    let server = TestServer.shared
    try server.connect().execute(
      "CREATE DATABASE \(name) TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    var input = JobRequest.InputConfig(uris: [server.text(name)])
    input.instancesFormat = .postgresql
    input.query = "SELECT 1 AS k, E'\\xff\\xfe' AS v UNION ALL SELECT 2, 'fine'"
    input.splitColumn = "k"
    let table = try SurveyedTable(
      queryOf: JobRequest(
        displayName: "", model: "", inputConfig: input,
        outputConfig: JobRequest.OutputConfig(uri: "")))
    #expect(table.columns == ["k", "v"])
  }

  @Test func aLostSnapshotIsAChangedInput() throws {
    let job = try QueryJob(TestDatabase(), "SELECT 1 AS k")
    job.table.snapshot?.close()
    var code: TableError.Code?
    do {
      _ = try job.reader(0)
    } catch let error as TableError {
      code = error.code
      #expect(error.context.contains("submit the job again"))
    }
    #expect(code == .inputChanged)
  }

  @Test func emptyQueriesHaveNoInput() throws {
    let job = try QueryJob(TestDatabase(), "SELECT 1 AS k, 2 AS v WHERE false")
    #expect(job.table.inputs == [] && job.table.columns == ["k", "v"])
    #expect(job.plan.shardCount == 0)
  }
}
