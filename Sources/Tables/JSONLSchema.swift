package import Jobs

/// The columns of JSON lines: the members of the first records, in order of first appearance.
///
/// Looked at is the begin of the first files (`fileLimit`): each up to `recordLimit` and `byteLimit`
/// in all, and when that is reached of each further one a little (`laterRecordLimit`,
/// `laterByteLimit`), so that a member which only later files have is a column too.
///
/// A member that first appears later is no column: it is checked as part of its line, no model
/// input and no filter sees it, and it is in the output where whole instances are.
package struct JSONLSchema: Hashable, Sendable {
  /// Names of the columns, all different.
  package private(set) var columns: [String] = []
  /// For each column what its values were.
  private var kinds: [Kinds] = []
  private var places: [String: Int] = [:]
  /// Number of records looked at, and bytes of text, in all; errors and blank lines count.
  private var recordCount = 0
  private var byteCount: UInt64 = 0
  /// The most values a line had that was an array.
  package private(set) var arrayCount = 0

  /// Records that are looked at, and bytes of them.
  package static let recordLimit = 10_000
  package static let byteLimit: UInt64 = 16 << 20
  /// Files whose begin is looked at.
  package static let fileLimit = 100
  /// What is looked at in a file however much was in those before.
  package static let laterRecordLimit = 100
  package static let laterByteLimit: UInt64 = 256 << 10

  /// Whether as much has been looked at as may be.
  package var isFull: Bool {
    recordCount >= Self.recordLimit || byteCount >= Self.byteLimit
  }

  /// Makes a table of no columns.
  package init() {}

  /// What the values of a column were; bits of a set.
  struct Kinds: OptionSet, Hashable {
    let rawValue: UInt8
    static let boolean = Kinds(rawValue: 1)
    static let integer = Kinds(rawValue: 2)
    static let number = Kinds(rawValue: 4)
    static let text = Kinds(rawValue: 8)

    /// Mixed values are text, but for numbers with and without fractions.
    var type: ColumnType {
      switch self {
      case .boolean: .boolean
      case .integer: .integer
      case .number, [.integer, .number]: .number
      default: .text
      }
    }
  }

  /// What each column's values are: `boolean`, `integer`, `number` or `text`.
  ///
  /// Columns of nothing but nulls, of objects and arrays and of mixed values are text.
  package var types: [ColumnType] { kinds.map(\.type) }

  /// Reads the begin of a text.
  ///
  /// - Parameters:
  ///   - source: The text.
  ///   - path: What errors call it.
  ///   - types: Columns whose type the job says; those that did not appear come last, by name.
  ///   - options: How to read.
  /// - Returns: Columns and types.
  /// - Throws: `TableError.header` where no line is an object or there are too many columns, or
  ///   what the source fails with.
  package static func infer(
    from source: any ByteSource, path: String, types: [String: ColumnType] = [:],
    options: JSONLOptions
  ) throws -> (columns: [String], types: [ColumnType]) {
    var schema = JSONLSchema()
    try schema.sample(source, path: path, options: options)
    return try schema.table(path: path, types: types)
  }

  /// Looks at the first records of a text, together with those looked at before.
  ///
  /// - Parameters:
  ///   - source: The text.
  ///   - path: What errors call it.
  ///   - isLaterFile: Whether a little of it is looked at even if the limits are reached.
  ///   - options: How to read.
  /// - Throws: `TableError.header`, or what the source fails with.
  package mutating func sample(
    _ source: any ByteSource, path: String, isLaterFile: Bool = false, options: JSONLOptions
  ) throws {
    guard isLaterFile || !isFull else { return }
    let begin = byteCount
    let end = max(
      Self.byteLimit - min(begin, Self.byteLimit), isLaterFile ? Self.laterByteLimit : 0)
    let recordLimit = max(
      Self.recordLimit, isLaterFile ? recordCount + Self.laterRecordLimit : 0)
    let reader = try JSONLTileReader(
      text: source,
      range: LeaseRange(path: path, begin: 0, end: end, blockLength: end, blockCount: 1),
      columns: [], options: options, windowByteCount: 64 << 10)
    var tile = RecordTile()
    while recordCount < recordLimit {
      reader.limitTiles(to: min(RecordTile.recordLimit, recordLimit - recordCount))
      guard try reader.readTile(into: &tile) else { break }
      for record in 0..<tile.count where tile.holdsJSON(record) {
        unsafe look(at: tile.text(of: record))
        guard columns.count <= CSVHeader.columnLimit else {
          throw TableError(
            code: .header,
            context: "\(path): more than \(CSVHeader.columnLimit) different members")
        }
      }
      recordCount += tile.count
      let last = tile.count - 1
      byteCount = unsafe begin + tile.offset(of: last) + UInt64(tile.text(of: last).count)
    }
  }

  /// The columns and their types, with what the job says of them.
  ///
  /// - Parameters:
  ///   - path: What errors call the text.
  ///   - types: Columns whose type the job says; those that did not appear come last, by name.
  /// - Returns: Columns and types.
  /// - Throws: `TableError.header` where there is no column.
  package func table(
    path: String, types: [String: ColumnType]
  ) throws(TableError) -> (columns: [String], types: [ColumnType]) {
    let added = types.keys.filter { places[$0] == nil }.sorted()
    let names = columns + added
    guard !names.isEmpty else {
      throw TableError(
        code: .header,
        context: arrayCount > 0
          ? "\(path): the lines are arrays: name their columns in schema, which are taken in the "
            + "order of their names, or write objects with named members"
          : "\(path): none of the first lines is a JSON object with members")
    }
    guard names.count <= CSVHeader.columnLimit else {
      throw TableError(
        code: .header,
        context: "\(path): \(names.count) columns, at most \(CSVHeader.columnLimit)")
    }
    let inferred = self.types + added.map { _ in .text }
    return (names, zip(names, inferred).map { types[$0] ?? $1 })
  }

  // MARK: Records

  /// Takes note of the members of an object; the text is valid JSON, with space around it.
  private mutating func look(at text: UnsafeBufferPointer<UInt8>) {
    var walk = unsafe JSONWalk(text)
    guard unsafe walk.enterObject() else {
      arrayCount = unsafe max(arrayCount, walk.valueCount())
      return
    }
    while let name = unsafe walk.nextName() {
      let place = place(of: name)
      unsafe kinds[place].formUnion(walk.skipValue())
    }
  }

  private mutating func place(of name: String) -> Int {
    if let place = places[name] { return place }
    places[name] = columns.count
    columns.append(name)
    kinds.append([])
    return columns.count - 1
  }
}

extension RecordTile {
  /// Whether a record of a tile of JSON lines is JSON, whatever number of values an array has.
  fileprivate func holdsJSON(_ record: Int) -> Bool {
    switch error(of: record) {
    case nil, .fieldCount, .notAnObject: true
    case .textAfterQuote, .unterminatedQuote, .recordTooLong, .invalidUTF8, .invalidJSON, .leftOut:
      false
    }
  }
}
