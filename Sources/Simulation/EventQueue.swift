import Jobs
import Leasing

/// What can happen in a simulated world; a `life` tells events of a dead process from its heir's.
enum Event: Sendable {
  case workerStarts(Int)
  case workerTicks(Int, life: Int)
  case blockScored(Int, life: Int, slot: Int, token: Int)
  case requestArrives(Request)
  case answerArrives(Answer)
  case requestTimesOut(Int, life: Int, id: Int)
  case coordinatorStarts
  case coordinatorTicks(life: Int)
  case journalSyncs(life: Int)
  case planEnds(life: Int)
  case mergeBegins(life: Int)
  case mergeEnds(life: Int, folder: String)
  case faultStrikes
  case userActs

  /// A number for the trace.
  var code: UInt64 {
    switch self {
    case .workerStarts(let worker): 0x100 + UInt64(worker)
    case .workerTicks(let worker, _): 0x200 + UInt64(worker)
    case .blockScored(let worker, _, let slot, _): 0x300 + UInt64(worker) * 16 + UInt64(slot)
    case .requestArrives(let request): 0x10_000 + UInt64(request.id) * 8 + UInt64(request.worker)
    case .answerArrives(let answer): 0x20_000 + UInt64(answer.id) * 8 + UInt64(answer.worker)
    case .requestTimesOut(let worker, _, _): 0x400 + UInt64(worker)
    case .coordinatorStarts: 1
    case .coordinatorTicks: 2
    case .journalSyncs: 3
    case .planEnds: 4
    case .mergeBegins: 5
    case .mergeEnds: 6
    case .faultStrikes: 7
    case .userActs: 8
    }
  }
}

/// A message of one worker to the coordinator.
struct Request: Sendable {
  enum Body: Sendable {
    case fleet(FleetRequest)
    /// One piece of a partial, on the bulk listener.
    case piece(LeaseKey, PartialName, offset: UInt64)
  }

  let worker: Int
  let life: Int
  let sender: WorkerID
  let id: Int
  let body: Body
}

/// The coordinator's answer to one request.
struct Answer: Sendable {
  enum Body: Sendable {
    case fleet(FleetAnswer)
    /// Bytes of the partial that the spool now has.
    case received(UInt64)
  }

  let worker: Int
  let life: Int
  let id: Int
  let body: Body
  /// The result that the answer settles, if it does.
  var settled: ShardResult?
}

/// Events by time, and among equal times in the order in which they were added.
struct EventQueue: Sendable {
  private struct Entry: Sendable {
    let time: Int64
    let number: Int
    let event: Event

    func isBefore(_ other: Entry) -> Bool {
      time != other.time ? time < other.time : number < other.number
    }
  }

  private var heap: [Entry] = []
  private var nextNumber = 0

  var count: Int { heap.count }

  /// Adds an event at a time in nanoseconds.
  mutating func push(_ event: Event, at time: Int64) {
    heap.append(Entry(time: time, number: nextNumber, event: event))
    nextNumber += 1
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].isBefore(heap[parent]) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func pop() -> (event: Event, time: Int64)? {
    guard let last = heap.popLast() else { return nil }
    guard let first = heap.first else { return (last.event, last.time) }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && heap[child].isBefore(heap[least]) {
        least = child
      }
      guard least != parent else { return (first.event, first.time) }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
