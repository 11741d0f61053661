import Database
import Jobs

/// Moves a job's rows from its temporary tables into a SQLite file, in one transaction.
struct SQLiteMove {
  private let connection: SQLiteConnection
  private let write: TableWrite

  init(_ connection: SQLiteConnection, _ write: TableWrite) {
    self.connection = connection
    self.write = write
  }

  /// The job's receipt; `nil` where it has not published.
  func receipt() throws(DatabaseError) -> String? {
    let tables = try connection.execute(
      "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?",
      [write.commitsTable.name])
    guard !tables.isEmpty else { return nil }
    let rows = try connection.execute(
      "SELECT receipt FROM main.\(try write.commitsTable.quoted) WHERE job = ?", ["\(write.job)"])
    return rows.first.map { $0[0] ?? "" }
  }

  /// Moves the rows, unless the job has published.
  ///
  /// - Parameter receipt: Makes the receipt's text from how many records a later one with the same
  ///   key stands for.
  /// - Throws: What the database says; every row arrives, or none.
  func run(_ receipt: (UInt64) -> String) throws(DatabaseError) {
    try connection.execute("BEGIN IMMEDIATE")  // waits for other writers here, not in the middle
    do throws(DatabaseError) {
      if try self.receipt() == nil {
        let supersededCount = try moveAll()
        try insertCommit(receipt(supersededCount), supersededCount)
      }
      try connection.execute("COMMIT")
    } catch {
      // The commit may be what failed, and then the transaction may have ended already.
      _ = try? connection.execute("ROLLBACK")
      throw error
    }
  }

  private func moveAll() throws(DatabaseError) -> UInt64 {
    try makeTables()
    guard !write.columns.isEmpty else {
      try moveNothing()
      return 0
    }
    try moveErrors()
    let names = try SQL.quoted(write.columns.map(\.name))
    let columns = write.columns.indices.map(PostgresStaging.column).joined(separator: ", ")
    let table = "main.\(try write.table.quoted)"
    if write.mode == .upsert { return try upsert(table, names, columns) }
    if write.mode == .replace { try connection.execute("DELETE FROM \(table)") }
    try connection.execute(
      """
      INSERT INTO \(table) (\(names)) SELECT \(columns) FROM temp.staging \
      ORDER BY \(PostgresStaging.ordinal)
      """)
    try requireCount(connection.touchedRowCount, write.counts.ok)
    return 0
  }

  /// What a job without inputs comes to: it knows no columns to make a table of.
  private func moveNothing() throws(DatabaseError) {
    let tables = try connection.execute(
      "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE",
      [write.table.name])
    guard write.mode == .replace, !tables.isEmpty else { return }
    try connection.execute("DELETE FROM main.\(try write.table.quoted)")
  }

  private func makeTables() throws(DatabaseError) {
    try makeCommitsTable()
    guard !write.columns.isEmpty else { return }
    var list: [String] = []
    for column in write.columns {
      list.append(try SQL.quoted(column.name) + " " + column.type.sqliteName)
    }
    if write.mode == .upsert { list.append("PRIMARY KEY (\(try SQL.quoted(write.keys)))") }
    try connection.execute(
      "CREATE TABLE IF NOT EXISTS main.\(try write.table.quoted) (\(list.joined(separator: ", ")))")
  }

  private func makeCommitsTable() throws(DatabaseError) {
    try connection.execute(
      """
      CREATE TABLE IF NOT EXISTS main.\(try write.commitsTable.quoted) (job TEXT PRIMARY KEY, \
      table_name TEXT NOT NULL, write_mode TEXT NOT NULL, read_count INTEGER NOT NULL, \
      ok_count INTEGER NOT NULL, error_count INTEGER NOT NULL, filtered_count INTEGER NOT NULL, \
      superseded_count INTEGER NOT NULL, receipt TEXT NOT NULL, \
      committed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))
      """)
  }

