import GRDB

/// What tests and support need to see or provoke.
extension Journal {
  /// The connection's settings as SQLite reads them back.
  package func settings() throws(JournalError) -> [String: String] {
    try access("reading the settings") { database in
      var settings: [String: String] = [:]
      for name in [
        "journal_mode", "synchronous", "locking_mode", "cell_size_check", "wal_autocheckpoint",
        "journal_size_limit",
      ] {
        settings[name] = try String.fetchOne(database, sql: "PRAGMA \(name)")
      }
      return settings
    }
  }

  /// Makes of a closed journal without objects and cuts what the first release wrote.
  package static func lowerSchemaVersion(folder: String) throws {
    let queue = try DatabaseQueue(path: folder + "/journal.sqlite")
    try queue.write { database in
      try database.execute(sql: "DROP TABLE pin")
      try MetaRow(name: "schema", number: 1).write(database)
    }
    try queue.close()
  }

  /// Marks a closed journal as written by a later release.
  package static func raiseSchemaVersion(folder: String, to version: Int64) throws {
    let queue = try DatabaseQueue(path: folder + "/journal.sqlite")
    try queue.write { try MetaRow(name: "schema", number: version).write($0) }
    try queue.close()
  }
}
