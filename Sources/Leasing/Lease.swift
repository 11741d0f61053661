package import Jobs

/// A worker's right to some blocks of one shard until an instant.
///
/// For efficiency only: who should work, never what counts.
package struct Lease: Hashable, Sendable {
  package let shard: ShardID
  package internal(set) var blocks: BlockRange
  package let attempt: Attempt
  package let worker: WorkerID
  /// What the parser is told about the first block's cut: known, or the best guess.
  package let entry: RangeState
  /// Scored in a process apart: the shard may hold a record that ends its worker.
  package let isSuspect: Bool
  /// Whether another lease has the same blocks, of which this is the second try.
  package internal(set) var isBackup = false
  package var deadline: Instant
  /// Records scored so far, from the last heartbeat; `nil` while the worker has not begun.
  package var progress: UInt64?

  package init(
    shard: ShardID, blocks: BlockRange, attempt: Attempt, worker: WorkerID, entry: RangeState,
    deadline: Instant, progress: UInt64? = nil, isSuspect: Bool = false
  ) {
    self.shard = shard
    self.blocks = blocks
    self.attempt = attempt
    self.worker = worker
    self.entry = entry
    self.deadline = deadline
    self.progress = progress
    self.isSuspect = isSuspect
  }
}

/// How many records of one block ended where, and what the parser knew at its end.
package struct BlockResult: Hashable, Sendable {
  package let counts: RecordCounts
  package let exit: RangeState

  package init(counts: RecordCounts, exit: RangeState) {
    self.counts = counts
    self.exit = exit
  }
}

/// One attempt's result for consecutive blocks of one shard.
package struct ShardResult: Hashable, Sendable {
  package let shard: ShardID
  package let attempt: Attempt
  /// The state that the worker started from.
  package let entry: RangeState
  package let blocks: BlockRange
  /// One for each block of `blocks`.
  package let results: [BlockResult]
  package let partial: PartialName
  /// How long a thread was at it, reading included, on the worker's clock.
  package var elapsed = Duration.zero

  /// A result; `nil` where a peer sent another number of block results than blocks.
  package init?(
    shard: ShardID, attempt: Attempt, entry: RangeState, blocks: BlockRange,
    results: [BlockResult], partial: PartialName
  ) {
    guard results.count == blocks.count else { return nil }
    self.shard = shard
    self.attempt = attempt
    self.entry = entry
    self.blocks = blocks
    self.results = results
    self.partial = partial
  }

  /// Records of all its blocks.
  package var recordCount: UInt64 { counts(of: blocks).total }

  /// What the parser knew at the cut before a block of the result, or at its end.
  func state(before block: Int) -> RangeState {
    block == Int(blocks.first) ? entry : results[block - Int(blocks.first) - 1].exit
  }

  func counts(of range: BlockRange) -> RecordCounts {
    // Locals, because a sum in a structure is a call for each block.
    var ok: UInt64 = 0
    var error: UInt64 = 0
    var filtered: UInt64 = 0
    for place in Int(range.first) - Int(blocks.first)..<Int(range.end) - Int(blocks.first) {
      ok += results[place].counts.ok
      error += results[place].counts.error
      filtered += results[place].counts.filtered
    }
    return RecordCounts(ok: ok, error: error, filtered: filtered)
  }
}

/// Consecutive blocks of one shard taken from one partial: what a commit journals.
package struct CommittedBlocks: Hashable, Sendable {
  package let shard: ShardID
  package let blocks: BlockRange
  package let attempt: Attempt
  package let entry: RangeState
  package let exit: RangeState
  package let counts: RecordCounts
  package let partial: PartialName

  package init(
    shard: ShardID, blocks: BlockRange, attempt: Attempt, entry: RangeState, exit: RangeState,
    counts: RecordCounts, partial: PartialName
  ) {
    self.shard = shard
    self.blocks = blocks
    self.attempt = attempt
    self.entry = entry
    self.exit = exit
    self.counts = counts
    self.partial = partial
  }
}

/// What the caller carries out, in order; a `commit`, `refute` or `charge` is durable before
/// anyone is answered.
package enum LeaseEffect: Hashable, Sendable {
  /// Journal the blocks as committed.
  case commit(CommittedBlocks)
  /// Take a provisional commit back: it started from a wrong guess. Never follows a confirmation.
  case refute(CommittedBlocks)
  /// Blocks whose chain of states from the file's start is complete: their counts now hold.
  case confirm(shard: ShardID, blocks: BlockRange, counts: RecordCounts)
  /// The lease is over although its worker did not end it: tell the worker at its next heartbeat.
  case revoke(Lease)
  /// A failure counts against the shard (or is taken back): journal its charges.
  case charge(ShardID, charges: Int)
  /// The shard has so many charges that it is scored in a process apart from now on.
  case suspect(ShardID)
  /// The shard reached the charge limit and cannot be committed.
  case fail(ShardID)
}
