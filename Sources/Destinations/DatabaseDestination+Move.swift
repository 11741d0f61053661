import Database
import Jobs

/// Moves a job's rows from the staging tables to where they are wanted, in one transaction.
struct PostgresMove {
  private let connection: Connection
  private let write: TableWrite
  private let staging: PostgresStaging

  init(_ connection: Connection, _ write: TableWrite, _ staging: PostgresStaging) {
    self.connection = connection
    self.write = write
    self.staging = staging
  }

  /// Moves the rows.
  ///
  /// - Returns: Records that a later one with the same key stands for.
  /// - Throws: What the server says; every row arrives, or none.
  func run() throws(DatabaseError) -> UInt64 {
    guard !write.columns.isEmpty else {
      try moveNothing()
      return 0
    }
    try makeTable()
    try moveErrors()
    let names = try SQL.quoted(write.columns.map(\.name))
    switch write.mode {
    case .append:
      try moveAll(names)
      return 0
    case .replace:
      try connection.execute("TRUNCATE TABLE \(try write.table.quoted)")
      try moveAll(names)
      return 0
    case .upsert: return try upsert(names)
    }
  }

  /// What a job without inputs comes to: it knows no columns to make a table of.
  private func moveNothing() throws(DatabaseError) {
    guard write.mode == .replace, try isThere() else { return }
    try connection.execute("TRUNCATE TABLE \(try write.table.quoted)")
  }

  private func isThere() throws(DatabaseError) -> Bool {
    try connection.execute("SELECT to_regclass($1)", [try write.table.quoted]).text(0, 0) != nil
  }

  /// Makes the table where it is not there; of one that is, nothing is changed.
  private func makeTable() throws(DatabaseError) {
    var list: [String] = []
    for column in write.columns {
      list.append(try SQL.quoted(column.name) + " " + column.type.postgresName)
    }
    if write.mode == .upsert { list.append("PRIMARY KEY (\(try SQL.quoted(write.keys)))") }
    guard try !isThere() else { return }
    try connection.execute(
      "CREATE TABLE \(try write.table.quoted) (\(list.joined(separator: ", ")))")
  }

  private func moveAll(_ names: String) throws(DatabaseError) {
    let answer = try connection.execute(
      """
      INSERT INTO \(try write.table.quoted) (\(names)) \
      SELECT \(staging.columns) FROM \(try staging.results.quoted)
      """)
    try requireCount(answer.touchedRowCount, write.counts.ok)
  }

  /// A trigger or a rule of the table may swallow rows.
  private func requireCount(_ found: UInt64, _ expected: UInt64) throws(DatabaseError) {
    guard found == expected else {
      throw DatabaseError(
        code: .conflict,
        context: "\(write.table) took \(found) rows of \(expected): a trigger or rule of the table "
          + "leaves rows out; nothing was changed")
    }
  }

  private func upsert(_ names: String) throws(DatabaseError) -> UInt64 {
    let keys = write.keys.compactMap { key in write.columns.firstIndex { $0.name == key } }
    let keyColumns = keys.map(PostgresStaging.column).joined(separator: ", ")
    let (table, source) = (try write.table.quoted, try staging.results.quoted)
    let nulls = try connection.execute(
      """
      SELECT count(*) FROM \(source) WHERE \
      \(keys.map { "\(PostgresStaging.column($0)) IS NULL" }.joined(separator: " OR "))
      """)
    guard nulls.text(0, 0) == "0" else {
      throw DatabaseError(
        code: .conflict,
        context: "\(nulls.text(0, 0) ?? "some") results have no value in the upsert key: rows "
          + "without a key would be inserted again each time")
    }
    let distinct = try connection.execute(
      "SELECT count(*) FROM (SELECT DISTINCT \(keyColumns) FROM \(source)) AS keys")
    guard let count: UInt64 = distinct.integer(0, 0) else {
      throw DatabaseError(code: .malformed, context: "a count that is none")
    }
    let others = write.columns.map(\.name).filter { !write.keys.contains($0) }
    var changes: [String] = []
    for name in others {
      changes.append("\(try SQL.quoted(name)) = EXCLUDED.\(try SQL.quoted(name))")
    }
    // With nothing else to set, a key is set to itself, so that the row is counted.
    if changes.isEmpty, let key = write.keys.first {
      changes = ["\(try SQL.quoted(key)) = EXCLUDED.\(try SQL.quoted(key))"]
    }
    try connection.execute("LOCK TABLE \(table) IN SHARE ROW EXCLUSIVE MODE")
    let answer = try connection.execute(
      """
      INSERT INTO \(table) (\(names)) SELECT \(staging.columns) FROM \
      (SELECT DISTINCT ON (\(keyColumns)) * FROM \(source) \
      ORDER BY \(keyColumns), \(PostgresStaging.ordinal) DESC) AS latest \
      ORDER BY \(PostgresStaging.ordinal) \
      ON CONFLICT (\(try SQL.quoted(write.keys))) DO UPDATE SET \(changes.joined(separator: ", "))
      """)
    try requireCount(answer.touchedRowCount, count)
    return write.counts.ok - count
  }

  /// Error records, where there are any, in the columns of their JSON.
  private func moveErrors() throws(DatabaseError) {
    guard write.counts.error > 0 else { return }
    let name = try write.errorsTable.quoted
    try connection.execute(
      """
      CREATE TABLE IF NOT EXISTS \(name) (job text NOT NULL, record_ordinal bigint NOT NULL, \
      source text, source_row bigint, source_offset bigint, code text, message text, instance text)
      """)
    let answer = try connection.execute(
      """
      INSERT INTO \(name) (job, record_ordinal, source, source_row, source_offset, code, message, \
      instance) SELECT $1, record_ordinal, line->>'source', (line->>'row')::bigint, \
      (line->>'offset')::bigint, line->'error'->>'code', line->'error'->>'message', \
      line->>'instance' FROM \(try staging.errors.quoted)
      """, ["\(write.job)"])
    try requireCount(answer.touchedRowCount, write.counts.error)
  }
}
