package import Jobs

/// Waits for the moment at which nothing of the fleet is left after the jobs.
package struct ZeroWatch: Sendable {
  /// Ends of workers that are kept for the records; of more the first ones are told.
  package static let exitLimit = 10_000

  /// Jobs that have ended since the last such moment, with their ends.
  package private(set) var waiting: [JobID: Instant] = [:]
  /// How workers ended since then, by their names.
  private var exits: [String: String] = [:]

  package init() {}

  package mutating func jobEnded(_ id: JobID, now: Instant) { waiting[id] = now }

  /// - Parameters:
  ///   - name: of a worker.
  ///   - reason: how it ended, in the engine's words.
  package mutating func workerEnded(_ name: String, _ reason: String) {
    guard exits[name] != nil || exits.count < Self.exitLimit else { return }
    exits[name] = reason
  }

  /// What is on record once nothing is left.
  ///
  /// - Parameters:
  ///   - hasOpenJobs: whether any job has not ended.
  ///   - left: workers of the fleet that are there, or on their way.
  ///   - kept: of them those that stay although there is no work.
  ///   - listed: when each pool's engine was asked for the last list that it gave; nil where it has
  ///     given none.
  ///   - now: the time.
  /// - Returns: a record for each job that has ended, which are then forgotten; none before.
  package mutating func review(
    hasOpenJobs: Bool, left: Set<String>, kept: Set<String>, listed: [Instant?], now: Instant
  ) -> [JobID: ZeroRecord] {
    guard !waiting.isEmpty, !hasOpenJobs, left.subtracting(kept).isEmpty else { return [:] }
    // An empty list from before the end says nothing of what came after it.
    guard let last = waiting.values.max(), listed.allSatisfy({ $0.map { $0 > last } ?? false })
    else { return [:] }
    let workers = exits.keys.sorted().map { ZeroRecord.Exit(worker: $0, end: exits[$0] ?? "") }
    let records = waiting.mapValues { ended in
      ZeroRecord(
        secondsAfterTheEnd: (now - ended).inSeconds, workers: workers, kept: kept.sorted())
    }
    waiting = [:]
    exits = [:]
    return records
  }
}

/// That nothing of the fleet is left after a job.
package struct ZeroRecord: Hashable, Sendable, Codable {
  package struct Exit: Hashable, Sendable, Codable {
    package var worker: String
    /// In the engine's words.
    package var end: String
  }

  /// From the job's end to the first listings of all engines that have no worker.
  package var secondsAfterTheEnd: Double
  /// The workers that ended since the time before at which there was none.
  package var workers: [Exit]
  /// Workers of the fleet that stay without work, as their pool's `minReplicaCount` says.
  package var kept: [String]
  /// What the job has cost, up to then.
  package var cost: JobCost?
}
