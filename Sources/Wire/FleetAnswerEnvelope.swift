internal import CWire
package import Jobs
package import Leasing

/// The coordinator's answer on the control listener's fleet plane.
package struct FleetAnswerEnvelope: Hashable, Sendable {
  /// The request that is answered.
  package let requestID: UInt64
  package let body: FleetAnswerBody

  package init(requestID: UInt64, body: FleetAnswerBody) {
    self.requestID = requestID
    self.body = body
  }
}

/// What a worker is told: `FleetAnswer` of `Leasing`, with seals.
package enum FleetAnswerBody: Hashable, Sendable {
  case refusal(Refusal)
  case welcome(Welcome)
  /// At most as many as `FrameFit.count(of:)` allows.
  case grants([SealedGrant])
  /// Nothing to do: ask again after this.
  case wait(Duration)
  case alive(revoked: [LeaseKey], shortened: [ShortenedLease] = [], drain: Bool)
  /// One for each lease of the request, in its order.
  case finish([FinishAnswer])
  case done
  case unknownWorker
  case drain
  case configuration(ConfigurationPart)
  /// 32 bytes.
  case nonce([UInt8])
}

extension FleetAnswerEnvelope {
  /// Reads a frame.
  ///
  /// - Parameters:
  ///   - frame: At most `Limits.controlFrameByteCount` bytes.
  ///   - now: From when the time left of the leases counts: best the instant of the request.
  ///   - budget: Memory that the frame may take; by default what its size justifies.
  /// - Throws: `WireError`.
  package init(
    decoding frame: [UInt8], now: Instant, budget: AllocationBudget? = nil
  ) throws(WireError) {
    self = try unsafe Frame.read(
      frame, limit: Limits.controlFrameByteCount,
      budget: budget ?? .control(frameByteCount: frame.count), wire__fleet_answer__unpack
    ) { (message: Wire__FleetAnswer) throws(WireError) in
      try unsafe Frame.checkVersion(of: message)
      return unsafe FleetAnswerEnvelope(
        requestID: message.request_id, body: try FleetAnswerBody(reading: message, now: now))
    }
  }

  /// Writes a frame.
  ///
  /// - Parameter now: The instant that the leases' deadlines are measured from.
  /// - Returns: At most `Limits.controlFrameByteCount` bytes.
  /// - Throws: `WireError` where a value is not within the protocol's limits.
  package func encode(now: Instant) throws(WireError) -> [UInt8] {
    let arena = MessageArena()
    let message = unsafe arena.message(wire__fleet_answer__init) { message in
      unsafe message.version = Wire.version
      unsafe message.request_id = requestID
      unsafe body.fill(&message, now, arena)
    }
    return try unsafe arena.pack(message, limit: Limits.controlFrameByteCount)
  }
}

