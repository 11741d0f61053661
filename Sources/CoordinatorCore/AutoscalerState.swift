package import Jobs

/// What the autoscaler remembers of workers and pools.
extension Autoscaler {
  /// A worker that an engine was asked for.
  package struct Member: Hashable, Sendable {
    package enum Phase: Hashable, Sendable {
      case starting, joined
      /// Said goodbye, or was asked to leave.
      case leaving
      /// The engine was told to end it.
      case terminated
    }

    package let name: String
    package let pool: String
    package let launched: Instant
    package internal(set) var phase = Phase.starting
    /// Since when it has been in its phase.
    package internal(set) var since: Instant
    /// When it last had a session.
    package internal(set) var lastSeen: Instant
    /// When a listing had it running for the first and for the last time.
    package internal(set) var firstRunning: Instant?
    package internal(set) var lastRunning: Instant?
    package internal(set) var isListed = false
    /// What the engine says about one that waits.
    package internal(set) var waitReason = ""

    /// Whether it counts as one to be had.
    package var isPresent: Bool { phase == .starting || phase == .joined }
  }

  /// A pool, and what has been learned of its engine.
  package struct PoolState: Hashable, Sendable {
    package internal(set) var pool: Pool
    /// From launch to join, smoothed.
    package internal(set) var startUpTime: Duration
    package internal(set) var failureCount = 0
    /// What its engine said last about a worker that waits.
    package internal(set) var waitReason = ""
    /// Nothing is asked for before, and why.
    package internal(set) var pausedUntil = Instant.start
    package internal(set) var pauseReason = ""
    package internal(set) var quickDeathCount = 0
    /// Why nothing is asked for until somebody says so.
    package internal(set) var haltReason: String?

    package func isOpen(_ now: Instant) -> Bool { haltReason == nil && now >= pausedUntil }
  }
}
