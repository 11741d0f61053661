import Jobs

extension WorkerCore.Timer {
  /// Full jitter below a limit that doubles with each failure (Brooker, "Exponential Backoff and
  /// Jitter", 2015).
  mutating func backOff(
    _ now: Instant, _ timing: WorkerTiming, using generator: inout some RandomNumberGenerator
  ) {
    isInFlight = false
    failureCount = min(failureCount + 1, 16)
    let ceiling = min(
      timing.retryLimit.nanoseconds, timing.retryBase.nanoseconds << Int64(failureCount - 1))
    next = now + .nanoseconds(Int64.random(in: 0...ceiling, using: &generator))
  }
}