extension FleetAnswerBody {
  init(reading message: Wire__FleetAnswer, now: Instant) throws(WireError) {
    switch unsafe message.body_case {
    case WIRE__FLEET_ANSWER__BODY_REFUSAL:
      self = .refusal(try unsafe Refusal(reading: Field.required(message.refusal, "refusal")))
    case WIRE__FLEET_ANSWER__BODY_WELCOME:
      self = .welcome(try unsafe Welcome(reading: Field.required(message.welcome, "welcome")))
    case WIRE__FLEET_ANSWER__BODY_GRANTS:
      self = .grants(try unsafe Self.grants(Field.required(message.grants, "grants"), now))
    case WIRE__FLEET_ANSWER__BODY_WAIT_MILLISECONDS:
      self = unsafe .wait(.milliseconds(message.wait_milliseconds))
    case WIRE__FLEET_ANSWER__BODY_ALIVE:
      let alive = try unsafe Field.required(message.alive, "alive")
      let revoked = try unsafe Field.messages(
        alive.revoked, count: alive.n_revoked, limit: WireLimits.leasesPerHeartbeat,
        "alive.revoked", LeaseKey.init(reading:))
      let shortened = try unsafe Field.messages(
        alive.shortened, count: alive.n_shortened, limit: WireLimits.leasesPerHeartbeat,
        "alive.shortened", ShortenedLease.init(reading:))
      self = unsafe .alive(revoked: revoked, shortened: shortened, drain: alive.drain != 0)
    case WIRE__FLEET_ANSWER__BODY_FINISHED:
      let finished = try unsafe Field.required(message.finished, "finished")
      self = .finish(
        try unsafe Field.messages(
          finished.answers, count: finished.n_answers, limit: Limits.resultsPerMessage,
          "finished.answers", FinishAnswer.init(reading:)))
    case WIRE__FLEET_ANSWER__BODY_DONE: self = .done
    case WIRE__FLEET_ANSWER__BODY_UNKNOWN_WORKER: self = .unknownWorker
    case WIRE__FLEET_ANSWER__BODY_DRAIN: self = .drain
    case WIRE__FLEET_ANSWER__BODY_CONFIGURATION:
      self = .configuration(
        try unsafe ConfigurationPart(
          reading: Field.required(message.configuration, "configuration")))
    case WIRE__FLEET_ANSWER__BODY_NONCE:
      self = .nonce(
        try unsafe Field.bytes(message.nonce, exactly: WireLimits.nonceByteCount, "nonce"))
    default: throw .invalid("body", "missing, or of a kind that this version does not know")
    }
  }

  private static func grants(
    _ message: Wire__Grants, _ now: Instant
  ) throws(WireError) -> [SealedGrant] {
    let inputs = try unsafe Field.messages(
      message.inputs, count: message.n_inputs, limit: Limits.leasesPerGrant, "grants.inputs",
      GrantInput.init(reading:))
    return try unsafe Field.messages(
      message.grants, count: message.n_grants, limit: Limits.leasesPerGrant, "grants.grants"
    ) { (grant: Wire__Grant) throws(WireError) in
      try unsafe SealedGrant(reading: grant, inputs: inputs, now: now)
    }
  }

  func fill(_ message: inout Wire__FleetAnswer, _ now: Instant, _ arena: MessageArena) {
    switch self {
    case .refusal(let refusal):
      unsafe message.body_case = WIRE__FLEET_ANSWER__BODY_REFUSAL
      unsafe message.refusal = refusal.packed(in: arena)
    case .welcome(let welcome):
      unsafe message.body_case = WIRE__FLEET_ANSWER__BODY_WELCOME
      unsafe message.welcome = welcome.packed(in: arena)
    case .grants(let grants):
      unsafe message.body_case = WIRE__FLEET_ANSWER__BODY_GRANTS
      unsafe message.grants = Self.packed(grants, now, arena)
    case .wait(let duration):
      unsafe message.body_case = WIRE__FLEET_ANSWER__BODY_WAIT_MILLISECONDS
      unsafe message.wait_milliseconds = duration.wireMilliseconds
    case .configuration(let part):
      unsafe message.body_case = WIRE__FLEET_ANSWER__BODY_CONFIGURATION
      unsafe message.configuration = part.packed(in: arena)
    case .nonce(let nonce):
      unsafe message.body_case = WIRE__FLEET_ANSWER__BODY_NONCE
      unsafe message.nonce = arena.bytes(nonce, limit: WireLimits.nonceByteCount, "nonce")
    case .alive, .finish: unsafe fillReport(&message, arena)
    case .done, .unknownWorker, .drain:
      unsafe message.done = arena.message(wire__empty__init) { _ in }
      unsafe message.body_case =
        switch self {
        case .unknownWorker: WIRE__FLEET_ANSWER__BODY_UNKNOWN_WORKER
        case .drain: WIRE__FLEET_ANSWER__BODY_DRAIN
        default: WIRE__FLEET_ANSWER__BODY_DONE
        }
    }
  }

