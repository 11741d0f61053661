import Database
import Foundation
import Testing

/// Reads rows as text, by columns of any type.
struct TextRows {
  var rows: [[String?]] = []
  var keys: [Int64] = []
  var tooLong: [Bool] = []

  init(
    _ connection: Connection, _ query: Query, key: String, columns: [QueryColumn],
    keys range: ClosedRange<Int64>, byteLimit: Int = 1 << 20
  ) throws {
    let selection = RowSelection(query: query, key: key, columns: columns, byteLimit: byteLimit)
    var reader = try CopyReader(connection, selection.statement(keys: range))
    var row = BinaryRow()
    while true {
      let isRead = try unsafe reader.next { (bytes) throws(DatabaseError) -> Bool in
        unsafe try row.parse(bytes, fieldCount: selection.fieldCount)
        unsafe try append(row, bytes, columns)
        return true
      }
      if isRead == nil { return }
    }
  }

  private mutating func append(
    _ row: BinaryRow, _ bytes: UnsafeRawBufferPointer, _ columns: [QueryColumn]
  ) throws(DatabaseError) {
    func field(_ index: Int) -> UnsafeRawBufferPointer {
      unsafe UnsafeRawBufferPointer(rebasing: bytes[row.fields[index] ?? 0..<0])
    }
    keys.append(unsafe try BinaryValue.integer(field(0)))
    tooLong.append(unsafe try BinaryValue.boolean(field(1)))
    var texts: [String?] = []
    for (index, column) in columns.enumerated() {
      let isNull = row.fields[index + 2] == nil
      texts.append(isNull ? nil : unsafe try Self.text(field(index + 2), column.type))
    }
    rows.append(texts)
  }

  private static func text(
    _ bytes: UnsafeRawBufferPointer, _ type: ValueType
  ) throws(DatabaseError) -> String {
    switch type {
    case .boolean: return unsafe String(try BinaryValue.boolean(bytes))
    case .int16: return unsafe String(try BinaryValue.integer(bytes, as: Int16.self))
    case .int32, .date: return unsafe String(try BinaryValue.integer(bytes, as: Int32.self))
    case .oid: return unsafe String(try BinaryValue.integer(bytes, as: UInt32.self))
    case .int64, .timestamp, .timestampUTC:
      return unsafe String(try BinaryValue.integer(bytes, as: Int64.self))
    case .float32: return unsafe "\(try BinaryValue.float32(bytes))"
    case .float64: return unsafe "\(try BinaryValue.float64(bytes))"
    case .numeric:
      var text: [UInt8] = []
      unsafe try BinaryValue.appendNumeric(bytes, to: &text)
      return String(decoding: text, as: UTF8.self)
    case .text: return unsafe String(decoding: bytes, as: UTF8.self)
    case .jsonb: return unsafe String(decoding: try BinaryValue.jsonb(bytes), as: UTF8.self)
    case .uuid, .bytes: return unsafe bytes.map { String($0, radix: 16) }.joined(separator: " ")
    }
  }
}

/// Queries: their columns, their plans, and their rows under one snapshot.
@Suite struct QueryTests {
  private static let everyType = """
    SELECT * FROM (VALUES
      (1, true, 2::int2, -3::int4, 4::int8, 5::oid, 1.5::float4, -2.25::float8, 'a'::text,
       'b'::varchar(3), 'c'::char(3), 'd'::name, '{"e": 1}'::json, '{"f": 2}'::jsonb,
       '00112233-4455-6677-8899-aabbccddeeff'::uuid, '\\x00ff'::bytea, '2000-01-02'::date,
       '2000-01-01 00:00:01'::timestamp, '2000-01-01 00:00:01+01'::timestamptz),
      (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL),
      (3, false, (-32768)::int2, 2147483647, -9223372036854775808, 4294967295, 'NaN', '-Infinity', '',
       '"', '', 'Ω', '[]', 'null', '00000000-0000-0000-0000-000000000000', '', '-infinity',
       'infinity', '1900-01-01')
    ) AS t(k, a, b, c, d, e, f, g, h, i, j, l, m, n, o, p, q, r, s) -- a comment;
    """

