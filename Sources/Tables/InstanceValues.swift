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
  private let presence: UnsafeMutableBufferPointer<Bool>
  private var unescaped = TextBuffer(capacity: 256)
  /// Decoded bytes of a field of `binary`.
  private var decoded = TextBuffer(capacity: 256)

  init(column: Int, type: ColumnType) {
    self.column = column
    self.type = type
    let isNumber = type == .number || type == .float
    unsafe numbers = .allocate(capacity: isNumber ? RecordTile.recordLimit : 1)
    unsafe words = .allocate(capacity: isNumber ? 1 : RecordTile.recordLimit)
    unsafe presence = .allocate(capacity: isNumber ? 1 : RecordTile.recordLimit)
    unsafe words.initialize(repeating: 0)
    unsafe presence.initialize(repeating: false)
  }

  deinit {
    unsafe numbers.deallocate()
    unsafe words.deallocate()
    unsafe presence.deallocate()
  }

  /// Reads the tile's fields; those that are not of the type become failures without a value.
  func read(_ tile: borrowing RecordTile, nullWords: NullWords) {
    failures.removeAll()
    switch type {
    case .text: return
    case .number, .float:
      _ = unsafe tile.readNumbers(
        column: column, nullWords: nullWords, into: numbers, failures: &failures)
    case .boolean: unsafe read(tile, nullWords) { unsafe FieldValues.boolean($0) }
    case .integer: unsafe read(tile, nullWords) { unsafe FieldValues.integer($0) }
    case .date: unsafe read(tile, nullWords) { unsafe FieldValues.date($0) }
    case .timestamp: unsafe read(tile, nullWords) { unsafe FieldValues.timestamp($0) }
    case .binary:
      unsafe read(tile, nullWords) { text in
        decoded.removeAll()
        return unsafe decode(text) ? 1 : nil
      }
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
        buffer.append(unsafe presence[record] ? words[record] : nil)
      }
    case .text: unsafe appendTexts(records, of: tile, nullWords, to: buffer)
    case .binary: unsafe appendBinary(records, of: tile, to: buffer)
    }
  }

  // MARK: Fields

  @inline(__always)
  private func read(
    _ tile: borrowing RecordTile, _ nullWords: NullWords,
    _ value: (UnsafeBufferPointer<UInt8>) -> Int64?
  ) {
    for record in 0..<tile.count {
      unsafe presence[record] = false
      guard tile.error(of: record) == nil else { continue }
      let field = unsafe tile.field(record, column)
      let text = unsafe FieldValues.trimmed(field.bytes)
      // As of numbers: a null word has no value in quotes either.
      if unsafe field.isMissing(nullWords) || text.isEmpty || nullWords.contains(text) { continue }
      if let word = unsafe field.isEscaped ? unescape(field, value) : value(text) {
        unsafe words[record] = word
        unsafe presence[record] = true
      } else {
        failures.insert(record)
      }
    }
  }

  private func unescape(
    _ field: RecordTile.Field, _ value: (UnsafeBufferPointer<UInt8>) -> Int64?
  ) -> Int64? {
    unescaped.removeAll()
    unsafe unescaped.append(text: field)
    return unsafe unescaped.withUnsafeBytes { bytes in
      unsafe bytes.withMemoryRebound(to: UInt8.self) { text in
        unsafe value(FieldValues.trimmed(text))
      }
    }
  }

  // MARK: Bytes

  /// Decodes a field of `binary`; false where it is none.
  private func decode(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    var isBinary = false
    unsafe decoded.append(bound: text.count) { target in
      let count = unsafe FieldValues.binary(text, into: target)
      isBinary = count != nil
      return count ?? 0
    }
    return isBinary
  }

  private func appendBinary(
    _ records: UnsafeBufferPointer<UInt16>, of tile: borrowing RecordTile,
    to buffer: ColumnBuffer
  ) {
    for index in records.indices {
      let record = unsafe Int(records[index])
      guard unsafe presence[record] else {
        buffer.appendNullText()
        continue
      }
      // It was decoded before, and is again: that is cheaper than to keep a tile's bytes twice.
      unescaped.removeAll()
      unsafe unescaped.append(text: tile.field(record, column))
      unsafe unescaped.withUnsafeBytes { bytes in
        unsafe bytes.withMemoryRebound(to: UInt8.self) { text in
          let text = unsafe FieldValues.trimmed(text)
          unsafe buffer.append(limit: text.count) { target in
            unsafe FieldValues.binary(text, into: target) ?? 0
          }
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
