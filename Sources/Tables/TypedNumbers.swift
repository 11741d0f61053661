/// Columns of a tile that come as numbers and not as text; NaN where there is no value.
///
/// Belongs to a reader, which refills it with each tile.
@safe package final class TypedNumbers {
  /// For each column of the table its place here, or -1.
  private let places: [Int]
  private let numbers: UnsafeMutableBufferPointer<Double>

  /// Makes room for a tile.
  ///
  /// - Parameters:
  ///   - columns: Which columns, none twice.
  ///   - columnCount: Columns of the table.
  package init(columns: [Int], columnCount: Int) {
    var places = Array(repeating: -1, count: columnCount)
    for (place, column) in columns.enumerated() { places[column] = place }
    self.places = places
    unsafe numbers = .allocate(capacity: max(1, columns.count) * RecordTile.recordLimit)
    unsafe numbers.initialize(repeating: .nan)
  }

  deinit { unsafe numbers.deallocate() }

  /// The numbers of a column, record after record; nil where it comes as text.
  package func values(ofColumn column: Int) -> UnsafeMutableBufferPointer<Double>? {
    // Columns beyond the reader's own are those of partitions, which are text.
    guard column < places.count, places[column] >= 0 else { return nil }
    let place = places[column]
    let start = place * RecordTile.recordLimit
    return unsafe UnsafeMutableBufferPointer(
      rebasing: numbers[start..<start + RecordTile.recordLimit])
  }
}
