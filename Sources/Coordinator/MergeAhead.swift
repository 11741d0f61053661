package import CoordinatorCore
package import Destinations
import Dispatch
import Failpoints
package import Jobs
package import Leasing
import Partials

/// A job's merge that goes along with its scoring, so that little is left to do after the last
/// block.
///
/// It appends blocks that are in the journal and stand at the end of the chain of parser states:
/// those are confirmed, and nothing but damage takes them back. What it wrote counts only if the
/// journal, read when the job is complete, begins with the very same blocks; otherwise, and after
/// any trouble, it gives up and everything is merged anew. One queue guards all of its state.
package final class MergeAhead: @unchecked Sendable {
  /// Jobs that are merged ahead at once; each holds files and a few megabytes.
  static let jobLimit = 2
  /// Committed blocks that may wait for their turn; a larger gap is not worth its memory.
  private static let waitingLimit = 100_000

  private struct Cut: Hashable {
    var shard = 0
    var block = 0

    init(shard: Int = 0, block: Int = 0) {
      self.shard = shard
      self.block = block
    }

    init(before blocks: CommittedBlocks) {
      self.init(shard: blocks.shard.index, block: Int(blocks.blocks.first))
    }
  }

  private let plan: Plan
  private let placed: @Sendable (CommittedBlocks) -> PlacedBlocks
  private let begin: @Sendable () throws -> PosixMerge
  private let queue = DispatchQueue(label: "nightshift.merge")
  private var merge: PosixMerge?
  private var waiting: [Cut: CommittedBlocks] = [:]
  private var next = Cut()
  private var state = RangeState.recordStart
  private var hasGivenUp = false
  /// How many rows of the journal are merged, and what they were.
  private var count = 0
  private var rows = Hasher()

  /// A merge that begins with the first block.
  ///
  /// - Parameters:
  ///   - plan: The job's.
  ///   - placed: Finds the partial of committed blocks.
  ///   - begin: Begins to write, when there is something to append.
  package init(
    of plan: Plan, placing placed: @escaping @Sendable (CommittedBlocks) -> PlacedBlocks,
    beginning begin: @escaping @Sendable () throws -> PosixMerge
  ) {
    self.plan = plan
    self.placed = placed
    self.begin = begin
  }

  /// Takes note of what the journal has about the job's blocks, in the order of the journal.
  package func note(_ entries: [JournalEntry]) {
    queue.async { [self] in
      for entry in entries { take(entry) }
      appendReady()
    }
  }

  /// Ends the merge with what the journal has; blocks.
  ///
  /// - Parameters:
  ///   - commits: All of the job's committed blocks in the order of the plan.
  ///   - counts: What they add up to.
  ///   - execution: For the receipt.
  /// - Returns: Whether the output is written; false: it has to be merged from the beginning.
  /// - Throws: What the destination says, `damaged` above all.
  package func finish(
    _ commits: [CommittedBlocks], counts: RecordCounts, execution: JSONValue
  ) throws(DestinationError) -> Bool {
    let result = queue.sync { [self] () -> Result<Bool, DestinationError> in
      guard let merge, !hasGivenUp, isPrefix(of: commits) else {
        giveUp()
        return .success(false)
      }
      do throws(DestinationError) {
        for committed in commits.dropFirst(count) { try merge.append(placed(committed)) }
        Failpoint.coordinatorMerging.hit()
        _ = try merge.finish(counts: counts, execution: execution)
        self.merge = nil
        hasGivenUp = true  // over
        return .success(true)
      } catch {
        giveUp()
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Removes what was written; blocks.
  package func abandon() { queue.sync { giveUp() } }

  private func isPrefix(of commits: [CommittedBlocks]) -> Bool {
    guard commits.count >= count else { return false }
    var found = Hasher()
    for committed in commits.prefix(count) { found.combine(committed) }
    return found.finalize() == rows.finalize()
  }

  private func take(_ entry: JournalEntry) {
    switch entry {
    case .commit(_, let blocks):
      guard waiting.count < Self.waitingLimit else { return giveUp() }
      if !hasGivenUp { waiting[Cut(before: blocks)] = blocks }
    case .refute(_, let blocks):
      // What waits was a guess; what is merged was not, so that the job is in trouble.
      guard waiting.removeValue(forKey: Cut(before: blocks)) == blocks else { return giveUp() }
    case .submitted, .planned, .columns, .inputsChecked, .state, .charge, .published, .deleted:
      break
    }
  }

  private func appendReady() {
    do {
      while !hasGivenUp, let committed = waiting[next], committed.entry == entryState {
        waiting[next] = nil
        let merge = try merge ?? begin()
        self.merge = merge
        try merge.append(placed(committed))
        rows.combine(committed)
        count += 1
        advance(past: committed)
      }
    } catch {
      giveUp()  // the merge at the end meets it again, and tells
    }
  }

  /// What the chain of states says of the next cut.
  private var entryState: RangeState {
    let input = plan.inputIndex(of: ShardID(UInt32(next.shard)))
    let isFirst = plan.shards(ofInput: input).lowerBound == next.shard
    return isFirst && next.block == 0 ? .recordStart : state
  }

  private func advance(past committed: CommittedBlocks) {
    state = committed.exit
    next.block = Int(committed.blocks.end)
    guard next.block == plan.range(of: committed.shard).blockCount else { return }
    next = Cut(shard: next.shard + 1, block: 0)
  }

  private func giveUp() {
    hasGivenUp = true
    waiting = [:]
    merge?.abandon()
    merge = nil
  }
}
