import GRDB
import GRDBSQLite
import Jobs

/// One row on its way into a table: binds the columns in order and sums them.
///
/// Binds through SQLite itself: a commit costs 13 values, and GRDB's boxed arguments were half of
/// its time.
struct NewRow {
  private let database: Database
  private let statement: OpaquePointer
  private var index: Int32 = 0
  private var status = SQLITE_OK
  private var sum: RowSum

  /// A row that replaces another one of the same key.
  init(_ database: Database, into table: String) throws {
    let sql = Schema.insertions[table] ?? ""
    try self.init(database, sql, table: table)
  }

  /// A statement with arguments and without a sum.
  init(_ database: Database, _ sql: String, table: String = "") throws {
    self.database = database
    statement = try database.cachedStatement(sql: sql).sqliteStatement
    sum = RowSum(table)
  }

  mutating func add(_ job: JobID) { add(Int64(bitPattern: job.rawValue)) }

  mutating func add(_ number: Int64) {
    sum.add(number)
    bind { sqlite3_bind_int64($0, $1, number) }
  }

  mutating func add(_ text: String) {
    sum.add(text)
    let byteCount = Int32(clamping: text.utf8.count)
    bind { sqlite3_bind_text($0, $1, text, byteCount, Self.copied) }
  }

  mutating func add(_ bytes: [UInt8]) {
    sum.add(bytes)
    bind { statement, index in
      bytes.withUnsafeBytes { bytes in
        // A null pointer would make it NULL instead of empty.
        guard let start = bytes.baseAddress else {
          return sqlite3_bind_zeroblob(statement, index, 0)
        }
        return sqlite3_bind_blob(statement, index, start, Int32(clamping: bytes.count), Self.copied)
      }
    }
  }

  /// Writes the row with its sum in the last column.
  mutating func insert() throws {
    let total = sum.value
    bind { sqlite3_bind_int64($0, $1, total) }
    try execute()
  }

  /// Runs the statement with what was bound.
  func execute() throws {
    let status = status == SQLITE_OK ? sqlite3_step(statement) : status
    sqlite3_reset(statement)
    guard status == SQLITE_DONE else {
      throw DatabaseError(
        resultCode: ResultCode(rawValue: status), message: String(cString: sqlite3_errstr(status)))
    }
  }

  /// SQLITE_TRANSIENT: SQLite copies the bytes during the call.
  private static var copied: sqlite3_destructor_type {
    unsafeBitCast(-1, to: sqlite3_destructor_type.self)
  }

  private mutating func bind(_ body: (OpaquePointer, Int32) -> Int32) {
    index += 1
    let status = body(statement, index)
    if self.status == SQLITE_OK { self.status = status }
  }
}
