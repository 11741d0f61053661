import Digests
import Jobs
import Leasing
import Synchronization
import Transport
import Wire

/// Who is let in: the sessions of workers, and what each of them may have at once.
///
/// A worker asks for a nonce, and proves with its hello that it knows a token (`FrameProof`). From
/// then on every frame of it carries a proof under the session's key and a number of its own, so
/// that what was heard on the way cannot be sent by another, nor a second time. Nothing here waits
/// for a disk or an actor: whoever has no token takes up a context for microseconds.
final class Admission: Sendable {
  /// How long a nonce may be used.
  static let nonceTime = Duration.seconds(10)
  /// Nonces that are out at once; the oldest make room.
  static let nonceLimit = 10_000
  /// A session that the coordinator's core does not know is kept for so long: its hello is on the
  /// way.
  static let unknownTime = Duration.seconds(30)

  /// What becomes of a frame.
  enum Verdict: Equatable {
    /// It is the worker's: handle it, then tell `leave`.
    case admitted
    /// There is no such session, or the frame is of an older one: the worker says hello.
    case unknownWorker
    case refused(Refusal)
  }

  private struct Session {
    var key: [UInt8]
    var tokenName: String
    /// Of the token by which it was let in, to see when it is revoked.
    var secret: [UInt8]
    var numbers: [Channel: NumberWindow] = [.control: NumberWindow(), .bulk: NumberWindow()]
    var isRevoked = false
    let begun: ContinuousClock.Instant
    var lastUse: ContinuousClock.Instant
    /// Partials that have begun to arrive, by the lease they are for.
    var staged: [LeaseKey: PartialName] = [:]

    var stagedByteCount: UInt64 { staged.values.reduce(0) { $0 + $1.byteCount } }

    init(
      key: [UInt8], tokenName: String, secret: [UInt8], begun: ContinuousClock.Instant
    ) {
      self.key = key
      self.tokenName = tokenName
      self.secret = secret
      self.begun = begun
      lastUse = begun
    }

    /// Looks at a request that is the worker's, of which others are at work.
    mutating func take(
      _ number: UInt64, on channel: Channel, others: Int, now: ContinuousClock.Instant
    ) -> Verdict {
      if isRevoked {
        return .refused(
          Refusal(code: .unauthorized, text: "the token of \(tokenName) was revoked"))
      }
      guard numbers[channel]?.take(number) == true else {
        return .refused(Refusal(code: .unavailable, text: "request \(number) came before"))
      }
      guard others < channel.requestsPerWorker else {
        return .refused(
          Refusal(
            code: .unavailable,
            text: "\(others) requests of this worker are at work: wait for them"))
      }
      lastUse = now
      return .admitted
    }
  }

  private struct State {
    var sessions: [WorkerID: Session] = [:]
    /// Requests that are at work at the moment, on each listener; they outlive their session.
    var requestCounts: [Channel: [WorkerID: Int]] = [:]
    /// What sessions had begun to send that made room for others.
    var leftovers: [(job: JobID, name: PartialName)] = []
    var nonces: [WorkerID: Nonce] = [:]
    var nonceOrder: [WorkerID] = []
    /// Of the tokens of single workers, when sessions were last compared with them.
    var generation: Int?
  }

  private struct Nonce {
    let bytes: [UInt8]
    let made: ContinuousClock.Instant
  }

  private let tokens: Tokens
  private let workerTokens: WorkerTokens
  /// Who has been silent for so long may have died.
  private let silence: Duration
  private let clock = ContinuousClock()
  private let state = Mutex(State())

  init(_ tokens: Tokens, _ workerTokens: WorkerTokens, silence: Duration) {
    self.tokens = tokens
    self.workerTokens = workerTokens
    self.silence = silence
  }

  // MARK: Joining

  /// What a worker's next hello is to be made with: the same for some seconds, until it is used.
  func nonce(for worker: WorkerID) -> [UInt8] {
    let now = clock.now
    return state.withLock { state in
      if let nonce = state.nonces[worker], now - nonce.made < Self.nonceTime { return nonce.bytes }
      if state.nonces[worker] != nil { state.nonceOrder.removeAll { $0 == worker } }
      state.nonceOrder.append(worker)
      let nonce = Nonce(bytes: randomBytes(count: WireLimits.nonceByteCount), made: now)
      state.nonces[worker] = nonce
      if state.nonceOrder.count > Self.nonceLimit {
        let oldest = state.nonceOrder.prefix(Self.nonceLimit / 2)
        for worker in oldest { state.nonces[worker] = nil }
        state.nonceOrder.removeFirst(oldest.count)
      }
      return nonce.bytes
    }
  }

