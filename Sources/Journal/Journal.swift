package import CoordinatorCore
import GRDB
package import Jobs
import Synchronization

/// The coordinator's memory: everything that has to outlive its process, in SQLite.
///
/// One connection, guarded by its own queue: any thread may call, each call blocks. What `append`
/// has taken is durable when it returns (write-ahead log, `synchronous=FULL`).
package final class Journal: Sendable {
  /// This life of the coordinator.
  package let incarnation: Incarnation
  /// How often the folder's coordinator was started, this start included.
  package let startCount: UInt64
  /// 32 random bytes made once for each state folder: the key of the leases' MACs.
  package let secret: [UInt8]
  package let folder: String

  private let queue: DatabaseQueue
  /// The folder and its lock, which goes only after the database; `nil` once closed.
  private let stateFolder: Mutex<StateFolder?>
  /// A disk that failed once may have dropped pages it calls written ("Can Applications Recover
  /// from fsync Failures?", Rebello and others, 2020): nothing is written after that.
  private let failure = Mutex<JournalError?>(nil)

  /// Opens the journal of a state folder, making both where they are missing.
  ///
  /// Takes the folder's lock, has SQLite check every page, and journals the next incarnation.
  package init(folder: String) throws(JournalError) {
    self.folder = folder
    let stateFolder = try StateFolder(folder)
    let path = stateFolder.databasePath
    do {
      let queue = try DatabaseQueue(path: path, configuration: Self.configuration)
      (incarnation, startCount, secret) = try queue.writeWithoutTransaction { database in
        try Schema.check(database, path: path)
        return try Self.start(database, path: path)
      }
      self.queue = queue
    } catch {
      throw JournalError(error, "opening the journal", in: path, isOpening: true)
    }
    stateFolder.noteJournal()
    self.stateFolder = Mutex(stateFolder)
  }

  deinit { close() }

  private static var configuration: Configuration {
    var configuration = Configuration()
    configuration.foreignKeysEnabled = false  // rows of a job are deleted by name
    configuration.busyMode = .immediateError
    configuration.label = "journal"
    configuration.prepareDatabase { try Schema.configure($0) }
    return configuration
  }

  /// Makes the tables where there are none and counts this start.
  private static func start(
    _ database: Database, path: String
  ) throws -> (Incarnation, startCount: UInt64, secret: [UInt8]) {
    var incarnation: Int64 = 0
    var startCount: Int64 = 0
    var secret: [UInt8] = []
    try database.inTransaction(.immediate) {
      try Schema.prepare(database, path: path)
      let last = try MetaRow.read(database, "incarnation")?.number ?? 0
      incarnation = last == 0 ? 1 : last + Int64(UInt32.random(in: Incarnation.steps))
      // Folders of earlier releases counted with the incarnation.
      startCount = (try MetaRow.read(database, "starts")?.number ?? last) + 1
      try MetaRow(name: "incarnation", number: incarnation).write(database)
      try MetaRow(name: "starts", number: startCount).write(database)
      secret = try MetaRow.read(database, "secret")?.bytes ?? []
      if last == 0, secret.isEmpty {
        var generator = SystemRandomNumberGenerator()
        secret = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try MetaRow(name: "secret", bytes: secret).write(database)
      }
      return .commit
    }
    guard secret.count == 32, let number = UInt32(exactly: incarnation), startCount > 0 else {
      throw JournalError(corruption: "the secret or the incarnation in \(path) is missing")
    }
    return (Incarnation(number), UInt64(startCount), secret)
  }

  /// Writes entries in one transaction: all of them are durable when it returns, or none is there.
  ///
  /// - Throws: `diskFull` leaves the journal as it was and usable. After `ioFailure` every later
  ///   call fails: the process has to start again and read what the disk really holds.
  package func append(_ entries: [JournalEntry]) throws(JournalError) {
    guard !entries.isEmpty else { return }
    try access("writing \(entries.count) entries") { database in
      try database.inTransaction(.immediate) {
        for entry in entries { try Self.write(entry, database) }
        return .commit
      }
    }
  }

  /// Runs a body on the connection and turns what it throws into this module's error.
  func access<Result>(
    _ action: @autoclosure () -> String, _ body: (Database) throws -> Result
  ) throws(JournalError) -> Result {
    if let failure = failure.withLock({ $0 }) { throw failure }
    do {
      return try queue.writeWithoutTransaction(body)
    } catch {
      let error = JournalError(error, action(), in: folder + "/journal.sqlite")
      if error.code == .ioFailure { failure.withLock { $0 = error } }
      throw error
    }
  }

  /// Closes the database, then gives the state folder free; a second call does nothing.
  package func close() {
    stateFolder.withLock { stateFolder in
      guard stateFolder != nil else { return }
      // Everything is durable already; a failure here only leaves the log to the next start.
      try? queue.close()
      stateFolder = nil
    }
  }
}
