import Foundation
import Jobs
import Synchronization
import Wire

/// Log events on their way to the coordinator with the next heartbeat: bounded, dropped ones
/// counted.
final class OutgoingLogs: Sendable {
  struct Batch: Sendable {
    var events: [LogEvent] = []
    var droppedCount: UInt64 = 0
  }

  private let waiting = Mutex(Batch())

  func append(job: JobID?, level: EventLevel, _ message: String) {
    let event = LogEvent(
      job: job, level: level, unixNanoseconds: Int64(Date().timeIntervalSince1970 * 1e9),
      message: String(message.prefix(1_000)))
    waiting.withLock { batch in
      if batch.events.count < Limits.logEventsPerHeartbeat {
        batch.events.append(event)
      } else {
        batch.droppedCount += 1
      }
    }
  }

  func take() -> Batch {
    waiting.withLock { batch in
      let taken = Batch(
        events: LogEvent.clipping(batch.events), droppedCount: batch.droppedCount)
      batch = Batch(events: Array(batch.events.dropFirst(taken.events.count)))
      return taken
    }
  }

  /// Keeps a batch whose heartbeat was not answered for the next one.
  func putBack(_ batch: Batch) {
    waiting.withLock { waiting in
      let events = batch.events + waiting.events
      let kept = events.prefix(Limits.logEventsPerHeartbeat)
      waiting.droppedCount += batch.droppedCount + UInt64(events.count - kept.count)
      waiting.events = Array(kept)
    }
  }
}
