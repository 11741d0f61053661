package import Jobs

/// A lease as it is told to a worker.
package struct Grant: Hashable, Sendable {
  package let job: JobID
  package let lease: Lease
  package init(job: JobID, lease: Lease) {
    self.job = job
    self.lease = lease
  }

  package var key: LeaseKey { LeaseKey(job: job, shard: lease.shard, attempt: lease.attempt) }
}

/// Names a lease between one worker and the coordinator.
package struct LeaseKey: Hashable, Sendable {
  package let job: JobID
  package let shard: ShardID
  package let attempt: Attempt

  package init(job: JobID, shard: ShardID, attempt: Attempt) {
    self.job = job
    self.shard = shard
    self.attempt = attempt
  }
}

/// A lease that a worker reports to hold, and how far it is.
package struct HeldLease: Hashable, Sendable {
  package let grant: Grant
  /// Records scored so far; `nil` while it waits its turn.
  package let progress: UInt64?

  package init(grant: Grant, progress: UInt64?) {
    self.grant = grant
    self.progress = progress
  }
}

/// What a worker is told about a result.
package enum FinishAnswer: Hashable, Sendable {
  /// Durable: the worker may delete the partial.
  case committed
  /// Every block was committed before; the worker deletes the partial.
  case already
  /// It started from a wrong guess; the worker deletes the partial.
  case wrongState
  /// The coordinator lacks bytes of the partial from this offset on; send them, then finish again.
  case sendPieces(from: UInt64)
  /// The spool is full: keep the partial and ask again later.
  case spoolFull
  /// The job has ended, or the lease was never given; the worker deletes the partial.
  case refused(String)
}
