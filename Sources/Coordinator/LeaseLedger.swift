import Jobs
import Leasing

/// The leases of one worker that may still be its own, by what the coordinator has seen itself.
///
/// The worker's own heartbeats do not lower the count: whoever leaves leases out of them has them
/// counted until they run out.
struct LeaseLedger: Sendable {
  private var ends: [LeaseKey: Instant] = [:]

  /// How many more leases the worker may have.
  mutating func room(now: Instant) -> Int {
    if ends.count >= Limits.leasesPerWorker { ends = ends.filter { $0.value > now } }
    return max(0, Limits.leasesPerWorker - ends.count)
  }

  /// A lease was given, or prolonged.
  mutating func note(_ key: LeaseKey, until end: Instant) { ends[key] = end }

  /// A lease is over.
  mutating func forget(_ key: LeaseKey) { ends[key] = nil }
}
