import Jobs
import Tables

/// Columns of a table in memory, as a program that wants the whole table would have them.
///
/// Numbers are kept as 32-bit or 64-bit floats, texts as their bytes and ends. The memory is kept
/// for the next run.
@safe final class TableColumns {
  private(set) var rowCount = 0
  private let numbers: [Int]
  private let texts: [Int]
  private let isFloat: Bool
  private var columns: [NumberColumn]
  private var textColumns: [TextColumn]
  private var tileNumbers: [Double]
  private var failures: [UInt64]

  /// Texts in one piece for each tile.
  private struct TextColumn {
    var pieces: [TextPiece] = []
    var count = 0
  }

  private struct TextPiece {
    var bytes: [UInt8] = []
    var byteCount = 0
    var ends = [UInt32](repeating: 0, count: RecordTile.recordLimit)

    mutating func read(
      _ tile: borrowing RecordTile, _ column: Int, _ nullWords: NullWords,
      _ missing: inout RecordSet
    ) {
      byteCount = unsafe ends.withUnsafeMutableBufferPointer { ends in
        unsafe tile.readTexts(
          column: column, nullWords: nullWords, into: &bytes, ends: ends, missing: &missing)
      }
    }
  }

  @safe private final class NumberColumn {
    let width: Int
    private(set) var values: UnsafeMutableRawPointer
    private var capacity = 1 << 16

    init(width: Int) {
      self.width = width
      unsafe values = .allocate(byteCount: width * (1 << 16), alignment: 64)
    }

    deinit { unsafe values.deallocate() }

    func reserve(_ count: Int, kept: Int) {
      guard count > capacity else { return }
      capacity = max(2 * capacity, count)
      let larger = UnsafeMutableRawPointer.allocate(byteCount: width * capacity, alignment: 64)
      unsafe larger.copyMemory(from: values, byteCount: width * kept)
      unsafe values.deallocate()
      unsafe values = larger
    }
  }

  /// Makes empty columns.
  ///
  /// - Parameters:
  ///   - types: Of all columns of the table; numbers and texts are kept.
  ///   - columns: Which are read.
  ///   - isFloat: Whether numbers are kept in 32 bits.
  init(types: [ColumnType], columns: [Int], isFloat: Bool) {
    numbers = columns.filter { [.integer, .number, .float].contains(types[$0]) }
    texts = columns.filter { [.text, .date, .timestamp].contains(types[$0]) }
    self.isFloat = isFloat
    self.columns = numbers.map { _ in NumberColumn(width: isFloat ? 4 : 8) }
    textColumns = texts.map { _ in TextColumn() }
    tileNumbers = Array(repeating: 0, count: numbers.count * RecordTile.recordLimit)
    failures = Array(repeating: 0, count: numbers.count * RecordTile.recordLimit / 64)
  }

  /// Forgets all rows.
  func removeAll() {
    rowCount = 0
    for index in textColumns.indices { textColumns[index].count = 0 }
  }

  /// Appends the records of a tile.
  ///
  /// - Throws: `BenchmarkError` where a record is an error or a value no number.
  func append(_ tile: borrowing RecordTile, nullWords: NullWords) throws {
    if let record = tile.firstError {
      throw BenchmarkError("record at \(tile.offset(of: record)) is an error")
    }
    if tile.isText {
      let failureCount = unsafe tileNumbers.withUnsafeMutableBufferPointer { numbers in
        unsafe failures.withUnsafeMutableBufferPointer { failures in
          unsafe tile.readNumbers(
            columns: self.numbers.map { UInt32($0) }, nullWords: nullWords, into: numbers,
            failures: failures)
        }
      }
      guard failureCount == 0 else {
        throw BenchmarkError("\(failureCount) fields of a tile are no numbers")
      }
    }
    for index in columns.indices { keepNumbers(index, of: tile) }
    for (index, column) in texts.enumerated() {
      keepTexts(index, tile, column: column, nullWords)
    }
    rowCount += tile.count
  }

  private func keepNumbers(_ index: Int, of tile: borrowing RecordTile) {
    columns[index].reserve(rowCount + tile.count, kept: rowCount)
    if let numbers = unsafe tile.numbers(ofColumn: numbers[index]) {
      return unsafe keep(numbers, in: columns[index])
    }
    let start = index * RecordTile.recordLimit
    unsafe tileNumbers.withUnsafeBufferPointer { numbers in
      unsafe keep(
        UnsafeBufferPointer(rebasing: numbers[start..<start + tile.count]), in: columns[index])
    }
  }

  private func keep(_ numbers: UnsafeBufferPointer<Double>, in column: NumberColumn) {
    if isFloat {
      let to = unsafe column.values.assumingMemoryBound(to: Float.self) + rowCount
      for record in numbers.indices { unsafe to[record] = unsafe Float(numbers[record]) }
    } else {
      let to = unsafe column.values.assumingMemoryBound(to: Double.self) + rowCount
      for record in numbers.indices { unsafe to[record] = unsafe numbers[record] }
    }
  }

  private func keepTexts(
    _ index: Int, _ tile: borrowing RecordTile, column: Int, _ nullWords: NullWords
  ) {
    var missing = RecordSet()
    let place = textColumns[index].count
    if place == textColumns[index].pieces.count { textColumns[index].pieces.append(TextPiece()) }
    textColumns[index].count += 1
    textColumns[index].pieces[place].read(tile, column, nullWords, &missing)
  }

  /// The sum of each column of numbers, without those that are missing, by its place in the table.
  var sums: [Int: Double] {
    var sums: [Int: Double] = [:]
    for (index, column) in numbers.enumerated() {
      var sum = 0.0
      for row in 0..<rowCount {
        let value = self.value(of: columns[index], row)
        if !value.isNaN { sum += value }
      }
      sums[column] = sum
    }
    return sums
  }

  private func value(of column: NumberColumn, _ row: Int) -> Double {
    isFloat
      ? Double(unsafe column.values.assumingMemoryBound(to: Float.self)[row])
      : unsafe column.values.assumingMemoryBound(to: Double.self)[row]
  }

  /// Bytes of all texts.
  var textByteCount: Int {
    textColumns.reduce(0) { $0 + $1.pieces[..<$1.count].reduce(0) { $0 + $1.byteCount } }
  }
}
