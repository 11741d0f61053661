import Jobs
import Leasing
import Testing
import WorkerCore

/// What a worker says of its progress, and what it does when it is told to stop early.
struct WorkerProgressTests {
  private func observe(_ worker: WorkerSubject, mark: UInt64, at tenths: [Int]) {
    for tenth in tenths {
      worker.core.progressed(
        slot: 0, records: 7, blocks: 1, mark: mark,
        now: Instant(sinceStart: .milliseconds(100 * tenth)))
    }
  }

  private func report(_ worker: WorkerSubject) -> ScoringReport? {
    worker.core.held.first { $0.progress == 7 }?.report
  }

  @Test func countsTheTimeAtTheSameRecords() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    observe(worker, mark: 1, at: Array(0...30))
    #expect(report(worker)?.stalled == .seconds(3))
    #expect(report(worker)?.elapsed == .seconds(3))
    #expect(report(worker)?.finishedBlockCount == 1)
    observe(worker, mark: 3, at: [31])
    #expect(report(worker)?.stalled == .zero, "other records")
    observe(worker, mark: 4, at: Array(32...60))
    #expect(report(worker)?.stalled == .zero, "it reads, or waits")
  }

  @Test func takesAPauseOfTheProcessForNoStall() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    observe(worker, mark: 1, at: [0, 1, 6_000])
    #expect(report(worker)?.stalled == .milliseconds(1_100))
  }

  @Test func leavesWithAThreadThatDoesNotComeBack() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1), grant(2))
    observe(worker, mark: 1, at: Array(0...200))
    let beat = FleetRequest.heartbeat(worker.core.held)
    let effects = worker.answer(beat, .alive(revoked: [grant(0).key], drain: false))
    #expect(effects.contains("stop 0"))
    #expect(effects.contains("stop 1"), "it keeps what the other one has")
    #expect(worker.core.leaving == .stuck)
    worker.core.stopped(slot: 1)
    #expect(worker.tick().contains("handBack"))
  }

  @Test func stopsEarlyWhereAnotherHasTheRest() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    let shortened = ShortenedLease(key: grant(0).key, end: 2)
    #expect(
      worker.answer(
        .heartbeat([]), .alive(revoked: [], shortened: [shortened], drain: false))
        == "shorten 0 to 2")
    #expect(worker.core.held.first?.end == 2)
    #expect(worker.core.held.first?.lease.blocks == BlockRange(0, 2))
  }

  /// What is told twice, out of order or wrongly never makes a lease longer.
  @Test(arguments: [UInt8(2), 3, 4, 64]) func anEndIsOnlyBroughtForward(later: UInt8) {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1))
    func shorten(_ shard: UInt32, to end: UInt8) -> String {
      let shortened = ShortenedLease(key: grant(shard).key, end: end)
      return worker.answer(
        .heartbeat([]), .alive(revoked: [], shortened: [shortened], drain: false))
    }
    #expect(shorten(0, to: 2) == "shorten 0 to 2")
    #expect(shorten(0, to: later) == "")
    #expect(worker.core.held.first?.end == 2)
    #expect((shorten(1, to: later) == "") == (later >= 4), "the lease has four blocks")
  }

  @Test func remembersTheEndOfALeaseThatWaits() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1), grant(2))
    let shortened = ShortenedLease(key: grant(2).key, end: 3)
    _ = worker.answer(
      .heartbeat([]), .alive(revoked: [], shortened: [shortened], drain: false))
    #expect(
      worker.scored(1, result(of: grant(1))).hasPrefix("score 2 on 1, shorten 1 to 3"))
  }
}
