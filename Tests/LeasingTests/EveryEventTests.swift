import Jobs
import Leasing
import Testing

/// Where shard 0 (eight blocks, the whole plan) stands before the event.
enum Situation: String, CaseIterable {
  case fresh, leased, leasedToOther, split, expired, halfCommitted, middleCommitted, committed
  case failed

  func subject() -> LeaseTableSubject {
    let subject = LeaseTableSubject(plan(8))
    switch self {
    case .fresh: break
    case .leased: _ = subject.acquire()
    case .leasedToOther: _ = subject.acquire(other)
    case .split:
      _ = subject.acquire(me, limit: 4)
      _ = subject.acquire(other)
    case .expired:
      if let lease = subject.acquire() { _ = subject.renew(lease, now: 0) }
      subject.tick(10)
    case .halfCommitted:
      _ = subject.acquire()
      _ = subject.finish(result(0, BlockRange(0, 4), attempt(1)))
    case .middleCommitted:
      _ = subject.acquire()
      _ = subject.finish(result(0, BlockRange(2, 5), attempt(9, of: 0)), by: other)
    case .committed:
      _ = subject.acquire(other)
      _ = subject.finish(result(0, BlockRange(0, 8), attempt(1)), by: other)
    case .failed:
      for counter in 1...3 {
        _ = subject.acquire()
        subject.fail(UInt32(counter))
      }
    }
    _ = subject.takeEffects()
    return subject
  }
}

/// What happens to it, mostly through worker 1 (`me`) and its lease `1.1`.
enum Event: String, CaseIterable {
  case acquire, acquireThree, renew, renewFormer, finish, finishPrefix, finishFormer, finishMiddle
  case finishWrongEntry, finishUnknownShard, finishUnknownBlocks, handBack, fail, tickEarly
  case tickLate, release, revokeAll, restore, forgive

  /// Carries the event out and says what was answered.
  func happen(to subject: LeaseTableSubject) -> String {
    let whole = BlockRange(0, 8)
    switch self {
    case .acquire: return describe(subject.acquire(now: 1))
    case .acquireThree: return describe(subject.acquire(limit: 3, now: 1))
    case .renew: return "\(subject.renew(lease(attempt(1), whole)))"
    case .renewFormer:
      return "\(subject.renew(lease(attempt(7, of: 0), BlockRange(5, 7))))"
    case .finish: return "\(subject.finish(result(0, whole, attempt(1))))"
    case .finishPrefix: return "\(subject.finish(result(0, BlockRange(0, 3), attempt(1))))"
    case .finishFormer: return "\(subject.finish(result(0, whole, attempt(7, of: 0))))"
    case .finishMiddle:
      return "\(subject.finish(result(0, BlockRange(3, 6), attempt(7, of: 0))))"
    case .finishWrongEntry: return "\(subject.finish(result(0, whole, attempt(1), entry: 7)))"
    case .finishUnknownShard: return "\(subject.finish(result(1, whole, attempt(1))))"
    case .finishUnknownBlocks:
      return "\(subject.finish(result(0, BlockRange(0, 9), attempt(1))))"
    case .handBack, .fail, .tickEarly, .tickLate, .release, .revokeAll, .restore, .forgive:
      happenSilently(to: subject)
      return "-"
    }
  }

  private func happenSilently(to subject: LeaseTableSubject) {
    switch self {
    case .handBack: subject.table.handBack(shard: ShardID(0), attempt: attempt(1), worker: me)
    case .fail: subject.fail(1)
    case .tickEarly: subject.tick(9)
    case .tickLate: subject.tick(11)
    case .release: subject.table.release(worker: me)
    case .revokeAll: subject.table.revokeAll(into: &subject.effects)
    case .forgive: subject.table.forgiveCharges(into: &subject.effects)
    default:
      let part = CommittedBlocks(
        shard: ShardID(0), blocks: BlockRange(4, 6), attempt: attempt(3, of: 0),
        entry: .recordStart, exit: .recordStart, counts: RecordCounts(ok: 20),
        partial: PartialName(digest: digest, byteCount: 1))
      _ = subject.table.restore(part, into: &subject.effects)
    }
  }

  private func lease(_ attempt: Attempt, _ blocks: BlockRange) -> Lease {
    Lease(
      shard: ShardID(0), blocks: blocks, attempt: attempt, worker: me, entry: .recordStart,
      deadline: seconds(0))
  }
}

struct EveryEventTests {
  @Test(arguments: Situation.allCases)
  func inEverySituation(_ situation: Situation) {
    for event in Event.allCases {
      let subject = situation.subject()
      let before = subject.table.confirmedBlockCount
      #expect(subject.table.violations() == [])
      let answer = event.happen(to: subject)
      let line = "\(event): \(answer); \(subject.takeEffects()); \(subject.shape)"
      #expect(expectedRows[situation]?.contains(line) == true, "\(situation), \(line)")
      #expect(subject.table.violations() == [], "\(situation), \(event)")
      #expect(subject.table.confirmedBlockCount >= before)
    }
  }
}
