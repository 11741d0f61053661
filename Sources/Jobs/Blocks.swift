/// Consecutive blocks of one shard, `first..<end`, at most 64.
package struct BlockRange: Hashable, Sendable, CustomStringConvertible {
  package let first: UInt8
  package let end: UInt8

  /// The range `first..<end`; traps unless `first < end <= 64`.
  package init(_ first: Int, _ end: Int) {
    precondition(first >= 0 && first < end && end <= Limits.blocksPerShard)
    self.first = UInt8(first)
    self.end = UInt8(end)
  }

  /// The range, or `nil` where the numbers (from a peer or a file) are not one.
  package init?(checking first: UInt64, _ end: UInt64) {
    guard first < end, end <= UInt64(Limits.blocksPerShard) else { return nil }
    self.first = UInt8(first)
    self.end = UInt8(end)
  }

  package var count: Int { Int(end) - Int(first) }

  package var indices: Range<Int> { Int(first)..<Int(end) }

  package var description: String { "\(first)..<\(end)" }
}

/// A set of one shard's blocks, a bit each.
package struct BlockMask: Hashable, Sendable {
  package var bits: UInt64

  package init(bits: UInt64) {
    self.bits = bits
  }

  /// The blocks of a range.
  package init(_ range: BlockRange) {
    self = BlockMask(firstCount: Int(range.end)).subtracting(
      BlockMask(firstCount: Int(range.first)))
  }

  /// Blocks `0..<count`.
  package init(firstCount count: Int) {
    bits = count >= 64 ? .max : (1 << UInt64(count)) - 1
  }

  package static let none = BlockMask(bits: 0)

  package var isEmpty: Bool { bits == 0 }

  package var count: Int { bits.nonzeroBitCount }

  package func contains(_ block: Int) -> Bool { bits >> UInt64(block) & 1 == 1 }

  package func union(_ other: BlockMask) -> BlockMask { BlockMask(bits: bits | other.bits) }

  package func subtracting(_ other: BlockMask) -> BlockMask { BlockMask(bits: bits & ~other.bits) }

  package func intersection(_ other: BlockMask) -> BlockMask {
    BlockMask(bits: bits & other.bits)
  }

  /// The lowest run of consecutive blocks in the set, at most `limit` long; `nil` if it is empty.
  package func firstRun(limit: Int = Limits.blocksPerShard) -> BlockRange? {
    guard bits != 0 else { return nil }
    let first = bits.trailingZeroBitCount
    let length = (~(bits >> UInt64(first))).trailingZeroBitCount
    return BlockRange(first, first + min(length, limit))
  }

  /// All runs of consecutive blocks, lowest first.
  package var runs: [BlockRange] {
    var runs: [BlockRange] = []
    var rest = self
    while let run = rest.firstRun() {
      runs.append(run)
      rest = rest.subtracting(BlockMask(run))
    }
    return runs
  }
}
