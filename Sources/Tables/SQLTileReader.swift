import CKernels
import Database
import Digests
import Jobs

/// Reads the rows of a query in one range of its key, under the snapshot of its job.
///
/// Units are distances from the least key; the block of a row follows from its key alone. A row
/// becomes a line of CSV in which strings stand in quotes, so that what writes text again needs to
/// know of no database; columns that are needed as numbers come as numbers.
///
/// Memory: one tile, at most two rows beside it, and what libpq holds of a row.
@safe final class SQLTileReader: TileReader {
  private let range: LeaseRange
  private let least: Int64
  private let layout: SQLRowLayout
  private let connection: Connection
  private var rows: CopyReader?
  private var row = BinaryRow()
  private var window: SQLWindow
  private let typedNumbers: TypedNumbers
  /// A row that was read and belongs to the next tile.
  private var deferred: [UInt8] = []
  private var lastKey: Int64?
  private var hasher = XXH3()
  private var digests: [Digest128] = []
  private var blockIndex = 0
  private var ordinal: UInt64 = 0

  /// Connects and begins to read.
  ///
  /// - Parameters:
  ///   - input: The query and where it is asked.
  ///   - range: What to read; its version is a `SQLInput.Version`.
  ///   - columns: Of the query as planned.
  ///   - needs: Which of them are read.
  ///   - goesOn: Asked while the server is waited for.
  /// - Throws: `TableError`.
  init(
    _ input: SQLInput, range: LeaseRange, columns: [String], needs: ColumnNeeds,
    goesOn: @escaping @Sendable () -> Bool
  ) throws(TableError) {
    guard let version = SQLInput.Version(range.version), range.blockCount > 0 else {
      throw TableError(
        code: .unsupported, context: "\(range.path): the plan names no snapshot to read in")
    }
    self.range = range
    least = version.least
    let patience = ConnectionPatience(goesOn: goesOn)
    var found: [QueryColumn] = []
    connection = try inDatabase(range.path) { () throws(DatabaseError) in
      let connection = try Connection(ConnectionTarget(input.location), patience: patience)
      try connection.join(snapshot: version.snapshot)
      found = try input.query.columns(connection)
      return connection
    }
    guard found.map(\.name) == columns else {
      throw TableError(
        code: .inputChanged, context: "\(range.path): the query has other columns than planned")
    }
    layout = SQLRowLayout(columns: found, needs: needs)
    typedNumbers = TypedNumbers(columns: layout.numbers, columnCount: columns.count)
    window = SQLWindow()
    try begin(input)
  }

  /// Asks for the rows of the range, if keys can lie in it.
  private func begin(_ input: SQLInput) throws(TableError) {
    guard range.begin < range.end else { return }
    let first = least &+ Int64(bitPattern: range.begin)
    let last = least &+ Int64(bitPattern: range.end - 1)
    guard first <= last else { return }
    let selection = RowSelection(
      query: input.query, key: input.key, columns: layout.read, byteLimit: input.recordByteLimit)
    try inDatabase(range.path) { () throws(DatabaseError) in
      rows = try CopyReader(connection, selection.statement(keys: first...last))
    }
  }

  var boundStates: [RangeState] { Array(repeating: .recordStart, count: range.blockCount + 1) }

  func inputDigest(ofBlock index: Int) -> Digest128 {
    while digests.count <= index { endDigest() }
    return digests[index]
  }

  private func endDigest() { digests.append(exchange(&hasher, with: XXH3()).finish()) }

  // MARK: Tiles

  func readTile(into tile: inout RecordTile) throws -> Bool {
    tile.recordCount = 0
    tile.recordPlaces.removeAll(keepingCapacity: true)
    tile.expectedFieldCount = layout.columnCount
    tile.typedNumbers = typedNumbers
    window.removeAll()
    try inDatabase(range.path) { () throws(DatabaseError) in try fill(&tile) }
    unsafe tile.window = UnsafePointer(window.start)
    tile.windowOffset = 0
    guard tile.count > 0 else { return false }
    tile.blockIndex = blockIndex
    tile.firstOrdinal = ordinal
    ordinal += UInt64(tile.count)
    unsafe ns_csv_mark_invalid_utf8(
      TextInstructions.best.kernel, window.start, tile.records, tile.recordCount)
    return true
  }

  /// Takes rows until the tile is full or its block ends.
  private func fill(_ tile: inout RecordTile) throws(DatabaseError) {
    var isOpen = true
    if !deferred.isEmpty {
      let bytes = exchange(&deferred, with: [])
      isOpen = unsafe try withBytes(of: bytes) { (bytes) throws(DatabaseError) in
        unsafe try take(bytes, into: &tile)
      }
    }
    while isOpen {
      let answer = try unsafe rows?.next { (bytes) throws(DatabaseError) -> Bool in
        unsafe try take(bytes, into: &tile)
      }
      guard let answer else { return }
      isOpen = answer
    }
  }

  /// Puts a row into the tile, or aside where it belongs to a later one.
  ///
  /// - Returns: Whether the tile has room for another row.
  private func take(
    _ bytes: UnsafeRawBufferPointer, into tile: inout RecordTile
  ) throws(DatabaseError) -> Bool {
    unsafe try row.parse(bytes, fieldCount: layout.read.count + 2)
    guard let keyField = row.fields[0], let flagField = row.fields[1] else {
      throw DatabaseError(code: .malformed, context: "a row without a key")
    }
    let key: Int64 = unsafe try BinaryValue.integer(
      UnsafeRawBufferPointer(rebasing: bytes[keyField]))
    let isTooLong = unsafe try BinaryValue.boolean(
      UnsafeRawBufferPointer(rebasing: bytes[flagField]))
    let offset = Query.distance(key, from: least)
    guard offset >= range.begin, offset < range.end else {
      throw DatabaseError(code: .malformed, context: "a row with another key than asked for")
    }
    let block = min(Int((offset - range.begin) / range.blockLength), range.blockCount - 1)
    if tile.recordCount == 0 {
      if block != blockIndex { (blockIndex, ordinal) = (block, 0) }
    } else if block != blockIndex {
      deferred = unsafe Array(bytes)
      return false
    }
    try checkOrder(of: key)
    while digests.count < block { endDigest() }
    unsafe hasher.update(bytes)
    let record = Int(tile.recordCount)
    tile.recordPlaces.append(offset)
    unsafe try layout.append(
      isTooLong ? nil : row, bytes, as: record, to: &tile, &window, typedNumbers)
    tile.recordCount += 1
    return record + 1 < RecordTile.recordLimit && window.count < RecordTile.byteLimit
  }

  private func checkOrder(of key: Int64) throws(DatabaseError) {
    defer { lastKey = key }
    guard let lastKey, key <= lastKey else { return }
    guard key == lastKey else {
      throw DatabaseError(code: .malformed, context: "the rows are not in the order of the key")
    }
    throw DatabaseError(
      code: .unsupported,
      context:
        "two rows have the same key \(Query.distance(key, from: least)) above the least one, "
        + "so that their order is not fixed: name a splitColumn that is different in every row")
  }
}

/// Gives access to bytes; the standard library's own call loses the error's type here.
private func withBytes<Result>(
  of bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(DatabaseError) -> Result
) throws(DatabaseError) -> Result {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
  defer { unsafe copy.deallocate() }
  unsafe copy.copyBytes(from: bytes)
  return unsafe try body(UnsafeRawBufferPointer(copy))
}
