import Jobs
import Leasing
import Testing
import WorkerCore

struct WorkerCoreTests {
  @Test func joinsAsksAndBeats() {
    let worker = WorkerSubject(joined: false)
    #expect(worker.tick() == "hello")
    #expect(worker.tick() == "", "one hello in flight")
    worker.unanswered(worker.hello)
    #expect(worker.tick(at: 1) == "hello")
    #expect(worker.answer(worker.hello, .welcome) == "heartbeat [], acquire 4")
    #expect(worker.answer(.acquire(leaseLimit: 4), .wait(.seconds(5))) == "")
    #expect(worker.answer(.heartbeat([]), .alive(revoked: [], drain: false)) == "")
    #expect(worker.tick(at: 3) == "heartbeat []")
    #expect(worker.tick(at: 6) == "acquire 4")
  }

  @Test func endsWhereItIsRefused() {
    let worker = WorkerSubject(joined: false)
    _ = worker.tick()
    #expect(worker.answer(worker.hello, .refused("full")) == "exit refused(\"full\")")
    #expect(worker.tick(at: 9) == "")
  }

  @Test func scoresInOrderAndPrefetches() {
    let worker = WorkerSubject()
    #expect(worker.take(grant(0), grant(1), grant(2)) == "score 0 on 0, score 1 on 1, acquire 1")
    #expect(worker.core.queue.map(\.lease.shard.rawValue) == [2])
    #expect(worker.scored(1, result(of: grant(1))) == "score 2 on 1, finish 1:0..<4")
  }

