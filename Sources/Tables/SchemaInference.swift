import CKernels
package import Jobs

/// The types of a CSV table's columns, as its first records show them.
///
/// Looked at are the first records of the first files, up to `recordLimit` and `byteLimit` in all.
/// A column is `integer` where all its values are whole numbers of 64 bits, `number` where they are
/// decimals, `boolean` where they are true or false, `date` where they are ISO dates (2024-02-29),
/// `timestamp` where they are ISO dates with a time, or some with and some without. All else is
/// `text`: mixed values, nothing but null words, and digits after a leading zero (01234), which
/// are names that a number would not keep. Quotes do not count. Records that are errors are passed
/// over.
package struct SchemaInference: Sendable {
  /// Records that are looked at, and bytes of them.
  package static let recordLimit = 10_000
  package static let byteLimit: UInt64 = 16 << 20
  /// Files that are looked at.
  package static let fileLimit = 100

  private let columns: [String]
  private let options: CSVOptions
  /// For each column the types its values had, as bits.
  private var kinds: [UInt32]
  private var recordCount = 0
  private var byteCount: UInt64 = 0

  /// Prepares to look at texts.
  ///
  /// - Parameters:
  ///   - columns: Names of the columns, in order.
  ///   - options: How to read.
  package init(columns: [String], options: CSVOptions) {
    self.columns = columns
    self.options = options
    kinds = Array(repeating: 0, count: columns.count)
  }

  /// Whether as much has been looked at as may be.
  package var isFull: Bool {
    recordCount >= Self.recordLimit || byteCount >= Self.byteLimit
  }

  /// Looks at the first records of a text, together with those looked at before.
  ///
  /// - Parameters:
  ///   - source: The text.
  ///   - headerOffset: `CSVHeader.offset`; nil where the text has no header.
  /// - Throws: What the source fails with.
  package mutating func sample(_ source: any ByteSource, headerOffset: UInt64?) throws {
    guard !isFull, !columns.isEmpty else { return }
    let begin = byteCount
    let end = Self.byteLimit - begin
    var parser = CSVRangeParser(
      source: source, range: 0..<end, blockByteCount: end, headerOffset: headerOffset,
      fieldCount: columns.count, options: options, windowByteCount: 64 << 10)
    var tile = RecordTile()
    while recordCount < Self.recordLimit {
      parser.limitTiles(to: min(RecordTile.recordLimit, Self.recordLimit - recordCount))
      guard try parser.readTile(into: &tile) else { break }
      for column in columns.indices {
        kinds[column] |= tile.types(ofColumn: column, nullWords: options.nullWords)
      }
      recordCount += tile.count
      let last = tile.count - 1
      let lastByteCount = unsafe tile.text(of: last).count
      byteCount = begin + tile.offset(of: last) + UInt64(lastByteCount)
    }
  }

  /// The columns' types.
  ///
  /// - Parameters:
  ///   - given: Types that the job says, by column; they go first.
  ///   - path: What an error calls the table.
  /// - Returns: One for each column.
  /// - Throws: `TableError.unsupported` where the job names a column that the table lacks.
  package func types(
    given: [String: ColumnType] = [:], path: String
  ) throws(TableError) -> [ColumnType] {
    if let missing = given.keys.sorted().first(where: { !columns.contains($0) }) {
      throw TableError(
        code: .unsupported,
        context: "inputConfig.schema names the column \(missing); \(path) has "
          + columns.joined(separator: ", "))
    }
    return zip(columns, kinds).map { given[$0] ?? Self.type(of: $1) }
  }

  private static func type(of kinds: UInt32) -> ColumnType {
    switch kinds {
    case ns_csv_boolean.rawValue: .boolean
    case ns_csv_integer.rawValue: .integer
    case ns_csv_number.rawValue, ns_csv_integer.rawValue | ns_csv_number.rawValue: .number
    case ns_csv_date.rawValue: .date
    case ns_csv_timestamp.rawValue, ns_csv_date.rawValue | ns_csv_timestamp.rawValue: .timestamp
    default: .text
    }
  }
}
