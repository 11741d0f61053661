package import Jobs

/// What a worker asks or reports; the wire's fleet plane carries exactly these.
package enum FleetRequest: Hashable, Sendable {
  case hello(name: String, threadCount: Int)
  /// Asks for leases.
  case acquire(leaseLimit: Int)
  case heartbeat([HeldLease])
  case finish(JobID, ShardResult)
  case handBack(LeaseKey)
  case fail(LeaseKey, FailureCode, reason: String)
  case goodbye
}

/// Why a worker could not score a lease, where the coordinator acts on it.
package enum FailureCode: String, Hashable, Sendable, CaseIterable {
  /// The input is not what was planned.
  case inputChanged = "INPUT_CHANGED"
  /// The input cannot be read or decompressed.
  case inputUnreadable = "INPUT_UNREADABLE"
  /// The model cannot be loaded.
  case modelUnusable = "MODEL_UNUSABLE"
  /// The worker's own machine: disk full, no memory.
  case environment = "ENVIRONMENT"
  /// Scoring ends the process, and the records that do it could not be isolated.
  case crashed = "SCORING_CRASHED"
}

/// What the coordinator answers.
package enum FleetAnswer: Hashable, Sendable {
  case welcome
  case refused(String)
  case grants([Grant])
  /// Nothing to do: ask again after this.
  case wait(Duration)
  case alive(revoked: [LeaseKey], shortened: [ShortenedLease] = [], drain: Bool)
  case finish(FinishAnswer)
  case done
  case unknownWorker
  case drain
}
