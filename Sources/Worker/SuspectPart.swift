import Tables

/// What a process apart scores of a suspect lease.
struct SuspectPart: Sendable {
  /// Records that are scored, counted from the lease's begin.
  let records: Range<UInt64>
  /// Records that are left out of them, and why.
  let isolated: [UInt64: String]
  /// Told right before a tile is scored which of its records are.
  let willScore: @Sendable (Range<UInt64>) -> Void

  /// Marks the records of a tile that are not scored.
  ///
  /// - Parameters:
  ///   - tile: The tile.
  ///   - numbers: Its records, counted from the lease's begin.
  /// - Returns: Which of the tile, and why.
  func leaveOut(of tile: borrowing RecordTile, _ numbers: Range<UInt64>) -> [Int: String] {
    var leftOut: [Int: String] = [:]
    for record in 0..<tile.count {
      let number = numbers.lowerBound + UInt64(record)
      let reason = records.contains(number) ? isolated[number] : "not looked at"
      guard let reason else { continue }
      leftOut[record] = reason
      tile.leaveOut(record)
    }
    willScore(records.clamped(to: numbers))
    return leftOut
  }
}
