internal import CWire
package import Jobs

/// The coordinator's answer on the control listener's client plane.
package struct ClientAnswerEnvelope: Hashable, Sendable {
  /// The request that is answered.
  package let requestID: UInt64
  package let body: ClientAnswer

  package init(requestID: UInt64, body: ClientAnswer) {
    self.requestID = requestID
    self.body = body
  }
}

/// What a user is told.
package enum ClientAnswer: Hashable, Sendable {
  case refusal(Refusal)
  case accepted(JobID)
  /// Only to a submission that asks again.
  case planning(PlanningReport)
  /// A page of jobs; `next`, where there are more, is what to ask for after it. At most as many as
  /// `FrameFit.count(of:)` allows.
  case jobs([JobSummary], next: JobID?)
  /// One job, with what else is to be said of it as JSON.
  case description(JobSummary, details: [UInt8])
  case logs(JobEvents)
  case workers([WorkerSummary], next: WorkerID?)
  case done
  case pong(Pong)
  /// A `FleetStatus` as JSON.
  case fleet([UInt8])
}

/// How far the planning of a submission is.
package struct PlanningReport: Hashable, Sendable {
  /// Listed so far.
  package let inputCount: UInt64
  /// What it is at, for people, such as the store that is asked again; may be empty.
  package let text: String

  package init(inputCount: UInt64, text: String) {
    self.inputCount = inputCount
    self.text = text
  }
}

/// What the coordinator says of itself.
package struct Pong: Hashable, Sendable {
  /// The coordinator program's version, for people.
  package let versionText: String
  package let incarnation: Incarnation
  package let uptime: Duration
  /// What somebody has to see to at the coordinator: certificates that end soon.
  package let warnings: [String]

  package init(
    versionText: String, incarnation: Incarnation, uptime: Duration, warnings: [String] = []
  ) {
    self.versionText = versionText
    self.incarnation = incarnation
    self.uptime = uptime
    self.warnings = warnings
  }
}

extension ClientAnswerEnvelope {
  /// Reads a frame.
  ///
  /// - Parameters:
  ///   - frame: At most `Limits.controlFrameByteCount` bytes.
  ///   - budget: Memory that the frame may take; by default what its size justifies.
  /// - Throws: `WireError`.
  package init(decoding frame: [UInt8], budget: AllocationBudget? = nil) throws(WireError) {
    self = try unsafe Frame.read(
      frame, limit: Limits.controlFrameByteCount,
      budget: budget ?? .control(frameByteCount: frame.count), wire__client_answer__unpack
    ) { (message: Wire__ClientAnswer) throws(WireError) in
      try unsafe Frame.checkVersion(of: message)
      return unsafe ClientAnswerEnvelope(
        requestID: message.request_id, body: try ClientAnswer(reading: message))
    }
  }

  /// Writes a frame.
  ///
  /// - Throws: `WireError` where a value is not within the protocol's limits.
  package func encode() throws(WireError) -> [UInt8] {
    let arena = MessageArena()
    let message = unsafe arena.message(wire__client_answer__init) { message in
      unsafe message.version = Wire.version
      unsafe message.request_id = requestID
      unsafe body.fill(&message, arena)
    }
    return try unsafe arena.pack(message, limit: Limits.controlFrameByteCount)
  }
}

extension ClientAnswer {
  init(reading message: Wire__ClientAnswer) throws(WireError) {
    switch unsafe message.body_case {
    case WIRE__CLIENT_ANSWER__BODY_REFUSAL:
      self = .refusal(try unsafe Refusal(reading: Field.required(message.refusal, "refusal")))
    case WIRE__CLIENT_ANSWER__BODY_ACCEPTED: self = unsafe .accepted(JobID(message.accepted))
    case WIRE__CLIENT_ANSWER__BODY_JOBS:
      self = try unsafe Self.jobs(Field.required(message.jobs, "jobs"))
    case WIRE__CLIENT_ANSWER__BODY_DESCRIPTION:
      let description = try unsafe Field.required(message.description, "description")
      let job = try unsafe JobSummary(
        reading: Field.required(description.job, "description.job"))
      let details = try unsafe Field.bytes(
        description.details, limit: WireLimits.documentByteCount, "description.details")
      self = .description(job, details: details)
    case WIRE__CLIENT_ANSWER__BODY_EVENTS:
      self = .logs(try unsafe JobEvents(reading: Field.required(message.events, "events")))
    case WIRE__CLIENT_ANSWER__BODY_WORKERS:
      self = try unsafe Self.workers(Field.required(message.workers, "workers"))
    case WIRE__CLIENT_ANSWER__BODY_DONE: self = .done
    case WIRE__CLIENT_ANSWER__BODY_PONG:
      self = .pong(try unsafe Pong(reading: Field.required(message.pong, "pong")))
    case WIRE__CLIENT_ANSWER__BODY_FLEET:
      self = .fleet(
        try unsafe Field.bytes(message.fleet, limit: WireLimits.documentByteCount, "fleet"))
    case WIRE__CLIENT_ANSWER__BODY_PLANNING:
      let planning = try unsafe Field.required(message.planning, "planning")
      self = .planning(try unsafe PlanningReport(reading: planning))
    default: throw .invalid("body", "missing, or of a kind that this version does not know")
    }
  }

  private static func jobs(_ message: Wire__Jobs) throws(WireError) -> ClientAnswer {
    let jobs = try unsafe Field.messages(
      message.jobs, count: message.n_jobs, limit: WireLimits.jobsPerPage, "jobs",
      JobSummary.init(reading:))
    let hasNext = unsafe message.optional_next_case == WIRE__JOBS__OPTIONAL_NEXT_NEXT
    return .jobs(jobs, next: hasNext ? unsafe JobID(message.next) : nil)
  }

