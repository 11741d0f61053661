/// When to ask again after a failed request: exponential steps with full jitter.
///
/// The delay before attempt n+1 is uniform in 0 … min(`longestDelay`, `firstDelay` · 2ⁿ⁻¹), which
/// spreads a fleet that lost its coordinator at one moment. Source: M. Brooker, "Exponential
/// Backoff And Jitter", AWS Architecture Blog, 2015.
///
/// nng's own resending is off; this is the only place where a request is sent twice. The body, and
/// with it the request identity inside, is the same each time, so that the server can tell.
package struct Retry: Equatable, Sendable {
  package var firstDelay: Duration
  package var longestDelay: Duration
  /// How many times the request is sent at most, at least 1.
  package var attemptLimit: Int

  package init(
    firstDelay: Duration = .milliseconds(100), longestDelay: Duration = .seconds(5),
    attemptLimit: Int = 8
  ) {
    precondition(attemptLimit >= 1 && firstDelay > .zero && longestDelay >= firstDelay)
    self.firstDelay = firstDelay
    self.longestDelay = longestDelay
    self.attemptLimit = attemptLimit
  }

  /// The pause after failed attempt number `attempt`, counted from 1.
  package func delay(
    after attempt: Int, using generator: inout some RandomNumberGenerator
  ) -> Duration {
    let step = firstDelay * (1 << min(max(attempt, 1) - 1, 30))
    let ceiling = min(step, longestDelay)
    let fraction = Double.random(in: 0..<1, using: &generator)
    return ceiling * fraction
  }

  /// Runs an operation until it succeeds, fails in a way that no repetition mends, or has been
  /// tried `attemptLimit` times.
  ///
  /// - Parameters:
  ///   - generator: where the jitter comes from.
  ///   - sleep: waits; answers false to give up, for instance because the task was cancelled.
  ///   - operation: told the number of the attempt, from 1.
  /// - Returns: what the operation returns.
  /// - Throws: the last `TransportError` of the operation.
  package func run<Value>(
    using generator: inout some RandomNumberGenerator,
    sleep: (Duration) async -> Bool,
    operation: (Int) async throws(TransportError) -> Value
  ) async throws(TransportError) -> Value {
    var attempt = 1
    while true {
      do throws(TransportError) {
        return try await operation(attempt)
      } catch {
        guard error.code.isWorthRepeating, attempt < attemptLimit else { throw error }
        guard await sleep(delay(after: attempt, using: &generator)) else { throw error }
        attempt += 1
      }
    }
  }
}

extension TransportError.Code {
  /// True where the same request may well succeed a little later.
  package var isWorthRepeating: Bool {
    switch self {
    case .timedOut, .disconnected, .connectionRefused: true
    case .closed, .addressInUse, .refusedAddress, .messageTooLarge, .tls, .other: false
    }
  }
}
