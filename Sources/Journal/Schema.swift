import GRDB

/// The journal's tables, version 3; version 1 lacked `pin`, version 2 `columns` and `checked`.
///
/// One table for each kind of entry, so that each row is written once and its sum covers all of
/// it. 64-bit numbers without sign are stored with the same bits. `committed` is in the order of
/// the merge.
enum Schema {
  static let version: Int64 = 3

  /// Name and text of each table; the text is compared at each start.
  static let tables: [(name: String, sql: String)] = [
    (
      "meta",
      """
      CREATE TABLE meta (
        name TEXT PRIMARY KEY NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL,
        sum INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID
      """
    ),
    (
      "job",
      """
      CREATE TABLE job (
        place INTEGER PRIMARY KEY NOT NULL, job INTEGER NOT NULL, created INTEGER NOT NULL,
        request TEXT NOT NULL, sum INTEGER NOT NULL
      ) STRICT
      """
    ),
    (
      "state",
      """
      CREATE TABLE state (
        job INTEGER PRIMARY KEY NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
        sum INTEGER NOT NULL
      ) STRICT
      """
    ),
    (
      "publication",
      """
      CREATE TABLE publication (
        job INTEGER PRIMARY KEY NOT NULL, folder TEXT NOT NULL, sum INTEGER NOT NULL
      ) STRICT
      """
    ),
    (
      "plan",
      """
      CREATE TABLE plan (
        job INTEGER PRIMARY KEY NOT NULL, block_bytes INTEGER NOT NULL, inputs INTEGER NOT NULL,
        model_digest BLOB NOT NULL, model_bytes INTEGER NOT NULL, sum INTEGER NOT NULL
      ) STRICT
      """
    ),
    (
      "input",
      """
      CREATE TABLE input (
        job INTEGER NOT NULL, place INTEGER NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL,
        modified INTEGER NOT NULL, inode INTEGER NOT NULL, compression TEXT NOT NULL,
        sum INTEGER NOT NULL, PRIMARY KEY (job, place)
      ) STRICT, WITHOUT ROWID
      """
    ),
    // Of inputs that have a version or cuts.
    (
      "pin",
      """
      CREATE TABLE pin (
        job INTEGER NOT NULL, place INTEGER NOT NULL, version TEXT NOT NULL, cuts BLOB NOT NULL,
        sum INTEGER NOT NULL, PRIMARY KEY (job, place)
      ) STRICT, WITHOUT ROWID
      """
    ),
    // Of the table that the inputs are read as, as JSON.
    (
      "columns",
      """
      CREATE TABLE columns (
        job INTEGER PRIMARY KEY NOT NULL, columns TEXT NOT NULL, sum INTEGER NOT NULL
      ) STRICT
      """
    ),
    // Jobs that are scored and whose inputs are not needed any more.
    (
      "checked",
      """
      CREATE TABLE checked (job INTEGER PRIMARY KEY NOT NULL, sum INTEGER NOT NULL) STRICT
      """
    ),
    (
      "committed",
      """
      CREATE TABLE committed (
        job INTEGER NOT NULL, shard INTEGER NOT NULL, first_block INTEGER NOT NULL,
        end_block INTEGER NOT NULL, incarnation INTEGER NOT NULL, attempt INTEGER NOT NULL,
        entry_state INTEGER NOT NULL, exit_state INTEGER NOT NULL, ok INTEGER NOT NULL,
        error INTEGER NOT NULL, filtered INTEGER NOT NULL, partial_digest BLOB NOT NULL,
        partial_bytes INTEGER NOT NULL, sum INTEGER NOT NULL,
        PRIMARY KEY (job, shard, first_block)
      ) STRICT, WITHOUT ROWID
      """
    ),
    (
      "charge",
      """
      CREATE TABLE charge (
        job INTEGER NOT NULL, shard INTEGER NOT NULL, charges INTEGER NOT NULL,
        sum INTEGER NOT NULL, PRIMARY KEY (job, shard)
      ) STRICT, WITHOUT ROWID
      """
    ),
  ]

  /// The tables that came with a later version, and are made in journals of an earlier one.
  static let additions: [(version: Int64, tables: [String])] = [
    (2, ["pin"]), (3, ["columns", "checked"]),
  ]

  /// For each table the statement that writes a row.
  static let insertions: [String: String] = Dictionary(
    uniqueKeysWithValues: tables.map { table in
      let columnCount = table.sql.matches(of: /(INTEGER|TEXT|BLOB) (PRIMARY KEY )?NOT NULL/).count
      let places = Array(repeating: "?", count: columnCount).joined(separator: ", ")
      return (table.name, "INSERT OR REPLACE INTO \(table.name) VALUES (\(places))")
    })

  /// The connection's settings, before anything else is read.
  ///
  /// Exclusive locking keeps the index of the write-ahead log in this process's memory: no `-shm`
  /// file, no other process in the database, and one connection, as the reset race of SQLite
  /// before 3.51.3 demands (https://sqlite.org/wal.html#walresetbug).
  static func configure(_ database: Database) throws {
    try database.execute(
      sql: """
        PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA cell_size_check = ON;
        PRAGMA trusted_schema = OFF;
        """)
    let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL") ?? "none"
    try database.execute(
      sql: """
        PRAGMA synchronous = FULL;
        PRAGMA wal_autocheckpoint = 4000;
        PRAGMA journal_size_limit = 67108864;
        """)
    let synchronous = try Int.fetchOne(database, sql: "PRAGMA synchronous") ?? -1
    guard mode == "wal", synchronous == 2 else {
      throw JournalError(
        code: .other(0),
        context: "SQLite refused durable settings: journal_mode \(mode), synchronous \(synchronous)"
      )
    }
  }

  /// Makes the tables in an empty database, and refuses any other than this version's.
  static func prepare(_ database: Database, path: String) throws {
    let found = try Row.fetchAll(
      database, sql: "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    if found.isEmpty {
      for table in tables { try database.execute(sql: table.sql) }
      try MetaRow(name: "schema", number: version).write(database)
      return
    }
    // The version first: a later schema may have other tables.
    let stored = try MetaRow.read(database, "schema")
    if let stored, stored.number > version {
      throw JournalError(
        code: .newerSchema,
        context: "the journal \(path) has schema \(stored.number), this release knows \(version): "
          + "start the release of Nightshift that wrote it, or a later one")
    }
    var texts = Dictionary(
      found.map { ($0[0] as String? ?? "", $0[1] as String? ?? "") }, uniquingKeysWith: { $1 })
    guard let stored, stored.number > 0 else {
      throw JournalError(corruption: "no schema version in \(path)")
    }
    if stored.number < version {
      let later = additions.filter { $0.version > stored.number }.flatMap(\.tables)
      for table in tables where later.contains(table.name) && texts[table.name] == nil {
        try database.execute(sql: table.sql)
        texts[table.name] = table.sql
      }
      try MetaRow(name: "schema", number: version).write(database)
    }
    for table in tables where texts[table.name] != table.sql {
      throw JournalError(corruption: "table \(table.name) in \(path) is not as it was made")
    }
    guard texts.count == tables.count else {
      throw JournalError(corruption: "unknown tables in \(path)")
    }
  }

  /// Has SQLite go through every page: 60 ms for 100,000 commits, hardly more than `quick_check`.
  static func check(_ database: Database, path: String) throws {
    let answers = try String.fetchAll(database, sql: "PRAGMA integrity_check(3)")
    guard answers == ["ok"] else {
      throw JournalError(
        corruption: "integrity_check of \(path): \(answers.joined(separator: "; "))")
    }
  }
}
