import Database
import Jobs
import Synchronization
import Tables

/// Publishes a job's output into a table of a SQLite file.
///
/// The merge fills tables of its connection alone, which leave nothing behind when it ends; one
/// transaction then moves their rows into the table and inserts the job's commit row. The file's
/// journal mode stays as it is.
final class SQLiteDestination: Destination {
  private let input: MergeInput
  private let write: TableWrite
  private let target: SQLiteTarget
  private let staged = Mutex<Staged?>(nil)

  /// What was merged, and the connection that has it.
  ///
  /// Sendable because it is only reached through the mutex, which one thread holds while it uses
  /// the connection.
  private struct Staged: @unchecked Sendable {
    let connection: SQLiteConnection
    let table: StagedTable
  }

  init(_ input: MergeInput) throws(DestinationError) {
    let target = try inDatabase { () throws(DatabaseError) in
      try SQLiteTarget(input.request.outputConfig.uri)
    }
    self.input = input
    self.target = target
    write = try TableWrite(input, uriTable: target.table)
    guard write.table.schema == nil, write.errorsTable.schema == nil else {
      throw DestinationError(
        code: .inconsistent, context: "\(write.table): a SQLite file has tables without a schema")
    }
  }

  private var name: String { "\(target) table \(write.table)" }

  func existingPublication() throws(DestinationError) -> String? {
    try publishedReceipt() == nil ? nil : name
  }

  /// The receipt as it was published; `nil` where the job has not published.
  func publishedReceipt() throws(DestinationError) -> String? {
    try inDatabase { () throws(DatabaseError) in
      try SQLiteMove(try SQLiteConnection(path: target.path), write).receipt()
    }
  }

  func merge(
    _ next: () throws(DestinationError) -> PlacedBlocks?
  ) throws(DestinationError) -> [OutputEntry] {
    staged.withLock { $0 = nil }
    let connection = try inDatabase { () throws(DatabaseError) in
      try SQLiteConnection(path: target.path)
    }
    var sink = try SQLiteSink(connection, write)
    var merge = RecordMerge(input, write)
    while let placed = try next() { try merge.append(placed, to: &sink) }
    try merge.finishRecords(of: &sink)
    let merged = try merge.finish(write)
    let held = Staged(connection: connection, table: merged)
    staged.withLock { $0 = held }
    return merged.outputs
  }

  /// Moves the merged records into the table, or finds that it was done.
  ///
  /// - Returns: The table, for people.
  /// - Throws: `mergedIsLost` where nothing was merged by this value; `database`, `diskFull`.
  func publish() throws(DestinationError) -> String {
    if try existingPublication() != nil { return name }
    return try staged.withLock { (held) throws(DestinationError) in
      guard let staged = held else {
        throw DestinationError(code: .mergedIsLost, context: "\(name): merge before publishing")
      }
      try inDatabase { () throws(DatabaseError) in
        try SQLiteMove(staged.connection, write).run { supersededCount in
          staged.table.receipt(input, write, supersededCount: supersededCount)
        }
      }
      held = nil
      return name
    }
  }
}

/// Puts records into temporary tables.
struct SQLiteSink: RecordSink, ~Copyable {
  private let write: TableWrite
  private let connection: SQLiteConnection
  private let row: SQLiteStatement
  private let errorRow: SQLiteStatement
  private var unescaped = TextBuffer(capacity: 1_024)
  private(set) var failedOrdinal: UInt64?
  let pendingOrdinal: UInt64? = nil

