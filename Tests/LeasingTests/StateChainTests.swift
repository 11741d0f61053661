import Jobs
import Leasing
import Testing

/// Provisional blocks, and what the chain of parser states makes of them.
struct StateChainTests {
  @Test func confirmsInOrderWhatWasCommittedOutOfOrder() {
    let subject = LeaseTableSubject(plan(8))
    for blocks in [BlockRange(6, 8), BlockRange(2, 4), BlockRange(4, 6)] {
      #expect(subject.finish(result(0, blocks, attempt(1))) == .committed)
    }
    #expect(subject.table.confirmedBlockCount == 0)
    #expect(subject.table.provisionalCount == 3)
    _ = subject.takeEffects()
    #expect(subject.finish(result(0, BlockRange(0, 2), attempt(2))) == .committed)
    #expect(
      subject.takeEffects()
        == "commit 0:0..<2 by 1.2, confirm 0:0..<2 (20), confirm 0:2..<4 (20), "
        + "confirm 0:4..<6 (20), confirm 0:6..<8 (20)")
    #expect(subject.table.isComplete)
    #expect(subject.table.provisionalCount == 0)
  }

  @Test func refutesAWrongGuessAndLeasesItAgainWithTheRightState() throws {
    let subject = LeaseTableSubject(plan(8))
    _ = subject.acquire(me, limit: 4)
    let late = try #require(subject.acquire(other))
    #expect(late.entry == .recordStart)
    _ = subject.finish(result(0, BlockRange(4, 8), attempt(2)), by: other)
    #expect(subject.table.committedBlockCount == 4)
    _ = subject.takeEffects()
    _ = subject.finish(result(0, BlockRange(0, 4), attempt(1), exits: [4: 900]))
    #expect(
      subject.takeEffects()
        == "commit 0:0..<4 by 1.1, confirm 0:0..<4 (40), refute 0:4..<8 by 1.2")
    #expect(subject.table.violations() == [])
    #expect(describe(subject.acquire()) == "0:4..<8 as 1.3 from 900")
    #expect(subject.table.shards[0].charges == 0)
    #expect(
      subject.finish(result(0, BlockRange(4, 8), attempt(2)), by: other) == .wrongState)
    #expect(
      subject.finish(result(0, BlockRange(4, 8), attempt(3), entry: 900)) == .committed)
    #expect(subject.table.isComplete)
  }

  @Test func guessesFromProvisionalNeighbours() throws {
    let subject = LeaseTableSubject(plan(128))
    let result = result(0, BlockRange(60, 64), attempt(9), exits: [64: 77])
    #expect(subject.finish(result) == .committed)
    #expect(describe(subject.acquire()) == "0:0..<60 as 1.1 from -1")
    #expect(describe(subject.acquire(limit: 3)) == "1:0..<3 as 1.1 from 77")
    #expect(describe(subject.acquire()) == "1:3..<64 as 1.2 from -1")
  }

  @Test func followsTheChainOverShardBoundsOnly() {
    let subject = LeaseTableSubject(plan(66, 4))
    #expect(subject.table.plan.shardCount == 3)
    _ = subject.finish(result(1, BlockRange(0, 2), attempt(1), entry: 5, exits: [2: 5]))
    _ = subject.finish(result(2, BlockRange(1, 4), attempt(1)))
    #expect(subject.table.confirmedBlockCount == 0)
    _ = subject.takeEffects()
    _ = subject.finish(result(0, BlockRange(0, 64), attempt(1), exits: [64: 5]))
    #expect(
      subject.takeEffects()
        == "commit 0:0..<64 by 1.1, confirm 0:0..<64 (640), confirm 1:0..<2 (20)")
    #expect(subject.table.confirmedBlockCount == 66)
    #expect(describe(subject.acquire()) == "2:0..<1 as 1.1 from -1", "each file starts afresh")
    _ = subject.takeEffects()
    _ = subject.finish(result(2, BlockRange(0, 1), attempt(1)))
    #expect(
      subject.takeEffects() == "commit 2:0..<1 by 1.1, confirm 2:0..<1 (10), confirm 2:1..<4 (30)")
    #expect(subject.table.isComplete)
  }

  @Test func leavesTheNextFileAloneWhenOneEndsInsideAField() {
    let subject = LeaseTableSubject(plan(1, 2))
    let foreign = CommittedBlocks(
      shard: ShardID(1), blocks: BlockRange(0, 2), attempt: attempt(1),
      entry: .insideField(recordOffset: 3), exit: .recordStart, counts: RecordCounts(ok: 1),
      partial: PartialName(digest: digest, byteCount: 1))
    #expect(subject.table.restore(foreign, into: &subject.effects))
    #expect(subject.finish(result(0, BlockRange(0, 1), attempt(1), exits: [1: 3])) == .committed)
    #expect(subject.takeEffects().hasPrefix("refute 1:0..<2"))
    #expect(subject.table.violations() == [])
    #expect(describe(subject.acquire()) == "1:0..<2 as 1.1 from -1")
  }

  @Test func refutesInACascadeOnlyWhatIsWrong() {
    let subject = LeaseTableSubject(plan(8))
    _ = subject.finish(result(0, BlockRange(2, 4), attempt(1), exits: [4: 7]))
    _ = subject.finish(result(0, BlockRange(4, 6), attempt(2), entry: 7))
    _ = subject.finish(result(0, BlockRange(6, 8), attempt(3)))
    _ = subject.takeEffects()
    _ = subject.finish(result(0, BlockRange(0, 2), attempt(4), exits: [2: 1]))
    #expect(
      subject.takeEffects()
        == "commit 0:0..<2 by 1.4, confirm 0:0..<2 (20), refute 0:2..<4 by 1.1")
    _ = subject.finish(result(0, BlockRange(2, 4), attempt(5), entry: 1, exits: [4: 7]))
    #expect(
      subject.takeEffects()
        == "commit 0:2..<4 by 1.5, confirm 0:2..<4 (20), confirm 0:4..<6 (20), "
        + "confirm 0:6..<8 (20)")
  }

  @Test func takesOfALateResultOnlyTheMissingBlocksWithTheirOwnStates() throws {
    let subject = LeaseTableSubject(plan(8))
    let exits: [Int: Int64] = [3: 30, 6: 60]
    _ = subject.finish(result(0, BlockRange(3, 6), attempt(1), entry: 30, exits: exits))
    subject.effects = []
    _ = subject.finish(result(0, BlockRange(0, 8), attempt(2), exits: exits), by: other)
    let commits = subject.effects.compactMap { effect -> CommittedBlocks? in
      guard case .commit(let part) = effect else { return nil }
      return part
    }
    #expect(commits.map(\.blocks) == [BlockRange(0, 3), BlockRange(6, 8)])
    #expect(commits.map(\.entry.code) == [-1, 60])
    #expect(commits.map(\.exit.code) == [30, -1])
    #expect(commits.map(\.counts.total) == [30, 20])
    #expect(subject.table.isComplete)
  }

  @Test(arguments: 0..<24) func restoresRowsInAnyOrder(order: Int) {
    var rows = [
      (BlockRange(0, 2), Int64(-1), Int64(5)), (BlockRange(2, 3), 5, -1),
      (BlockRange(3, 6), 9, -1), (BlockRange(6, 8), -1, -1),
    ]
    var rest = order
    for place in stride(from: 3, to: 0, by: -1) {
      rows.swapAt(place, rest % (place + 1))
      rest /= place + 1
    }
    let subject = LeaseTableSubject(plan(8))
    for (blocks, entry, exit) in rows {
      let row = CommittedBlocks(
        shard: ShardID(0), blocks: blocks, attempt: attempt(1),
        entry: RangeState(code: entry) ?? .recordStart,
        exit: RangeState(code: exit) ?? .recordStart, counts: RecordCounts(ok: 1),
        partial: PartialName(digest: digest, byteCount: 1))
      #expect(subject.table.restore(row, into: &subject.effects))
      guard entry != 9 else { continue }  // it may be refuted, and so be new again
      #expect(!subject.table.restore(row, into: &subject.effects))
    }
    #expect(subject.takeEffects().hasSuffix("refute 0:3..<6 by 1.1"))
    #expect(subject.table.confirmedBlockCount == 3)
    #expect(subject.table.committedBlockCount == 5)
    #expect(subject.table.violations() == [])
    #expect(describe(subject.acquire()) == "0:3..<6 as 1.1 from -1")
  }

  @Test func refusesRowsThatAreNotInThePlan() {
    let subject = LeaseTableSubject(plan(8))
    for (shard, blocks) in [(UInt32(1), BlockRange(0, 1)), (0, BlockRange(7, 9))] {
      let row = CommittedBlocks(
        shard: ShardID(shard), blocks: blocks, attempt: attempt(1), entry: .recordStart,
        exit: .recordStart, counts: RecordCounts(),
        partial: PartialName(digest: digest, byteCount: 0))
      #expect(!subject.table.restore(row, into: &subject.effects))
    }
    #expect(subject.effects == [])
    #expect(subject.table.committedBlockCount == 0)
  }
}
