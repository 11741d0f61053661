package import Digests
package import Jobs

/// Reads the records of one lease's range, tile by tile, block by block; used by one thread.
package protocol TileReader: AnyObject {
  /// What is known at the really used bounds of the blocks, as far as reading has come.
  ///
  /// Entry 0 is at the range's begin, entry k after block k - 1. Always `recordStart` in formats
  /// whose records cannot be cut.
  var boundStates: [RangeState] { get }

  /// Reads the next tile; blocks in it count from 0 at the range's begin.
  ///
  /// - Parameter tile: Refilled; what was in it is gone. Its text is the reader's: it is valid until
  ///   the next call, and only as long as the reader lives.
  /// - Returns: false when the range is finished; the tile is then empty.
  /// - Throws: What the input fails with. The reader is then of no more use.
  func readTile(into tile: inout RecordTile) throws -> Bool

  /// The digest of what a block was read from: of text its nominal bytes, otherwise the values
  /// that were read.
  ///
  /// Asked for in order, once the tiles of the block have been read.
  func inputDigest(ofBlock index: Int) -> Digest128

  /// Records of a block that were passed over without reading because the filter leaves none, up
  /// to the place where reading is.
  func prunedCount(ofBlock index: Int) -> UInt64
}

extension TileReader {
  /// None are, in formats without statistics.
  package func prunedCount(ofBlock index: Int) -> UInt64 { 0 }
}

/// What one lease reads of one input.
package struct LeaseRange: Hashable, Sendable {
  /// Path or URI, for messages.
  package let path: String
  /// `PlannedInput.version`: what pins an input that is no file.
  package let version: String
  /// Nominal begin of the first block, in the input's units.
  package let begin: UInt64
  /// Nominal end of the last block; `UInt64.max` where the input ends wherever it ends.
  package let end: UInt64
  /// Units in a block; the last one may be shorter, or take all that is left.
  package let blockLength: UInt64
  package let blockCount: Int
  /// Nominal begin of the shard, and where a reader of it starts, see `InputCut`; `nil` where the
  /// offset alone tells.
  package let shardOffset: UInt64
  package let places: Range<UInt64>?
  /// Nominal end of the shard, which a reader may check; nil where it need not.
  package let shardEnd: UInt64?
  /// What is known or guessed at the begin.
  package let entry: RangeState

  package init(
    path: String, version: String = "", begin: UInt64, end: UInt64, blockLength: UInt64,
    blockCount: Int, shardOffset: UInt64 = 0, places: Range<UInt64>? = nil,
    shardEnd: UInt64? = nil, entry: RangeState = .recordStart
  ) {
    self.path = path
    self.version = version
    self.begin = begin
    self.end = end
    self.blockLength = blockLength
    self.blockCount = blockCount
    self.shardOffset = shardOffset
    self.places = places
    self.shardEnd = shardEnd
    self.entry = entry
  }
}

/// Which columns a job reads, by number, and how.
package struct ColumnNeeds: Hashable, Sendable {
  /// Read as numbers: numeric inputs of the model, and what the filter compares with numbers.
  package var numbers: Set<Int>
  /// Read as text: text and category inputs, and what is written of the instance.
  package var texts: Set<Int>

  package init(numbers: Set<Int>, texts: Set<Int>) {
    self.numbers = numbers
    self.texts = texts
  }

  /// All of them, in order.
  package var all: [Int] { numbers.union(texts).sorted() }
}
