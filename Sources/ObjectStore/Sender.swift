import Synchronization

/// Sends requests until one is answered, or the time for retries is over.
final class Sender: Sendable {
  let environment: StoreEnvironment
  let limits: StoreLimits
  private let client: HTTPClient
  private let pace: Pace

  /// An answer, and whether an earlier sending of the same request may have had its effect.
  struct Outcome {
    let answer: HTTPAnswer
    let isRepeated: Bool
  }

  /// One request, repeated or not.
  struct Errand {
    /// For messages: the verb and the object.
    let name: String
    /// What the pace is kept for.
    let bucket: String
    var cancellation: Cancellation?
    /// Whether an answer of status 2xx is an error in truth, which a repetition may mend.
    var isBroken: ((HTTPAnswer) -> Bool)?
    /// Whether an answer has to be asked for again although its status does not say so.
    var isTransient: ((HTTPAnswer) -> Bool)?
  }

  init(environment: StoreEnvironment, limits: StoreLimits) {
    self.environment = environment
    self.limits = limits
    client = HTTPClient(limits: limits, environment: environment)
    pace = Pace(environment)
  }

  /// Sends a request once.
  ///
  /// - Throws: `HTTPFailure`.
  func sendOnce(
    _ request: HTTPRequest, cancellation: Cancellation? = nil
  ) throws(HTTPFailure) -> HTTPAnswer {
    try client.send(
      request, into: .memory(limit: limits.answerByteLimit), cancellation: cancellation)
  }

  /// Sends what `next` makes until there is an answer that a repetition would not change.
  ///
  /// - Parameters:
  ///   - errand: What it is about.
  ///   - next: Makes the request and says where its body goes; told how many bytes the last try
  ///     brought. It is asked each time, because signatures age and ranges go on where they broke.
  /// - Returns: An answer of any status but the ones that mean "again".
  /// - Throws: `ObjectError`: `unavailable`, `denied` for a certificate, `cancelled`, `malformed`,
  ///   and what `next` throws.
  func send(
    _ errand: Errand,
    _ next: (Int) throws(ObjectError) -> (HTTPRequest, HTTPSink)
  ) throws(ObjectError) -> Outcome {
    let watch = StoreWatch.current
    var errand = errand
    errand.cancellation = errand.cancellation ?? watch?.cancellation
    defer { watch?.note(nil) }
    return try send(errand, watch, next)
  }

  private func send(
    _ errand: Errand, _ watch: StoreWatch?,
    _ next: (Int) throws(ObjectError) -> (HTTPRequest, HTTPSink)
  ) throws(ObjectError) -> Outcome {
    var patience = Patience(limits, environment)
    var filledCount = 0
    while true {
      pace.waitForTurn(errand.bucket)
      let (request, sink) = try next(filledCount)
      filledCount = 0
      switch attempt(request, sink, errand) {
      case .success(let answer):
        guard let trouble = Self.trouble(answer, errand) else {
          pace.speedUp(errand.bucket)
          return Outcome(answer: answer, isRepeated: patience.attempt > 1)
        }
        if Self.asksForLess(answer) { pace.slowDown(errand.bucket) }
        watch?.note("\(errand.name): \(trouble)")
        try patience.wait(errand, trouble, isReached: true, retryAfter: answer["retry-after"])
      case .failure(let failure):
        filledCount = failure.filledCount
        if filledCount > 0 { patience.noteProgress() }
        try Self.check(failure, errand)
        // The address of a bucket says nothing of the endpoint that a variable names.
        let trouble = "\(request.endpoint): \(failure.reason)"
        watch?.note("\(errand.name): \(trouble)")
        try patience.wait(errand, trouble, isReached: failure.kind != .unreachable)
      }
    }
  }

  private func attempt(
    _ request: HTTPRequest, _ sink: HTTPSink, _ errand: Errand
  ) -> Result<HTTPAnswer, HTTPFailure> {
    do throws(HTTPFailure) {
      return .success(
        try client.send(request, into: sink, cancellation: cancellation(of: errand)))
    } catch {
      return .failure(error)
    }
  }

  /// What ends a request: its caller, or the end of the process.
  private func cancellation(of errand: Errand) -> Cancellation? {
    guard let ending = environment.ending else { return errand.cancellation }
    return Cancellation { [own = errand.cancellation] in
      ending.isOver || own?.isCancelled == true
    }
  }

