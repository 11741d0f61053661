internal import CWire

/// One line of a job's log, as users see it.
package struct JobEvent: Hashable, Sendable {
  /// The event's place in the job's log, from 1.
  package let cursor: UInt64
  /// Wall-clock time of the source, nanoseconds since 1970.
  package let unixNanoseconds: Int64
  package let level: EventLevel
  /// The worker's name, or the coordinator.
  package let source: String
  package let message: String

  package init(
    cursor: UInt64, unixNanoseconds: Int64, level: EventLevel, source: String, message: String
  ) {
    self.cursor = cursor
    self.unixNanoseconds = unixNanoseconds
    self.level = level
    self.source = source
    self.message = message
  }
}

/// Some consecutive events of a job's log.
package struct JobEvents: Hashable, Sendable {
  package let events: [JobEvent]
  /// Where the next page continues.
  package let nextCursor: UInt64
  /// Events after the asked-for cursor that the coordinator no longer has.
  package let droppedCount: UInt64
  /// Whether the job has ended and these are its last events.
  package let isEnd: Bool

  package init(events: [JobEvent], nextCursor: UInt64, droppedCount: UInt64, isEnd: Bool) {
    self.events = events
    self.nextCursor = nextCursor
    self.droppedCount = droppedCount
    self.isEnd = isEnd
  }
}

extension JobEvent {
  init(reading message: Wire__JobEvent) throws(WireError) {
    cursor = try unsafe Field.count(message.cursor, "event.cursor")
    unixNanoseconds = unsafe message.unix_nanoseconds
    level = try unsafe Field.level(message.level, "event.level")
    source = try unsafe Field.text(
      message.source, limit: WireLimits.nameByteCount, "event.source")
    self.message = try unsafe Field.text(
      message.message, limit: WireLimits.reasonByteCount, "event.message")
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__JobEvent> {
    unsafe arena.message(wire__job_event__init) { message in
      unsafe message.cursor = cursor
      unsafe message.unix_nanoseconds = unixNanoseconds
      unsafe message.level = Wire__Level(rawValue: level.rawValue)
      unsafe message.source = arena.remark(source, limit: WireLimits.nameByteCount)
      unsafe message.message = arena.remark(self.message, limit: WireLimits.reasonByteCount)
    }
  }
}

extension JobEvents {
  init(reading message: Wire__Events) throws(WireError) {
    events = try unsafe Field.messages(
      message.events, count: message.n_events, limit: WireLimits.eventsPerPage, "events",
      JobEvent.init(reading:))
    nextCursor = try unsafe Field.count(message.next_cursor, "events.next_cursor")
    droppedCount = try unsafe Field.count(message.dropped_count, "events.dropped_count")
    isEnd = unsafe message.is_end != 0
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__Events> {
    unsafe arena.message(wire__events__init) { message in
      unsafe message.n_events = events.count
      unsafe message.events = arena.messages(
        events, limit: WireLimits.eventsPerPage, "events"
      ) { unsafe $0.packed(in: arena) }
      unsafe message.next_cursor = nextCursor
      unsafe message.dropped_count = droppedCount
      unsafe message.is_end = isEnd ? 1 : 0
    }
  }
}