  init(_ connection: SQLiteConnection, _ write: TableWrite) throws(DestinationError) {
    self.write = write
    self.connection = connection
    let statements = try inDatabase { () throws(DatabaseError) in
      let columns = write.columns.indices.map { ", \(PostgresStaging.column($0))" }.joined()
      let marks = write.columns.map { _ in ", ?" }.joined()
      try connection.execute(
        "CREATE TEMP TABLE staging (\(PostgresStaging.ordinal) INTEGER PRIMARY KEY\(columns))")
      try connection.execute(
        "CREATE TEMP TABLE staging_errors (\(PostgresStaging.ordinal) INTEGER PRIMARY KEY, line)")
      try connection.execute("BEGIN")
      return [
        try SQLiteStatement(connection, "INSERT INTO temp.staging VALUES (?\(marks))"),
        try SQLiteStatement(connection, "INSERT INTO temp.staging_errors VALUES (?, ?)"),
      ]
    }
    row = statements[0]
    errorRow = statements[1]
  }

  mutating func append(
    ordinal: UInt64, _ text: UnsafeBufferPointer<UInt8>, _ fields: [ResultField]
  ) throws(DestinationError) {
    row.bind(0, Int64(ordinal))
    for (column, field) in fields.enumerated() {
      let bytes = unsafe UnsafeBufferPointer(rebasing: text[field.range])
      if unsafe write.isNull(bytes, isQuoted: field.isQuoted, column: column) {
        row.bindNull(column + 1)
        continue
      }
      var isBound = false
      let failure = catching { () throws(DatabaseError) in
        isBound = unsafe try bind(column, bytes, hasDoubledQuotes: field.hasDoubledQuotes)
      }
      if let failure { throw DestinationError(failure) }
      guard isBound else {
        failedOrdinal = ordinal
        throw DestinationError(
          code: .database,
          context: "\(write.table): the value of column "
            + "\(SQL.printable(write.columns[column].name)) is no "
            + write.columns[column].type.rawValue)
      }
    }
    try inDatabase { () throws(DatabaseError) in try row.run() }
  }

  /// Binds a value as its column's type.
  ///
  /// - Returns: Whether it is of that type.
  private mutating func bind(
    _ column: Int, _ text: UnsafeBufferPointer<UInt8>, hasDoubledQuotes: Bool
  ) throws(DatabaseError) -> Bool {
    let place = column + 1
    switch write.columns[column].type {
    case .boolean:
      let word = unsafe String(decoding: text, as: UTF8.self).lowercased()
      guard ["true", "false", "1", "0"].contains(word) else { return false }
      row.bind(place, word == "true" || word == "1" ? 1 : 0 as Int64)
    case .integer:
      let digits = unsafe String(decoding: text, as: UTF8.self).filter { $0 != " " && $0 != "\t" }
      guard let value = Int64(digits) else { return false }
      row.bind(place, value)
    case .number, .float:
      guard let value = number(of: unsafe Array(text)) else { return false }
      row.bind(place, value)
    case .text, .date, .timestamp, .binary:
      guard hasDoubledQuotes else {
        unsafe try row.bind(place, text: UnsafeRawBufferPointer(text))
        return true
      }
      var single: [UInt8] = []
      var isSecond = false
      for byte in unsafe Array(text) {
        isSecond = byte == UInt8(ascii: "\"") && !isSecond
        if !isSecond { single.append(byte) }
      }
      try row.bind(place, text: String(decoding: single, as: UTF8.self))
    }
    return true
  }

  mutating func append(errorLine: [UInt8], ordinal: UInt64) throws(DestinationError) {
    errorRow.bind(0, Int64(ordinal))
    try inDatabase { () throws(DatabaseError) in
      try errorRow.bind(
        1, text: String(decoding: ErrorLine.withoutNULs(errorLine.dropLast()), as: UTF8.self))
      try errorRow.run()
    }
  }

  /// Ends the filling.
  mutating func finish() throws(DestinationError) {
    try inDatabase { () throws(DatabaseError) in _ = try connection.execute("COMMIT") }
  }
}

/// What a call fails with, as a value.
private func catching(_ body: () throws(DatabaseError) -> Void) -> DatabaseError? {
  do throws(DatabaseError) {
    try body()
    return nil
  } catch {
    return error
  }
}
