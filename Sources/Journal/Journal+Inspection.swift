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

  /// Makes of a closed journal what an earlier release wrote, without what only later ones have.
  package static func lowerSchemaVersion(folder: String, to version: Int64 = 1) throws {
    let queue = try DatabaseQueue(path: folder + "/journal.sqlite")
    try queue.write { database in
      for addition in Schema.additions where addition.version > version {
        for table in addition.tables { try database.execute(sql: "DROP TABLE \(table)") }
      }
      try MetaRow(name: "schema", number: version).write(database)
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