  private func upsert(
    _ table: String, _ names: String, _ columns: String
  ) throws(DatabaseError) -> UInt64 {
    let keys = write.keys.compactMap { key in write.columns.firstIndex { $0.name == key } }
      .map(PostgresStaging.column)
    let isNull = keys.map { "\($0) IS NULL" }.joined(separator: " OR ")
    let nulls = try connection.execute("SELECT count(*) FROM temp.staging WHERE \(isNull)")
    guard nulls == [["0"]] else {
      throw DatabaseError(
        code: .conflict,
        context: "\(nulls[0][0] ?? "some") results have no value in the upsert key: rows without a "
          + "key would be inserted again each time")
    }
    var changes: [String] = []
    for column in write.columns
    where !write.keys.contains(column.name) || keys.count == write.columns.count {
      let name = try SQL.quoted(column.name)
      changes.append("\(name) = excluded.\(name)")
    }
    let keyList = keys.joined(separator: ", ")
    try connection.execute(
      """
      INSERT INTO \(table) (\(names)) SELECT \(columns) FROM temp.staging \
      WHERE \(PostgresStaging.ordinal) IN \
      (SELECT max(\(PostgresStaging.ordinal)) FROM temp.staging GROUP BY \(keyList)) \
      ORDER BY \(PostgresStaging.ordinal) \
      ON CONFLICT (\(try SQL.quoted(write.keys))) DO UPDATE SET \(changes.joined(separator: ", "))
      """)
    let touchedCount = connection.touchedRowCount
    let distinct = try connection.execute(
      "SELECT count(*) FROM (SELECT DISTINCT \(keyList) FROM temp.staging)")
    try requireCount(touchedCount, distinct[0][0].flatMap { UInt64($0) } ?? 0)
    return write.counts.ok - touchedCount
  }

  private func moveErrors() throws(DatabaseError) {
    guard write.counts.error > 0 else { return }
    let name = "main.\(try write.errorsTable.quoted)"
    try connection.execute(
      """
      CREATE TABLE IF NOT EXISTS \(name) (job TEXT NOT NULL, record_ordinal INTEGER NOT NULL, \
      source TEXT, source_row INTEGER, source_offset INTEGER, code TEXT, message TEXT, \
      instance TEXT)
      """)
    try connection.execute(
      """
      INSERT INTO \(name) SELECT ?, record_ordinal, json_extract(line, '$.source'), \
      json_extract(line, '$.row'), json_extract(line, '$.offset'), \
      json_extract(line, '$.error.code'), json_extract(line, '$.error.message'), \
      json_extract(line, '$.instance') FROM temp.staging_errors ORDER BY record_ordinal
      """, ["\(write.job)"])
    try requireCount(connection.touchedRowCount, write.counts.error)
  }

  private func insertCommit(
    _ receipt: String, _ supersededCount: UInt64
  ) throws(DatabaseError) {
    let counts = write.counts
    try connection.execute(
      """
      INSERT INTO main.\(try write.commitsTable.quoted) (job, table_name, write_mode, read_count, \
      ok_count, error_count, filtered_count, superseded_count, receipt) \
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      """,
      [
        "\(write.job)", write.table.description, write.mode.rawValue, "\(counts.total)",
        "\(counts.ok)", "\(counts.error)", "\(counts.filtered)", "\(supersededCount)", receipt,
      ])
  }

  /// A trigger of the table may swallow rows.
  private func requireCount(_ found: UInt64, _ expected: UInt64) throws(DatabaseError) {
    guard found == expected else {
      throw DatabaseError(
        code: .conflict,
        context: "\(write.table) took \(found) rows of \(expected); nothing was changed")
    }
  }
}

extension ColumnType {
  /// The type of a new table's column.
  fileprivate var sqliteName: String {
    switch self {
    case .boolean, .integer: "INTEGER"
    case .number, .float: "REAL"
    case .text, .binary, .date, .timestamp: "TEXT"
    }
  }
}