  @Test func takesARepeatedGrantOnce() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(0), grant(1), grant(2))
    #expect(worker.take(grant(0), grant(2)) == "acquire 1")
    #expect(worker.core.queue.count == 1)
    _ = worker.scored(0, result(of: grant(0)))
    _ = worker.take(grant(0))
    #expect(worker.core.slots.compactMap(\.grant?.lease.shard.rawValue) == [2, 1])
    #expect(worker.core.queue.isEmpty, "a result that waits for its answer is held as well")
  }

  @Test func neverScoresABlockTwiceAtOnce() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0, BlockRange(0, 4)))
    #expect(
      worker.take(grant(0, BlockRange(2, 6), counter: 2), grant(3)) == "score 3 on 1, acquire 1")
    #expect(worker.core.queue.count == 1)
    #expect(worker.scored(1, result(of: grant(3))) == "finish 3:0..<4", "blocks 2..<4 are at work")
    #expect(
      worker.answer(.heartbeat([]), .alive(revoked: [grant(0).key], drain: false))
        == "stop 0")
    worker.core.stopped(slot: 0)
    #expect(worker.tick() == "score 0 on 0")
  }

  @Test func keepsAResultUntilItIsAnswered() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    let done = result(of: grant(0))
    #expect(worker.scored(0, done) == "finish 0:0..<4")
    let request = FleetRequest.finish(job, done)
    worker.unanswered(request)
    #expect(worker.tick(at: 1).contains("finish 0:0..<4"))
    _ = worker.answer(request, .finish(.spoolFull))
    #expect(worker.core.results.count == 1)
    #expect(worker.tick(at: 5).contains("finish 0:0..<4"))
    #expect(worker.answer(request, .finish(.sendPieces(from: 7))) == "upload 0 from 7")
    #expect(!worker.tick(at: 20).contains("finish"), "the upload is under way")
    worker.uploadFailed(grant(0).key)
    #expect(worker.tick(at: 25).contains("finish 0:0..<4"))
    _ = worker.answer(request, .finish(.sendPieces(from: 9)))
    worker.core.uploaded(grant(0).key)
    #expect(worker.tick().contains("finish 0:0..<4"))
    #expect(worker.answer(request, .finish(.committed)).contains("discard 0"))
    #expect(worker.core.results.isEmpty)
    #expect(!worker.answer(request, .finish(.committed)).contains("discard"), "once")
  }

  /// A worker that sends the partial of its first lease, and the request that was answered so.
  private func uploading() -> (WorkerSubject, FleetRequest) {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    let done = result(of: grant(0))
    _ = worker.scored(0, done)
    let request = FleetRequest.finish(job, done)
    #expect(worker.answer(request, .finish(.sendPieces(from: 0))) == "upload 0 from 0")
    return (worker, request)
  }

  /// It would wait until its time to leave is over: for a full disk, or for a network.
  @Test func givesBackWhatCannotBeSentOnceItLeaves() {
    let (worker, _) = uploading()
    _ = worker.terminate()
    #expect(worker.uploadFailed(grant(0).key) == "discard 0")
    #expect(worker.core.results.isEmpty)
    #expect(worker.tick().contains("handBack 0"))
  }

  /// What was sent whole and is still asked for is not sent again at once, which would never end.
  @Test func waitsBeforeItSendsAWholePartialAgain() {
    let (worker, request) = uploading()
    worker.core.uploaded(grant(0).key)
    #expect(worker.tick().contains("finish 0:0..<4"))
    #expect(!worker.answer(request, .finish(.sendPieces(from: 0))).contains("upload"))
    #expect(!worker.tick().contains("finish"), "not at once")
    #expect(worker.tick(at: 30).contains("finish 0:0..<4"))
    #expect(worker.answer(request, .finish(.sendPieces(from: 0))).contains("upload 0 from 0"))
    #expect(worker.core.results.count == 1)
  }

  @Test(arguments: [FinishAnswer.committed, .already, .wrongState, .refused("ended")])
  func discardsAfterAnyVerdict(_ verdict: FinishAnswer) {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    let done = result(of: grant(0))
    _ = worker.scored(0, done)
    #expect(worker.answer(.finish(job, done), .finish(verdict)).hasPrefix("discard 0"))
  }

  @Test func stopsWhatIsRevokedWhereverItIs() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1), grant(2))
    _ = worker.scored(1, result(of: grant(1)))
    _ = worker.take(grant(3))
    let keys = [0, 1, 3].map { grant($0).key }
    let beat = FleetRequest.heartbeat(worker.core.held)
    #expect(worker.core.held.map(\.grant.lease.shard.rawValue) == [3, 0, 2, 1])
    #expect(worker.answer(beat, .alive(revoked: keys, drain: false)).hasPrefix("stop 0"))
    #expect(worker.core.queue.isEmpty)
    #expect(worker.core.results.count == 1, "a finished result is still offered")
    #expect(!worker.answer(beat, .alive(revoked: keys, drain: false)).contains("stop"), "once")
    worker.core.stopped(slot: 0)
    #expect(worker.core.slots[0].grant == nil)
    #expect(!worker.tick().contains("handBack"), "nothing to give back: it was taken")
  }

  @Test func reportsAFailureUntilItIsHeard() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    worker.core.failed(slot: 0, .inputChanged, reason: "r")
    let request = FleetRequest.fail(grant(0).key, .inputChanged, reason: "r")
    #expect(worker.tick().contains("fail 0 INPUT_CHANGED"))
    worker.unanswered(request)
    #expect(worker.tick(at: 3).contains("fail 0 INPUT_CHANGED"))
    #expect(worker.answer(request, .unknownWorker) == "hello")
    #expect(worker.answer(worker.hello, .welcome).contains("fail 0 INPUT_CHANGED"))
    _ = worker.answer(request, .done)
    #expect(!worker.tick(at: 30).contains("fail"))
  }

  @Test func saysHelloAgainToARestartedCoordinatorAndLosesNothing() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1), grant(2))
    _ = worker.scored(1, result(of: grant(1)))
    let held = worker.core.held
    #expect(worker.answer(.heartbeat(held), .unknownWorker) == "hello")
    #expect(worker.core.phase == .joining)
    #expect(worker.scored(0, result(of: grant(0))) == "", "nothing else before the welcome")
    #expect(worker.answer(worker.hello, .welcome).contains("heartbeat [2 1 0]"))
    #expect(worker.core.phase == .active)
  }

  @Test func leavesWhenIdleAndOnlyThen() {
    let worker = WorkerSubject(idleTimeout: .seconds(30))
    _ = worker.take(grant(0))
    #expect(!worker.tick(at: 100).contains("exit"))
    let done = result(of: grant(0))
    _ = worker.scored(0, done)
    #expect(!worker.tick(at: 140).contains("exit"), "a result waits")
    _ = worker.answer(.finish(job, done), .finish(.committed))
    #expect(!worker.tick(at: 170).contains("exit"))
    #expect(worker.tick(at: 171).hasSuffix("goodbye, exit idle"))
    #expect(worker.tick(at: 180) == "")
  }

  @Test func endsAfterTheDeadManTimeInAnyPhase() {
    for joined in [false, true] {
      let worker = WorkerSubject(joined: joined)
      if joined { _ = worker.take(grant(0)) }
      #expect(!worker.tick(at: 660).contains("exit"))
      #expect(worker.tick(at: 661) == "exit deadMan")
      #expect(worker.core.phase == .ended)
    }
  }

  @Test func ridesOutAnOutageShorterThanTheDeadManTime() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    for second in 1...600 {
      worker.unanswered(.heartbeat(worker.core.held))
      #expect(!worker.tick(at: second).contains("exit"))
    }
    #expect(worker.core.slots[0].grant == grant(0))
    _ = worker.answer(.heartbeat(worker.core.held), .unknownWorker)
    #expect(worker.tick(at: 1_000).contains("exit") == false)
  }

  @Test func asksForNoMoreWhileResultsPileUp() {
    let worker = WorkerSubject()
    let limit = WorkerCore.resultsPerSlot * 2
    for shard in 0..<UInt32(limit) {
      _ = worker.take(grant(shard))
      _ = worker.scored(0, result(of: grant(shard)))
    }
    worker.unanswered(.acquire(leaseLimit: 4))
    #expect(!worker.tick(at: 9).contains("acquire"))
    _ = worker.answer(.finish(job, result(of: grant(0))), .finish(.committed))
    #expect(worker.tick(at: 10).contains("acquire") || worker.core.results.count < limit)
  }
}
