import Jobs

/// Whether and when a worker process that ended is started again.
///
/// A worker that lived long enough earned a fresh start; one that keeps dying at once is told apart
/// by how many did so in a row, over all of the fleet.
package struct RestartPolicy: Hashable, Sendable {
  package enum Decision: Hashable, Sendable {
    case restart(after: Duration)
    case giveUp
  }

  package private(set) var quickDeathCount = 0

  package init() {}

  /// Decides after a worker's death; the pause doubles from 50 ms up to 5 s.
  ///
  /// - Parameters:
  ///   - life: How long it lived.
  ///   - isCharged: Whether the death counts against a shard: few of them make the shard one that no
  ///     worker dies of any more, or end the job.
  /// - Returns: What to do.
  package mutating func died(
    afterLiving life: Duration, isCharged: Bool = false
  ) -> Decision {
    if isCharged { return .restart(after: .milliseconds(50)) }
    guard life < Limits.quickDeath else {
      quickDeathCount = 0
      return .restart(after: .milliseconds(50))
    }
    quickDeathCount += 1
    guard quickDeathCount < Limits.quickDeathLimit else { return .giveUp }
    return .restart(after: min(.seconds(5), .milliseconds(50) * (1 << (quickDeathCount - 1))))
  }
}
