import Jobs
package import Leasing

/// What the worker's shell carries out, in order.
package enum WorkerEffect: Hashable, Sendable {
  /// Send it once, then call `answered` or `unanswered` with the same request.
  case send(FleetRequest)
  /// Score a lease on an idle slot, then call `scored`, `failed` or `stopped`.
  case score(slot: Int, Grant)
  /// Stop scoring: keep the finished blocks (hand-back) or none (revoked).
  case stop(slot: Int, keepBlocks: Bool)
  /// Stop scoring before this block of the shard: another worker has the rest.
  case shorten(slot: Int, end: UInt8)
  /// Send the partial's bytes from an offset on, then call `uploaded` or `uploadFailed`.
  case upload(LeaseKey, from: UInt64)
  /// The partial is no longer needed.
  case discard(LeaseKey)
  case exit(WorkerExit)
}

/// Why a worker ended.
package enum WorkerExit: Hashable, Sendable {
  /// The coordinator has no more work for it.
  case drained
  case idle
  /// SIGTERM; what was unfinished has been handed back.
  case terminated
  /// The coordinator was silent for the dead-man time.
  case deadMan
  case refused(String)
  /// A thread does not come back from scoring: only a new process can use it again.
  case stuck
  /// This machine cannot score: its scratch folder is full, for example.
  case unfit(String)
}

/// What a refusal is about.
package enum RefusalScope: Hashable, Sendable {
  /// The worker itself: its token, its version; it leaves.
  case worker
  /// This one request, however often it is sent: it is dropped.
  case request
  /// The coordinator cannot do it now: it is sent again.
  case moment
}

/// A worker's own times.
package struct WorkerTiming: Hashable, Sendable {
  package var heartbeatInterval = Limits.heartbeatInterval
  package var deadManTime = Limits.deadManTime
  /// Without a lease for this long, the worker leaves; `nil`: never.
  package var idleTimeout: Duration?
  /// Between two tries of one request: full jitter below the first, doubling up to the second.
  package var retryBase = Duration.milliseconds(100)
  package var retryLimit = Duration.seconds(2)
  /// How long records may be at work before their lease is given up.
  package var stallTime = Limits.stallTime
  /// How long a thread that was told to stop may be at the same records.
  package var stuckTime = Duration.seconds(10)
  /// After SIGTERM, before the worker leaves whatever is unfinished: its goodbye and the ends of its
  /// connections, which take seconds where nobody answers, have to fit into the 25 s of a service
  /// manager too.
  package var terminationTime = Duration.seconds(15)

  package init() {}
}
