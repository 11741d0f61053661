/// Where a job stands; the names are those that users of Vertex AI know.
package enum JobState: String, CaseIterable, Hashable, Sendable {
  /// Taken in, its inputs not yet listed and planned.
  case queued = "QUEUED"
  /// Planned, waiting for the first lease.
  case pending = "PENDING"
  case running = "RUNNING"
  /// No leases are given until `resume`.
  case paused = "PAUSED"
  case cancelling = "CANCELLING"
  case cancelled = "CANCELLED"
  /// Published, no error record.
  case succeeded = "SUCCEEDED"
  /// Published, with error records within the threshold.
  case partiallySucceeded = "PARTIALLY_SUCCEEDED"
  /// Nothing published.
  case failed = "FAILED"

  /// Whether the job has ended and never changes again.
  package var isTerminal: Bool {
    switch self {
    case .cancelled, .succeeded, .partiallySucceeded, .failed: true
    case .queued, .pending, .running, .paused, .cancelling: false
    }
  }
}

/// What a running job is doing.
package enum JobPhase: String, Hashable, Sendable {
  case planning = "PLANNING"
  case scoring = "SCORING"
  case merging = "MERGING"
  case publishing = "PUBLISHING"
}
