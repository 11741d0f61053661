import CSQLite3

/// One connection to a SQLite file, for one thread at a time.
@safe package final class SQLiteConnection {
  let raw: OpaquePointer
  /// Path of the file, for messages.
  package let path: String

  /// Opens or makes a database file.
  ///
  /// Leaves the file's journal mode as it is; a commit is on the disk before it is answered.
  ///
  /// - Parameters:
  ///   - path: Of the file; its folder has to be there.
  ///   - patience: How long to wait for another process's transaction.
  /// - Throws: `refused`, `missing`, `malformed` for a file that is no database, `other`.
  package init(path: String, patience: Duration = .seconds(30)) throws(DatabaseError) {
    var opened: OpaquePointer?
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX
    let status = unsafe sqlite3_open_v2(path, &opened, flags, nil)
    guard let raw = unsafe opened else {
      throw DatabaseError(code: .other, context: "\(path): no memory to open it")
    }
    guard status == SQLITE_OK else {
      let error = unsafe Self.error(raw, status, "\(path): cannot be opened")
      _ = unsafe sqlite3_close_v2(raw)
      throw error
    }
    unsafe self.raw = raw
    self.path = path
    _ = unsafe sqlite3_extended_result_codes(raw, 1)
    let milliseconds = Int32(clamping: patience.components.seconds * 1_000)
    _ = unsafe sqlite3_busy_timeout(raw, milliseconds)
    try execute("PRAGMA synchronous = FULL")
    try execute("PRAGMA temp_store = FILE")
    try execute("PRAGMA trusted_schema = OFF")
  }

  // Statements are freed before: each holds its connection.
  deinit { _ = unsafe sqlite3_close_v2(raw) }

  /// Runs one statement to its end.
  ///
  /// - Parameters:
  ///   - sql: The statement.
  ///   - values: For its `?`, text or NULL.
  /// - Returns: The rows as text.
  /// - Throws: What the database says.
  @discardableResult
  package func execute(
    _ sql: String, _ values: [String?] = []
  ) throws(DatabaseError) -> [[String?]] {
    let statement = try SQLiteStatement(self, sql)
    for (index, value) in values.enumerated() {
      if let value { try statement.bind(index, text: value) } else { statement.bindNull(index) }
    }
    var rows: [[String?]] = []
    while try statement.step() { rows.append(statement.texts) }
    return rows
  }

  /// Rows that the last statement touched.
  package var touchedRowCount: UInt64 { UInt64(clamping: unsafe sqlite3_changes64(raw)) }

  func error(_ status: Int32, _ words: String) -> DatabaseError {
    unsafe Self.error(raw, status, "\(path): \(words)")
  }

  /// A result code as this module's error; SQLite's own words hold names, and no values.
  private static func error(
    _ raw: OpaquePointer, _ status: Int32, _ words: String
  ) -> DatabaseError {
    let text = unsafe String(cString: sqlite3_errmsg(raw))
    let code: DatabaseError.Code =
      switch status & 0xFF {
      case SQLITE_BUSY, SQLITE_LOCKED: .timedOut
      case SQLITE_FULL: .diskFull
      case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: .refused
      case SQLITE_CANTOPEN: .missing
      case SQLITE_CONSTRAINT:
        // A strict table's column refuses a type: SQLITE_CONSTRAINT_DATATYPE, no plain macro.
        status == SQLITE_CONSTRAINT | 12 << 8 ? .wrongValue : .conflict
      case SQLITE_MISMATCH, SQLITE_TOOBIG: .wrongValue
      case SQLITE_NOTADB, SQLITE_CORRUPT: .malformed
      case SQLITE_ERROR where text.hasPrefix("no such"): .missing
      default: .other
      }
    return DatabaseError(code: code, context: "\(words): \(text) (SQLite \(status))")
  }
}

