import Jobs

/// How much is left, and how fast it goes.
extension LeaseTable {
  /// Bytes as stored of all inputs.
  package var inputByteCount: UInt64 { plan.inputs.reduce(0) { $0 + $1.byteCount } }

  /// Bytes as stored of the blocks that are not committed, as if all blocks were alike.
  package var uncommittedByteCount: UInt64 {
    guard blockCount > 0 else { return 0 }
    let share = Double(blockCount - committedBlockCount) / Double(blockCount)
    return UInt64((Double(inputByteCount) * share).rounded())
  }

  /// Bytes as stored that one thread scores in a second, as measured; nil before the first results.
  package var bytesPerSlotSecond: Double? {
    guard let seconds = allTallies.secondsPerBlock, seconds > 0, blockCount > 0 else { return nil }
    return Double(inputByteCount) / Double(blockCount) / seconds
  }
}