  @Test func everyTypeIsReadExactly() throws {
    let database = try TestDatabase()
    let query = try Query(Self.everyType + " ;\n")
    let columns = try query.columns(database.connection)
    #expect(
      columns.map(\.type) == [
        .int32, .boolean, .int16, .int32, .int64, .oid, .float32, .float64, .text, .text, .text,
        .text, .text, .jsonb, .uuid, .bytes, .date, .timestamp, .timestampUTC,
      ])
    let read = try TextRows(
      database.connection, query, key: "k", columns: columns, keys: .min ... .max)
    #expect(read.keys == [1, 2, 3] && read.tooLong == [false, false, false])
    #expect(
      read.rows[0] == [
        "1", "true", "2", "-3", "4", "5", "1.5", "-2.25", "a", "b", "c  ", "d", "{\"e\": 1}",
        "{\"f\": 2}", "0 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff", "0 ff", "1", "1000000",
        "-3599000000",
      ])
    #expect(read.rows[1] == ["2"] + [String?](repeating: nil, count: 18))
    #expect(
      read.rows[2] == [
        "3", "false", "-32768", "2147483647", "-9223372036854775808", "4294967295", "nan", "-inf",
        "", "\"", "", "Ω", "[]", "null", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", "", "-2147483648",
        "9223372036854775807", "-3155673600000000",
      ])
  }

  @Test func numericsAreTheServersText() throws {
    var texts = [
      "0", "0.0", "-0.001", "1", "10000", "9999", "123456789012345678901234567890.123456789",
      "0.00000000000000000001", "1e100", "-1e-100", "NaN", "Infinity", "-Infinity", "100000000",
      "1.0000", "12345.6700", "99999999.99999999", "5e-5", "0.10000", "10000.0001",
    ]
    var generator = Generator(state: 3)
    for _ in 0..<200 {
      let digits = (0..<Int.random(in: 1...30, using: &generator)).map { _ in
        String(Int.random(in: 0...9, using: &generator))
      }.joined()
      texts.append("\(digits)e\(Int.random(in: -40...40, using: &generator))")
    }
    let list = texts.enumerated().map { "(\($0.offset), '\($0.element)'::numeric)" }
    let database = try TestDatabase()
    let query = try Query(
      "SELECT k, v, v::text t FROM (VALUES \(list.joined(separator: ", "))) AS s(k, v)")
    let read = try TextRows(
      database.connection, query, key: "k", columns: try query.columns(database.connection),
      keys: 0...1_000)
    #expect(read.rows.count == texts.count)
    for row in read.rows { #expect(row[1] == row[2]) }
  }

  @Test(arguments: [
    ("int4range(1, 2)", "int4range"), ("ARRAY[1]", "integer[]"), ("'1 day'::interval", "interval"),
    ("'1'::money", "money"), ("'10:00'::time", "time without time zone"),
  ])
  func otherTypesAreRefusedByName(expression: String, type: String) throws {
    let database = try TestDatabase()
    let query = try Query("SELECT 1 AS k, \(expression) AS \"odd \"\"one\"")
    let error = failure { _ = try query.columns(database.connection) }
    #expect(error?.code == .unsupported)
    #expect(error?.context.contains("odd \"one") == true)
    #expect(error?.context.contains(type) == true && error?.context.contains("cast it") == true)
  }

  @Test func impossibleQueriesAreRefused() throws {
    let database = try TestDatabase("CREATE TABLE t (k int, v text)")
    func error(_ text: String, key: String = "k") -> DatabaseError? {
      failure { _ = try Query(text).plan(key: key, database.connection) }
    }
    #expect(error(" ;; \n")?.code == .unsupported)
    #expect(error("SELECT 1 AS k, 2 AS k")?.context.contains("named apart") == false)
    #expect(error("SELECT 1 AS k, 2 AS k")?.context.contains("AS") == true)
    #expect(error("SELECT 1 AS k", key: "nothing")?.context.contains("\"k\"") == true)
    #expect(error("SELECT 'a' AS k")?.context.contains("no integer") == true)
    #expect(
      error("SELECT k FROM (VALUES (1), (NULL), (NULL)) s(k)")?.context.contains("2 rows") == true)
    #expect(error("SELECT * FROM nowhere")?.code == .missing)
    // What is no one query cannot become two statements, nor write.
    #expect(error("SELECT 1 AS k) q; DROP TABLE t; SELECT * FROM (SELECT 1")?.sqlState == "42601")
    #expect(error("SELECT 1 AS k) q LIMIT 0; DROP TABLE t --")?.sqlState == "42601")
    #expect(error("DELETE FROM t RETURNING k")?.sqlState == "42601")
    #expect(error("WITH d AS (DELETE FROM t RETURNING k) SELECT k FROM d")?.code != nil)
    #expect(try database.rows("SELECT count(*) FROM t") == [["0"]])
    let wide = error("SELECT k FROM (VALUES (\(Int64.min)), (0)) s(k)")
    #expect(wide?.context.contains("too far apart") == true)
    #expect(error("SELECT k FROM (VALUES (\(Int64.min)), (-2)) s(k)") == nil)
  }

  @Test func noRowsHaveNoRanges() throws {
    let database = try TestDatabase("CREATE TABLE t (k bigint)")
    let plan = try Query("SELECT k FROM t").plan(key: "k", database.connection)
    #expect(plan.rowCount == 0 && plan.cuts == [])
  }

  /// Ranges hold together, begin at the least key and end past the greatest, and are even.
  @Test(arguments: [
    // Even, all in one tiny range but two outliers, powers of two, squares, and both ends.
    "SELECT g::bigint AS k FROM generate_series(1, 20000) g",
    """
    SELECT g AS k FROM generate_series(5000000001, 5000019998) g
    UNION ALL VALUES (-4000000000000000000), (5000000000000000000)
    """,
    "SELECT DISTINCT (2::numeric ^ (g / 330))::bigint + g % 330 AS k FROM generate_series(0, 19999) g",
    "SELECT g::bigint * g AS k FROM generate_series(-1, 19998) g WHERE g <> 1",
    "SELECT (g % 2) * 9000000000000000000 + g AS k FROM generate_series(1, 20000) g",
  ])
  func skewedKeysGiveEvenRanges(keys: String) throws {
    let database = try TestDatabase()
    let query = try Query("SELECT k, repeat('x', 100) AS v FROM (\(keys)) s")
    var aim = QueryPlan.Aim()
    aim.rangeByteCount = 100_000
    let connection = database.connection
    try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    let plan = try query.plan(key: "k", connection, aim: aim)
    #expect(plan == (try query.plan(key: "k", connection, aim: aim)))
    let sorted = try connection.execute("SELECT DISTINCT k FROM (\(keys)) s ORDER BY k")
    let rowCount = UInt64(sorted.rowCount)
    #expect(plan.rowCount == rowCount && rowCount > 17_000)
    #expect(plan.byteCount == rowCount * (2 + 4 + 8 + 4 + 100))
    #expect(plan.cuts.first == QueryPlan.Cut(offset: 0, firstRow: 0))
    let reach = UInt64(bitPattern: plan.greatest &- plan.least) + 1
    #expect(plan.cuts.last == QueryPlan.Cut(offset: reach, firstRow: rowCount))
    for (cut, next) in zip(plan.cuts, plan.cuts.dropFirst()) {
      #expect(cut.offset < next.offset)
      #expect((next.firstRow - cut.firstRow) * 118 <= 100_000)
      // The row count before a cut is the place of its key.
      guard let key: Int64 = sorted.integer(Int(cut.firstRow), 0) else { throw CancellationError() }
      #expect(UInt64(bitPattern: key &- plan.least) >= cut.offset)
      if cut.firstRow > 0 {
        guard let before: Int64 = sorted.integer(Int(cut.firstRow) - 1, 0) else {
          throw CancellationError()
        }
        #expect(UInt64(bitPattern: before &- plan.least) < cut.offset)
      }
    }
    #expect(plan.cuts.count < 60, "\(plan.cuts.count) ranges")
    #expect(plan.cuts.count > 20)
  }

  @Test func aRangeIsAtLeastSoLargeThatThereAreNotTooMany() throws {
    let database = try TestDatabase()
    var aim = QueryPlan.Aim()
    aim.rangeByteCount = 1
    aim.rangeCountLimit = 10
    let query = try Query("SELECT g AS k FROM generate_series(1, 5000) g")
    let plan = try query.plan(key: "k", database.connection, aim: aim)
    #expect(plan.cuts.count <= 11 && plan.cuts.count > 3)
  }

  @Test func largeValuesStayOnTheServer() throws {
    let database = try TestDatabase()
    let query = try Query(
      """
      SELECT k, repeat('x', size) AS a, repeat('y', size)::bytea AS b, k AS c
      FROM (VALUES (1, 10), (2, 499), (3, 501), (4, 2000), (5, 1)) s(k, size)
      """)
    let columns = try query.columns(database.connection)
    let read = try TextRows(
      database.connection, query, key: "k", columns: columns, keys: 1...5, byteLimit: 1_000)
    #expect(read.tooLong == [false, false, true, true, false])
    #expect(read.rows.map { $0[1] == nil } == [false, false, false, true, false])
    #expect(read.rows.map { $0[3] } == ["1", "2", "3", "4", "5"])
  }

  @Test func allReadersSeeTheSnapshot() async throws {
    let database = try TestDatabase(
      "CREATE TABLE t (k int PRIMARY KEY, v text)",
      "INSERT INTO t SELECT g, 'before ' || g FROM generate_series(1, 4000) g")
    let target = try database.target
    let holder = try SnapshotHolder(target)
    let query = try Query("SELECT * FROM t")
    let plan = try holder.withConnection { (connection) throws(DatabaseError) in
      try query.plan(key: "k", connection)
    }
    let reading = try target.reading(query, plan, snapshot: holder.name)
    let expected = try reading(1...4_000)
    #expect(expected.count == 4_000 && expected[0][1] == "before 1")
    // Others insert and delete while four readers read parts.
    let server = database.server
    let name = database.name
    async let writer: Void = {
      let connection = try server.connect(name)
      for step in 1...40 {
        try connection.execute("DELETE FROM t WHERE k % 40 = \(step % 40)")
        try connection.execute("INSERT INTO t VALUES (\(10_000 + step), 'late')")
        try connection.execute("UPDATE t SET v = 'after' WHERE k % 41 = \(step)")
      }
    }()
    let parts = try await withThrowingTaskGroup(of: (Int, [[String?]]).self) { group in
      for part in 0..<4 {
        group.addTask {
          let first = Int64(part) * 1_000 + 1
          return (part, try reading(first...first + 999))
        }
      }
      return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
    try await writer
    #expect((0..<4).flatMap { parts[$0] ?? [] } == expected)
    #expect(try reading(1...4_000) == expected)
    #expect(try database.rows("SELECT count(*) < 4000 FROM t WHERE v LIKE 'before%'") == [["t"]])
    try holder.check()
    holder.close()
    #expect(failure { _ = try reading(1...2) }?.code == .snapshotLost)
  }

  @Test func aLostSnapshotChangesTheInput() throws {
    let database = try TestDatabase("CREATE TABLE t (k int)", "INSERT INTO t VALUES (1)")
    let holder = try SnapshotHolder(database.target)
    try holder.check()
    try database.connection.execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(database.name)' "
        + "AND pid <> pg_backend_pid()")
    usleep(100_000)
    let loss = failure { try holder.check() }
    #expect(loss?.code == .snapshotLost)
    #expect(loss?.context.contains("submit the job again") == true)
    #expect(failure { try holder.check() }?.code == .snapshotLost)
    let reader = try database.server.connect(database.name)
    #expect(failure { try reader.join(snapshot: holder.name) }?.code == .snapshotLost)
    #expect(failure { try reader.join(snapshot: "x'; DROP TABLE t; --") }?.code == .invalidTarget)
  }
}

extension ConnectionTarget {
  /// A function that reads rows of a plan in a snapshot, on a connection of its own.
  func reading(
    _ query: Query, _ plan: QueryPlan, snapshot: String
  ) throws -> @Sendable (ClosedRange<Int64>) throws -> [[String?]] {
    { keys in
      let connection = try Connection(self)
      try connection.join(snapshot: snapshot)
      return try TextRows(connection, query, key: "k", columns: plan.columns, keys: keys).rows
    }
  }
}
