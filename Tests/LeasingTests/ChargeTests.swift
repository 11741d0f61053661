import Jobs
import Leasing
import Testing

struct ChargeTests {
  /// Leases shard 0 to a worker, which begins and then falls silent.
  private func expireOnce(_ subject: LeaseTableSubject, by worker: WorkerID, at now: Int) {
    guard let lease = subject.acquire(worker, now: now) else { return }
    _ = subject.renew(lease, now: now)
    subject.tick(now + 10)
  }

  @Test func failsTheShardOnceAtTheLimit() {
    let subject = LeaseTableSubject(plan(8))
    expireOnce(subject, by: me, at: 0)
    expireOnce(subject, by: other, at: 20)
    _ = subject.takeEffects()
    expireOnce(subject, by: me, at: 40)
    #expect(subject.takeEffects() == "revoke 1.3 of 1, charge 0 = 3, fail 0")
    #expect(subject.shape == "failed []/[] charged 3")
    #expect(subject.table.failedShardCount == 1)
    #expect(subject.acquire() == nil)
  }

  @Test func countsAShardWithSeveralLeasesAsFailedOnce() {
    let subject = LeaseTableSubject(plan(8), chargeLimit: 1)
    for worker in [me, other] {
      guard let lease = subject.acquire(worker, limit: 4) else { continue }
      _ = subject.renew(lease)
    }
    subject.tick(20)
    #expect(
      subject.takeEffects()
        == "revoke 1.1 of 1, charge 0 = 1, fail 0, revoke 1.2 of 2, charge 0 = 2")
    #expect(subject.table.failedShardCount == 1)
    #expect(subject.table.violations() == [])
  }

  @Test func countsTheSilenceOfAWorkerWithSeveralLeasesOnce() {
    let subject = LeaseTableSubject(plan(8))
    for _ in 0..<4 {
      guard let lease = subject.acquire(me, limit: 2) else { continue }
      _ = subject.renew(lease)
    }
    subject.tick(20)
    #expect(subject.table.shards[0].charges == 1)
    #expect(subject.table.failedShardCount == 0)
    #expect(subject.table.violations() == [])
  }

  @Test func outlivesMoreChargesThanAByteCounts() {
    let subject = LeaseTableSubject(plan(8), chargeLimit: 1_000)
    for index in 0..<300 { expireOnce(subject, by: me, at: index * 20) }
    #expect(subject.table.shards[0].charges == 255)
    #expect(subject.table.shards[0].state == .pending)
  }

  @Test func leavesALeaseThatNeverBeganUncharged() {
    let subject = LeaseTableSubject(plan(8))
    _ = subject.acquire()
    subject.tick(10)
    #expect(subject.takeEffects() == "revoke 1.1 of 1")
    #expect(subject.table.shards[0].charges == 0)
  }

  @Test func chargesForEveryThirdLossOfAShard() {
    var charges: [Int] = []
    let subject = LeaseTableSubject(plan(8))
    for index in 0..<9 {
      _ = subject.acquire(now: index * 20)
      subject.tick(index * 20 + 10)
      charges.append(Int(subject.table.shards[0].charges))
    }
    #expect(charges == [0, 0, 1, 1, 1, 2, 2, 2, 3])
    #expect(subject.table.shards[0].state == .failed)
  }

  @Test func takesTheChargeBackFromALivingWorkerOnce() throws {
    let subject = LeaseTableSubject(plan(8))
    let lease = try #require(subject.acquire())
    _ = subject.renew(lease, now: 0)
    subject.tick(10)
    #expect(subject.renew(lease, now: 11) == .renewed)
    #expect(subject.renew(lease, now: 12) == .renewed)
    #expect(subject.takeEffects() == "revoke 1.1 of 1, charge 0 = 1, charge 0 = 0")
    #expect(subject.table.leases.map(\.deadline) == [seconds(22)])
  }

  @Test func keepsTheChargeOfAnotherWorker() {
    let subject = LeaseTableSubject(plan(8))
    expireOnce(subject, by: me, at: 0)
    #expect(subject.finish(result(0, BlockRange(0, 2), attempt(9)), by: other) == .committed)
    #expect(subject.table.shards[0].charges == 1)
  }

  @Test func forgivesAFailedShard() {
    let subject = LeaseTableSubject(plan(8, 3), chargeLimit: 1)
    expireOnce(subject, by: me, at: 0)
    #expect(subject.table.failedShardCount == 1)
    #expect(subject.acquire(limit: 64)?.shard == ShardID(1))
    subject.table.forgiveCharges(into: &subject.effects)
    #expect(subject.table.failedShardCount == 0)
    #expect(describe(subject.acquire()) == "0:0..<8 as 1.2 from -1")
    #expect(subject.table.violations() == [])
  }

  @Test func restoresChargesAndFailsAtTheLimitOnce() {
    let subject = LeaseTableSubject(plan(8, 8))
    subject.table.restore(charges: 2, of: ShardID(0))
    #expect(subject.table.shards[0].state == .pending)
    subject.table.restore(charges: 3, of: ShardID(0))
    subject.table.restore(charges: 4, of: ShardID(0))
    subject.table.restore(charges: 1, of: ShardID(2))
    #expect(subject.table.shards[0].state == .failed)
    #expect(subject.table.failedShardCount == 1)
    #expect(subject.acquire()?.shard == ShardID(1))
  }

  @Test func ignoresChargesOfACommittedShard() {
    let subject = LeaseTableSubject(plan(8))
    _ = subject.finish(result(0, BlockRange(0, 8), attempt(1)))
    subject.table.restore(charges: 5, of: ShardID(0))
    #expect(subject.table.shards[0].state == .committed)
    #expect(subject.table.failedShardCount == 0)
  }
}
