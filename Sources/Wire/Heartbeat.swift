internal import CWire
package import Jobs
internal import Leasing

/// A worker's "alive, and renew these leases", with what it has to say.
package struct Heartbeat: Hashable, Sendable {
  package var held: [HeldSealedLease]
  /// At most `Limits.logEventsPerHeartbeat`; see `LogEvent.clipping`.
  package var events: [LogEvent]
  /// Events that did not fit, since the last heartbeat that was answered.
  package var droppedCount: UInt64
  package var statistics: WorkerStatistics

  package init(
    held: [HeldSealedLease], events: [LogEvent] = [], droppedCount: UInt64 = 0,
    statistics: WorkerStatistics = WorkerStatistics()
  ) {
    self.held = held
    self.events = events
    self.droppedCount = droppedCount
    self.statistics = statistics
  }
}

/// What a worker has done since its start.
package struct WorkerStatistics: Hashable, Sendable {
  package var recordCount: UInt64
  /// Bytes of input read, as stored.
  package var byteCount: UInt64
  package var processorMilliseconds: UInt64

  package init(
    recordCount: UInt64 = 0, byteCount: UInt64 = 0, processorMilliseconds: UInt64 = 0
  ) {
    self.recordCount = recordCount
    self.byteCount = byteCount
    self.processorMilliseconds = processorMilliseconds
  }
}

/// How loud an event is.
package enum EventLevel: UInt32, Hashable, Sendable, CaseIterable {
  case info = 1
  case warning = 2
  case error = 3
}

/// One line of a worker's log.
package struct LogEvent: Hashable, Sendable {
  /// The job that it is about, if any.
  package let job: JobID?
  package let level: EventLevel
  /// Wall-clock time of the worker, nanoseconds since 1970.
  package let unixNanoseconds: Int64
  package let message: String

  package init(job: JobID?, level: EventLevel, unixNanoseconds: Int64, message: String) {
    self.job = job
    self.level = level
    self.unixNanoseconds = unixNanoseconds
    self.message = message
  }

  /// The first events of a list that one heartbeat carries, their messages cut where one is too
  /// long; the rest is to be counted as dropped, or sent with the next heartbeat.
  package static func clipping(_ events: [LogEvent]) -> [LogEvent] {
    var clipped: [LogEvent] = []
    var byteCount = 0
    for event in events.prefix(Limits.logEventsPerHeartbeat) {
      let message = event.message.fittingWire(byteCount: WireLimits.reasonByteCount)
      byteCount += message.utf8.count
      guard byteCount <= Limits.logBytesPerHeartbeat else { break }
      clipped.append(
        LogEvent(
          job: event.job, level: event.level, unixNanoseconds: event.unixNanoseconds,
          message: message))
    }
    return clipped
  }
}

extension Heartbeat {
  init(reading message: Wire__Heartbeat, now: Instant) throws(WireError) {
    held = try unsafe Field.messages(
      message.held, count: message.n_held, limit: WireLimits.leasesPerHeartbeat, "heartbeat.held"
    ) { (held: Wire__HeldLease) throws(WireError) in
      try unsafe HeldSealedLease(reading: held, now: now)
    }
    events = try unsafe Field.messages(
      message.events, count: message.n_events, limit: Limits.logEventsPerHeartbeat,
      "heartbeat.events", LogEvent.init(reading:))
    let byteCount = events.reduce(0) { $0 + $1.message.utf8.count }
    _ = try Field.number(byteCount, in: 0...Limits.logBytesPerHeartbeat, "heartbeat.events")
    droppedCount = try unsafe Field.count(message.dropped_count, "heartbeat.dropped_count")
    statistics = WorkerStatistics(
      recordCount: try unsafe Field.count(message.record_count, "heartbeat.record_count"),
      byteCount: try unsafe Field.count(message.byte_count, "heartbeat.byte_count"),
      processorMilliseconds: try unsafe Field.count(
        message.processor_milliseconds, "heartbeat.processor_milliseconds"))
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__Heartbeat> {
    let byteCount = events.reduce(0) { $0 + $1.message.utf8.count }
    if byteCount > Limits.logBytesPerHeartbeat {
      arena.refuse("heartbeat.events", "\(byteCount) bytes of \(Limits.logBytesPerHeartbeat)")
    }
    return unsafe arena.message(wire__heartbeat__init) { message in
      unsafe message.n_held = held.count
      unsafe message.held = arena.messages(
        held, limit: WireLimits.leasesPerHeartbeat, "heartbeat.held"
      ) { unsafe $0.packed(in: arena) }
      unsafe message.n_events = events.count
      unsafe message.events = arena.messages(
        events, limit: Limits.logEventsPerHeartbeat, "heartbeat.events"
      ) { unsafe $0.packed(in: arena) }
      unsafe message.dropped_count = droppedCount
      unsafe message.record_count = statistics.recordCount
      unsafe message.byte_count = statistics.byteCount
      unsafe message.processor_milliseconds = statistics.processorMilliseconds
    }
  }
}

extension LogEvent {
  init(reading message: Wire__LogEvent) throws(WireError) {
    let hasJob = unsafe message.optional_job_case == WIRE__LOG_EVENT__OPTIONAL_JOB_JOB
    job = hasJob ? unsafe JobID(message.job) : nil
    level = try unsafe Field.level(message.level, "event.level")
    unixNanoseconds = unsafe message.unix_nanoseconds
    self.message = try unsafe Field.text(
      message.message, limit: WireLimits.reasonByteCount, "event.message")
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__LogEvent> {
    unsafe arena.message(wire__log_event__init) { message in
      if let job {
        unsafe message.optional_job_case = WIRE__LOG_EVENT__OPTIONAL_JOB_JOB
        unsafe message.job = job.rawValue
      }
      unsafe message.level = Wire__Level(rawValue: level.rawValue)
      unsafe message.unix_nanoseconds = unixNanoseconds
      unsafe message.message = arena.remark(self.message, limit: WireLimits.reasonByteCount)
    }
  }
}

extension Field {
  static func level(_ level: Wire__Level, _ field: StaticString) throws(WireError) -> EventLevel {
    guard let known = EventLevel(rawValue: level.rawValue) else {
      throw .invalid(field, "\(level.rawValue) is no level")
    }
    return known
  }
}