  /// Begins a session, or says why not.
  func welcome(
    _ worker: WorkerID, number: UInt64, tokenName: String, frame: [UInt8]
  ) -> Verdict {
    let now = clock.now
    guard let nonce = state.withLock({ $0.nonces[worker] }), now - nonce.made < Self.nonceTime
    else { return .refused(Self.staleNonce) }
    // The same work and the same words for a name that there is not.
    let known: [UInt8]?
    do throws(CoordinatorError) {
      known = tokenName.isEmpty ? tokens.fleet : try workerTokens.secret(of: tokenName)
    } catch {
      return .refused(Self.unreadableTokens)
    }
    let secret = known ?? randomBytes(count: Tokens.byteCount)
    let key = FrameProof.sessionKey(token: secret, nonce: nonce.bytes, worker: worker)
    guard FrameProof.isMade(in: frame, .fleet, key: key), known != nil else {
      return .refused(Self.wrongToken)
    }
    let verdict = begin(
      worker, number: number, nonce,
      Session(key: key, tokenName: tokenName, secret: secret, begun: clock.now))
    // Revoked between the two looks: the next look at the sessions may not see it.
    if verdict == .admitted, isRevoked(secret, of: tokenName) {
      state.withLock { $0.sessions[worker]?.isRevoked = true }
    }
    return verdict
  }

  /// Whether a worker's token is none any more; what cannot be read says nothing.
  private func isRevoked(_ secret: [UInt8], of tokenName: String) -> Bool {
    guard !tokenName.isEmpty else { return false }
    do throws(CoordinatorError) {
      return try workerTokens.secret(of: tokenName) != secret
    } catch {
      return false
    }
  }

  private func begin(
    _ worker: WorkerID, number: UInt64, _ nonce: Nonce, _ session: Session
  ) -> Verdict {
    state.withLock { state in
      guard state.nonces[worker]?.bytes == nonce.bytes else { return .refused(Self.staleNonce) }
      let old = state.sessions[worker]
      if let old, old.tokenName != session.tokenName, !old.isRevoked {
        return .refused(Refusal(code: .limit, text: "the worker's number is another worker's"))
      }
      if old == nil, let refusal = room(for: session, in: &state) { return .refused(refusal) }
      state.nonces[worker] = nil
      state.nonceOrder.removeAll { $0 == worker }
      var session = session
      session.staged = old?.staged ?? [:]
      _ = session.numbers[.control]?.take(number)
      state.requestCounts[.control, default: [:]][worker, default: 0] += 1
      state.sessions[worker] = session
      return .admitted
    }
  }

  /// Makes room for another session; a refusal where there is none.
  ///
  /// Of the sessions under one token, one that has been silent makes room: its process may have died
  /// without a word. If it has not, it says hello again.
  private func room(for session: Session, in state: inout State) -> Refusal? {
    guard state.sessions.count < 2 * Limits.workers else {
      return Refusal(code: .limit, text: "the coordinator has too many workers")
    }
    guard !session.tokenName.isEmpty else { return nil }
    let siblings = state.sessions.filter {
      $0.value.tokenName == session.tokenName && !$0.value.isRevoked
    }
    guard siblings.count >= Limits.sessionsPerToken else { return nil }
    guard let stalest = siblings.min(by: { $0.value.lastUse < $1.value.lastUse }),
      session.begun - stalest.value.lastUse > silence
    else {
      return Refusal(
        code: .limit,
        text: "\(siblings.count) workers work under the token of \(session.tokenName), which is "
          + "the most")
    }
    state.leftovers += Self.leftovers(of: stalest.value).partials
    state.sessions[stalest.key] = nil
    return nil
  }

  private static let staleNonce = Refusal(
    code: .unavailable, text: "the hello came too late after its nonce: ask for another")

  private static let unreadableTokens = Refusal(
    code: .unavailable, text: "the tokens of workers cannot be read at the moment")

  static let wrongToken = Refusal(
    code: .unauthorized,
    text: "the token is none of this coordinator's for workers, or it was revoked")

  // MARK: Requests

