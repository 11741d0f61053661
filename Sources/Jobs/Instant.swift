/// A moment on one machine's monotonic clock, counted from that process's start.
///
/// Ours, because a test cannot make a `ContinuousClock.Instant`. Two processes never compare
/// instants: only durations cross the wire.
package struct Instant: Hashable, Comparable, Sendable {
  /// Nanoseconds since the process started.
  package let nanoseconds: Int64

  package init(nanoseconds: Int64) {
    self.nanoseconds = nanoseconds
  }

  package init(sinceStart: Duration) {
    nanoseconds = sinceStart.nanoseconds
  }

  package static let start = Instant(nanoseconds: 0)

  package static func < (left: Instant, right: Instant) -> Bool {
    left.nanoseconds < right.nanoseconds
  }

  package static func + (instant: Instant, duration: Duration) -> Instant {
    Instant(nanoseconds: instant.nanoseconds + duration.nanoseconds)
  }

  package static func - (later: Instant, earlier: Instant) -> Duration {
    .nanoseconds(later.nanoseconds - earlier.nanoseconds)
  }
}

extension Duration {
  /// The whole duration in nanoseconds, rounded towards zero.
  package var nanoseconds: Int64 {
    components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
  }

  /// The whole duration in milliseconds, rounded towards zero.
  package var milliseconds: Int64 { nanoseconds / 1_000_000 }

  /// The duration in seconds, for rates and for people.
  package var inSeconds: Double { Double(nanoseconds) / 1e9 }
}
