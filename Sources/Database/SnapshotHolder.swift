import Synchronization

/// Keeps the view of the database that all readers of a job share.
///
/// The transaction that exported a snapshot has to stay open, on a connection of its own, until
/// the last reader has begun: when it ends, for whatever reason, nobody can read the same rows
/// again.
package final class SnapshotHolder: Sendable {
  /// Names the snapshot to readers.
  package let name: String
  private let connection: Mutex<Connection?>

  /// What a lost snapshot means for its job.
  package static let lossSentence =
    "the input changed: the snapshot of the database that all readers share is gone, so that the "
    + "rest of the rows cannot be read as they were; submit the job again to start over"

  /// Connects and exports a snapshot.
  ///
  /// - Parameters:
  ///   - target: The database.
  ///   - patience: How long to wait.
  /// - Throws: What the server says.
  package init(
    _ target: ConnectionTarget, patience: ConnectionPatience = ConnectionPatience()
  ) throws(DatabaseError) {
    let connection = try Connection(target, patience: patience)
    try connection.execute("SET idle_in_transaction_session_timeout = 0")
    try connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    let answer = try connection.execute("SELECT pg_export_snapshot()")
    guard let name = answer.text(0, 0), Self.isName(name) else {
      throw DatabaseError(code: .malformed, context: "\(target): a snapshot without a name")
    }
    self.name = name
    self.connection = Mutex(connection)
  }

  /// Asks whether the snapshot is still there, which also keeps the connection in use.
  ///
  /// - Throws: `snapshotLost`, now and ever after.
  package func check() throws(DatabaseError) {
    try connection.withLock { (held) throws(DatabaseError) in
      guard let connection = held else { throw Self.lost("it was given up before") }
      do throws(DatabaseError) {
        try connection.execute("SELECT 1")
      } catch {
        held = nil
        throw Self.lost(error.context)
      }
    }
  }

  /// Plans the query in the snapshot.
  ///
  /// - Throws: `snapshotLost`, or what planning throws; the snapshot is then gone as well.
  package func withConnection<Result>(
    _ body: (Connection) throws(DatabaseError) -> sending Result
  ) throws(DatabaseError) -> sending Result {
    try connection.withLock { (held) throws(DatabaseError) in
      guard let connection = held else { throw Self.lost("it was given up before") }
      do throws(DatabaseError) {
        return try body(connection)
      } catch {
        held = nil  // a failed statement ends the transaction
        throw error
      }
    }
  }

  /// Gives the snapshot up: no reader needs it any more.
  package func close() { connection.withLock { $0 = nil } }

  static func lost(_ reason: String) -> DatabaseError {
    DatabaseError(code: .snapshotLost, context: "\(lossSentence) (\(reason))")
  }

  /// What may be put between quotes in a statement.
  static func isName(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 100
      && text.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
          || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "-")
      }
  }
}

extension Connection {
  /// Begins to read what the holder of a snapshot sees.
  ///
  /// - Parameter name: `SnapshotHolder.name`.
  /// - Throws: `snapshotLost` where it is gone.
  package func join(snapshot name: String) throws(DatabaseError) {
    guard SnapshotHolder.isName(name) else {
      throw DatabaseError(code: .invalidTarget, context: "a snapshot with an impossible name")
    }
    try execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    do throws(DatabaseError) {
      try execute("SET TRANSACTION SNAPSHOT '\(name)'")
    } catch {
      switch error.sqlState {
      // No such snapshot, no such source transaction, or it belongs to a server that crashed.
      case "22023", "42704", "55000": throw SnapshotHolder.lost(error.context)
      default: throw error
      }
    }
  }
}
