internal import CWire
package import Jobs

/// A command's request on the control listener.
package struct ClientEnvelope: Hashable, Sendable {
  /// Version of the program that wrote it; what is encoded always has our own.
  package private(set) var version = Wire.version
  package let requestID: UInt64
  package let body: ClientRequest

  package init(requestID: UInt64, body: ClientRequest) {
    self.requestID = requestID
    self.body = body
  }
}

/// What a user asks for.
package enum ClientRequest: Hashable, Sendable {
  /// Takes a job in. The client chooses its name, so that asking again takes effect once; `request`
  /// is the job file as JSON, at most `WireLimits.documentByteCount`. Who asks again may be told
  /// that the job is still being planned.
  case submit(JobID, request: [UInt8], asksAgain: Bool = false)
  /// Jobs after one of them, at most `WireLimits.jobsPerPage`; no states means all.
  case list(after: JobID?, limit: Int, states: [JobState])
  case describe(JobID)
  /// A job's events after a cursor, 0 for all, at most `WireLimits.eventsPerPage`.
  case logs(JobID, after: UInt64, limit: Int)
  case cancel(JobID)
  case pause(JobID)
  case resume(JobID)
  case delete(JobID)
  case retry(JobID)
  /// Workers after one of them, at most `WireLimits.workersPerPage`.
  case workers(after: WorkerID?, limit: Int)
  case ping
  /// Of the workers that the coordinator starts itself.
  case fleet(ScalingRequest)
}

/// What is asked of a coordinator's fleet; each answer is its state.
package enum ScalingRequest: Hashable, Sendable {
  case status
  /// Workers that a pool keeps, and has at most, until the coordinator's next start; nil leaves what
  /// is. `reopens` asks an engine again whose workers died.
  case scale(pool: String, least: Int?, most: Int?, reopens: Bool)
  /// All workers leave and none is started, or this is over.
  case drain(Bool)
}

extension ClientEnvelope {
  /// Reads a frame.
  ///
  /// - Parameters:
  ///   - frame: At most `Limits.controlFrameByteCount` bytes.
  ///   - budget: Memory that the frame may take; by default what its size justifies.
  /// - Throws: `WireError`.
  package init(decoding frame: [UInt8], budget: AllocationBudget? = nil) throws(WireError) {
    self = try unsafe Frame.read(
      frame, limit: Limits.controlFrameByteCount,
      budget: budget ?? .control(frameByteCount: frame.count), wire__client_request__unpack
    ) { (message: Wire__ClientRequest) throws(WireError) in
      try unsafe Frame.checkVersion(ofRequest: message)
      var envelope = unsafe ClientEnvelope(
        requestID: message.request_id, body: try ClientRequest(reading: message))
      unsafe envelope.version = message.version
      return envelope
    }
  }

  /// Writes a frame.
  ///
  /// - Parameter key: Of the proof; without one it is zeros.
  /// - Returns: The frame.
  /// - Throws: `WireError` where a value is not within the protocol's limits.
  package func encode(key: [UInt8]? = nil) throws(WireError) -> [UInt8] {
    let arena = MessageArena()
    let message = unsafe arena.message(wire__client_request__init) { message in
      unsafe Frame.begin(&message, requestID: requestID, arena)
      unsafe body.fill(&message, arena)
    }
    return try unsafe Frame.pack(
      message, in: arena, limit: Limits.controlFrameByteCount, .client, key: key)
  }
}

extension ClientRequest {
  init(reading message: Wire__ClientRequest) throws(WireError) {
    switch unsafe message.body_case {
    case WIRE__CLIENT_REQUEST__BODY_SUBMIT:
      let submit = try unsafe Field.required(message.submit, "submit")
      let request = try unsafe Field.bytes(
        submit.request, limit: WireLimits.documentByteCount, "submit.request")
      self = unsafe .submit(
        JobID(submit.job), request: request, asksAgain: submit.asks_again != 0)
    case WIRE__CLIENT_REQUEST__BODY_LIST:
      self = try unsafe Self.list(Field.required(message.list, "list"))
    case WIRE__CLIENT_REQUEST__BODY_LOGS:
      let logs = try unsafe Field.required(message.logs, "logs")
      let pages = 1...WireLimits.eventsPerPage
      self = .logs(
        unsafe JobID(logs.job), after: try unsafe Field.count(logs.after, "logs.after"),
        limit: try unsafe Field.number(logs.limit, in: pages, "logs.limit"))
    case WIRE__CLIENT_REQUEST__BODY_WORKERS:
      self = try unsafe Self.workers(Field.required(message.workers, "workers"))
    case WIRE__CLIENT_REQUEST__BODY_DESCRIBE: self = unsafe .describe(JobID(message.describe))
    case WIRE__CLIENT_REQUEST__BODY_CANCEL: self = unsafe .cancel(JobID(message.cancel))
    case WIRE__CLIENT_REQUEST__BODY_PAUSE: self = unsafe .pause(JobID(message.pause))
    case WIRE__CLIENT_REQUEST__BODY_RESUME: self = unsafe .resume(JobID(message.resume))
    case WIRE__CLIENT_REQUEST__BODY_DELETE: self = unsafe .delete(JobID(message.delete_))
    case WIRE__CLIENT_REQUEST__BODY_RETRY: self = unsafe .retry(JobID(message.retry))
    case WIRE__CLIENT_REQUEST__BODY_PING: self = .ping
    case WIRE__CLIENT_REQUEST__BODY_FLEET:
      self = .fleet(try unsafe ScalingRequest(reading: Field.required(message.fleet, "fleet")))
    default: throw .invalid("body", "missing, or of a kind that this version does not know")
    }
  }