/// One prepared statement.
@safe package final class SQLiteStatement {
  private let raw: OpaquePointer
  private let connection: SQLiteConnection

  /// Prepares a text of exactly one statement.
  ///
  /// - Throws: What the database has against it; `unsupported` where something follows it.
  package init(_ connection: SQLiteConnection, _ sql: String) throws(DatabaseError) {
    self.connection = connection
    guard !sql.utf8.contains(0) else {
      throw DatabaseError(code: .unsupported, context: "\(connection.path): a NUL in a statement")
    }
    var prepared: OpaquePointer?
    var restByteCount = 0
    let status = unsafe sql.withCString { text -> Int32 in
      var tail: UnsafePointer<CChar>?
      let status = unsafe sqlite3_prepare_v2(connection.raw, text, -1, &prepared, &tail)
      if let tail = unsafe tail { restByteCount = unsafe String(cString: tail).utf8.count }
      return status
    }
    guard status == SQLITE_OK, let raw = unsafe prepared else {
      throw connection.error(status, "statement")
    }
    unsafe self.raw = raw
    guard restByteCount == 0 else {
      throw DatabaseError(
        code: .unsupported, context: "\(connection.path): more than one statement in a text")
    }
  }

  deinit { _ = unsafe sqlite3_finalize(raw) }

  /// Goes to the next row.
  ///
  /// - Returns: Whether there is one.
  /// - Throws: What the database says.
  package func step() throws(DatabaseError) -> Bool {
    switch unsafe sqlite3_step(raw) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    case let status: throw connection.error(status, "statement")
    }
  }

  /// Runs a statement without rows and makes it ready to be run again.
  package func run() throws(DatabaseError) {
    defer { _ = unsafe sqlite3_reset(raw) }  // its status is that of the step
    _ = try step()
  }

  /// Values of the row as text, `nil` for NULL.
  var texts: [String?] {
    let count = unsafe sqlite3_column_count(raw)
    return (0..<count).map { column in
      unsafe sqlite3_column_text(raw, column).map { unsafe String(cString: $0) }
    }
  }

  // MARK: Values, counted from 0

  package func bindNull(_ index: Int) { _ = unsafe sqlite3_bind_null(raw, Int32(index) + 1) }

  package func bind(_ index: Int, _ value: Int64) {
    _ = unsafe sqlite3_bind_int64(raw, Int32(index) + 1, value)
  }

  package func bind(_ index: Int, _ value: Double) {
    _ = unsafe sqlite3_bind_double(raw, Int32(index) + 1, value)
  }

  /// Binds UTF-8.
  package func bind(_ index: Int, text: UnsafeRawBufferPointer) throws(DatabaseError) {
    let start = unsafe text.assumingMemoryBound(to: CChar.self).baseAddress
    let status = unsafe sqlite3_bind_text64(
      raw, Int32(index) + 1, start ?? noBytes, UInt64(text.count), ns_sqlite_transient(),
      UInt8(SQLITE_UTF8))
    guard status == SQLITE_OK else { throw connection.error(status, "a value") }
  }

  /// Binds text.
  package func bind(_ index: Int, text: String) throws(DatabaseError) {
    let bytes = Array(text.utf8)
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { unsafe copy.deallocate() }
    unsafe copy.copyBytes(from: bytes)
    unsafe try bind(index, text: UnsafeRawBufferPointer(copy))
  }

  /// Binds bytes.
  package func bind(_ index: Int, bytes: UnsafeRawBufferPointer) throws(DatabaseError) {
    let status = unsafe sqlite3_bind_blob64(
      raw, Int32(index) + 1, bytes.baseAddress ?? UnsafeRawPointer(noBytes),
      UInt64(bytes.count), ns_sqlite_transient())
    guard status == SQLITE_OK else { throw connection.error(status, "a value") }
  }

  /// An address for values of no bytes: a null pointer would bind NULL.
  private var noBytes: UnsafePointer<CChar> {
    unsafe UnsafeRawPointer(Self.empty.utf8Start).assumingMemoryBound(to: CChar.self)
  }

  private static let empty: StaticString = ""
}
