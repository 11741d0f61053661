import Database
import Digests
import Glibc
import Jobs
import Synchronization

/// Publishes a job's output into a table of PostgreSQL.
///
/// The merge copies the records into unlogged staging tables of the job, in one transaction. The
/// publication is another one: it moves them into the table and inserts the job's commit row, so
/// that they are there once, whoever tries again. Whether a commit whose answer was lost took
/// place is told by that row.
final class PostgresDestination: Destination {
  private let input: MergeInput
  private let write: TableWrite
  private let target: ConnectionTarget
  private let staged = Mutex<StagedTable?>(nil)
  /// Waits between tries of a publication, in seconds.
  private let pauses: [Double]

  /// How long another transaction may hold what the publication needs.
  private static let waitSeconds = 60

  /// Checks what the job asks for; asks nothing of the server yet.
  init(_ input: MergeInput, pauses: [Double] = [0.1, 0.5, 2, 5]) throws(DestinationError) {
    let target = try inDatabase { () throws(DatabaseError) in
      try ConnectionTarget(input.request.outputConfig.uri)
    }
    self.input = input
    self.target = target
    self.pauses = pauses
    write = try TableWrite(input, uriTable: target.table)
  }

  private var staging: PostgresStaging { PostgresStaging(write) }

  private var name: String { "\(target) table \(write.table)" }

  func existingPublication() throws(DestinationError) -> String? {
    try inDatabase { () throws(DatabaseError) in
      try PostgresCommits(try Connection(target), write).receipt() == nil ? nil : name
    }
  }

  /// The receipt as it was published; `nil` where the job has not published.
  func publishedReceipt() throws(DestinationError) -> String? {
    try inDatabase { () throws(DatabaseError) in
      try PostgresCommits(try Connection(target), write).receipt()
    }
  }

  func merge(
    _ next: () throws(DestinationError) -> PlacedBlocks?
  ) throws(DestinationError) -> [OutputEntry] {
    staged.withLock { $0 = nil }
    let connection = try inDatabase { () throws(DatabaseError) in try Connection(target) }
    try inDatabase { () throws(DatabaseError) in
      try connection.execute("BEGIN")
      // A former merge whose connection was lost may still be committing: its tables are not seen
      // before that, and are in the way afterwards.
      try PostgresCommits(connection, write).serialize("merge of job \(write.job)")
      try staging.make(connection)
    }
    var sink = PostgresSink(connection, write, staging)
    var merge = RecordMerge(input, write)
    while let placed = try next() { try merge.append(placed, to: &sink) }
    try merge.finishRecords(of: &sink)
    let merged = try merge.finish(write)
    try inDatabase { () throws(DatabaseError) in try connection.execute("COMMIT") }
    staged.withLock { $0 = merged }
    return merged.outputs
  }

  /// Moves the merged records into the table, or finds that it was done.
  ///
  /// - Returns: The table, for people.
  /// - Throws: `mergedIsLost` where the server lost what was merged; `database`.
  func publish() throws(DestinationError) -> String {
    let staged = staged.withLock { $0 }
    var rest = pauses[...]
    while true {
      do throws(DatabaseError) {
        try publishOnce(staged)
        return name
      } catch {
        guard error.isTransient, let pause = rest.popFirst() else {
          if let lost = Self.lost(error) { throw lost }
          throw DestinationError(error)
        }
        usleep(UInt32(pause * 1e6))
      }
    }
  }

  /// Drops the staging tables; of a job that has published there are none.
  func discard() throws(DestinationError) {
    try inDatabase { () throws(DatabaseError) in
      let connection = try Connection(target)
      try connection.execute("SET lock_timeout = '5s'")  // what stays is in nobody's way
      try connection.execute("BEGIN")
      // A merge or a publication whose connection was lost may still be committing.
      let commits = PostgresCommits(connection, write)
      try commits.serialize("job \(write.job)")
      try commits.serialize("merge of job \(write.job)")
      try staging.remove(connection)
      try connection.execute("COMMIT")
    }
  }

