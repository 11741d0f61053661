import CoordinatorCore
import Jobs
import Leasing
import Testing

/// What a worker's certain death makes of its leases, without waiting for them to run out.
@Suite struct WorkerDeathTests {
  private func running(blockCount: Int = 8) -> CoordinatorSubject {
    let subject = CoordinatorSubject()
    _ = subject.submit()
    subject.planned(blockCount)
    return subject
  }

  private func kill(_ subject: CoordinatorSubject, _ worker: WorkerID, now: Int) -> Bool {
    subject.core.died(
      worker, because: "its worker died of signal 11", now: seconds(now), into: &subject.effects)
  }

  @Test func threeDeathsMakeAShardSuspectInNoTime() throws {
    let subject = running()
    for death in 1...3 as ClosedRange<UInt64> {
      let worker = WorkerID(100 + death)
      subject.hello(worker)
      let grant = try #require(subject.acquire(worker).first)
      #expect(!grant.lease.isSuspect && grant.lease.blocks.first == 0)
      #expect(kill(subject, worker, now: 0))
      #expect(subject.core.sessions[worker] == nil)
      #expect(!kill(subject, worker, now: 0), "it has died before")
    }
    #expect(
      subject.effects.contains { effect in
        guard case .log(_, .warning, let text) = effect else { return false }
        return text.contains("its worker died of signal 11") && text.contains("process apart")
      }, "\(subject.effects)")
    subject.hello()
    #expect(subject.acquire().first?.lease.isSuspect == true)
  }

  /// One thread scores one lease: those that waited behind it are nobody's fault.
  @Test func onlyWhatWasScoredCounts() throws {
    let subject = running(blockCount: 65)
    subject.hello()
    let first = try #require(subject.acquire().first)
    var rest: [Grant] = []
    while let grant = subject.acquire().first { rest.append(grant) }
    #expect(rest.contains { $0.lease.shard != first.lease.shard })
    #expect(kill(subject, me, now: 0))
    let charges = subject.effects.filter { if case .journal(.charge) = $0 { true } else { false } }
    #expect(charges == [.journal(.charge(job, ShardID(0), charges: 1))])
    subject.hello(other)
    #expect(subject.acquire(other).first?.lease.blocks == first.lease.blocks)
  }

  /// What a worker says that it scores is what counts, wherever its other leases are.
  @Test func whatHadBegunComesFirst() throws {
    let subject = running(blockCount: 65)
    subject.hello()
    var grants: [Grant] = []
    while let grant = subject.acquire().first { grants.append(grant) }
    let begun = try #require(grants.last)
    #expect(begun.lease.shard == ShardID(1) && grants.count > 1)
    _ = subject.core.heartbeat(
      me,
      held: grants.map { grant in
        HeldLease(grant: grant, progress: grant.lease.shard == ShardID(1) ? 7 : nil)
      },
      now: seconds(1), into: &subject.effects)
    subject.effects = []
    #expect(kill(subject, me, now: 1))
    #expect(subject.takeEffects() == "+charge 1=1")
  }

  /// Leases of others that happen to be overdue end with the next tick, and of their own cause.
  @Test func othersLeasesStayWhatTheyAre() throws {
    let subject = running()
    subject.hello(other)
    let begun = try #require(subject.acquire(other).first)
    _ = subject.core.heartbeat(
      other, held: [HeldLease(grant: begun, progress: 3)], now: seconds(0), into: &subject.effects)
    subject.hello(now: 30)
    subject.effects = []
    #expect(!kill(subject, me, now: 30), "it had no lease")
    subject.hello(now: 30)
    _ = try #require(subject.acquire(now: 30).first)
    #expect(kill(subject, me, now: 30))
    #expect(subject.takeEffects() == "+charge 0=1")
    #expect(subject.core.tables[job]?.leases.map(\.worker) == [other])
    subject.core.tick(now: seconds(30), into: &subject.effects)
    #expect(subject.takeEffects() == "+charge 0=2")
  }

  @Test func aWorkerWithoutLeasesCountsForNothing() {
    let subject = running()
    subject.hello()
    subject.effects = []
    #expect(!kill(subject, me, now: 0))
    #expect(subject.takeEffects() == "")
  }
}

/// Clients hear of nothing that is not in the journal.
@Suite struct DurableStatesTests {
  private func journaled(_ subject: CoordinatorSubject) -> [JournalEntry] {
    defer { subject.effects = [] }
    return subject.effects.compactMap { if case .journal(let entry) = $0 { entry } else { nil } }
  }

  @Test func anEndIsToldOnceItIsWritten() throws {
    let subject = CoordinatorSubject()
    var states = DurableStates()
    _ = subject.submit()
    subject.planned(4)
    subject.hello()
    let grant = try #require(subject.acquire().first)
    states.note(journaled(subject))
    subject.finish(result(grant.lease.blocks, grant.lease.attempt.counter))
    states.note(journaled(subject))
    subject.mergeEnded(.published(folder: "/out/x"))
    let ended = try #require(subject.core.jobs[job])
    #expect(ended.state == .succeeded && ended.folder == "/out/x")
    let before = states.told(of: ended)
    #expect(before.state == .running && before.folder == nil && before.endedAt == nil)
    states.note(journaled(subject))
    let after = states.told(of: ended)
    #expect(after.state == .succeeded && after.folder == "/out/x" && after.endedAt != nil)
  }

  @Test func aReasonIsToldWithItsState() throws {
    let subject = CoordinatorSubject()
    var states = DurableStates()
    _ = subject.submit()
    states.note(journaled(subject))
    subject.core.fail(job, reason: "no model", now: seconds(1), into: &subject.effects)
    let failed = try #require(subject.core.jobs[job])
    #expect(states.told(of: failed).state == .queued && states.told(of: failed).reason == "")
    states.note(journaled(subject))
    #expect(states.told(of: failed).state == .failed)
    #expect(states.told(of: failed).reason == "no model")
  }

  @Test func aRestartTellsWhatTheJournalHas() throws {
    let subject = CoordinatorSubject()
    var states = DurableStates()
    _ = subject.submit()
    states.restore(job, .cancelling)
    _ = subject.attempt { core, effects throws(CoordinatorCore.Refusal) in
      try core.cancel(job, now: seconds(1), into: &effects)
    }
    #expect(states.told(of: try #require(subject.core.jobs[job])).state == .cancelling)
  }
}
