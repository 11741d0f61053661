import Database
import Jobs

/// The job's tables in PostgreSQL between merge and publication.
///
/// Unlogged: quick to fill, and emptied by the server's recovery from a crash, so that their rows
/// are counted before they are believed. Columns are numbered, whatever the results' are called.
struct PostgresStaging {
  let write: TableWrite
  let results: TableName
  let errors: TableName

  /// The record's number among the results, or among the errors.
  static let ordinal = "record_ordinal"

  init(_ write: TableWrite) {
    self.write = write
    results = write.table.sibling("nightshift_staging_\(write.job)")
    errors = write.table.sibling("nightshift_staging_\(write.job)_errors")
  }

  static func column(_ index: Int) -> String { "c\(index)" }

  var columns: String {
    write.columns.indices.map(Self.column).joined(separator: ", ")
  }

  /// Makes the tables anew; a former try's are dropped once nobody fills them any more.
  func make(_ connection: Connection) throws(DatabaseError) {
    try remove(connection)
    let types = try columnTypes(connection)
    let list = types.enumerated().map { ", \(Self.column($0.offset)) \($0.element)" }.joined()
    try connection.execute(
      """
      CREATE UNLOGGED TABLE \(try results.quoted) (\(Self.ordinal) bigint NOT NULL\(list)) \
      WITH (autovacuum_enabled = off)
      """)
    try connection.execute(
      """
      CREATE UNLOGGED TABLE \(try errors.quoted) (\(Self.ordinal) bigint NOT NULL, line json) \
      WITH (autovacuum_enabled = off)
      """)
  }

  func remove(_ connection: Connection) throws(DatabaseError) {
    try connection.execute(
      "DROP TABLE IF EXISTS \(try results.quoted), \(try errors.quoted)")
  }

  /// The types of the table's columns where it is there, so that a value that does not fit, or is
  /// missing, is found by the COPY and never rounded by a cast; else those of the results.
  ///
  /// A trigger that sees each row before it is inserted may fill what is missing: then only the
  /// table itself can say that a value is.
  private func columnTypes(_ connection: Connection) throws(DatabaseError) -> [String] {
    let answer = try connection.execute(
      """
      SELECT attname, format_type(atttypid, atttypmod) || \
      CASE WHEN attnotnull AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = attrelid \
      AND tgtype & 7 = 7 AND tgenabled <> 'D') THEN ' NOT NULL' ELSE '' END FROM pg_attribute \
      WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
      """, [try write.table.quoted])
    guard answer.rowCount > 0 else { return write.columns.map(\.type.postgresName) }
    var types: [String: String] = [:]
    for row in 0..<answer.rowCount { types[answer.text(row, 0) ?? ""] = answer.text(row, 1) }
    var found: [String] = []
    for column in write.columns {
      guard let type = types[column.name] else {
        throw DatabaseError(
          code: .missing,
          context: "\(write.table) has no column \(SQL.printable(column.name)) of type "
            + "\(column.type.postgresName): add it, or leave it out of the results")
      }
      found.append(type)
    }
    return found
  }

  /// Holds the tables against what was merged; nobody changes them until the transaction ends.
  func requireComplete(_ connection: Connection) throws(DatabaseError) {
    for (table, count) in [(results, write.counts.ok), (errors, write.counts.error)] {
      let name = try table.quoted
      guard try connection.execute("SELECT to_regclass($1)", [name]).text(0, 0) != nil else {
        throw PostgresDestination.lostStaging("a staging table is gone")
      }
      try connection.execute("LOCK TABLE \(name) IN SHARE MODE")
      let answer = try connection.execute(
        "SELECT count(*), coalesce(max(\(Self.ordinal)), 0) FROM \(name)")
      guard let found: UInt64 = answer.integer(0, 0), let last: UInt64 = answer.integer(0, 1),
        found == count, last == count
      else {
        throw PostgresDestination.lostStaging(
          "\(answer.text(0, 0) ?? "no") rows instead of \(count)")
      }
    }
  }
}

/// Puts records into the staging tables by COPY.
struct PostgresSink: RecordSink, ~Copyable {
  private let connection: Connection
  private let write: TableWrite
  private let staging: PostgresStaging
  private var rows: [UInt8] = []
  private var rowCount: UInt64 = 0
  private var firstOrdinal: UInt64 = 1
  private(set) var failedOrdinal: UInt64?
  private var errorRows: [UInt8] = []
  private var errorCount: UInt64 = 0

  /// What is gathered before a COPY takes it, in bytes.
  private static let batchByteCount = 4 << 20

  init(_ connection: Connection, _ write: TableWrite, _ staging: PostgresStaging) {
    self.connection = connection
    self.write = write
    self.staging = staging
  }

  mutating func append(
    ordinal: UInt64, _ text: UnsafeBufferPointer<UInt8>, _ fields: [ResultField]
  ) throws(DestinationError) {
    if rowCount == 0 { firstOrdinal = ordinal }
    rows += String(ordinal).utf8
    for (column, field) in fields.enumerated() {
      rows.append(write.delimiter)
      let bytes = unsafe UnsafeBufferPointer(rebasing: text[field.range])
      if unsafe write.isNull(bytes, isQuoted: field.isQuoted, column: column) { continue }
      // With its quotes, where it has some; unquoted text never is the end mark `\.`, because a
      // number comes before it.
      if field.isQuoted { rows.append(UInt8(ascii: "\"")) }
      unsafe rows.append(contentsOf: bytes)
      if field.isQuoted { rows.append(UInt8(ascii: "\"")) }
    }
    rows.append(UInt8(ascii: "\n"))
    rowCount += 1
    if rows.count >= Self.batchByteCount { try flushRows() }
  }

