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
    var lastUse: ContinuousClock.Instant
    /// Requests that are handled at the moment, on each listener.
    var requestCounts: [Channel: Int] = [:]
    /// Partials that have begun to arrive, by the lease they are for.
    var staged: [LeaseKey: PartialName] = [:]

    var stagedByteCount: UInt64 { staged.values.reduce(0) { $0 + $1.byteCount } }

    /// Looks at a request that is the worker's.
    mutating func take(
      _ number: UInt64, on channel: Channel, now: ContinuousClock.Instant
    ) -> Verdict {
      if isRevoked {
        return .refused(
          Refusal(code: .unauthorized, text: "the token of \(tokenName) was revoked"))
      }
      guard numbers[channel]?.take(number) == true else {
        return .refused(Refusal(code: .unavailable, text: "request \(number) came before"))
      }
      guard requestCounts[channel, default: 0] < Limits.requestsPerWorker else {
        return .refused(
          Refusal(
            code: .unavailable,
            text: "\(Limits.requestsPerWorker) requests of this worker are at work: wait for them"))
      }
      requestCounts[channel, default: 0] += 1
      lastUse = now
      return .admitted
    }
  }

  private struct State {
    var sessions: [WorkerID: Session] = [:]
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
  private let clock = ContinuousClock()
  private let state = Mutex(State())

  init(_ tokens: Tokens, _ workerTokens: WorkerTokens) {
    self.tokens = tokens
    self.workerTokens = workerTokens
  }

  // MARK: Joining

  /// What a worker's next hello is to be made with: the same for some seconds, until it is used.
  func nonce(for worker: WorkerID) -> [UInt8] {
    let now = clock.now
    return state.withLock { state in
      if let nonce = state.nonces[worker], now - nonce.made < Self.nonceTime { return nonce.bytes }
      if state.nonces[worker] == nil { state.nonceOrder.append(worker) }
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
    let known = tokenName.isEmpty ? tokens.fleet : workerTokens.secret(of: tokenName)
    let secret = known ?? randomBytes(count: Tokens.byteCount)
    let key = FrameProof.sessionKey(token: secret, nonce: nonce.bytes, worker: worker)
    guard FrameProof.isMade(in: frame, .fleet, key: key), known != nil else {
      return .refused(Self.wrongToken)
    }
    let verdict = begin(
      worker, number: number, Session(key: key, tokenName: tokenName, secret: secret, lastUse: now),
      nonce)
    // Revoked between the two looks: the next look at the sessions may not see it.
    if verdict == .admitted, !tokenName.isEmpty, workerTokens.secret(of: tokenName) != secret {
      state.withLock { $0.sessions[worker]?.isRevoked = true }
    }
    return verdict
  }

  private func begin(
    _ worker: WorkerID, number: UInt64, _ session: Session, _ nonce: Nonce
  ) -> Verdict {
    let tokenName = session.tokenName
    return state.withLock { state in
      guard state.nonces[worker]?.bytes == nonce.bytes else { return .refused(Self.staleNonce) }
      let old = state.sessions[worker]
      if let old, old.tokenName != tokenName, !old.isRevoked {
        return .refused(Refusal(code: .limit, text: "the worker's number is another worker's"))
      }
      if old == nil, state.sessions.count >= 2 * Limits.workers {
        return .refused(Refusal(code: .limit, text: "the coordinator has too many workers"))
      }
      let siblings = state.sessions.values.count { $0.tokenName == tokenName && !$0.isRevoked }
      if old == nil, !tokenName.isEmpty, siblings >= Limits.sessionsPerToken {
        return .refused(
          Refusal(
            code: .limit,
            text: "\(siblings) workers work under the token of \(tokenName), which is the most"))
      }
      state.nonces[worker] = nil
      state.nonceOrder.removeAll { $0 == worker }
      var session = session
      session.requestCounts = old?.requestCounts ?? [:]
      session.staged = old?.staged ?? [:]
      _ = session.numbers[.control]?.take(number)
      session.requestCounts[.control, default: 0] += 1
      state.sessions[worker] = session
      return .admitted
    }
  }

  private static let staleNonce = Refusal(
    code: .unavailable, text: "the hello came too late after its nonce: ask for another")

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
      return state.sessions.values[place].take(number, on: channel, now: now)
    }
  }

  /// An admitted request is answered.
  func leave(_ worker: WorkerID, _ channel: Channel) {
    state.withLock { state in
      guard let count = state.sessions[worker]?.requestCounts[channel], count > 0 else { return }
      state.sessions[worker]?.requestCounts[channel] = count - 1
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

  /// A lease is over: its partial is committed or of no more use.
  func unstage(_ lease: LeaseKey, of worker: WorkerID) {
    state.withLock { state in _ = state.sessions[worker]?.staged.removeValue(forKey: lease) }
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
    let generation = workerTokens.generation
    let isChanged = state.withLock { state in
      defer { state.generation = generation }
      return state.generation != generation
    }
    let secrets = isChanged ? secretsInUse() : [:]
    return state.withLock { state in
      var leftovers = Leftovers()
      for (worker, session) in state.sessions {
        let age = now - session.lastUse
        if isChanged, !session.isRevoked, !session.tokenName.isEmpty,
          secrets[session.tokenName] != session.secret
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

  /// The tokens of the names under which there are sessions; none for those that were revoked.
  private func secretsInUse() -> [String: [UInt8]] {
    state.withLock { Set($0.sessions.values.map(\.tokenName)) }.subtracting([""])
      .reduce(into: [:]) { $0[$1] = workerTokens.secret(of: $1) }
  }

  private static func leftovers(of session: Session?) -> Leftovers {
    Leftovers(partials: (session?.staged ?? [:]).map { ($0.key.job, $0.value) })
  }
}

/// The numbers of a session's requests, each of which counts once, in about their order.
struct NumberWindow {
  /// How far behind the highest a number may come.
  static let width: UInt64 = 128

  private var highest: UInt64 = 0
  /// The numbers taken, by their rest modulo `width`.
  private var taken = [UInt64](repeating: 0, count: Int(width))

  /// False for a number that was taken before, or is too old to know.
  mutating func take(_ number: UInt64) -> Bool {
    guard number > 0, number > highest || highest - number < Self.width else { return false }
    let place = Int(number % Self.width)
    guard taken[place] != number else { return false }
    // Of two numbers with one place the older is out of the window once the newer was taken.
    guard taken[place] < number else { return false }
    taken[place] = number
    highest = max(highest, number)
    return true
  }
}
