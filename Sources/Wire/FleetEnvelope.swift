internal import CWire
package import Jobs
package import Leasing

/// A worker's request on the control listener.
package struct FleetEnvelope: Hashable, Sendable {
  /// Version of the program that wrote it; what is encoded always has our own.
  package private(set) var version = Wire.version
  package let worker: WorkerID
  /// Counts up within a session: each number is answered once.
  package let requestID: UInt64
  package let body: FleetBody

  package init(worker: WorkerID, requestID: UInt64, body: FleetBody) {
    self.worker = worker
    self.requestID = requestID
    self.body = body
  }
}

/// What a worker asks or reports: `FleetRequest` of `Leasing`, with seals.
package enum FleetBody: Hashable, Sendable {
  /// The name is the host's and the process's; both texts are for people.
  /// The token's name is empty for the one that lets any worker in.
  case hello(
    name: String, host: String = "", threadCount: Int, versionText: String, tokenName: String = "")
  case acquire(leaseLimit: Int)
  case heartbeat(Heartbeat)
  /// At most as many as `FrameFit.count(of:)` allows.
  case finish([FinishedLease])
  case handBack(SealedLease)
  case fail(SealedLease, FailureCode, reason: String)
  case goodbye
  /// Asks for a part of what is to be known about a job.
  case configuration(JobID, offset: UInt64)
  /// Asks for what the proof of the hello that follows is made with.
  case nonce
}

extension FleetEnvelope {
  /// Reads a frame.
  ///
  /// - Parameters:
  ///   - frame: At most `Limits.controlFrameByteCount` bytes.
  ///   - now: Becomes the deadline of the leases, which crosses the wire only as time left.
  ///   - budget: Memory that the frame may take; by default what its size justifies.
  /// - Throws: `WireError`.
  package init(
    decoding frame: [UInt8], now: Instant, budget: AllocationBudget? = nil
  ) throws(WireError) {
    self = try unsafe Frame.read(
      frame, limit: Limits.controlFrameByteCount,
      budget: budget ?? .control(frameByteCount: frame.count), wire__fleet_request__unpack
    ) { (message: Wire__FleetRequest) throws(WireError) in
      try unsafe Frame.checkVersion(ofRequest: message)
      var envelope = unsafe FleetEnvelope(
        worker: WorkerID(message.worker), requestID: message.request_id,
        body: try FleetBody(reading: message, now: now))
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
    let message = unsafe arena.message(wire__fleet_request__init) { message in
      unsafe Frame.begin(&message, requestID: requestID, arena)
      unsafe message.worker = worker.rawValue
      unsafe body.fill(&message, arena)
    }
    return try unsafe Frame.pack(
      message, in: arena, limit: Limits.controlFrameByteCount, .fleet, key: key)
  }
}

extension FleetBody {
  init(reading message: Wire__FleetRequest, now: Instant) throws(WireError) {
    switch unsafe message.body_case {
    case WIRE__FLEET_REQUEST__BODY_HELLO:
      self = try unsafe Self.hello(Field.required(message.hello, "hello"))
    case WIRE__FLEET_REQUEST__BODY_ACQUIRE:
      let acquire = try unsafe Field.required(message.acquire, "acquire")
      self = .acquire(
        leaseLimit: try unsafe Field.number(
          acquire.lease_limit, in: 1...Limits.leasesPerWorker, "acquire.lease_limit"))
    case WIRE__FLEET_REQUEST__BODY_HEARTBEAT:
      self = .heartbeat(
        try unsafe Heartbeat(reading: Field.required(message.heartbeat, "heartbeat"), now: now))
    case WIRE__FLEET_REQUEST__BODY_FINISH:
      self = try unsafe Self.finish(Field.required(message.finish, "finish"), now)
    case WIRE__FLEET_REQUEST__BODY_HAND_BACK:
      self = .handBack(
        try unsafe SealedLease(
          reading: Field.required(message.hand_back, "hand_back"), deadline: now))
    case WIRE__FLEET_REQUEST__BODY_FAIL:
      self = try unsafe Self.fail(Field.required(message.fail, "fail"), now)
    case WIRE__FLEET_REQUEST__BODY_GOODBYE: self = .goodbye
    case WIRE__FLEET_REQUEST__BODY_GET_CONFIGURATION:
      let part = try unsafe Field.required(message.get_configuration, "configuration")
      let offset = try unsafe Field.count(
        part.offset, limit: WireLimits.configurationByteCount, "configuration.offset")
      self = unsafe .configuration(JobID(part.job), offset: offset)
    case WIRE__FLEET_REQUEST__BODY_GET_NONCE: self = .nonce
    default: throw .invalid("body", "missing, or of a kind that this version does not know")
    }
  }

  private static func hello(_ message: Wire__Hello) throws(WireError) -> FleetBody {
    .hello(
      name: try unsafe Field.text(
        message.name, limit: WireLimits.nameByteCount, "hello.name"),
      host: try unsafe Field.text(
        message.host, limit: WireLimits.nameByteCount, "hello.host"),
      threadCount: try unsafe Field.number(
        message.thread_count, in: 1...WireLimits.threadsPerWorker, "hello.thread_count"),
      versionText: try unsafe Field.text(
        message.version_text, limit: WireLimits.nameByteCount, "hello.version_text"),
      tokenName: try unsafe Field.text(
        message.token_name, limit: WireLimits.nameByteCount, "hello.token_name"))
  }

