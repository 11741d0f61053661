package import Jobs

/// One shard in memory: at most 64 bytes, checked by a test.
///
/// Digests, counts and paths live in the journal; the shard's place in its file comes from the
/// plan.
package struct ShardRecord: Sendable {
  package enum State: UInt8, Sendable {
    case pending, leased, committed, failed
  }

  /// Blocks with a durable result, confirmed or still provisional.
  package internal(set) var committed = BlockMask.none
  /// Blocks under a living lease.
  package internal(set) var leased = BlockMask.none
  /// Worker of the last charge, so that one host's trouble can be told from the shard's.
  var chargedWorker: UInt64 = 0
  /// First of the shard's living leases in `LeaseTable.slots`.
  var firstSlot: Int32 = -1
  /// Attempts given in this incarnation.
  var attempts: UInt32 = 0
  package internal(set) var charges: UInt8 = 0
  package let blockCount: UInt8
  var hasFailed = false
  /// Leases that ran out unbegun since the last one that was charged for it.
  var lossCount: UInt8 = 0
  /// Host of the first charge, 0 where that is not known, and whether another one has one too.
  var chargedHost: UInt32 = 0
  var isChargedByTwoHosts = false

  init(blockCount: Int) {
    self.blockCount = UInt8(blockCount)
  }

  package var allBlocks: BlockMask { BlockMask(firstCount: Int(blockCount)) }

  /// Blocks that nobody works on and nobody has finished.
  package var pending: BlockMask {
    hasFailed ? .none : allBlocks.subtracting(committed).subtracting(leased)
  }

  package var state: State {
    if hasFailed { return .failed }
    if committed == allBlocks { return .committed }
    return leased.isEmpty ? .pending : .leased
  }
}
