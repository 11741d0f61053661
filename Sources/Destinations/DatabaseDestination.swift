import Database
import Jobs
import Tables

/// What a job writes into which table: checked before anything is written.
struct TableWrite: Sendable {
  let job: JobID
  let table: TableName
  let mode: JobRequest.WriteMode
  /// Columns that tell which rows are the same; empty but for `upsert`.
  let keys: [String]
  let columns: [ResultColumn]
  /// Columns from this one on are the prediction's.
  let predictionStart: Int
  /// Between the fields of a result line.
  let delimiter: UInt8
  let nullWords: NullWords
  let counts: RecordCounts

  /// Takes what the job asks for.
  ///
  /// - Parameters:
  ///   - input: The merge; without columns where nothing is to be written, such as to find out
  ///     whether the job has published.
  ///   - uriTable: The table that the URI names.
  /// - Throws: `inconsistent` with what has to be asked for instead.
  init(_ input: MergeInput, uriTable: String?) throws(DestinationError) {
    let output = input.request.outputConfig
    guard let name = output.table ?? uriTable, output.table == nil || uriTable == nil else {
      throw Self.refusal(
        "name the table once: outputConfig.table, or ?table=schema.name in the URI")
    }
    job = input.job
    table = try inDatabase { () throws(DatabaseError) in try TableName(parsing: name) }
    errorsTable = try Self.errorsTable(output.errorsUri, beside: table)
    mode = output.writeMode ?? .append
    keys = output.upsertKeys ?? []
    columns = input.resultColumns
    predictionStart = input.instanceColumnCount ?? columns.count
    counts = input.counts
    do throws(TableError) {
      let options = try CSVOptions(request: input.request)
      delimiter = options.delimiter
      nullWords = options.nullWords
    } catch {
      throw Self.refusal(error.context)
    }
    try checkNames()
  }

  /// The table for error records: one beside that of the results, unless the job names another.
  private static func errorsTable(
    _ name: String?, beside table: TableName
  ) throws(DestinationError) -> TableName {
    guard let name else { return table.sibling(table.name + "_errors") }
    guard !name.contains("/") else {
      throw refusal(
        "outputConfig.errorsUri: error records of a database go to one of its tables: name it, "
          + "not \(SQL.printable(name))")
    }
    let parsed = try inDatabase { () throws(DatabaseError) in try TableName(parsing: name) }
    let chosen = parsed.schema == nil ? table.sibling(parsed.name) : parsed
    guard chosen != table else {
      throw refusal("outputConfig.errorsUri: \(table) is the table of the predictions")
    }
    return chosen
  }

  private static func refusal(_ words: String) -> DestinationError {
    DestinationError(code: .inconsistent, context: words)
  }

  private func checkNames() throws(DestinationError) {
    var names: Set<String> = []
    for column in columns {
      guard names.insert(column.name).inserted else {
        throw Self.refusal(
          "the results have two columns named \(SQL.printable(column.name)): leave one out by "
            + "instanceConfig.excludedFields, or name a keyField")
      }
      try inDatabase { () throws(DatabaseError) in _ = try SQL.quoted(column.name) }
    }
    try inDatabase { () throws(DatabaseError) in _ = try errorsTable.quoted }
    guard (mode == .upsert) == !keys.isEmpty, Set(keys).count == keys.count else {
      throw Self.refusal("outputConfig.upsertKeys are for writeMode upsert, which needs some")
    }
    for key in keys where !columns.isEmpty && !names.contains(key) {
      throw Self.refusal(
        "the upsert key \(SQL.printable(key)) is no column of the results, which are "
          + columns.map { SQL.printable($0.name) }.joined(separator: ", "))
    }
  }

  /// Where error records go.
  let errorsTable: TableName

  /// One row for each job that has published into tables of the schema.
  var commitsTable: TableName { table.sibling("nightshift_commits") }

  /// Whether a field of a result line stands for no value.
  ///
  /// In an instance that is a null word without quotes; of a prediction, what the writer puts where
  /// there is no number or label.
  func isNull(
    _ text: UnsafeBufferPointer<UInt8>, isQuoted: Bool, column: Int
  ) -> Bool {
    if isQuoted { return false }
    if text.isEmpty { return true }
    let type = columns[column].type
    guard column < predictionStart else {
      let isNullWord = unsafe text.elementsEqual("null".utf8)
      return type != .text && isNullWord
    }
    if unsafe nullWords.contains(text) { return true }
    guard type != .text else { return false }
    let inner = unsafe Self.withoutSpaces(text)
    return unsafe inner.isEmpty || nullWords.contains(inner)
  }

  private static func withoutSpaces(
    _ text: UnsafeBufferPointer<UInt8>
  ) -> UnsafeBufferPointer<UInt8> {
    let spaces = [UInt8(ascii: " "), UInt8(ascii: "\t")]
    var (start, end) = (0, text.count)
    while start < end, spaces.contains(unsafe text[start]) { start += 1 }
    while start < end, spaces.contains(unsafe text[end - 1]) { end -= 1 }
    return unsafe UnsafeBufferPointer(rebasing: text[start..<end])
  }
}

/// What was merged, until it is published.
struct StagedTable: Sendable {
  let totals: ShardTotals
  let outputs: [OutputEntry]

  /// The receipt's text.
  ///
  /// - Parameters:
  ///   - input: The merge.
  ///   - write: The table.
  ///   - supersededCount: Records that a later one with the same key stands for.
  /// - Returns: JSON as in `receipt.json`, with a member for the table.
  func receipt(
    _ input: MergeInput, _ write: TableWrite, supersededCount: UInt64
  ) -> String {
    let destination = JSONValue.members([
      "table": .string(write.table.description),
      "errorsTable": .string(write.errorsTable.description),
      "writeMode": .string(write.mode.rawValue),
      "upsertKeys": .array(write.keys.map { .string($0) }),
      "written": .unsigned(input.counts.ok - supersededCount),
      "superseded": .unsigned(supersededCount),
    ])
    var value = totals.receipt(of: input, outputs: outputs)
    if case .object(let members) = value {
      value = .object(
        members.dropLast() + [JSONValue.Member("destination", destination)] + members.suffix(1))
    }
    var text: [UInt8] = []
    JSONPrinter.print(value) { text += $0 }
    return String(decoding: text, as: UTF8.self)
  }
}

/// Asks a database and gives its failures this module's type.
func inDatabase<Result>(
  _ body: () throws(DatabaseError) -> Result
) throws(DestinationError) -> Result {
  do throws(DatabaseError) { return try body() } catch { throw DestinationError(error) }
}

extension DestinationError {
  /// A failure of a database.
  init(_ error: DatabaseError) {
    let code: Code =
      switch error.code {
      case .diskFull: .diskFull
      case .invalidTarget, .unsupported: .inconsistent
      case .unreachable, .refused, .snapshotLost, .wrongValue, .conflict, .missing, .cancelled,
        .timedOut, .malformed, .other:
        .database
      }
    self.init(code: code, context: error.context)
  }
}
