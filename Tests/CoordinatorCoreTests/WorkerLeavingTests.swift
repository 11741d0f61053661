import Jobs
import Leasing
import Testing
import WorkerCore

/// SIGTERM and drain, in each phase.
struct WorkerLeavingTests {
  @Test func leavesAtOnceWithNothingInHand() {
    let joining = WorkerSubject(joined: false)
    #expect(joining.terminate() == "")
    #expect(joining.tick() == "goodbye, exit terminated")
    let active = WorkerSubject()
    _ = active.terminate()
    #expect(active.tick() == "goodbye, exit terminated")
    #expect(active.terminate() == "")
  }

  @Test func givesBackTheQueueAndKeepsFinishedBlocks() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1), grant(2))
    #expect(worker.terminate() == "stop 0 keeping, stop 1 keeping")
    #expect(worker.terminate() == "", "a second SIGTERM changes nothing")
    #expect(worker.tick() == "handBack 2")
    let prefix = result(of: grant(0), blocks: BlockRange(0, 2))
    #expect(worker.scored(0, prefix) == "finish 0:0..<2")
    worker.core.stopped(slot: 1)
    #expect(worker.tick() == "handBack 1")
    _ = worker.answer(.handBack(grant(2).key), .done)
    _ = worker.answer(.handBack(grant(1).key), .done)
    #expect(
      worker.answer(.finish(job, prefix), .finish(.committed))
        == "discard 0, goodbye, exit terminated")
  }

  @Test func givesBackAGrantThatComesAfterTheEnd() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    _ = worker.terminate()
    #expect(worker.take(grant(1)) == "handBack 1")
    #expect(worker.core.queue.isEmpty)
  }

  @Test func finishesWhatItHoldsWhenDrained() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0), grant(1), grant(2))
    #expect(worker.answer(.acquire(leaseLimit: 1), .drain) == "")
    let first = result(of: grant(0))
    #expect(worker.scored(0, first) == "score 2 on 0, finish 0:0..<4")
    for (slot, shard) in [(0, 2), (1, 1)] as [(Int, UInt32)] {
      _ = worker.scored(slot, result(of: grant(shard)))
    }
    for shard in 0..<UInt32(2) {
      _ = worker.answer(.finish(job, result(of: grant(shard))), .finish(.committed))
    }
    #expect(
      worker.answer(.finish(job, result(of: grant(2))), .finish(.already))
        == "discard 2, goodbye, exit drained")
  }

  @Test func drainsByAHeartbeatToo() {
    let worker = WorkerSubject()
    #expect(
      worker.answer(.heartbeat([]), .alive(revoked: [], drain: true))
        == "goodbye, exit drained")
  }

  @Test func leavesUnfinishedWorkAfterTheTerminationTime() {
    for isKnown in [false, true] {
      let worker = WorkerSubject()
      _ = worker.take(grant(0))
      if !isKnown { _ = worker.answer(.heartbeat([]), .unknownWorker) }
      _ = worker.terminate()
      #expect(!worker.tick(at: 15).contains("exit"))
      #expect(worker.tick(at: 16).hasSuffix("exit terminated"), "known: \(isKnown)")
    }
  }

  @Test func givesBackOnceJoinedWhatItHeldBefore() {
    let worker = WorkerSubject()
    _ = worker.take(grant(0))
    _ = worker.answer(.heartbeat([]), .unknownWorker)
    _ = worker.terminate()
    worker.core.stopped(slot: 0)
    #expect(worker.tick() == "", "not before the coordinator knows it")
    #expect(worker.answer(worker.hello, .welcome).contains("handBack 0"))
    #expect(
      worker.answer(.handBack(grant(0).key), .done).hasSuffix("goodbye, exit terminated"))
  }
}