  private func fillReport(_ message: inout Wire__FleetAnswer, _ arena: MessageArena) {
    switch self {
    case .alive(let revoked, let shortened, let drain):
      unsafe message.body_case = WIRE__FLEET_ANSWER__BODY_ALIVE
      unsafe message.alive = arena.message(wire__alive__init) { alive in
        unsafe alive.n_revoked = revoked.count
        unsafe alive.revoked = arena.messages(
          revoked, limit: WireLimits.leasesPerHeartbeat, "alive.revoked"
        ) { unsafe $0.packed(in: arena) }
        unsafe alive.n_shortened = shortened.count
        unsafe alive.shortened = arena.messages(
          shortened, limit: WireLimits.leasesPerHeartbeat, "alive.shortened"
        ) { unsafe $0.packed(in: arena) }
        unsafe alive.drain = drain ? 1 : 0
      }
    case .finish(let answers):
      unsafe message.body_case = WIRE__FLEET_ANSWER__BODY_FINISHED
      unsafe message.finished = arena.message(wire__finished__init) { finished in
        unsafe finished.n_answers = answers.count
        unsafe finished.answers = arena.messages(
          answers, limit: Limits.resultsPerMessage, "finished.answers"
        ) { unsafe $0.packed(in: arena) }
      }
    default: break
    }
  }

  /// Grants with each input written once.
  private static func packed(
    _ grants: [SealedGrant], _ now: Instant, _ arena: MessageArena
  ) -> UnsafeMutablePointer<Wire__Grants> {
    var inputs: [GrantInput] = []
    var places: [GrantInput: UInt32] = [:]
    return unsafe arena.message(wire__grants__init) { message in
      unsafe message.n_grants = grants.count
      unsafe message.grants = arena.messages(
        grants, limit: Limits.leasesPerGrant, "grants.grants"
      ) { grant in
        let input = grant.details.input
        // Mostly the last one again, and to compare a text is cheaper than to hash it.
        let last = UInt32(clamping: inputs.count - 1)
        let place = input == inputs.last ? last : places[input] ?? UInt32(inputs.count)
        if Int(place) == inputs.count {
          inputs.append(input)
          places[input] = place
        }
        return unsafe grant.packed(input: place, now: now, in: arena)
      }
      unsafe message.n_inputs = inputs.count
      unsafe message.inputs = arena.messages(
        inputs, limit: Limits.leasesPerGrant, "grants.inputs"
      ) { unsafe $0.packed(in: arena) }
    }
  }
}

extension ShortenedLease {
  init(reading message: Wire__ShortenedLease) throws(WireError) {
    let end = try unsafe Field.number(
      message.end_block, in: 1...Limits.blocksPerShard, "shortened.end_block")
    self = unsafe ShortenedLease(
      key: try LeaseKey(reading: Field.required(message.key, "shortened.key")), end: UInt8(end))
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__ShortenedLease> {
    unsafe arena.message(wire__shortened_lease__init) { message in
      unsafe message.key = key.packed(in: arena)
      unsafe message.end_block = UInt32(end)
    }
  }
}

extension LeaseKey {
  init(reading message: Wire__LeaseKey) throws(WireError) {
    let shard = try unsafe Field.number(
      message.shard, in: 0...Limits.shardsPerJob - 1, "key.shard")
    let attempt = unsafe Attempt(
      incarnation: Incarnation(message.incarnation), counter: message.attempt_counter)
    self = unsafe LeaseKey(
      job: JobID(message.job), shard: ShardID(UInt32(shard)), attempt: attempt)
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__LeaseKey> {
    unsafe arena.message(wire__lease_key__init) { message in
      unsafe message.job = job.rawValue
      unsafe message.shard = shard.rawValue
      unsafe message.incarnation = attempt.incarnation.rawValue
      unsafe message.attempt_counter = attempt.counter
    }
  }
}