  /// What is wrong with an answer for now; nil where it is final.
  private static func trouble(_ answer: HTTPAnswer, _ errand: Errand) -> String? {
    switch answer.status {
    case 408, 429, 500, 502, 503, 504, 509:
      return ["\(answer.status)", errorCode(in: answer.body)].compactMap(\.self)
        .joined(separator: " ")
    case 200..<300 where errand.isBroken?(answer) == true:
      return ["\(answer.status) with an error in it", errorCode(in: answer.body)]
        .compactMap(\.self).joined(separator: ": ")
    default:
      guard errand.isTransient?(answer) == true else { return nil }
      return ["\(answer.status)", errorCode(in: answer.body)].compactMap(\.self)
        .joined(separator: " ")
    }
  }

  private static func asksForLess(_ answer: HTTPAnswer) -> Bool {
    answer.status == 503 || answer.status == 429 || errorCode(in: answer.body) == "SlowDown"
  }

  /// Throws what a repetition would not mend.
  private static func check(_ failure: HTTPFailure, _ errand: Errand) throws(ObjectError) {
    switch failure.kind {
    case .unreachable, .timedOut, .cut: return
    case .certificate:
      throw ObjectError(
        code: .denied,
        context: "\(errand.name): \(failure.reason); if the store has a certificate of your own, "
          + "name the authority's file in AWS_CA_BUNDLE")
    case .cancelled:
      throw ObjectError(code: .cancelled, context: "\(errand.name): cancelled")
    case .tooLarge, .other:
      throw ObjectError(code: .malformed, context: "\(errand.name): \(failure.reason)")
    }
  }
}

/// When to ask again, and when to give up: exponential pauses with full jitter.
///
/// The pause after failed attempt n is even over 0 … min(longest, first · 2ⁿ⁻¹), or the server's
/// `Retry-After` and jitter on top. Source: M. Brooker, "Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015.
struct Patience {
  private(set) var attempt = 1
  private let limits: StoreLimits
  private let environment: StoreEnvironment
  private let start: Duration
  private var step = 0
  private var wasReached = false
  /// After so long a time somebody should know.
  private var nextNotice = Duration.seconds(5)

  init(_ limits: StoreLimits, _ environment: StoreEnvironment) {
    self.limits = limits
    self.environment = environment
    start = environment.uptime()
  }

  /// The attempt brought some bytes, so the next pause is short again.
  mutating func noteProgress() { step = 0 }

  /// Waits for the next attempt.
  ///
  /// - Throws: `ObjectError`: `unavailable` where the time for retries is over, `cancelled`.
  mutating func wait(
    _ errand: Sender.Errand, _ trouble: String, isReached: Bool, retryAfter: String? = nil
  ) throws(ObjectError) {
    wasReached = wasReached || isReached
    let elapsed = environment.uptime() - start
    let budget = wasReached ? limits.unavailableTime : limits.unreachableTime
    guard elapsed < budget else {
      throw ObjectError(
        code: .unavailable,
        context: "\(errand.name): \(trouble), given up after \(attempt) attempts in "
          + "\(Int(elapsed.inSeconds)) s; the same may work later")
    }
    try check(errand)
    if elapsed >= nextNotice {
      environment.notice("retrying \(errand.name): \(trouble), attempt \(attempt + 1)")
      nextNotice = elapsed * 2
    }
    try pause(errand, min(pause(retryAfter: retryAfter), budget - elapsed))
    attempt += 1
    step += 1
  }

  /// Pauses in slices where someone may end it.
  private func pause(_ errand: Sender.Errand, _ duration: Duration) throws(ObjectError) {
    guard errand.cancellation != nil || environment.ending != nil else {
      return environment.pause(duration)
    }
    var rest = duration
    while rest > .zero {
      try check(errand)
      let slice = min(rest, Self.slice)
      environment.pause(slice)
      rest -= slice
    }
    try check(errand)
  }

  /// Throws where nobody waits for the request any more.
  private func check(_ errand: Sender.Errand) throws(ObjectError) {
    guard errand.cancellation?.isCancelled == true || environment.ending?.hasBegun == true else {
      return
    }
    throw ObjectError(code: .cancelled, context: "\(errand.name): cancelled")
  }

  private static let slice = Duration.milliseconds(200)

  private func pause(retryAfter: String?) -> Duration {
    let ceiling = min(limits.firstPause * (1 << min(step, 20)), limits.longestPause)
    let jitter = ceiling * environment.fraction()
    guard let seconds = retryAfter.flatMap({ UInt32($0) }) else { return jitter }
    return min(.seconds(Int64(seconds)), limits.longestPause) + jitter
  }
}
