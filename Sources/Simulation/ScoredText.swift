import Jobs
import Leasing

/// The truth about a job's inputs: what each block holds, and what a parser finds there.
struct ScoredText: Sendable {
  let plan: Plan
  /// Global number of each shard's first block.
  let firstBlocks: [Int]
  private let seed: UInt64
  /// By global block: the true state at its begin and at its end.
  private let entries: [RangeState]
  private let exits: [RangeState]
  /// By global block: hashes of its records.
  private let records: [[UInt64]]

  /// Draws one to five files of a few blocks; some are longer than one shard.
  init(
    insideField: Int, inputLimit: Int, isDrill: Bool, using generator: inout SplitMix64
  ) {
    let seed = generator.next()
    // Half of the jobs are small, so that most of their time goes into the end of a job.
    let isSmall = generator.below(2) == 0 || isDrill
    let longFile = !isSmall && generator.below(6) == 0
    let inputs = (0..<min(inputLimit, generator.within(1...(isSmall ? 2 : 5)))).map { index in
      let blocks =
        index == 0 && longFile
        ? generator.within(65...140) : generator.within(0...(isSmall ? 3 : 16))
      return PlannedInput(
        path: "/in/\(index)", byteCount: UInt64(blocks) * 256, modifiedNanoseconds: 0, inode: 0,
        compression: .none)
    }
    guard let plan = try? Plan(inputs: inputs, blockByteCount: 256) else {
      fatalError("a small plan is a plan")  // five files are below every limit
    }
    self.plan = plan
    self.seed = seed
    var firstBlocks: [Int] = []
    var entries: [RangeState] = []
    var exits: [RangeState] = []
    var state = RangeState.recordStart
    for shard in 0..<plan.shardCount {
      let range = plan.range(of: ShardID(UInt32(shard)))
      if shard == plan.shards(ofInput: range.inputIndex).lowerBound { state = .recordStart }
      firstBlocks.append(entries.count)
      for _ in 0..<range.blockCount {
        entries.append(state)
        if generator.chance(insideField) {
          // Half of these fields go on from the block before: the same record's offset.
          if state == .recordStart || generator.below(2) == 0 {
            state = .insideField(recordOffset: UInt64(entries.count) * 16)
          }
        } else {
          state = .recordStart
        }
        exits.append(state)
      }
    }
    self.firstBlocks = firstBlocks
    self.entries = entries
    self.exits = exits
    records = entries.indices.map { block in
      let count = Int(mixed(seed ^ UInt64(block)) % 4)
      return (0..<count).map { mixed(seed &+ UInt64(block * 8 + $0)) }
    }
  }

  var blockCount: Int { entries.count }

  /// Every record's hash, in plan order.
  var allRecords: [UInt64] { records.flatMap { $0 } }

  /// Records of the whole text that are errors.
  var errorCount: UInt64 { records.reduce(0) { $0 + UInt64($1.filter(isError).count) } }

  func globalBlock(_ shard: ShardID, _ block: Int) -> Int { firstBlocks[shard.index] + block }

  func trueEntry(_ shard: ShardID, _ block: Int) -> RangeState {
    entries[globalBlock(shard, block)]
  }

  /// What a parser makes of a block from a state, which may be wrong: then its records are wrong
  /// as well, and it may or may not find its way before the block ends.
  func score(
    _ shard: ShardID, _ block: Int, from state: RangeState
  ) -> (records: [UInt64], result: BlockResult) {
    let index = globalBlock(shard, block)
    guard state != entries[index] else {
      let right = records[index]
      return (right, BlockResult(counts: counts(of: right), exit: exits[index]))
    }
    let wrong = (records[index] + [1]).map { mixed($0 ^ 0xBAD) }
    let findsItsWay = mixed(seed ^ UInt64(index) ^ 0xF00D) % 2 == 0
    let lost: RangeState =
      exits[index] == .recordStart ? .insideField(recordOffset: UInt64(index) * 16) : .recordStart
    return (
      wrong,
      BlockResult(counts: counts(of: wrong), exit: findsItsWay ? exits[index] : lost)
    )
  }

  private func isError(_ record: UInt64) -> Bool { record % 8 == 0 }

  private func counts(of records: [UInt64]) -> RecordCounts {
    let errors = UInt64(records.filter(isError).count)
    return RecordCounts(ok: UInt64(records.count) - errors, error: errors)
  }
}

/// What a partial holds: the record hashes of each of its blocks.
struct PartialContent: Sendable, Equatable {
  let shard: ShardID
  let blocks: BlockRange
  let records: [[UInt64]]

  func records(of range: BlockRange) -> [UInt64] {
    range.indices.flatMap { records[$0 - Int(blocks.first)] }
  }
}