  private static func list(_ message: Wire__List) throws(WireError) -> ClientRequest {
    let hasAfter = unsafe message.optional_after_case == WIRE__LIST__OPTIONAL_AFTER_AFTER
    let after = hasAfter ? unsafe JobID(message.after) : nil
    let limit = try unsafe Field.number(
      message.limit, in: 1...WireLimits.jobsPerPage, "list.limit")
    let codes = try unsafe Field.numbers(
      message.states, count: message.n_states, limit: JobState.allCases.count, "list.states")
    var states: [JobState] = []
    for code in codes {
      guard let state = JobState.allCases.first(where: { $0.wireCode == code }) else {
        throw .invalid("list.states", "\(code.rawValue) is no state")
      }
      states.append(state)
    }
    return .list(after: after, limit: limit, states: states)
  }

  private static func workers(_ message: Wire__ListWorkers) throws(WireError) -> ClientRequest {
    let hasAfter = unsafe message.optional_after_case == WIRE__LIST_WORKERS__OPTIONAL_AFTER_AFTER
    let after = hasAfter ? unsafe WorkerID(message.after) : nil
    let limit = try unsafe Field.number(
      message.limit, in: 1...WireLimits.workersPerPage, "workers.limit")
    return .workers(after: after, limit: limit)
  }

  func fill(_ message: inout Wire__ClientRequest, _ arena: MessageArena) {
    switch self {
    case .submit, .list, .logs, .workers: unsafe fillQuery(&message, arena)
    case .describe(let job):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_DESCRIBE
      unsafe message.describe = job.rawValue
    case .cancel(let job):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_CANCEL
      unsafe message.cancel = job.rawValue
    case .pause(let job):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_PAUSE
      unsafe message.pause = job.rawValue
    case .resume(let job):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_RESUME
      unsafe message.resume = job.rawValue
    case .delete(let job):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_DELETE
      unsafe message.delete_ = job.rawValue
    case .retry(let job):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_RETRY
      unsafe message.retry = job.rawValue
    case .ping:
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_PING
      unsafe message.ping = arena.message(wire__empty__init) { _ in }
    case .fleet(let request):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_FLEET
      unsafe message.fleet = request.packed(in: arena)
    }
  }

  /// The requests that are more than a job's name.
  private func fillQuery(_ message: inout Wire__ClientRequest, _ arena: MessageArena) {
    switch self {
    case .submit(let job, let request, let asksAgain):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_SUBMIT
      unsafe message.submit = arena.message(wire__submit__init) { submit in
        unsafe submit.job = job.rawValue
        unsafe submit.request = arena.bytes(
          request, limit: WireLimits.documentByteCount, "submit.request")
        unsafe submit.asks_again = asksAgain ? 1 : 0
      }
    case .list(let after, let limit, let states):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_LIST
      unsafe message.list = arena.message(wire__list__init) { list in
        if let after {
          unsafe list.optional_after_case = WIRE__LIST__OPTIONAL_AFTER_AFTER
          unsafe list.after = after.rawValue
        }
        unsafe list.limit = UInt32(clamping: limit)
        unsafe list.n_states = states.count
        unsafe list.states = arena.list(states.map(\.wireCode))
      }
    case .logs(let job, let after, let limit):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_LOGS
      unsafe message.logs = arena.message(wire__logs__init) { logs in
        unsafe logs.job = job.rawValue
        unsafe logs.after = after
        unsafe logs.limit = UInt32(clamping: limit)
      }
    case .workers(let after, let limit):
      unsafe message.body_case = WIRE__CLIENT_REQUEST__BODY_WORKERS
      unsafe message.workers = arena.message(wire__list_workers__init) { workers in
        if let after {
          unsafe workers.optional_after_case = WIRE__LIST_WORKERS__OPTIONAL_AFTER_AFTER
          unsafe workers.after = after.rawValue
        }
        unsafe workers.limit = UInt32(clamping: limit)
      }
    case .describe, .cancel, .pause, .resume, .delete, .retry, .ping, .fleet: break
    }
  }
}
