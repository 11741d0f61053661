import Jobs
import Leasing
import Testing

/// What the work on a job went into.
struct AccountTests {
  private let subject = LeaseTableSubject(plan(48))

  @discardableResult
  private func acquire(_ worker: WorkerID, slots: Int = 1, at now: Int = 0) throws -> Lease {
    var found: Lease?
    subject.table.acquire(
      for: Asker(worker, slotCount: slots), incarnation: Incarnation(1), leaseLimit: 1,
      now: seconds(now), blockLimit: { _ in 16 }, each: { found = $0 })
    return try #require(found)
  }

  /// A lease that its worker has begun, as of a heartbeat.
  private func begun(_ worker: WorkerID, elapsed: Int, at now: Int) throws -> Lease {
    let lease = try acquire(worker)
    _ = subject.table.renew(
      lease, progress: 1, report: ScoringReport(finishedBlockCount: 0, elapsed: .seconds(elapsed)),
      now: seconds(now), into: &subject.effects)
    return lease
  }

  private func finish(_ lease: Lease, blocks: BlockRange? = nil, elapsed: Int) {
    var made = result(0, blocks ?? lease.blocks, lease.attempt)
    made.elapsed = .seconds(elapsed)
    _ = subject.finish(made, by: lease.worker)
  }

  private func tick(at now: Int) { subject.table.tick(now: seconds(now), into: &subject.effects) }

  private func account(
    useful: Double = 0, repeated: Double = 0, backup: Double = 0, preempted: Double = 0
  ) -> WorkAccount {
    var account = WorkAccount()
    (account.useful, account.repeated) = (useful, repeated)
    (account.backup, account.preempted) = (backup, preempted)
    return account
  }

  @Test func whatCountsIsUseful() throws {
    finish(try acquire(me), elapsed: 8)
    #expect(subject.table.account == account(useful: 8))
  }

  @Test func whatWasThereBeforeIsRepeated() throws {
    let lease = try acquire(me)
    finish(lease, blocks: BlockRange(0, 4), elapsed: 4)
    finish(lease, elapsed: 16)
    #expect(subject.table.account == account(useful: 4 + 12, repeated: 4))
    finish(lease, elapsed: 16)
    #expect(subject.table.account == account(useful: 16, repeated: 4 + 16))
    var again = result(0, lease.blocks, lease.attempt)
    again.elapsed = .seconds(5)
    subject.table.noteRepeated(again, worker: me)
    #expect(subject.table.account == account(useful: 16, repeated: 4 + 16 + 5))
  }

  @Test(arguments: ["release", "hand back", "fail", "expire", "die"])
  func whatEndsWithoutAResultIsLost(how: String) throws {
    let lease = try begun(me, elapsed: 3, at: 4)
    tick(at: 5)
    switch how {
    case "release": subject.table.release(worker: me)
    case "hand back":
      subject.table.handBack(shard: lease.shard, attempt: lease.attempt, worker: me)
    case "fail":
      subject.table.fail(
        shard: lease.shard, attempt: lease.attempt, worker: me, into: &subject.effects)
    case "expire":
      tick(at: 60)
      // A silent worker's work is counted for one heartbeat and no longer.
      #expect(subject.table.account == account(preempted: 3 + 2))
      return
    default:
      var unreported = 0
      _ = subject.table.died(me, unreported: &unreported, into: &subject.effects)
    }
    #expect(subject.table.account == account(preempted: 3 + 1))
    #expect(subject.table.leaseCount == 0)
  }

  /// Of three leases that were not reported, its two threads had two at work.
  @Test func whatWasNotReportedYetIsLostForAHeartbeatAtMost() throws {
    for _ in 0..<3 { try acquire(me, slots: 2) }
    tick(at: 1)
    subject.table.release(worker: me)
    #expect(subject.table.account == account(preempted: 2))
    for _ in 0..<3 { try acquire(other, slots: 2, at: 1) }
    tick(at: 9)
    subject.table.release(worker: other)
    #expect(subject.table.account == account(preempted: 2 + 4))
  }

  @Test func aSecondTryOfWhichOneIsForNothingIsBackup() throws {
    for worker in [me, other] { finish(try acquire(worker), elapsed: 8) }
    _ = try acquire(me, at: 8)  // both have shown what they need for a block
    let slow = try #require(subject.table.leases.first)
    _ = subject.table.renew(
      slow, progress: 150, report: ScoringReport(finishedBlockCount: 15, elapsed: .seconds(75)),
      now: seconds(83), into: &subject.effects)
    tick(at: 84)
    let relief = try #require(
      subject.table.relieve(
        for: Asker(other), incarnation: Incarnation(1), now: seconds(84), into: &subject.effects))
    #expect(relief.isBackup)
    finish(relief, elapsed: 1)
    #expect(subject.table.account == account(useful: 16 + 1))
    // The holder is told to stop with fifteen blocks, and its result counts.
    finish(slow, blocks: BlockRange(Int(slow.blocks.first), 47), elapsed: 80)
    #expect(subject.table.account == account(useful: 17 + 80))
  }
}
