import CoordinatorCore
import Digests
import Jobs
import Leasing
import Partials

/// How far a merge is in the order of the plan, and what the blocks up to there add up to.
///
/// Damage does not stop a merge: what follows is still read and checked, so that all of it is known
/// at once. A class, because a merge has one order that everything in it moves on.
final class PlanOrder {
  private let job: JobID
  private let plan: Plan
  private var cursor: MergeCursor
  /// Records of the input before the cut.
  private(set) var rowCount: UInt64 = 0
  private var counts = RecordCounts()
  private var totals = ShardTotals()
  private var blockDigests: [Digest128?] = []
  private var damaged: [CommittedBlocks] = []
  /// What the first damaged partial is like.
  private var damage = ""

  /// Begins before the plan's first block.
  init(_ input: MergeInput) {
    job = input.job
    plan = input.plan
    cursor = MergeCursor(input.plan)
  }

  /// Whether all partials up to here are what was committed.
  var isSound: Bool { damaged.isEmpty }

  /// Whether the next block is the first of its shard.
  var isAtStartOfShard: Bool { cursor.block == 0 }

  /// The shard of the next block.
  var shard: Int { cursor.shard }

  /// The input of the next block.
  var input: PlannedInput { plan.inputs[plan.inputIndex(of: ShardID(UInt32(shard)))] }

  // MARK: From block to block

  /// Holds blocks against what is due next.
  ///
  /// - Throws: `inconsistent` where others are.
  func check(_ committed: CommittedBlocks) throws(DestinationError) {
    if cursor.isAtInput { rowCount = 0 }
    guard cursor.accepts(committed) else {
      throw DestinationError(
        code: .inconsistent,
        context: "job \(job): blocks \(committed.blocks) of shard \(committed.shard) from "
          + "\(committed.entry) where block \(cursor.block) of shard \(shard) from "
          + "\(cursor.entry) is due")
    }
  }

  /// Begins the next shard.
  func beginShard() {
    totals.ok.append(0)
    totals.error.append(0)
    totals.filtered.append(0)
    blockDigests.removeAll(keepingCapacity: true)
  }

  /// Adds one block of a partial to its shard.
  func add(_ header: PartialHeader.Block) {
    totals.ok[shard] += header.counts.ok
    totals.error[shard] += header.counts.error
    totals.filtered[shard] += header.counts.filtered
    blockDigests.append(header.inputDigest)
  }

  /// Adds blocks without a partial.
  ///
  /// - Throws: `inconsistent` where there are records in them.
  func addNothing(_ committed: CommittedBlocks) throws(DestinationError) {
    guard committed.counts == RecordCounts() else {
      throw DestinationError(
        code: .inconsistent,
        context: "job \(job): \(committed.counts.total) records of shard \(shard) without a "
          + "partial")
    }
    blockDigests += repeatElement(nil, count: committed.blocks.count)
  }

  /// Takes note of what is wrong with a partial.
  ///
  /// - Throws: Where it is the disk: that stops the merge.
  func note(_ error: PartialError, _ committed: CommittedBlocks) throws(DestinationError) {
    switch error.code {
    case .damaged, .tooLarge, .file(.missing), .file(.unreadable):
      if damaged.isEmpty { damage = error.context }
      damaged.append(committed)
    case .file(let code): throw DestinationError(FileError(code: code, context: error.context))
    }
  }

  /// Goes on behind blocks that were appended.
  func advance(past committed: CommittedBlocks) {
    rowCount += committed.counts.total
    counts += committed.counts
    guard cursor.advance(past: committed) else { return }
    totals.inputDigests.append(Receipt.digest(over: blockDigests))
  }

  /// Ends; the plan's last block has been appended.
  ///
  /// - Parameter expected: What the confirmed blocks add up to.
  /// - Returns: What the receipt has of each shard.
  /// - Throws: `inconsistent`; `damaged` with every damaged partial's blocks.
  func finish(_ expected: RecordCounts) throws(DestinationError) -> ShardTotals {
    guard cursor.isAtEnd, counts == expected else {
      throw DestinationError(
        code: .inconsistent,
        context: "job \(job): the committed blocks end at shard \(shard), block \(cursor.block) of "
          + "\(plan.shardCount) shards with \(counts.total) of \(expected.total) records")
    }
    guard damaged.isEmpty else {
      throw DestinationError(
        code: .damaged(damaged),
        context: "job \(job): \(damaged.count) partials are damaged, the first: \(damage)")
    }
    return totals
  }

  // MARK: Partials

  /// Opens the partial of blocks and holds its header against the journal's row.
  func open(_ placed: PlacedBlocks) throws(PartialError) -> PartialReader {
    let reader = try PartialReader(path: placed.path)
    let (header, committed) = (reader.header, placed.committed)
    guard header.name == committed.partial else {
      throw reader.damaged("it is not the partial \(committed.partial.digest.hexadecimal)")
    }
    guard header.job == job, header.shard == committed.shard,
      header.attempt == committed.attempt, header.range.first <= committed.blocks.first,
      header.range.end >= committed.blocks.end,
      header.state(before: Int(committed.blocks.first)) == committed.entry,
      header.state(before: Int(committed.blocks.end)) == committed.exit,
      header.counts(of: committed.blocks) == committed.counts
    else {
      throw reader.damaged(
        "its header differs from what was journaled for blocks \(committed.blocks) of shard "
          + "\(committed.shard)")
    }
    return reader
  }
}
