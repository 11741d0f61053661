import CoordinatorCore
import Jobs
import Leasing
import Testing

struct CoordinatorCoreTests {
  private func running(blockCount: Int = 8) -> CoordinatorSubject {
    let subject = CoordinatorSubject()
    _ = subject.submit()
    subject.planned(blockCount)
    subject.hello()
    return subject
  }

  /// The job as a journal has it after the given life.
  private func restarted(
    _ state: JobState, commits: [CommittedBlocks], charges: [(ShardID, Int)] = [],
    recoveredAt: Int = 0
  ) -> CoordinatorSubject {
    let subject = CoordinatorSubject()
    subject.core = CoordinatorCore(incarnation: Incarnation(2), recoveredAt: seconds(recoveredAt))
    let row = CoordinatorCore.Restored(
      id: job, request: request(), createdNanoseconds: 1, state: state, reason: "", folder: nil,
      planned: (plan(blockCount: 8), CoordinatorSubject.model))
    subject.core.restore(row, into: &subject.effects)
    subject.core.reload(job, commits: commits, charges: charges, into: &subject.effects)
    return subject
  }

  @Test func runsNoCommittedBlockAgainAfterARestart() {
    let subject = restarted(.running, commits: [committed(BlockRange(2, 5))], recoveredAt: 3)
    #expect(subject.takeEffects() == "")
    #expect(
      subject.core.acquire(me, leaseLimit: 1, now: .start, into: &subject.effects)
        == .unknownWorker)
    subject.hello()
    #expect(subject.acquire(now: 2).isEmpty, "living workers report first")
    var blocks: [BlockRange] = []
    while let grant = subject.acquire(now: 3).first {
      #expect(grant.lease.attempt.incarnation == Incarnation(2))
      blocks.append(grant.lease.blocks)
    }
    #expect(blocks.flatMap(\.indices).sorted() == [0, 1, 5, 6, 7])
  }

  @Test func keepsALivingWorkersLeaseOverARestart() throws {
    let before = running()
    let grant = try #require(before.acquire().first)
    let subject = restarted(.running, commits: [])
    let held = [HeldLease(grant: grant, progress: 3)]
    #expect(
      subject.core.heartbeat(me, held: held, now: seconds(1), into: &subject.effects)
        == .unknownWorker)
    subject.hello(now: 1)
    #expect(
      subject.core.heartbeat(me, held: held, now: seconds(1), into: &subject.effects)
        == .alive(revoked: [], drain: false))
    subject.hello(other, now: 4)
    let others = subject.acquire(other, now: 4).map(\.lease.blocks)
    #expect(others == [BlockRange(4, 8)])
    #expect(subject.finish(result(grant.lease.blocks, 1), now: 5) == .committed)
  }

  @Test func mergesAtOnceWhatWasCompleteBeforeTheRestart() {
    let subject = restarted(.running, commits: [committed(BlockRange(0, 8), ok: 9)])
    #expect(subject.takeEffects() == "merge")
    #expect(subject.core.jobs[job]?.counts.ok == 9)
    #expect(restarted(.paused, commits: [committed(BlockRange(0, 8))]).takeEffects() == "")
  }

  @Test func endsACancellationThatARestartInterrupted() {
    let open = restarted(.cancelling, commits: [committed(BlockRange(0, 4))])
    #expect(open.takeEffects() == "+CANCELLED, ended")
    let complete = restarted(.cancelling, commits: [committed(BlockRange(0, 8))])
    #expect(complete.takeEffects() == "merge")
    complete.mergeEnded(.published(folder: "f"))
    #expect(complete.shape == "SUCCEEDED/MERGING")
    let never = restarted(.cancelling, commits: [committed(BlockRange(0, 8))])
    never.mergeEnded(.failed("not published"))
    #expect(never.shape == "CANCELLED/MERGING")
  }

  @Test func takesUpAJobBetweenItsPlanAndItsState() {
    let subject = restarted(.queued, commits: [])
    #expect(subject.takeEffects() == "+PENDING")
    subject.hello()
    #expect(subject.acquire().count == 1)
  }

  @Test func failsAJobWhoseShardFailedJustBeforeTheRestart() {
    let subject = restarted(.running, commits: [], charges: [(ShardID(0), 6)])
    #expect(subject.takeEffects() == "+FAILED, ended")
    #expect(subject.core.jobs[job]?.reason.contains("failed 6 times") == true)
  }

  @Test func journalsTheRefutationOfRowsThatDoNotFit() {
    let subject = restarted(
      .running, commits: [committed(BlockRange(0, 4)), committed(BlockRange(2, 6))])
    #expect(subject.takeEffects() == "+refute 2..<6")
    #expect(subject.core.tables[job]?.committedBlockCount == 4)
  }

  @Test func scoresDamagedBlocksAgainUnderNewNames() throws {
    let subject = running()
    let first = try #require(subject.acquire().first)
    subject.finish(result(BlockRange(0, 8), 1))
    subject.mergeEnded(.damaged([committed(BlockRange(2, 4))]))
    #expect(subject.takeEffects().hasSuffix("merge, +refute 2..<4, reload"))
    subject.core.reload(
      job, commits: [committed(BlockRange(4, 8)), committed(BlockRange(0, 2))], charges: [],
      into: &subject.effects)
    #expect(subject.shape == "RUNNING/SCORING")
    let again = try #require(subject.acquire().first)
    #expect(again.lease.blocks == BlockRange(2, 4))
    #expect(again.lease.attempt != first.lease.attempt)
    subject.finish(result(BlockRange(2, 4), 2))
    #expect(subject.takeEffects() == "+commit 2..<4, merge")
  }

  @Test func startsOneMergeAtATime() {
    let subject = running()
    subject.finish(result(BlockRange(0, 8), 1))
    for _ in 0..<3 {
      _ = Event.pause.happen(to: subject)
      _ = Event.resume.happen(to: subject)
      subject.finish(result(BlockRange(0, 8), 1))
    }
    #expect(subject.effects.filter { $0 == .merge(job) }.count == 1)
    subject.mergeEnded(.blocked("disk full"))
    _ = Event.resume.happen(to: subject)
    #expect(subject.effects.filter { $0 == .merge(job) }.count == 2)
  }

  @Test func previewsWithoutChangingAnything() {
    let subject = running()
    subject.finish(result(BlockRange(0, 4), 1))
    #expect(subject.core.preview(job, result(BlockRange(1, 3), 7)) == .already)
    #expect(subject.core.preview(job, result(BlockRange(1, 5), 7)) == nil)
    for bad in [BlockRange(7, 9), BlockRange(40, 41)] {
      guard case .refused = subject.core.preview(job, result(bad, 7)) else {
        Issue.record("blocks \(bad) are not in the plan")
        continue
      }
    }
    guard case .refused = subject.core.preview(JobID(9), result(BlockRange(0, 1), 7)) else {
      Issue.record("no such job")
      return
    }
  }

  @Test func countsErrorsOnlyOnceConfirmed() {
    let subject = running()
    subject.finish(result(BlockRange(4, 8), 1, error: 100))
    #expect(subject.shape == "PENDING/SCORING", "provisional errors do not count")
    subject.finish(result(BlockRange(0, 4), 2))
    #expect(subject.shape == "FAILED/SCORING")
    #expect(subject.core.jobs[job]?.reason.contains("400 error records") == true)
  }

  /// What damage makes of compressed text is no reason to stop before its checksum has been read.
  @Test(arguments: [(1 << 20, true), (1 << 40, false)])
  func errorsOfCompressedTextWaitForItsEnd(byteCount: Int, waits: Bool) throws {
    let subject = CoordinatorSubject()
    _ = subject.submit()
    let input = PlannedInput(
      path: "/in", byteCount: UInt64(byteCount), modifiedNanoseconds: 0, inode: 0,
      compression: .zstd)
    subject.core.planned(
      job, try Plan(inputs: [input], blockByteCount: 256), CoordinatorSubject.model,
      into: &subject.effects)
    subject.hello()
    subject.finish(result(BlockRange(0, 4), 1, error: 100))
    #expect(subject.shape == (waits ? "PENDING/SCORING" : "FAILED/SCORING"))
    guard waits else { return }
    subject.finish(result(BlockRange(4, Limits.blocksPerShard), 2))
    #expect(subject.shape == "FAILED/SCORING")
    #expect(subject.core.jobs[job]?.reason.contains("400 error records") == true)
  }

  @Test func endsPartiallyWithErrorsWithinTheThreshold() {
    let subject = running()
    subject.finish(result(BlockRange(0, 4), 1, error: 1))
    subject.finish(result(BlockRange(4, 8), 1))
    subject.mergeEnded(.published(folder: "f"))
    #expect(subject.core.jobs[job]?.state == .partiallySucceeded)
    #expect(subject.core.jobs[job]?.counts == RecordCounts(ok: 16, error: 4))
    #expect(subject.core.jobs[job]?.folder == "f")
  }

  @Test func servesTheOldestJobFirst() {
    let subject = running(blockCount: 1)
    let later = JobID(0x1)
    _ = subject.submit(later)
    subject.core.planned(
      later, plan(blockCount: 1), CoordinatorSubject.model, into: &subject.effects)
    #expect(subject.acquire().map(\.job) == [job])
    #expect(subject.acquire().map(\.job) == [later])
    #expect(subject.acquire().isEmpty)
  }

  @Test func boundsWhatOneWorkerHoldsAndHowManyWorkersThereAre() {
    let subject = CoordinatorSubject()
    _ = subject.submit()
    subject.planned(64 * 5_000)
    subject.hello()
    var held = 0
    while true {
      let answer = subject.core.acquire(me, leaseLimit: .max, now: .start, into: &subject.effects)
      guard case .grants(let grants) = answer else { break }
      #expect(grants.count <= Limits.leasesPerGrant)
      held += grants.count
    }
    #expect(held == Limits.leasesPerWorker)
    for index in 1..<Limits.workers { subject.hello(WorkerID(UInt64(index) + 1)) }
    #expect(
      subject.core.hello(WorkerID(1 << 40), name: "", threadCount: 1, now: .start)
        != .welcome)
    #expect(subject.core.hello(me, name: "", threadCount: 1, now: .start) == .welcome)
  }

  @Test func dividesWhatIsLeftByTheThreadsThereAre() {
    let subject = running(blockCount: 64)
    func blockCount() -> Int? {
      let grant = subject.acquire().first
      if let grant { subject.core.handBack(grant.key, worker: me) }
      return grant?.lease.blocks.count
    }
    #expect(blockCount() == 16, "a quarter of a shard at most")
    for threadCount in [7, 3] {
      _ = subject.core.hello(other, name: "", threadCount: threadCount, now: .start)
    }
    #expect(blockCount() == 8)
    subject.core.goodbye(other)
    subject.core.goodbye(other)
    #expect(blockCount() == 16, "a quarter of a shard at most")
    _ = subject.core.hello(other, name: "", threadCount: 63, now: .start)
    #expect(blockCount() == 4, "never less")
  }

  @Test func forgetsASilentWorkerAndFreesWhatItHeld() {
    let subject = running()
    _ = subject.acquire()
    subject.core.tick(now: seconds(660), into: &subject.effects)
    #expect(subject.core.sessions.count == 1)
    subject.core.tick(now: seconds(661), into: &subject.effects)
    #expect(subject.core.sessions.isEmpty)
    #expect(subject.core.tables[job]?.leaseCount == 0)
  }

  @Test func keepsTheLeaseOfAnotherWorkerFromAnImpostor() throws {
    let subject = running()
    let grant = try #require(subject.acquire().first)
    subject.hello(other)
    let held = [HeldLease(grant: grant, progress: 1)]
    let answer = subject.core.heartbeat(other, held: held, now: .start, into: &subject.effects)
    #expect(answer == .alive(revoked: [grant.key], drain: false))
    subject.core.handBack(grant.key, worker: other)
    subject.core.fail(grant.key, worker: other, reason: "", now: .start, into: &subject.effects)
    #expect(subject.core.tables[job]?.leases.map(\.worker) == [me])
  }

  @Test func drainsEveryWorker() {
    let subject = running()
    subject.core.isDraining = true
    #expect(subject.core.acquire(me, leaseLimit: 1, now: .start, into: &subject.effects) == .drain)
    #expect(
      subject.core.heartbeat(me, held: [], now: .start, into: &subject.effects)
        == .alive(revoked: [], drain: true))
  }

  @Test func refusesMoreOpenJobsThanTheLimit() {
    let subject = CoordinatorSubject()
    for index in 0..<Limits.openJobs { #expect(subject.submit(JobID(UInt64(index))) == "ok") }
    #expect(subject.submit(JobID(.max)) == "tooManyJobs")
  }
}