  /// Looks at a frame that says it is a worker's.
  func verdict(
    on frame: [UInt8], of worker: WorkerID, number: UInt64, on channel: Channel
  ) -> Verdict {
    guard let key = state.withLock({ $0.sessions[worker]?.key }) else { return .unknownWorker }
    let kind = channel == .control ? FrameProof.Kind.fleet : .bulk
    guard FrameProof.isMade(in: frame, kind, key: key) else { return .unknownWorker }
    let now = clock.now
    return state.withLock { state in
      guard let place = state.sessions.index(forKey: worker),
        state.sessions.values[place].key == key
      else { return .unknownWorker }
      let others = state.requestCounts[channel]?[worker] ?? 0
      let verdict = state.sessions.values[place].take(
        number, on: channel, others: others, now: now)
      if verdict == .admitted {
        state.requestCounts[channel, default: [:]][worker] = others + 1
      }
      return verdict
    }
  }

  /// An admitted request is answered; how long its reply may stay unread is the server's affair.
  func leave(_ worker: WorkerID, _ channel: Channel) {
    state.withLock { state in
      let count = state.requestCounts[channel]?[worker] ?? 0
      state.requestCounts[channel]?[worker] = count > 1 ? count - 1 : nil
    }
  }

  // MARK: Quotas

  /// Makes room for a partial that begins to arrive; a refusal where the worker has no more.
  ///
  /// A lease has one partial.
  func stage(_ partial: PartialName, for lease: LeaseKey, of worker: WorkerID) -> Refusal? {
    state.withLock { state in
      guard let session = state.sessions[worker] else { return nil }
      if let other = session.staged[lease] {
        return other == partial
          ? nil : Refusal(code: .limit, text: "another partial of this lease is arriving")
      }
      guard session.staged.count < Limits.stagedPartialsPerWorker,
        session.stagedByteCount + partial.byteCount <= Limits.stagedBytesPerWorker
      else {
        return Refusal(
          code: .limit,
          text: "\(session.staged.count) partials of \(session.stagedByteCount) bytes of this "
            + "worker are arriving: finish them first")
      }
      state.sessions[worker]?.staged[lease] = partial
      return nil
    }
  }

  /// A lease is over: its partial, which is returned, is committed or of no more use.
  func unstage(_ lease: LeaseKey, of worker: WorkerID) -> PartialName? {
    state.withLock { state in state.sessions[worker]?.staged.removeValue(forKey: lease) }
  }

  // MARK: Ends

  /// What ended sessions had begun to send.
  struct Leftovers {
    var revoked: [WorkerID] = []
    var partials: [(job: JobID, name: PartialName)] = []
  }

  /// A worker has left.
  func end(_ worker: WorkerID) -> Leftovers {
    state.withLock { state in
      Self.leftovers(of: state.sessions.removeValue(forKey: worker))
    }
  }

  /// Ends sessions whose token was revoked, and forgets those that the core has forgotten.
  ///
  /// - Returns: The newly revoked, and what the forgotten leave.
  func review(isKnown: (WorkerID) -> Bool) -> Leftovers {
    let now = clock.now
    let present = workerTokens.snapshot()
    return state.withLock { state in
      let isChanged = state.generation != present.generation
      state.generation = present.generation
      var leftovers = Leftovers(partials: state.leftovers)
      state.leftovers = []
      for (worker, session) in state.sessions {
        let age = now - session.lastUse
        // What began after the folder was read has had a look of its own.
        if isChanged, !session.isRevoked, !session.tokenName.isEmpty, session.begun < present.read,
          present.secrets[session.tokenName] != session.secret
        {
          state.sessions[worker]?.isRevoked = true
          leftovers.revoked.append(worker)
        } else if !isKnown(worker),
          age > (session.isRevoked ? Limits.deadManTime : Self.unknownTime)
        {
          leftovers.partials += Self.leftovers(of: session).partials
          state.sessions[worker] = nil
        }
      }
      return leftovers
    }
  }

  private static func leftovers(of session: Session?) -> Leftovers {
    Leftovers(partials: (session?.staged ?? [:]).map { ($0.key.job, $0.value) })
  }
}

extension Channel {
  /// Requests of one worker that may be at work at once.
  fileprivate var requestsPerWorker: Int {
    switch self {
    case .control: Limits.requestsPerWorker
    case .bulk: Limits.bulkRequestsPerWorker
    }
  }
}
