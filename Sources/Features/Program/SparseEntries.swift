internal import Scoring

/// Features that are not 0, as instructions find them.
struct SparseEntries {
  private struct Entry {
    /// Row and column, the row first.
    let key: UInt64
    let value: Double
  }

  private var entries: [Entry] = []
  private var starts: [Int] = []
  private var columns: [UInt32] = []
  private var values: [Double] = []

  mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

  /// Adds a feature of a row, once.
  mutating func add(row: Int, column: Int32, _ value: Double) {
    guard value != 0 else { return }
    entries.append(Entry(key: UInt64(row) << 32 | UInt64(column), value: value))
  }

  /// Lends all that was added, in order.
  mutating func withRows<Result>(
    rowCount: Int, _ body: (SparseRows) -> Result
  ) -> Result {
    entries.sort { $0.key < $1.key }
    starts.removeAll(keepingCapacity: true)
    columns.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    for (place, entry) in entries.enumerated() {
      let row = Int(entry.key >> 32)
      while starts.count <= row { starts.append(place) }
      columns.append(UInt32(truncatingIfNeeded: entry.key))
      values.append(entry.value)
    }
    while starts.count <= rowCount { starts.append(entries.count) }
    return unsafe starts.withUnsafeBufferPointer { starts in
      unsafe columns.withUnsafeBufferPointer { columns in
        unsafe values.withUnsafeBufferPointer { values in
          unsafe body(SparseRows(starts: starts, columns: columns, values: values))
        }
      }
    }
  }
}
