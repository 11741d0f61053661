import CKernels

/// Why a record of a table is not one.
package enum RecordError: Hashable, Sendable {
  /// It has more or fewer fields than the header.
  case fieldCount(expected: Int, found: Int)
  /// Text follows a field's closing quote.
  case textAfterQuote
  /// The file ends inside a quoted field.
  case unterminatedQuote
  /// It is longer than `recordByteLimit`; parsing went on at the next line feed.
  case recordTooLong
  /// It is not UTF-8.
  case invalidUTF8
  /// The line is not one JSON value and nothing else.
  case invalidJSON
  /// The line is JSON, but no object.
  case notAnObject
  /// It is not to be looked at, see `RecordTile.leaveOut`.
  case leftOut
}

/// Up to 1,024 consecutive records of one block, as spans in a parser's window.
///
/// Which records share a tile follows from their block alone: a tile ends after `recordLimit`
/// records, after a record that is too long, before a record that begins more than `byteLimit`
/// bytes after the tile's first, and with its block. Spans and pointers are valid until the
/// parser's next call or end. Records and columns count from 0.
@safe package struct RecordTile: ~Copyable {
  /// Number of records, the ones that are errors included.
  package var count: Int { Int(recordCount) }
  /// The block the records begin in, counted from 0 at the begin of the parser's range.
  package internal(set) var blockIndex = 0
  /// The ordinal of the tile's first record within its block.
  package internal(set) var firstOrdinal: UInt64 = 0

  let records: UnsafeMutablePointer<ns_csv_record>
  private(set) var fields: UnsafeMutablePointer<ns_csv_field>
  private(set) var fieldCapacity: UInt32
  var recordCount: UInt32 = 0
  var expectedFieldCount = 0
  /// Columns that are not in the records' text but behind it, the last ones.
  var addedColumnCount = 0
  /// Bytes of those columns, the same for all records.
  var addedByteCount = 0
  /// Whether the fields are values of JSON lines, see `ns_json_lines.h`; otherwise of CSV.
  var isJSON = false
  /// Columns that the reader gives as numbers; nil where all are text.
  var typedNumbers: TypedNumbers?
  /// Columns of text that the reader gives with codes too; nil where there are none.
  var textCodes: TextCodes?
  var window: UnsafePointer<UInt8>?
  /// The offset in the file of the window's first byte.
  var windowOffset: UInt64 = 0
  /// The records' places in the input where it is no text: keys or numbers of files; else empty.
  var recordPlaces: [UInt64] = []

  /// Most records of a tile.
  package static let recordLimit = 1_024
  /// Furthest from the tile's first record that another may begin, in bytes.
  package static let byteLimit = 1 << 20

  /// One field: its bytes as they stand in the file, without the quotes around them.
  @unsafe package struct Field {
    /// The bytes; where `hasEscapedQuotes`, each quote still stands twice, and where
    /// `hasBackslashes`, they are the inside of a JSON string.
    package let bytes: UnsafeBufferPointer<UInt8>
    /// Whether the field stands in quotes.
    package let isQuoted: Bool
    /// Whether there are quotes in the quoted field.
    package let hasEscapedQuotes: Bool
    /// Whether there are escapes in the JSON string.
    package let hasBackslashes: Bool
    /// Whether it is a value of JSON: only null is missing then.
    package let isJSON: Bool

    /// Whether the bytes are other than the text they stand for.
    package var isEscaped: Bool { unsafe hasEscapedQuotes || hasBackslashes }

    /// Tells whether the field says that there is no value.
    package func isMissing(_ nullWords: NullWords) -> Bool {
      guard unsafe !isQuoted else { return false }
      return unsafe isJSON ? bytes.isEmpty : nullWords.contains(bytes)
    }

    /// Writes the text the field stands for.
    ///
    /// - Parameter output: Room for as many bytes as the field has.
    /// - Returns: The number of bytes written.
    package func unescape(into output: UnsafeMutablePointer<UInt8>) -> Int {
      guard let start = unsafe bytes.baseAddress else { return 0 }
      if unsafe hasBackslashes { return unsafe ns_json_unescape(start, bytes.count, output) }
      if unsafe hasEscapedQuotes { return unsafe ns_csv_single_quotes(start, bytes.count, output) }
      unsafe output.update(from: start, count: bytes.count)
      return unsafe bytes.count
    }

    /// Whether the text the field stands for has a NUL in it.
    var holdsNUL: Bool {
      if unsafe bytes.contains(0) { return true }
      return unsafe hasBackslashes && unescaped().contains(0)
    }

    /// The text the field stands for; for names and messages, not for hot code.
    package func unescaped() -> [UInt8] {
      unsafe [UInt8](unsafeUninitializedCapacity: bytes.count) { output, count in
        guard let to = output.baseAddress else { return }
        count = unsafe unescape(into: to)
      }
    }
  }

  /// Makes a tile of no records.
  package init() {
    unsafe records = .allocate(capacity: Self.recordLimit)
    fieldCapacity = 4 * 1_024
    unsafe fields = .allocate(capacity: Int(fieldCapacity) + Int(NS_CSV_FIELD_SLACK))
  }

  deinit {
    unsafe records.deallocate()
    unsafe fields.deallocate()
  }

  /// The offset in the file of a record's first byte (after a byte order mark), or its place.
  package func offset(of record: Int) -> UInt64 {
    let span = checked(record)
    return recordPlaces.isEmpty ? windowOffset &+ UInt64(span.start) : recordPlaces[record]
  }

  /// A record's text without its line end; of one that is too long the first 256 bytes.
  package func text(of record: Int) -> UnsafeBufferPointer<UInt8> {
    let span = checked(record)
    return unsafe UnsafeBufferPointer(
      start: window.map { unsafe $0 + Int(span.start) }, count: Int(span.length))
  }

  /// Bytes of some of a record's fields, or more.
  ///
  /// Of text it is all of the record. Where records have places of their own (columnar files,
  /// queries, lists of files) their spans say nothing of the fields.
  func byteCount(of columns: [Int], _ record: Int) -> Int {
    let span = checked(record)
    guard !recordPlaces.isEmpty else { return Int(span.length) }
    precondition(Int(span.error) == NS_CSV_OK, "the record has no fields")
    return columns.reduce(0) { sum, column in
      precondition(column < expectedFieldCount)
      let field = unsafe fields[Int(span.first_field) + column]
      return sum + Int(field.length_and_flags & NS_CSV_LENGTH_MASK)
    }
  }

  /// Why a record is none, or nil where it is one.
  package func error(of record: Int) -> RecordError? {
    let span = checked(record)
    return switch Int(span.error) {
    case NS_CSV_OK: nil
    case NS_CSV_FIELD_COUNT:
      .fieldCount(expected: expectedFieldCount - addedColumnCount, found: Int(span.field_count))
    case NS_CSV_TEXT_AFTER_QUOTE: .textAfterQuote
    case NS_CSV_UNTERMINATED_QUOTE: .unterminatedQuote
    case NS_CSV_RECORD_TOO_LONG: .recordTooLong
    case NS_JSON_INVALID: .invalidJSON
    case NS_JSON_NOT_AN_OBJECT: .notAnObject
    case Self.leftOutCode: .leftOut
    default: .invalidUTF8
    }
  }

  /// The first record that is an error.
  package var firstError: Int? {
    var errors: UInt32 = 0
    for record in 0..<count { unsafe errors |= records[record].error }
    guard errors != NS_CSV_OK else { return nil }
    return (0..<count).first { unsafe records[$0].error != NS_CSV_OK }
  }

  /// One field of a record without an error.
  package func field(_ record: Int, _ column: Int) -> Field {
    let span = checked(record)
    precondition(Int(span.error) == NS_CSV_OK && column >= 0 && column < expectedFieldCount)
    return unsafe field(at: Int(span.first_field) + column)
  }

  /// The field at a place in the flat list of all fields.
  func field(at index: Int) -> Field {
    let field = unsafe fields[index]
    let length = Int(field.length_and_flags & NS_CSV_LENGTH_MASK)
    return unsafe Field(
      bytes: UnsafeBufferPointer(start: window.map { unsafe $0 + Int(field.start) }, count: length),
      isQuoted: field.length_and_flags & NS_CSV_QUOTED != 0,
      hasEscapedQuotes: field.length_and_flags & NS_CSV_ESCAPED != 0,
      hasBackslashes: field.length_and_flags & NS_CSV_JSON_ESCAPED != 0, isJSON: isJSON)
  }

  /// Makes a field of a record without an error one that has no value; its text stays.
  func removeValue(_ record: Int, _ column: Int) {
    let span = checked(record)
    precondition(Int(span.error) == NS_CSV_OK && column >= 0 && column < expectedFieldCount)
    unsafe fields[Int(span.first_field) + column].length_and_flags = 0
  }

  /// The error of a record that is left out; none of the kernels' own.
  private static let leftOutCode = 255

  /// Makes a record one that is an error: nothing but its text and its place is read from now on.
  package func leaveOut(_ record: Int) {
    _ = checked(record)
    unsafe records[record].error = UInt32(Self.leftOutCode)
  }

  /// Makes room for the fields of one more record, keeping what is there.
  mutating func growFields(keeping count: Int) {
    let capacity = max(2 * Int(fieldCapacity), count + expectedFieldCount)
    let larger = UnsafeMutablePointer<ns_csv_field>.allocate(
      capacity: capacity + Int(NS_CSV_FIELD_SLACK))
    unsafe larger.initialize(from: fields, count: count)
    unsafe fields.deallocate()
    unsafe fields = larger
    fieldCapacity = UInt32(capacity)
  }

  private func checked(_ record: Int) -> ns_csv_record {
    precondition(record >= 0 && record < count)
    return unsafe records[record]
  }
}
