import Jobs
import Leasing
import Testing

/// What idle workers take over from a slow one.
struct ReliefTests {
  private let subject = LeaseTableSubject(plan(48))

  init() {
    // Both workers finish sixteen blocks in eight seconds, and so show what they need for one.
    for worker in [me, other] {
      subject.table.acquire(
        for: Asker(worker), incarnation: Incarnation(1), leaseLimit: 1, now: seconds(0),
        blockLimit: { _ in 16 }, each: { _ in })
    }
    for (counter, worker) in [(1, me), (2, other)] {
      let first = counter == 1 ? 0 : 16
      _ = subject.finish(
        result(0, BlockRange(first, first + 16), attempt(UInt32(counter))), by: worker)
    }
    _ = subject.takeEffects()
  }

  /// The last sixteen blocks, of which `me` reports some to be finished.
  private func slowLease(finished: Int, elapsed: Int, at now: Int) throws -> Lease {
    var found: Lease?
    for worker in [me, other] {
      subject.table.acquire(
        for: Asker(worker), incarnation: Incarnation(1), leaseLimit: 1, now: seconds(8),
        blockLimit: { _ in 16 }, each: { found = $0 })
    }
    let lease = try #require(found)
    _ = renew(lease, finished: finished, elapsed: elapsed, at: now)
    return lease
  }

  @discardableResult
  private func renew(
    _ lease: Lease, finished: Int, elapsed: Int, at now: Int
  ) -> LeaseTable.Renewal {
    subject.table.renew(
      lease, progress: UInt64(finished) * 10,
      report: ScoringReport(finishedBlockCount: finished, elapsed: .seconds(elapsed)),
      now: seconds(now), into: &subject.effects)
  }

  private func relieve(by worker: WorkerID = other, at now: Int) -> Lease? {
    subject.table.relieve(
      for: Asker(worker), incarnation: Incarnation(1), now: seconds(now),
      into: &subject.effects)
  }

  @Test func dividesTheRestOfASlowLease() throws {
    // Four blocks in twenty seconds: ten times slower than the other one's half a second each.
    let lease = try slowLease(finished: 4, elapsed: 20, at: 28)
    let relief = try #require(relieve(at: 28))
    #expect(relief.blocks == BlockRange(37, 48))
    #expect(!relief.isBackup)
    #expect(subject.takeEffects() == "", "its holder is told at its next heartbeat")
    #expect(renew(lease, finished: 4, elapsed: 20, at: 29) == .shortened(37))
    #expect(subject.table.violations() == [])
    #expect(subject.table.leasedBlockCount == 16)
  }

  @Test func keepsWhatWasCutAfterARestart() throws {
    let lease = try slowLease(finished: 4, elapsed: 20, at: 28)
    _ = relieve(at: 28)
    let fresh = LeaseTableSubject(plan(48))
    let held = HeldLease(grant: Grant(job: JobID(1), lease: lease), progress: 40, end: 37)
    #expect(fresh.renew(held.lease) == .renewed)
    #expect(fresh.shape == "leased []/[32..<37]")
  }

  @Test func triesTheLastBlocksTwice() throws {
    let lease = try slowLease(finished: 15, elapsed: 75, at: 83)
    let relief = try #require(relieve(at: 83))
    #expect(relief.isBackup)
    #expect(relief.blocks == BlockRange(47, 48))
    #expect(subject.table.violations() == [])
    #expect(relieve(by: third, at: 84) == nil, "twice, not three times")
    #expect(renew(lease, finished: 15, elapsed: 76, at: 84) == .renewed)
    // The second try wins: its holder is told to stop, and nobody is charged.
    #expect(subject.finish(result(0, BlockRange(47, 48), relief.attempt), by: other) == .committed)
    #expect(subject.takeEffects() == "commit 0:47..<48 by 1.4")
    #expect(
      subject.finish(result(0, BlockRange(32, 48), lease.attempt), by: me) == .committed)
    #expect(subject.table.isComplete)
    #expect(subject.table.shards[0].charges == 0)
    #expect(subject.table.violations() == [])
  }

  @Test func tellsTheLoserToStop() throws {
    let lease = try slowLease(finished: 0, elapsed: 20, at: 28)
    _ = subject.finish(result(0, BlockRange(33, 48), attempt(9)), by: other)
    let relief = try #require(relieve(at: 28))
    #expect(relief.isBackup)
    #expect(relief.blocks == BlockRange(32, 33))
    _ = subject.takeEffects()
    _ = subject.finish(result(0, relief.blocks, relief.attempt), by: other)
    #expect(subject.takeEffects().hasSuffix("revoke 1.3 of 1, confirm 0:33..<48 (150)"))
    #expect(renew(lease, finished: 0, elapsed: 21, at: 29) == .revoked)
    #expect(subject.takeEffects() == "")
    #expect(subject.table.shards[0].charges == 0)
  }

  @Test func neverChargesASecondTry() throws {
    _ = try slowLease(finished: 15, elapsed: 75, at: 83)
    let relief = try #require(relieve(at: 83))
    _ = subject.renew(relief, now: 83)
    subject.fail(relief.attempt.counter, by: other)
    #expect(subject.takeEffects() == "")
    #expect(subject.table.violations() == [])
    let again = try #require(relieve(at: 84))
    _ = subject.renew(again, now: 84)
    subject.tick(95)
    #expect(subject.table.shards[0].charges == 1, "the first try alone")
  }

  @Test func movesALeaseThatWaits() throws {
    // `me` is far slower than `other`, and has a lease waiting behind the one at work.
    let running = try slowLease(finished: 1, elapsed: 20, at: 28)
    subject.table.handBack(shard: running.shard, attempt: running.attempt, worker: me)
    let first = try #require(subject.acquire(me, limit: 8, now: 28))
    let waiting = try #require(subject.acquire(me, limit: 8, now: 28))
    renew(first, finished: 1, elapsed: 20, at: 48)
    let relief = try #require(relieve(at: 48))
    #expect(relief.blocks == waiting.blocks || relief.blocks.end == first.blocks.end)
    #expect(subject.table.violations() == [])
  }

  @Test func halvesALeaseBeforeAnythingIsFinished() throws {
    let subject = LeaseTableSubject(plan(16))
    let lease = try #require(subject.acquire(limit: 16))
    let report = ScoringReport(finishedBlockCount: 2, elapsed: .seconds(4))
    _ = subject.table.renew(
      lease, progress: 20, report: report, now: seconds(4), into: &subject.effects)
    let relief = subject.table.relieve(
      for: Asker(other), incarnation: Incarnation(1), now: seconds(4), into: &subject.effects)
    #expect(relief?.blocks == BlockRange(9, 16))
  }

  @Test func leavesOneAloneThatIsFastEnough() throws {
    _ = try slowLease(finished: 15, elapsed: 8, at: 16)
    #expect(relieve(at: 16) == nil)
  }

  @Test func leavesASuspectAlone() throws {
    let subject = LeaseTableSubject(plan(8), chargeLimit: 0, suspectChargeLimit: 3)
    let lease = try #require(subject.acquire())
    #expect(lease.isSuspect)
    _ = subject.renew(lease)
    #expect(
      subject.table.relieve(
        for: Asker(other), incarnation: Incarnation(1), now: seconds(50), into: &subject.effects)
        == nil)
  }
}
