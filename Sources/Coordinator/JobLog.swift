import CoordinatorCore
import Jobs

/// One line of a job's log, from the coordinator or from a worker.
package struct JobLogEvent: Sendable {
  package let cursor: UInt64
  package let unixNanoseconds: Int64
  package let level: LogLevel
  /// "coordinator", or the worker's name.
  package let source: String
  package let message: String
}

/// The newest log events of one job, in memory, bounded; older ones are dropped and counted.
struct JobLog: Sendable {
  private(set) var events: [JobLogEvent] = []
  private(set) var droppedCount: UInt64 = 0
  private var nextCursor: UInt64 = 1

  mutating func append(
    _ message: String, level: LogLevel, source: String, unixNanoseconds: Int64
  ) {
    if events.count >= Limits.logEventsPerJob {
      // Half at once, so that dropping costs O(1) per event.
      events.removeFirst(Limits.logEventsPerJob / 2)
      droppedCount += UInt64(Limits.logEventsPerJob / 2)
    }
    events.append(
      JobLogEvent(
        cursor: nextCursor, unixNanoseconds: unixNanoseconds, level: level, source: source,
        message: message))
    nextCursor += 1
  }

  /// Counts events that a worker had to drop.
  mutating func noteDropped(_ count: UInt64) {
    droppedCount += count
  }

  /// At most `limit` events after a cursor, oldest first.
  func events(after cursor: UInt64, limit: Int) -> [JobLogEvent] {
    guard let first = events.firstIndex(where: { $0.cursor > cursor }) else { return [] }
    return Array(events[first..<min(events.count, first + limit)])
  }
}
