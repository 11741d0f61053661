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
  package let report: ScoringReport
  /// The block before which the worker stops because it was told to; `nil`: after the last one.
  package let end: UInt8?

  package init(
    grant: Grant, progress: UInt64?, report: ScoringReport = ScoringReport(), end: UInt8? = nil
  ) {
    self.grant = grant
    self.progress = progress
    self.report = report
    self.end = end
  }

  /// The lease with the blocks that the worker means to score.
  package var lease: Lease {
    guard let end, end > grant.lease.blocks.first, end < grant.lease.blocks.end else {
      return grant.lease
    }
    var lease = grant.lease
    lease.blocks = BlockRange(Int(lease.blocks.first), Int(end))
    return lease
  }
}

/// How the scoring of one lease goes, as its worker sees it.
package struct ScoringReport: Hashable, Sendable {
  /// Blocks of the lease that are finished.
  package var finishedBlockCount: Int
  /// Since its first records came to be scored.
  package var elapsed: Duration
  /// How long the records at work now have been at work; zero while it reads or waits.
  ///
  /// Measured by a thread that must itself run for it: the pause of a whole process does not count.
  package var stalled: Duration
  /// The result is made, and waits to be acknowledged.
  package var isScored: Bool

  package init(
    finishedBlockCount: Int = 0, elapsed: Duration = .zero, stalled: Duration = .zero,
    isScored: Bool = false
  ) {
    self.finishedBlockCount = finishedBlockCount
    self.elapsed = elapsed
    self.stalled = stalled
    self.isScored = isScored
  }
}

/// A lease whose holder is to stop before a block: another worker has the rest.
package struct ShortenedLease: Hashable, Sendable {
  package let key: LeaseKey
  /// Number of the block in its shard.
  package let end: UInt8

  package init(key: LeaseKey, end: UInt8) {
    self.key = key
    self.end = end
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
