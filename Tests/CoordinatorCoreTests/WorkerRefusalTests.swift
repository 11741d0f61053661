import Jobs
import Leasing
import Testing
import WorkerCore

/// Answers that say no, and a machine that cannot score.
struct WorkerRefusalTests {
  @Test func aCoordinatorThatOnlyRefusesIsNotSilent() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    for second in 1...1_400 {
      let tick = worker.tick(at: second)
      #expect(!tick.contains("exit"), "at \(second)")
      if tick.contains("heartbeat") { _ = worker.refused(.heartbeat(worker.core.held), .moment) }
    }
    #expect(worker.core.slots[0].grant == grant(0))
    #expect(worker.tick(at: 2_100) == "exit deadMan", "silent at last")
  }

  @Test func aRefusedHelloForTheMomentIsSentAgain() {
    let worker = WorkerSubject(joined: false)
    _ = worker.tick()
    #expect(worker.refused(worker.hello, .moment) == "")
    #expect(worker.tick(at: 1) == "hello")
    #expect(worker.refused(worker.hello, .worker) == "exit refused(\"r\")")
  }

  @Test func aRefusedReportIsDroppedAlone() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1), grant(2))
    worker.core.failed(slot: 0, .inputUnreadable, reason: "f")
    worker.core.failed(slot: 1, .inputUnreadable, reason: "f")
    #expect(worker.tick().contains("fail 0 INPUT_UNREADABLE, fail 1 INPUT_UNREADABLE"))
    #expect(
      worker.refused(.fail(grant(0).key, .inputUnreadable, reason: "f"), .request) == "")
    worker.unanswered(.fail(grant(1).key, .inputUnreadable, reason: "f"))
    let later = worker.tick(at: 5)
    #expect(later.contains("fail 1") && !later.contains("fail 0"), "\(later)")
    #expect(worker.core.phase == .active)
    #expect(worker.core.slots[0].grant == grant(2))
  }

  @Test func aRefusedAnswerOutsideTheHelloEndsNothing() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1))
    let done = result(of: grant(0))
    _ = worker.scored(0, done)
    #expect(worker.answer(.finish(job, done), .refused("seal")) == "discard 0")
    #expect(worker.answer(.heartbeat(worker.core.held), .refused("malformed")) == "")
    #expect(worker.core.phase == .active)
    #expect(worker.tick(at: 4).contains("heartbeat [1]"), "asked again")
  }

  @Test func aRefusedTokenEndsTheWorkerInAnyRequest() {
    let worker = WorkerSubject()
    #expect(worker.refused(.heartbeat([]), .worker) == "exit refused(\"r\")")
  }

  @Test func givesBackWhatItsMachineCannotScore() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    #expect(worker.failedHere(0).contains("handBack 0"))
    #expect(worker.core.leaving == nil)
    _ = worker.answer(.handBack(grant(0).key), .done)
    _ = worker.take(grant(1))
    #expect(worker.scored(0, result(of: grant(1))).contains("finish 1"))
    _ = worker.take(grant(2))
    #expect(worker.failedHere(0).contains("handBack 2"), "not in a row")
    #expect(worker.core.leaving == nil)
  }

  @Test func leavesAfterTwoLeasesThatItsMachineCannotScore() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1), grant(2), grant(3))
    #expect(worker.failedHere(0) == "score 2 on 0, handBack 0, acquire 1")
    #expect(worker.failedHere(0) == "stop 1 keeping, handBack 2, handBack 3, heartbeat [1]")
    worker.core.stopped(slot: 1)
    #expect(worker.tick() == "handBack 1")
    for shard in 0..<UInt32(4) {
      let said = worker.answer(.handBack(grant(shard).key), .done)
      #expect(!said.contains("exit"), "its log events are on their way")
    }
    worker.unanswered(.heartbeat([]))
    #expect(worker.tick() == "heartbeat []", "they are sent again")
    #expect(
      worker.answer(.heartbeat([]), .alive(revoked: [], drain: false))
        == "goodbye, exit unfit(\"full\")")
  }

  @Test func leavesUnfitWithoutACoordinatorToo() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1))
    _ = worker.failedHere(0)
    _ = worker.failedHere(1)
    #expect(!worker.tick(at: 15).contains("exit"))
    #expect(worker.tick(at: 16).hasSuffix("exit unfit(\"full\")"))
  }
}