  /// One try on a connection of its own; an open transaction ends with it.
  private func publishOnce(_ staged: StagedTable?) throws(DatabaseError) {
    let connection = try Connection(target)
    let commits = PostgresCommits(connection, write)
    try commits.makeTable()
    try connection.execute("SET lock_timeout = '\(Self.waitSeconds)s'")
    try connection.execute("SET idle_in_transaction_session_timeout = '\(Self.waitSeconds)s'")
    try connection.execute("SET synchronize_seqscans = off")
    try connection.execute("BEGIN")
    // A former try whose connection was lost may still be committing: it holds this until it ends.
    try commits.serialize("job \(write.job)")
    guard try commits.receipt() == nil else {
      try staging.remove(connection)
      try connection.execute("COMMIT")
      return
    }
    guard let staged else { throw Self.lostStaging("nothing was merged") }
    try staging.requireComplete(connection)
    try commits.serialize("table \(write.table)")
    let supersededCount = try PostgresMove(connection, write, staging).run()
    try commits.insert(
      staged.receipt(input, write, supersededCount: supersededCount),
      digest: staged.outputs[0].sha256, supersededCount: supersededCount)
    try staging.remove(connection)
    try connection.execute("COMMIT")
  }

  /// No server gives this SQLSTATE; it marks staging tables that are not what was merged.
  private static let lostState = "NS001"

  static func lostStaging(_ reason: String) -> DatabaseError {
    DatabaseError(
      code: .other, sqlState: lostState,
      context: "what was merged is not in the database any more (\(reason)): merge again")
  }

  private static func lost(_ error: DatabaseError) -> DestinationError? {
    guard error.sqlState == lostState else { return nil }
    return DestinationError(code: .mergedIsLost, context: error.context)
  }
}

/// The rows by which jobs are known to have published.
struct PostgresCommits {
  private let connection: Connection
  private let write: TableWrite

  init(_ connection: Connection, _ write: TableWrite) {
    self.connection = connection
    self.write = write
  }

  /// The job's receipt; `nil` where it has not published.
  func receipt() throws(DatabaseError) -> String? {
    guard try exists() else { return nil }
    let answer = try connection.execute(
      "SELECT receipt FROM \(try write.commitsTable.quoted) WHERE job = $1", ["\(write.job)"])
    return answer.rowCount == 0 ? nil : answer.text(0, 0) ?? ""
  }

  private func exists() throws(DatabaseError) -> Bool {
    try connection.execute("SELECT to_regclass($1)", [try write.commitsTable.quoted]).text(0, 0)
      != nil
  }

  /// Makes the table where it is not there, in a transaction of its own.
  func makeTable() throws(DatabaseError) {
    guard try !exists() else { return }
    try connection.execute("BEGIN")
    try serialize("commits")  // two servers' catalogue rows collide in spite of IF NOT EXISTS
    try connection.execute(
      """
      CREATE TABLE IF NOT EXISTS \(try write.commitsTable.quoted) (job text PRIMARY KEY, \
      table_name text NOT NULL, write_mode text NOT NULL, read_count bigint NOT NULL, \
      ok_count bigint NOT NULL, error_count bigint NOT NULL, filtered_count bigint NOT NULL, \
      superseded_count bigint NOT NULL, digest text NOT NULL, receipt text NOT NULL, \
      committed_at timestamptz NOT NULL DEFAULT clock_timestamp())
      """)
    try connection.execute("COMMIT")
  }

  /// Waits until nobody else is at the same thing; ends with the transaction.
  func serialize(_ thing: String) throws(DatabaseError) {
    let key = Int64(bitPattern: XXH3.digest(of: Array("nightshift \(thing)".utf8)).low)
    try connection.execute("SELECT pg_advisory_xact_lock($1)", ["\(key)"])
  }

  func insert(
    _ receipt: String, digest: String, supersededCount: UInt64
  ) throws(DatabaseError) {
    let counts = write.counts
    try connection.execute(
      """
      INSERT INTO \(try write.commitsTable.quoted) (job, table_name, write_mode, read_count, \
      ok_count, error_count, filtered_count, superseded_count, digest, receipt) \
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
      """,
      [
        "\(write.job)", write.table.description, write.mode.rawValue, "\(counts.total)",
        "\(counts.ok)", "\(counts.error)", "\(counts.filtered)", "\(supersededCount)", digest,
        receipt,
      ])
  }
}
