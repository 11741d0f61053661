import CoordinatorCore
import Jobs
import Leasing
import Testing

/// Where the job stands before the event; its one worker holds lease `1.1` where it can.
enum Situation: String, CaseIterable {
  case none, queued, pausedUnplanned, pending, running, paused, merging, pausedMerging, blocked
  case cancelling, cancelled, succeeded, failed

  func subject() -> CoordinatorSubject {
    let subject = CoordinatorSubject()
    subject.hello()
    for step in steps { step(subject) }
    _ = subject.takeEffects()
    return subject
  }

  private var steps: [(CoordinatorSubject) -> Void] {
    let submit: (CoordinatorSubject) -> Void = { _ = $0.submit() }
    let plan: (CoordinatorSubject) -> Void = { $0.planned() }
    let lease: (CoordinatorSubject) -> Void = { _ = $0.acquire() }
    let pause: (CoordinatorSubject) -> Void = { _ = Event.pause.happen(to: $0) }
    let cancel: (CoordinatorSubject) -> Void = { _ = Event.cancel.happen(to: $0) }
    let finish: (CoordinatorSubject) -> Void = { $0.finish(result(BlockRange(0, 4), 1)) }
    switch self {
    case .none: return []
    case .queued: return [submit]
    case .pausedUnplanned: return [submit, pause]
    case .pending: return [submit, plan]
    case .running: return [submit, plan, lease]
    case .paused: return [submit, plan, lease, pause]
    case .merging: return [submit, plan, lease, finish]
    case .pausedMerging: return [submit, plan, lease, finish, pause]
    case .blocked: return [submit, plan, lease, finish, { $0.mergeEnded(.blocked("disk full")) }]
    case .cancelling: return [submit, plan, lease, finish, cancel]
    case .cancelled: return [submit, plan, lease, cancel]
    case .succeeded:
      return [submit, plan, lease, finish, { $0.mergeEnded(.published(folder: "f")) }]
    case .failed: return [submit, plan, lease, { _ = Event.breakDown.happen(to: $0) }]
    }
  }
}

/// What happens to the job.
enum Event: String, CaseIterable {
  case submit, plan, breakDown, cancel, pause, resume, delete
  case acquire, heartbeat, finish, finishPart, finishWithErrors, handBack, failThrice, overdue
  case published, blocked, damaged, mergeFailed, goodbye

  func happen(to subject: CoordinatorSubject) -> String {
    switch self {
    case .submit: return subject.submit()
    case .cancel:
      return subject.attempt { core, effects throws(CoordinatorCore.Refusal) in
        try core.cancel(job, now: seconds(2), into: &effects)
      }
    case .pause:
      return subject.attempt { core, effects throws(CoordinatorCore.Refusal) in
        try core.pause(job, reason: "", into: &effects)
      }
    case .resume:
      return subject.attempt { core, effects throws(CoordinatorCore.Refusal) in
        try core.resume(job, into: &effects)
      }
    case .delete:
      return subject.attempt { core, effects throws(CoordinatorCore.Refusal) in
        try core.delete(job, into: &effects)
      }
    case .acquire: return subject.acquire(now: 2).map { "\($0.lease.blocks)" }.joined()
    case .heartbeat: return heartbeat(subject)
    case .finish: return "\(subject.finish(result(BlockRange(0, 4), 1)))"
    case .finishPart: return "\(subject.finish(result(BlockRange(0, 3), 1)))"
    case .finishWithErrors:
      return "\(subject.finish(result(BlockRange(0, 3), 1, error: 2)))"
    default:
      happenSilently(to: subject)
      return "-"
    }
  }

  private func happenSilently(to subject: CoordinatorSubject) {
    let key = self.key
    switch self {
    case .plan: subject.planned()
    case .breakDown:
      subject.core.fail(job, reason: "broke", now: seconds(2), into: &subject.effects)
    case .handBack: subject.core.handBack(key, worker: me)
    case .overdue: subject.core.tick(now: seconds(11), into: &subject.effects)
    case .published: subject.mergeEnded(.published(folder: "f"))
    case .blocked: subject.mergeEnded(.blocked("disk full"))
    case .damaged: subject.mergeEnded(.damaged([committed(BlockRange(0, 4))]))
    case .mergeFailed: subject.mergeEnded(.failed("no"))
    case .goodbye: subject.core.goodbye(me)
    default:
      for counter in 1...3 {
        let key = LeaseKey(
          job: job, shard: ShardID(0),
          attempt: Attempt(incarnation: Incarnation(1), counter: UInt32(counter)))
        subject.core.fail(
          key, worker: me, reason: "broke", now: seconds(2), into: &subject.effects)
        _ = subject.acquire()
      }
    }
  }

  private var key: LeaseKey {
    LeaseKey(
      job: job, shard: ShardID(0), attempt: Attempt(incarnation: Incarnation(1), counter: 1))
  }

  private func heartbeat(_ subject: CoordinatorSubject) -> String {
    let lease = Lease(
      shard: key.shard, blocks: BlockRange(0, 4), attempt: key.attempt, worker: me,
      entry: .recordStart, deadline: .start)
    let held = [HeldLease(grant: Grant(job: job, lease: lease), progress: 1)]
    let answer = subject.core.heartbeat(
      me, held: held, now: seconds(2), into: &subject.effects)
    guard case .alive(let revoked, shortened: [], drain: false) = answer else { return "\(answer)" }
    return revoked.isEmpty ? "kept" : "revoked"
  }
}

struct EveryJobEventTests {
  @Test(arguments: Situation.allCases)
  func inEveryState(_ situation: Situation) {
    for event in Event.allCases {
      let subject = situation.subject()
      let answer = event.happen(to: subject)
      let line = "\(event): \(answer); \(subject.takeEffects()); \(subject.shape)"
      #expect(expectedRows[situation]?.contains(line) == true, "\(situation), \(line)")
      #expect(subject.core.tables[job]?.violations() ?? [] == [])
    }
  }
}
