package import Jobs
package import Leasing

/// What the journal keeps; everything else can be derived or may be lost.
package enum JournalEntry: Hashable, Sendable {
  /// Apart in memory: it is rare and large, and would make every commit as large as itself.
  indirect case submitted(JobID, JobRequest, createdNanoseconds: Int64)
  case planned(JobID, Plan, PlannedModel)
  /// Written with the plan: what is inferred from inputs is inferred once.
  case columns(JobID, PlannedColumns)
  /// All is scored, and every input was then still what was planned; a `refute` takes it back.
  case inputsChecked(JobID)
  case state(JobID, JobState, reason: String)
  case commit(JobID, CommittedBlocks)
  case refute(JobID, CommittedBlocks)
  case charge(JobID, ShardID, charges: Int)
  case published(JobID, folder: String)
  case deleted(JobID)
}

/// The model as it was when the job was planned.
package struct PlannedModel: Hashable, Sendable {
  package let digest: ContentDigest
  package let byteCount: UInt64

  package init(digest: ContentDigest, byteCount: UInt64) {
    self.digest = digest
    self.byteCount = byteCount
  }
}

/// What the shell carries out, in order; journal entries are durable before anyone is answered.
package enum CoordinatorEffect: Hashable, Sendable {
  case journal(JournalEntry)
  /// List the inputs, read the model, then call `planned` or `planFailed`.
  case plan(JobID)
  /// Merge the committed blocks and publish, then call `mergeEnded`.
  ///
  /// Only one merge of a job is under way at a time. For a job that is `cancelling` when this
  /// comes it is enough to find out whether the output was published, and to say `failed` if not.
  case merge(JobID)
  /// Read the job's committed blocks and charges from the journal, then call `reload`, before any
  /// other event of the job.
  case reload(JobID)
  /// The job has ended: its spool is no longer needed.
  case ended(JobID)
  case log(JobID, LogLevel, String)
}

/// How loud a log event is.
package enum LogLevel: String, Hashable, Sendable {
  case info = "INFO"
  case warning = "WARNING"
  case error = "ERROR"
}
