import Jobs
import Leasing
import Testing

struct LeaseTableTests {
  @Test func keepsAShardInSixtyFourBytes() {
    #expect(MemoryLayout<ShardRecord>.stride <= 64)
  }

  @Test func givesLowestBlocksFirstAndEachOnce() {
    let subject = LeaseTableSubject(plan(66, 1))
    var given: [String] = []
    while let lease = subject.acquire(limit: 40) { given.append("\(lease.shard):\(lease.blocks)") }
    #expect(given == ["0:0..<40", "0:40..<64", "1:0..<2", "2:0..<1"])
    #expect(subject.table.leasedBlockCount == 67)
    #expect(subject.table.pendingBlockCount == 0)
  }

  @Test func releasesOnlyThatWorkersLeases() {
    let subject = LeaseTableSubject(plan(8))
    _ = subject.acquire(me, limit: 2)
    _ = subject.acquire(other, limit: 2)
    _ = subject.acquire(me, limit: 2)
    subject.table.release(worker: me)
    #expect(subject.shape == "leased []/[2..<4]")
    #expect(describe(subject.acquire(third)) == "0:0..<2 as 1.4 from -1")
    #expect(describe(subject.acquire(third)) == "0:4..<8 as 1.5 from -1")
  }

  @Test func shortensOnlyThatWorkersLeasesAndLetsItRenewThem() throws {
    let subject = LeaseTableSubject(plan(8))
    let first = try #require(subject.acquire(me, limit: 2))
    _ = subject.acquire(me, limit: 2)
    _ = subject.acquire(other, limit: 2)
    subject.table.shortenLeases(of: me, to: seconds(3))
    subject.table.shortenLeases(of: me, to: seconds(8))  // never longer again
    #expect(subject.renew(first, now: 2) == .renewed)
    subject.tick(4)
    let left = subject.table.leases.map(\.blocks).sorted { $0.first < $1.first }
    #expect(left == [BlockRange(0, 2), BlockRange(4, 6)])
  }

  @Test func givesNoBlockOfAnotherLivingLeaseToAReturner() throws {
    let subject = LeaseTableSubject(plan(8))
    let mine = try #require(subject.acquire())
    subject.tick(10)
    _ = subject.acquire(other, limit: 1, now: 11)
    #expect(subject.renew(mine, now: 12) == .revoked)
    subject.table.handBack(shard: ShardID(0), attempt: attempt(2), worker: other)
    #expect(subject.renew(mine, now: 13) == .renewed)
    #expect(subject.acquire(other) == nil)
  }

  @Test func answersAForeignShardWithoutTouchingAnything() {
    let subject = LeaseTableSubject(plan(8))
    let foreign = Lease(
      shard: ShardID(9), blocks: BlockRange(0, 1), attempt: attempt(1), worker: me,
      entry: .recordStart, deadline: seconds(0))
    #expect(subject.renew(foreign) == .revoked)
    let beyond = Lease(
      shard: ShardID(0), blocks: BlockRange(7, 9), attempt: attempt(1), worker: me,
      entry: .recordStart, deadline: seconds(0))
    #expect(subject.renew(beyond) == .revoked)
    subject.table.handBack(shard: ShardID(9), attempt: attempt(1), worker: me)
    subject.fail(1, shard: 9)
    subject.table.restore(charges: 3, of: ShardID(9))
    #expect(subject.effects == [])
    #expect(subject.table.violations() == [])
  }

  @Test func neverNamesTwoLeasesAlikeWithinOneLife() throws {
    let subject = LeaseTableSubject(plan(8))
    for _ in 0..<3 {
      let lease = try #require(subject.acquire())
      subject.table.handBack(shard: lease.shard, attempt: lease.attempt, worker: me)
    }
    let rebuilt = LeaseTableSubject(plan(8))
    rebuilt.table.continueAttempts(of: subject.table)
    #expect(rebuilt.acquire()?.attempt == attempt(4))
  }

  /// Thousands of random events, with the invariants recounted after each.
  @Test(arguments: 1...40) func keepsItsCountsUnderAnyEvents(seed: UInt64) {
    var walk = RandomWalk(seed: seed)
    for step in 0..<400 {
      walk.step()
      let violations = walk.subject.table.violations()
      #expect(violations == [], "seed \(seed), step \(step)")
      guard violations.isEmpty else { return }
    }
    walk.finishEverything()
    #expect(walk.subject.table.isComplete, "seed \(seed)")
    #expect(walk.committed.values.allSatisfy { $0 == 1 }, "each block committed once net")
    #expect(walk.committed.count == walk.subject.table.blockCount)
    #expect(walk.confirmed == walk.committed.mapValues { _ in 1 }, "each block confirmed once")
  }
}
