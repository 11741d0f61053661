package import Jobs
package import Leasing

/// The next cut of a merge: committed blocks are taken in the order of the plan, each from the
/// state in which the one before ended.
package struct MergeCursor: Sendable {
  private let plan: Plan
  package private(set) var shard = 0
  package private(set) var block = 0
  private var state = RangeState.recordStart

  package init(_ plan: Plan) {
    self.plan = plan
  }

  /// Whether every block of the plan was taken.
  package var isAtEnd: Bool { shard == plan.shardCount }

  /// Whether the cut is the begin of an input.
  package var isAtInput: Bool {
    guard block == 0, !isAtEnd else { return false }
    let input = plan.inputIndex(of: ShardID(UInt32(shard)))
    return plan.shards(ofInput: input).lowerBound == shard
  }

  /// What the parser knows at the cut.
  package var entry: RangeState { isAtInput ? .recordStart : state }

  /// Whether the blocks are the next ones.
  package func accepts(_ committed: CommittedBlocks) -> Bool {
    if PlantedBug.mergedInArrivalOrder.isPlanted { return true }
    guard !isAtEnd, committed.shard.index == shard, Int(committed.blocks.first) == block else {
      return false
    }
    return Int(committed.blocks.end) <= blockCount && committed.entry == entry
  }

  /// Goes on behind blocks that were accepted.
  ///
  /// - Returns: Whether they end their shard.
  @discardableResult
  package mutating func advance(past committed: CommittedBlocks) -> Bool {
    state = committed.exit
    shard = committed.shard.index
    block = Int(committed.blocks.end)
    guard block == blockCount else { return false }
    shard += 1
    block = 0
    return true
  }

  private var blockCount: Int { plan.range(of: ShardID(UInt32(shard))).blockCount }
}

/// Which blocks a merge that goes along with the scoring may append.
///
/// Blocks that are in the journal and stand at the end of the chain of parser states are
/// confirmed, and nothing but damage takes them back. What was appended counts only if the
/// journal, read when the job is complete, begins with the very same blocks.
package struct MergeOrder: Sendable {
  /// Committed blocks that may wait for their turn; a larger gap is not worth its memory.
  package static let waitingLimit = 100_000

  private struct Cut: Hashable {
    let shard: Int
    let block: Int
  }

  private var cursor: MergeCursor
  private var waiting: [Cut: CommittedBlocks] = [:]
  /// How many rows of the journal were given out, and what they were.
  package private(set) var count = 0
  private var rows = Hasher()
  /// Set once the journal no longer bears out what was given out.
  package private(set) var hasGivenUp = false

  package init(_ plan: Plan) {
    cursor = MergeCursor(plan)
  }

  /// Takes note of an entry of the journal, in the order of the journal.
  package mutating func take(_ entry: JournalEntry) {
    switch entry {
    case .commit(_, let blocks):
      guard waiting.count < Self.waitingLimit else { return giveUp() }
      if !hasGivenUp { waiting[cut(before: blocks)] = blocks }
    case .refute(_, let blocks):
      // What waits was a guess; what is merged was not, so that the job is in trouble.
      let waited = waiting.removeValue(forKey: cut(before: blocks))
      guard waited == blocks else { return giveUp() }
    case .submitted, .planned, .columns, .inputsChecked, .state, .charge, .published, .deleted:
      break
    }
  }

  /// The blocks to append next, if they are there.
  package mutating func next() -> CommittedBlocks? {
    let place = Cut(shard: cursor.shard, block: cursor.block)
    guard !hasGivenUp, let committed = waiting[place], cursor.accepts(committed) else {
      return nil
    }
    waiting[place] = nil
    rows.combine(committed)
    count += 1
    cursor.advance(past: committed)
    return committed
  }

  /// Whether the journal's blocks, in the order of the plan, begin with those given out.
  package func isBegin(of commits: [CommittedBlocks]) -> Bool {
    guard !hasGivenUp, commits.count >= count else { return false }
    var found = Hasher()
    for committed in commits.prefix(count) { found.combine(committed) }
    return found.finalize() == rows.finalize()
  }

  package mutating func giveUp() {
    hasGivenUp = true
    waiting = [:]
  }

  private func cut(before blocks: CommittedBlocks) -> Cut {
    Cut(shard: blocks.shard.index, block: Int(blocks.blocks.first))
  }
}