  private static func workers(_ message: Wire__Workers) throws(WireError) -> ClientAnswer {
    let workers = try unsafe Field.messages(
      message.workers, count: message.n_workers, limit: WireLimits.workersPerPage, "workers",
      WorkerSummary.init(reading:))
    let hasNext = unsafe message.optional_next_case == WIRE__WORKERS__OPTIONAL_NEXT_NEXT
    return .workers(workers, next: hasNext ? unsafe WorkerID(message.next) : nil)
  }

  func fill(_ message: inout Wire__ClientAnswer, _ arena: MessageArena) {
    switch self {
    case .refusal(let refusal):
      unsafe message.body_case = WIRE__CLIENT_ANSWER__BODY_REFUSAL
      unsafe message.refusal = refusal.packed(in: arena)
    case .accepted(let job):
      unsafe message.body_case = WIRE__CLIENT_ANSWER__BODY_ACCEPTED
      unsafe message.accepted = job.rawValue
    case .description(let job, let details):
      unsafe message.body_case = WIRE__CLIENT_ANSWER__BODY_DESCRIPTION
      unsafe message.description = arena.message(wire__description__init) { description in
        unsafe description.job = job.packed(in: arena)
        unsafe description.details = arena.bytes(
          details, limit: WireLimits.documentByteCount, "description.details")
      }
    case .logs(let events):
      unsafe message.body_case = WIRE__CLIENT_ANSWER__BODY_EVENTS
      unsafe message.events = events.packed(in: arena)
    case .jobs, .workers: unsafe fillPage(&message, arena)
    case .planning(let report):
      unsafe message.body_case = WIRE__CLIENT_ANSWER__BODY_PLANNING
      unsafe message.planning = report.packed(in: arena)
    case .done:
      unsafe message.body_case = WIRE__CLIENT_ANSWER__BODY_DONE
      unsafe message.done = arena.message(wire__empty__init) { _ in }
    case .pong(let pong):
      unsafe message.body_case = WIRE__CLIENT_ANSWER__BODY_PONG
      unsafe message.pong = pong.packed(in: arena)
    case .fleet(let status):
      unsafe message.body_case = WIRE__CLIENT_ANSWER__BODY_FLEET
      unsafe message.fleet = arena.bytes(status, limit: WireLimits.documentByteCount, "fleet")
    }
  }

  private func fillPage(_ message: inout Wire__ClientAnswer, _ arena: MessageArena) {
    switch self {
    case .jobs(let jobs, let next):
      unsafe message.body_case = WIRE__CLIENT_ANSWER__BODY_JOBS
      unsafe message.jobs = arena.message(wire__jobs__init) { page in
        unsafe page.n_jobs = jobs.count
        unsafe page.jobs = arena.messages(jobs, limit: WireLimits.jobsPerPage, "jobs") {
          unsafe $0.packed(in: arena)
        }
        guard let next else { return }
        unsafe page.optional_next_case = WIRE__JOBS__OPTIONAL_NEXT_NEXT
        unsafe page.next = next.rawValue
      }
    case .workers(let workers, let next):
      unsafe message.body_case = WIRE__CLIENT_ANSWER__BODY_WORKERS
      unsafe message.workers = arena.message(wire__workers__init) { page in
        unsafe page.n_workers = workers.count
        unsafe page.workers = arena.messages(
          workers, limit: WireLimits.workersPerPage, "workers"
        ) { unsafe $0.packed(in: arena) }
        guard let next else { return }
        unsafe page.optional_next_case = WIRE__WORKERS__OPTIONAL_NEXT_NEXT
        unsafe page.next = next.rawValue
      }
    default: break
    }
  }
}

extension PlanningReport {
  init(reading message: Wire__Planning) throws(WireError) {
    inputCount = try unsafe Field.count(message.input_count, "planning.input_count")
    text = try unsafe Field.text(
      message.text, limit: WireLimits.reasonByteCount, "planning.text")
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__Planning> {
    unsafe arena.message(wire__planning__init) { message in
      unsafe message.input_count = inputCount
      unsafe message.text = arena.remark(text, limit: WireLimits.reasonByteCount)
    }
  }
}

extension Pong {
  init(reading message: Wire__Pong) throws(WireError) {
    versionText = try unsafe Field.text(
      message.version_text, limit: WireLimits.nameByteCount, "pong.version_text")
    incarnation = unsafe Incarnation(message.incarnation)
    let uptime = try unsafe Field.count(
      message.uptime_milliseconds, limit: WireLimits.largestMilliseconds, "pong.uptime")
    self.uptime = .milliseconds(Int64(uptime))
    let count = unsafe message.n_warnings
    guard count <= WireLimits.warnings else {
      throw .invalid("pong.warnings", "\(count) of at most \(WireLimits.warnings)")
    }
    var warnings: [String] = []
    for index in 0..<count {
      let text = unsafe message.warnings?[index]
      warnings.append(
        try unsafe Field.text(text, limit: WireLimits.reasonByteCount, "pong.warnings"))
    }
    self.warnings = warnings
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__Pong> {
    unsafe arena.message(wire__pong__init) { message in
      unsafe message.version_text = arena.remark(versionText, limit: WireLimits.nameByteCount)
      unsafe message.incarnation = incarnation.rawValue
      unsafe message.uptime_milliseconds = UInt64(max(0, uptime.milliseconds))
      let texts = unsafe warnings.prefix(WireLimits.warnings).map { text in
        unsafe Optional(arena.remark(text, limit: WireLimits.reasonByteCount))
      }
      unsafe message.n_warnings = texts.count
      unsafe message.warnings = arena.list(texts)
    }
  }
}
