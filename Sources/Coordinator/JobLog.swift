import Jobs
import Wire

/// The newest log events of one job, in memory, bounded; older ones are dropped and counted.
struct JobLog: Sendable {
  private var events: [JobEvent] = []
  private var droppedCount: UInt64 = 0
  private var lastCursor: UInt64 = 0

  mutating func append(
    _ message: String, level: EventLevel, source: String, unixNanoseconds: Int64
  ) {
    if events.count >= Limits.logEventsPerJob {
      // Half at once, so that dropping costs O(1) for each event.
      events.removeFirst(Limits.logEventsPerJob / 2)
      droppedCount += UInt64(Limits.logEventsPerJob / 2)
    }
    lastCursor += 1
    events.append(
      JobEvent(
        cursor: lastCursor, unixNanoseconds: unixNanoseconds, level: level, source: source,
        message: message))
  }

  /// Counts events that a worker had to drop.
  mutating func noteDropped(_ count: UInt64) {
    droppedCount += count
  }

  /// At most `limit` events after a cursor, oldest first, as many as fit in one frame.
  func page(after cursor: UInt64, limit: Int, isEnded: Bool) -> JobEvents {
    let first = events.firstIndex { $0.cursor > cursor } ?? events.count
    let wanted = Array(events[first..<min(events.count, first + limit)])
    let page = Array(wanted.prefix(FrameFit.count(of: wanted)))
    let next = page.last?.cursor ?? max(cursor, lastCursor)
    return JobEvents(
      events: page, nextCursor: next, droppedCount: droppedCount,
      isEnd: isEnded && next >= lastCursor)
  }
}
