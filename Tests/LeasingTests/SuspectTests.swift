import Jobs
import Leasing
import Testing

/// A shard whose workers fall silent is suspect, and then fails.
struct SuspectTests {
  private let subject = LeaseTableSubject(plan(8, 8), suspectChargeLimit: 3)

  /// Leases to a worker, which begins and then falls silent.
  @discardableResult
  private func expireOnce(by asker: Asker, at now: Int) -> Lease? {
    let lease = subject.table.acquire(
      for: asker, incarnation: Incarnation(1), blockLimit: 4, now: seconds(now))
    guard let lease else { return nil }
    _ = subject.renew(lease, now: now)
    subject.tick(now + 10)
    return lease
  }

  @Test func leasesAllThatIsLeftOfASuspectShardAtOnce() {
    for index in 0..<2 { expireOnce(by: Asker(me), at: index * 20) }
    #expect(subject.takeEffects().contains("suspect") == false)
    expireOnce(by: Asker(me), at: 40)
    #expect(subject.takeEffects() == "revoke 1.3 of 1, charge 0 = 3, suspect 0")
    let lease = subject.acquire(limit: 4, now: 60)
    #expect(lease?.isSuspect == true)
    #expect(lease?.blocks == BlockRange(0, 8))
    #expect(subject.acquire(other, limit: 4, now: 60)?.isSuspect == false, "shard 1")
    #expect(subject.table.violations() == [])
  }

  @Test func failsASuspectShardAfterThreeMoreCharges() {
    for index in 0..<5 { expireOnce(by: Asker(me), at: index * 20) }
    #expect(subject.table.failedShardCount == 0)
    _ = subject.takeEffects()
    expireOnce(by: Asker(me), at: 100)
    #expect(subject.takeEffects() == "revoke 1.6 of 1, charge 0 = 6, fail 0")
    #expect(subject.shape == "failed []/[] charged 6")
  }

  @Test func failsAtOnceWhereTheWorkerReportsIt() throws {
    for index in 0..<3 { expireOnce(by: Asker(me), at: index * 20) }
    let lease = try #require(subject.acquire(now: 60))
    _ = subject.takeEffects()
    subject.fail(lease.attempt.counter)
    #expect(subject.takeEffects() == "charge 0 = 4, fail 0")
  }

  @Test func takesAReportedFailureForNoSuspicion() {
    for counter in 1...3 as ClosedRange<UInt32> {
      _ = subject.acquire()
      subject.fail(counter)
    }
    #expect(subject.takeEffects() == "charge 0 = 1, charge 0 = 2, charge 0 = 3, fail 0")
  }

  @Test func isSuspectAgainAfterARestart() {
    subject.table.restore(charges: 3, of: ShardID(0))
    #expect(subject.acquire()?.isSuspect == true)
    subject.table.restore(charges: 6, of: ShardID(1))
    #expect(subject.table.failedShardCount == 1)
  }

  @Test func asksAnotherHostWhereThereIsOne() {
    let here = Asker(me, host: 1, isOnlyHost: false)
    let there = Asker(other, host: 2, isOnlyHost: false)
    expireOnce(by: here, at: 0)
    #expect(
      subject.table.acquire(for: here, incarnation: Incarnation(1), now: seconds(20))?.shard
        == ShardID(1))
    #expect(expireOnce(by: there, at: 20)?.shard == ShardID(0))
    #expect(expireOnce(by: here, at: 40)?.shard == ShardID(0), "two hosts are enough")
    #expect(subject.acquire(now: 60)?.isSuspect == true)
  }

  @Test func keepsTheOnlyHost() {
    let here = Asker(me, host: 1, isOnlyHost: true)
    expireOnce(by: here, at: 0)
    #expect(expireOnce(by: here, at: 20)?.shard == ShardID(0))
  }

  // MARK: Stuck workers

  private func stalled(_ seconds: Int, isScored: Bool = false) -> ScoringReport {
    ScoringReport(stalled: .seconds(seconds), isScored: isScored)
  }

  private func renew(_ lease: Lease, _ report: ScoringReport) -> LeaseTable.Renewal {
    subject.table.renew(
      lease, progress: 5, report: report, now: seconds(1), into: &subject.effects)
  }

  @Test func chargesForAWorkerThatIsStuck() throws {
    let lease = try #require(subject.acquire())
    #expect(renew(lease, stalled(59)) == .renewed)
    #expect(renew(lease, stalled(60)) == .revoked)
    #expect(subject.takeEffects() == "revoke 1.1 of 1, charge 0 = 1")
    #expect(renew(lease, stalled(62)) == .revoked, "it lives, and shows nothing by it")
    #expect(subject.takeEffects() == "")
    #expect(subject.shape == "pending []/[] charged 1")
  }

  @Test func leavesAResultThatWaitsAlone() throws {
    let lease = try #require(subject.acquire())
    #expect(renew(lease, stalled(600, isScored: true)) == .renewed)
  }
}
