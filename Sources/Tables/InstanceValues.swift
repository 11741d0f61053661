import CKernels
import Jobs

/// The values of one column of a tile, read as the column's type before anything is written.
///
/// Text is not read: it is copied when it is written.
@safe final class InstanceValues {
  let column: Int
  let type: ColumnType
  /// Records of the tile whose field is not of the type.
  private(set) var failures = RecordSet()
  /// Of `number` and `float`, NaN where there is no value.
  let numbers: UnsafeMutableBufferPointer<Double>
  /// Of the other types but for text and binary.
  private let words: UnsafeMutableBufferPointer<Int64>
  /// Of types with words, and of binary, the records without a value.
  private var missing = RecordSet()
  private var unescaped = TextBuffer(capacity: 256)
  /// Decoded bytes of a field of `binary`.
  private var decoded = TextBuffer(capacity: 256)

  init(column: Int, type: ColumnType) {
    self.column = column
    self.type = type
    let isNumber = type == .number || type == .float
    unsafe numbers = .allocate(capacity: isNumber ? RecordTile.recordLimit : 1)
    unsafe words = .allocate(capacity: isNumber ? 1 : RecordTile.recordLimit)
    unsafe words.initialize(repeating: 0)
  }

  deinit {
    unsafe numbers.deallocate()
    unsafe words.deallocate()
  }

  /// Reads the tile's fields; those that are not of the type become failures without a value.
  func read(_ tile: borrowing RecordTile, nullWords: NullWords) {
    failures.removeAll()
    switch type {
    case .text: return
    case .number, .float:
      _ = unsafe tile.readNumbers(
        column: column, nullWords: nullWords, into: numbers, failures: &failures)
    case .boolean, .integer, .date, .timestamp:
      missing.removeAll()
      _ = unsafe tile.readValues(
        column: column, as: type, nullWords: nullWords, into: words, missing: &missing,
        failures: &failures)
    case .binary: readBinary(tile, nullWords)
    }
  }

  /// Appends the values of some records.
  func append(
    _ records: UnsafeBufferPointer<UInt16>, of tile: borrowing RecordTile, nullWords: NullWords,
    to buffer: ColumnBuffer
  ) {
    switch type {
    case .number, .float:
      guard let start = unsafe UnsafePointer(numbers.baseAddress) else { return }
      unsafe buffer.append(start, stride: 1, records: records)
    case .boolean, .integer, .date, .timestamp:
      for index in records.indices {
        let record = unsafe Int(records[index])
        buffer.append(missing.contains(record) ? nil : unsafe words[record])
      }
    case .text: unsafe appendTexts(records, of: tile, nullWords, to: buffer)
    case .binary: unsafe appendBinary(records, of: tile, to: buffer)
    }
  }

  // MARK: Bytes

  private func readBinary(_ tile: borrowing RecordTile, _ nullWords: NullWords) {
    missing.removeAll()
    for record in 0..<tile.count {
      guard tile.error(of: record) == nil, unsafe !isMissing(tile.field(record, column), nullWords)
      else {
        missing.insert(record)
        continue
      }
      decoded.removeAll()
      var isBinary = false
      unsafe withText(tile.field(record, column)) { text in
        unsafe decoded.append(bound: text.count) { target in
          let count = unsafe BinaryText.decode(text, into: target)
          isBinary = count != nil
          return count ?? 0
        }
      }
      guard !isBinary else { continue }
      failures.insert(record)
      missing.insert(record)
    }
  }

  /// As of numbers: a null word has no value in quotes either.
  private func isMissing(_ field: RecordTile.Field, _ nullWords: NullWords) -> Bool {
    let text = unsafe BinaryText.trimmed(field.bytes)
    return unsafe field.isMissing(nullWords) || text.isEmpty
      || (!field.isJSON && nullWords.contains(text))
  }

  /// Gives a field's text, without the spaces around it.
  private func withText(
    _ field: RecordTile.Field, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    guard unsafe field.isEscaped else { return unsafe body(BinaryText.trimmed(field.bytes)) }
    unescaped.removeAll()
    unsafe unescaped.append(text: field)
    unsafe unescaped.withUnsafeBytes { bytes in
      unsafe bytes.withMemoryRebound(to: UInt8.self) { unsafe body(BinaryText.trimmed($0)) }
    }
  }

  private func appendBinary(
    _ records: UnsafeBufferPointer<UInt16>, of tile: borrowing RecordTile,
    to buffer: ColumnBuffer
  ) {
    for index in records.indices {
      let record = unsafe Int(records[index])
      guard !missing.contains(record) else {
        buffer.appendNullText()
        continue
      }
      // It was decoded before, and is again: that is cheaper than to keep a tile's bytes twice.
      unsafe withText(tile.field(record, column)) { text in
        unsafe buffer.append(limit: text.count) { target in
          unsafe BinaryText.decode(text, into: target) ?? 0
        }
      }
    }
  }

  private func appendTexts(
    _ records: UnsafeBufferPointer<UInt16>, of tile: borrowing RecordTile, _ nullWords: NullWords,
    to buffer: ColumnBuffer
  ) {
    for index in records.indices {
      let field = unsafe tile.field(Int(records[index]), column)
      if unsafe field.isMissing(nullWords) {
        buffer.appendNullText()
      } else if unsafe field.isEscaped {
        unsafe buffer.append(limit: field.bytes.count) { unsafe field.unescape(into: $0) }
      } else {
        unsafe buffer.append(field.bytes)
      }
    }
  }
}
