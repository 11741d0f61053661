import Columnar

/// The row groups of one lease that have to be read, as runs without gaps.
struct ColumnarRuns {
  /// Row groups that follow each other.
  struct Run: Hashable {
    var groups: Range<Int>
    /// Their rows, in the file's units; the first and the last may reach beyond the lease.
    var rows: Range<UInt64>
  }

  /// In order.
  private(set) var runs: [Run] = []
  /// The first row of each row group, from that of the shard on.
  private let firstRows: [UInt64]
  private let firstGroup: Int

  /// Finds what a lease reads.
  ///
  /// - Parameters:
  ///   - groups: All row groups of the file.
  ///   - places: The row groups of the shard.
  ///   - shardOffset: The first row of the shard.
  ///   - rows: The rows of the lease.
  ///   - keeps: Whether a row group has rows that the filter may keep.
  init(
    _ groups: [ColumnarGroup], places: Range<Int>, shardOffset: UInt64, rows: Range<UInt64>,
    keeps: (Int) -> Bool
  ) {
    firstGroup = places.lowerBound
    var firstRows: [UInt64] = []
    var begin = shardOffset
    for group in places {
      firstRows.append(begin)
      let end = begin &+ groups[group].rowCount
      defer { begin = end }
      guard begin < end, end > rows.lowerBound, begin < rows.upperBound, keeps(group) else {
        continue
      }
      if let last = runs.last, last.groups.upperBound == group {
        runs[runs.count - 1] = Run(
          groups: last.groups.lowerBound..<group + 1, rows: last.rows.lowerBound..<end)
      } else {
        runs.append(Run(groups: group..<group + 1, rows: begin..<end))
      }
    }
    self.firstRows = firstRows
  }

  /// The first row of a row group of the shard.
  func firstRow(ofGroup group: Int) -> UInt64 { firstRows[group - firstGroup] }
}