  private static func finish(
    _ message: Wire__Finish, _ now: Instant
  ) throws(WireError) -> FleetBody {
    let leases = try unsafe Field.messages(
      message.leases, count: message.n_leases, limit: Limits.resultsPerMessage, "finish.leases"
    ) { (lease: Wire__FinishedLease) throws(WireError) in
      try unsafe FinishedLease(reading: lease, now: now)
    }
    guard !leases.isEmpty else { throw .invalid("finish.leases", "none") }
    return .finish(leases)
  }

  private static func fail(_ message: Wire__Fail, _ now: Instant) throws(WireError) -> FleetBody {
    let lease = try unsafe SealedLease(
      reading: Field.required(message.lease, "fail.lease"), deadline: now)
    let number = unsafe message.code
    guard let code = FailureCode.allCases.first(where: { $0.wireCode == number }) else {
      throw .invalid("fail.code", "\(number.rawValue) is no code")
    }
    let reason = try unsafe Field.text(
      message.reason, limit: WireLimits.reasonByteCount, "fail.reason")
    return .fail(lease, code, reason: reason)
  }

  func fill(_ message: inout Wire__FleetRequest, _ arena: MessageArena) {
    switch self {
    case .hello, .acquire, .goodbye, .configuration, .nonce: unsafe fillQuestion(&message, arena)
    case .heartbeat(let heartbeat):
      unsafe message.body_case = WIRE__FLEET_REQUEST__BODY_HEARTBEAT
      unsafe message.heartbeat = heartbeat.packed(in: arena)
    case .finish(let leases):
      unsafe message.body_case = WIRE__FLEET_REQUEST__BODY_FINISH
      unsafe message.finish = arena.message(wire__finish__init) { finish in
        if leases.isEmpty { arena.refuse("finish.leases", "none") }
        unsafe finish.n_leases = leases.count
        unsafe finish.leases = arena.messages(
          leases, limit: Limits.resultsPerMessage, "finish.leases"
        ) { unsafe $0.packed(in: arena) }
      }
    case .handBack(let lease):
      unsafe message.body_case = WIRE__FLEET_REQUEST__BODY_HAND_BACK
      unsafe message.hand_back = lease.packed(in: arena)
    case .fail(let lease, let code, let reason):
      unsafe message.body_case = WIRE__FLEET_REQUEST__BODY_FAIL
      unsafe message.fail = arena.message(wire__fail__init) { fail in
        unsafe fail.lease = lease.packed(in: arena)
        unsafe fail.code = code.wireCode
        unsafe fail.reason = arena.remark(reason, limit: WireLimits.reasonByteCount)
      }
    }
  }

  /// The requests without leases.
  private func fillQuestion(_ message: inout Wire__FleetRequest, _ arena: MessageArena) {
    switch self {
    case .hello(let name, let host, let threadCount, let versionText, let tokenName):
      unsafe message.body_case = WIRE__FLEET_REQUEST__BODY_HELLO
      unsafe message.hello = arena.message(wire__hello__init) { hello in
        unsafe hello.name = arena.remark(name, limit: WireLimits.nameByteCount)
        unsafe hello.host = arena.remark(host, limit: WireLimits.nameByteCount)
        unsafe hello.thread_count = UInt32(clamping: threadCount)
        unsafe hello.version_text = arena.remark(versionText, limit: WireLimits.nameByteCount)
        unsafe hello.token_name = arena.remark(tokenName, limit: WireLimits.nameByteCount)
      }
    case .acquire(let leaseLimit):
      unsafe message.body_case = WIRE__FLEET_REQUEST__BODY_ACQUIRE
      unsafe message.acquire = arena.message(wire__acquire__init) { acquire in
        unsafe acquire.lease_limit = UInt32(clamping: leaseLimit)
      }
    case .goodbye:
      unsafe message.body_case = WIRE__FLEET_REQUEST__BODY_GOODBYE
      unsafe message.goodbye = arena.message(wire__empty__init) { _ in }
    case .configuration(let job, let offset):
      unsafe message.body_case = WIRE__FLEET_REQUEST__BODY_GET_CONFIGURATION
      unsafe message.get_configuration = arena.message(wire__get_configuration__init) { part in
        unsafe part.job = job.rawValue
        unsafe part.offset = offset
      }
    case .nonce:
      unsafe message.body_case = WIRE__FLEET_REQUEST__BODY_GET_NONCE
      unsafe message.get_nonce = arena.message(wire__empty__init) { _ in }
    case .heartbeat, .finish, .handBack, .fail: break
    }
  }
}

extension FailureCode {
  var wireCode: Wire__FailureCode {
    switch self {
    case .inputChanged: WIRE__FAILURE_CODE__FAILURE_INPUT_CHANGED
    case .inputUnreadable: WIRE__FAILURE_CODE__FAILURE_INPUT_UNREADABLE
    case .modelUnusable: WIRE__FAILURE_CODE__FAILURE_MODEL_UNUSABLE
    case .environment: WIRE__FAILURE_CODE__FAILURE_ENVIRONMENT
    case .crashed: WIRE__FAILURE_CODE__FAILURE_CRASHED
    }
  }
}