  var pendingOrdinal: UInt64? { rowCount == 0 ? nil : firstOrdinal }

  mutating func append(errorLine: [UInt8], ordinal: UInt64) throws(DestinationError) {
    errorRows += String(ordinal).utf8
    errorRows += ",\"".utf8
    for byte in ErrorLine.withoutNULs(errorLine.dropLast()) {
      if byte == UInt8(ascii: "\"") { errorRows.append(byte) }
      errorRows.append(byte)
    }
    errorRows += "\"\n".utf8
    errorCount += 1
    if errorRows.count >= Self.batchByteCount { try flushErrors() }
  }

  /// Copies what is left.
  mutating func finish() throws(DestinationError) {
    try flushRows()
    try flushErrors()
  }

  private mutating func flushRows() throws(DestinationError) {
    let list = PostgresStaging.ordinal + (write.columns.isEmpty ? "" : ", " + staging.columns)
    let delimiter = SQL.literal(String(UnicodeScalar(write.delimiter)))
    do throws(DatabaseError) {
      try copy(rows, rowCount, staging.results, list, delimiter)
    } catch {
      failedOrdinal = error.copyLine.map { firstOrdinal + Self.record(ofLine: $0, in: rows) }
      throw DestinationError(named(error))
    }
    rows.removeAll(keepingCapacity: true)
    rowCount = 0
  }

  private mutating func flushErrors() throws(DestinationError) {
    do throws(DatabaseError) {
      try copy(errorRows, errorCount, staging.errors, "\(PostgresStaging.ordinal), line", " ','")
    } catch {
      throw DestinationError(named(error))
    }
    errorRows.removeAll(keepingCapacity: true)
    errorCount = 0
  }

  private func copy(
    _ text: [UInt8], _ count: UInt64, _ table: TableName, _ columns: String, _ delimiter: String
  ) throws(DatabaseError) {
    guard count > 0 else { return }
    try connection.beginCopy(
      "COPY \(try table.quoted) (\(columns)) FROM STDIN (FORMAT csv, DELIMITER\(delimiter))")
    try connection.copy(text)
    let taken = try connection.endCopy()
    guard taken == count else {
      throw DatabaseError(
        code: .other, context: "the server took \(taken) rows of \(count) in a COPY")
    }
  }

  /// Which record a line of CSV belongs to, both counted from the text's first: the server counts
  /// ends of lines in quotes too.
  ///
  /// It learns from the first record's end what ends a line, and until then counts carriage returns.
  /// Source: `CopyReadLineText` in PostgreSQL's `copyfromparse.c`.
  static func record(ofLine line: UInt64, in text: [UInt8]) -> UInt64 {
    var record: UInt64 = 0
    var lineCount: UInt64 = 0
    var isQuoted = false
    for byte in text {
      if byte == UInt8(ascii: "\"") {
        isQuoted.toggle()
      } else if isQuoted {
        if byte == UInt8(ascii: record == 0 ? "\r" : "\n") { lineCount += 1 }
      } else if byte == UInt8(ascii: "\n") {
        lineCount += 1
        // A record's error is told with the line that it ends at.
        if lineCount >= line { return record }
        record += 1
      }
    }
    return record
  }

  /// Puts the results' names in the place of the staging tables'.
  private func named(_ error: DatabaseError) -> DatabaseError {
    var context = error.context
    for (index, column) in write.columns.enumerated().reversed() {
      context = context.replacing(
        "column \"\(PostgresStaging.column(index))\"",
        with: "column \(SQL.printable(column.name))")
    }
    let hint =
      if error.code == .refused {
        "; the job needs to create tables in the schema"
      } else if error.copyLine != nil {
        "; change the column, or submit the job again without the record, such as with a filter"
      } else {
        ""
      }
    return DatabaseError(
      code: error.code, sqlState: error.sqlState, context: "\(write.table): \(context)\(hint)")
  }
}

extension ErrorLine {
  /// The line with U+FFFD for U+0000, which JSON can escape and databases cannot hold.
  static func withoutNULs(_ line: some Collection<UInt8>) -> [UInt8] {
    var text: [UInt8] = []
    var rest = Array(line)[...]
    let escape = Array("\\u0000".utf8)
    while let byte = rest.first {
      guard byte == UInt8(ascii: "\\") else {
        text.append(byte)
        rest = rest.dropFirst()
        continue
      }
      if rest.starts(with: escape) {
        text += "\\ufffd".utf8
        rest = rest.dropFirst(escape.count)
      } else {
        // The second byte may be a backslash itself.
        text += rest.prefix(2)
        rest = rest.dropFirst(2)
      }
    }
    return text
  }
}

extension ColumnType {
  /// The type of a new table's column.
  var postgresName: String {
    switch self {
    case .boolean: "boolean"
    case .integer: "bigint"
    case .number: "double precision"
    case .float: "real"
    case .text: "text"
    case .binary: "bytea"
    case .date: "date"
    case .timestamp: "timestamp with time zone"
    }
  }
}
