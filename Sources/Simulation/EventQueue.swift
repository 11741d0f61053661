import Jobs
import Leasing

/// What can happen in a simulated world; a `life` tells events of a dead process from its heir's.
enum Event: Sendable {
  case workerStarts(Int)
  case workerTicks(Int, life: Int)
  case blockScored(Int, life: Int, slot: Int, token: Int)
  // Apart in memory: an event is moved about a few times, and most have no message.
  indirect case requestArrives(Request)
  indirect case answerArrives(Answer)
  case requestTimesOut(Int, life: Int, id: Int)
  case coordinatorStarts(Int)
  case coordinatorTicks(Int, life: Int)
  case journalSyncs(Int, life: Int)
  case planEnds(Int, life: Int)
  case mergeBegins(Int, life: Int)
  indirect case destinationActs(Int, life: Int, DestinationCall)
  case cleanUp(Int, life: Int)
  case faultStrikes
  case userActs(Int)

  /// A number for the digest of the trace.
  var code: UInt64 {
    switch self {
    case .workerStarts(let worker): 0x100 + UInt64(worker)
    case .workerTicks(let worker, _): 0x200 + UInt64(worker)
    case .blockScored(let worker, _, let slot, _): 0x300 + UInt64(worker) * 16 + UInt64(slot)
    case .requestArrives(let request): 0x10_000 + UInt64(request.id) * 8 + UInt64(request.worker)
    case .answerArrives(let answer): 0x20_000 + UInt64(answer.id) * 8 + UInt64(answer.worker)
    case .requestTimesOut(let worker, _, _): 0x400 + UInt64(worker)
    case .coordinatorStarts(let place): 0x10 + UInt64(place)
    case .coordinatorTicks(let place, _): 0x20 + UInt64(place)
    case .journalSyncs(let place, _): 0x30 + UInt64(place)
    case .planEnds(let place, _): 0x40 + UInt64(place)
    case .mergeBegins(let place, _): 0x50 + UInt64(place)
    case .destinationActs(let place, _, _): 0x60 + UInt64(place)
    case .cleanUp(let place, _): 0x70 + UInt64(place)
    case .faultStrikes: 7
    case .userActs(let place): 0x80 + UInt64(place)
    }
  }
}

/// A message of one worker to its coordinator.
struct Request: Sendable {
  enum Body: Sendable {
    case fleet(FleetRequest)
    /// One piece of a partial, on the bulk listener; a wire may have flipped a bit of it.
    case piece(LeaseKey, PartialName, offset: UInt64, isDamaged: Bool)
  }

  let worker: Int
  let life: Int
  let sender: WorkerID
  let id: Int
  /// Which coordinator it is for.
  let place: Int
  let body: Body
}

/// The coordinator's answer to one request.
struct Answer: Sendable {
  enum Body: Sendable {
    case fleet(FleetAnswer)
    /// Bytes of the partial that the spool now has.
    case received(UInt64)
    /// The coordinator cannot take it now.
    case unavailable
  }

  let worker: Int
  let life: Int
  let id: Int
  let place: Int
  var body: Body
  /// The result that the answer settles, if it does.
  var settled: ShardResult?
}

/// Events by time, and among equal times in the order in which they were added.
struct EventQueue: Sendable {
  /// Small, because a heap moves its entries about; the events stay where they are.
  private struct Entry: Sendable {
    let time: Int64
    let number: Int32
    let slot: Int32

    func isBefore(_ other: Entry) -> Bool {
      time != other.time ? time < other.time : number < other.number
    }
  }

  private var heap: [Entry] = []
  private var events: [Event?] = []
  private var freeSlots: [Int32] = []
  private var nextNumber: Int32 = 0

  var count: Int { heap.count }

  /// Adds an event at a time in nanoseconds.
  mutating func push(_ event: Event, at time: Int64) {
    var slot = Int32(events.count)
    if let free = freeSlots.popLast() {
      slot = free
      events[Int(slot)] = event
    } else {
      events.append(event)
    }
    heap.append(Entry(time: time, number: nextNumber, slot: slot))
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
    guard let first = heap.first else { return take(last) }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && heap[child].isBefore(heap[least]) {
        least = child
      }
      guard least != parent else { return take(first) }
      heap.swapAt(parent, least)
      parent = least
    }
  }

  private mutating func take(_ entry: Entry) -> (event: Event, time: Int64)? {
    guard let event = events[Int(entry.slot)] else { return nil }
    events[Int(entry.slot)] = nil
    freeSlots.append(entry.slot)
    return (event, entry.time)
  }
}
