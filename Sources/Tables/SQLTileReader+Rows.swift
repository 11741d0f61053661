import CKernels
import Database

/// The text of the tile's rows, as lines of CSV one after the other.
@safe struct SQLWindow: ~Copyable {
  private(set) var count = 0
  private var capacity = 1 << 20
  private(set) var start: UnsafeMutablePointer<UInt8>

  init() {
    unsafe start = .allocate(capacity: capacity + Int(NS_CSV_PADDING))
    unsafe start.initialize(repeating: 0, count: capacity + Int(NS_CSV_PADDING))
  }

  deinit { unsafe start.deallocate() }

  mutating func removeAll() { count = 0 }

  mutating func append(_ byte: UInt8) {
    reserve(1)
    unsafe start[count] = byte
    count += 1
  }

  mutating func append(_ text: some Collection<UInt8>) {
    reserve(text.count)
    for byte in text {
      unsafe start[count] = byte
      count += 1
    }
  }

  mutating func append(_ text: UnsafeRawBufferPointer) {
    guard let from = text.baseAddress else { return }
    reserve(text.count)
    unsafe UnsafeMutableRawPointer(start + count).copyMemory(from: from, byteCount: text.count)
    count += text.count
  }

  /// Appends what a kernel writes, at most `bound` bytes; it answers how many.
  mutating func append(bound: Int, _ write: (UnsafeMutablePointer<UInt8>) -> Int) {
    reserve(bound)
    let written = unsafe write(start + count)
    precondition(written <= bound)
    count += written
  }

  private mutating func reserve(_ addedCount: Int) {
    if addedCount > capacity - count { grow(addedCount) }
  }

  /// Makes room; the rest of the buffer is never read but as padding.
  private mutating func grow(_ addedCount: Int) {
    capacity = max(2 * capacity, count + addedCount)
    let byteCount = capacity + Int(NS_CSV_PADDING)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: byteCount)
    unsafe larger.update(from: start, count: count)
    unsafe (larger + count).initialize(repeating: 0, count: byteCount - count)
    unsafe start.deallocate()
    unsafe start = larger
  }
}

/// Which columns of a query are read, and as what.
struct SQLRowLayout {
  /// Columns of the query.
  let columnCount: Int
  /// What is asked for, in the order of the query.
  let read: [QueryColumn]
  /// Columns that come as numbers.
  let numbers: [Int]
  private let readIndices: [Int]
  private let isNumber: [Bool]
  private let isText: [Bool]

  init(columns: [QueryColumn], needs: ColumnNeeds) {
    columnCount = columns.count
    readIndices = needs.all
    read = needs.all.map { columns[$0] }
    // What is text in the database is parsed by whoever wants it as a number.
    let typed = needs.numbers.filter { columns[$0].type.isNumber }
    numbers = typed.sorted()
    isNumber = needs.all.map { typed.contains($0) }
    isText = needs.all.map { needs.texts.contains($0) || !typed.contains($0) }
  }

  /// Appends a row as a record of the tile.
  ///
  /// - Parameters:
  ///   - row: The row's fields after the key and the flag; `nil` where it was too long.
  ///   - bytes: What the fields lie in.
  ///   - record: The record's number in the tile.
  ///   - tile: Gets the spans.
  ///   - window: Gets the text.
  ///   - typed: Gets the numbers.
  /// - Throws: `malformed` naming the column.
  func append(
    _ row: BinaryRow?, _ bytes: UnsafeRawBufferPointer, as record: Int, to tile: inout RecordTile,
    _ window: inout SQLWindow, _ typed: TypedNumbers
  ) throws(DatabaseError) {
    let first = record * columnCount
    while Int(tile.fieldCapacity) < first + columnCount { tile.growFields(keeping: first) }
    let start = window.count
    for column in 0..<columnCount {
      unsafe tile.fields[first + column] = ns_csv_field(
        start: UInt32(start), length_and_flags: 0)
    }
    if let row {
      for (place, column) in readIndices.enumerated() {
        do throws(DatabaseError) {
          var field: UnsafeRawBufferPointer?
          var number = Double.nan
          if let range = row.fields[place + 2] {
            let value = unsafe UnsafeRawBufferPointer(rebasing: bytes[range])
            unsafe field = unsafe value
            if isNumber[place] { number = unsafe try read[place].type.number(value) }
          }
          unsafe typed.values(ofColumn: column)?[record] = number
          guard isText[place] else { continue }
          if window.count > start { window.append(UInt8(ascii: ",")) }
          let span = unsafe try window.append(field, read[place].type)
          unsafe tile.fields[first + column] = span
        } catch {
          throw error.prefixed("column \(SQL.printable(read[place].name))")
        }
      }
    } else {
      for column in numbers { unsafe typed.values(ofColumn: column)?[record] = .nan }
    }
    unsafe tile.records[record] = ns_csv_record(
      start: UInt32(start), length: UInt32(window.count - start), first_field: UInt32(first),
      field_count: UInt32(columnCount),
      error: UInt32(row == nil ? NS_CSV_RECORD_TOO_LONG : NS_CSV_OK))
  }
}
