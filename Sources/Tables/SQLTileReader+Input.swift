import Database
package import Jobs

/// A query as an input: where it is asked, what it is, and what divides it.
package struct SQLInput: Sendable {
  /// The connection string, which may hold a password: never shown.
  let location: String
  let query: Query
  /// The integer column that is different in every row.
  let key: String
  let recordByteLimit: Int

  /// Takes the query of a job.
  ///
  /// - Parameter request: `inputConfig` has one URI, `query` and `splitColumn`.
  /// - Throws: `TableError.unsupported` naming what is missing.
  package init(request: JobRequest) throws(TableError) {
    let input = request.inputConfig
    guard input.uris.count == 1, let query = input.query, let key = input.splitColumn else {
      throw TableError(
        code: .unsupported,
        context: "a query needs one URI of a database, inputConfig.query, and "
          + "inputConfig.splitColumn: an integer column that is different in every row")
    }
    location = input.uris[0]
    self.key = key
    recordByteLimit = try CSVOptions(request: request).recordByteLimit
    self.query = try inDatabase("inputConfig.query") { () throws(DatabaseError) in
      try Query(query)
    }
  }

  /// What a planned query is pinned by: `PlannedInput.version`.
  struct Version: Hashable {
    /// `SnapshotHolder.name`.
    let snapshot: String
    /// The key from which offsets are counted.
    let least: Int64

    init(snapshot: String, least: Int64) {
      self.snapshot = snapshot
      self.least = least
    }

    init?(_ text: String) {
      let parts = text.split(separator: " ")
      guard parts.count == 2, let least = Int64(parts[1]) else { return nil }
      self.init(snapshot: String(parts[0]), least: least)
    }

    var text: String { "\(snapshot) \(least)" }
  }
}

extension SurveyedTable {
  /// Exports a snapshot and plans the query in it.
  ///
  /// - Parameters:
  ///   - request: What the job asks for.
  ///   - goesOn: Asked while the server is waited for.
  /// - Throws: `TableError`.
  package init(
    queryOf request: JobRequest, goesOn: @escaping @Sendable () -> Bool = { true }
  ) throws(TableError) {
    let input = try SQLInput(request: request)
    var aim = QueryPlan.Aim()
    aim.rangeByteCount = request.blockByteCount * UInt64(Limits.blocksPerShard)
    let patience = ConnectionPatience(goesOn: goesOn)
    let target = try inDatabase("inputConfig.uris") { () throws(DatabaseError) in
      try ConnectionTarget(input.location)
    }
    let name = target.description
    let snapshot = try inDatabase(name) { () throws(DatabaseError) in
      try SnapshotHolder(target, patience: patience)
    }
    let plan = try inDatabase(name) { () throws(DatabaseError) in
      try snapshot.withConnection { (connection) throws(DatabaseError) in
        try input.query.plan(key: input.key, connection, aim: aim)
      }
    }
    self.init(plan, name: name, snapshot: snapshot)
  }

  /// Only the columns and types of a query, without a snapshot or a plan.
  ///
  /// - Parameter request: What the job asks for.
  /// - Returns: A table of no inputs.
  /// - Throws: `TableError`.
  package static func columns(ofQueryIn request: JobRequest) throws(TableError) -> SurveyedTable {
    let input = try SQLInput(request: request)
    let columns = try inDatabase("inputConfig.query") { () throws(DatabaseError) in
      let connection = try Connection(ConnectionTarget(input.location))
      try connection.execute("BEGIN READ ONLY")
      return try input.query.columns(connection)
    }
    return SurveyedTable(
      columns: columns.map(\.name), types: columns.map(\.type.columnType), inputs: [])
  }

  /// A planned query as one input, or none where it has no rows.
  private init(_ plan: QueryPlan, name: String, snapshot: SnapshotHolder) {
    let version = SQLInput.Version(snapshot: snapshot.name, least: plan.least).text
    let input = PlannedInput(
      path: name, byteCount: plan.byteCount, modifiedNanoseconds: 0, inode: 0, compression: .none,
      version: version,
      cuts: plan.cuts.map { InputCut(offset: $0.offset, place: $0.firstRow) })
    self.init(
      columns: plan.columns.map(\.name), types: plan.columns.map(\.type.columnType),
      inputs: plan.rowCount == 0 ? [] : [input],
      notes: [
        "the query has \(plan.rowCount) rows in \(max(plan.cuts.count, 1) - 1) shards, read under "
          + "one snapshot of the database: if its server or the coordinator is started again "
          + "before the last row has been read, the job has to be submitted again"
      ], snapshot: snapshot)
  }
}

extension ValueType {
  /// What its values are in a table.
  var columnType: ColumnType {
    switch self {
    case .boolean: .boolean
    case .int16, .int32, .int64, .oid: .integer
    case .float32: .float
    case .float64, .numeric: .number
    case .text, .jsonb, .uuid: .text
    case .bytes: .binary
    case .date: .date
    case .timestamp, .timestampUTC: .timestamp
    }
  }
}

/// Asks a database and gives its failures this module's type.
func inDatabase<Result>(
  _ name: String, _ body: () throws(DatabaseError) -> Result
) throws(TableError) -> Result {
  do throws(DatabaseError) {
    return try body()
  } catch {
    let context = error.context.hasPrefix(name) ? error.context : "\(name): \(error.context)"
    throw TableError(code: TableError.Code(error.code), context: context)
  }
}

extension TableError.Code {
  /// What a caller does about a failure of a database.
  init(_ code: DatabaseError.Code) {
    switch code {
    case .snapshotLost: self = .inputChanged
    case .unreachable, .timedOut, .refused: self = .unavailable
    case .cancelled: self = .cancelled
    case .missing: self = .noInput
    case .invalidTarget, .unsupported, .wrongValue, .conflict, .diskFull, .malformed,
      .other:
      self = .unsupported
    }
  }
}
