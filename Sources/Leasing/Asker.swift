package import Jobs

/// Who asks for leases.
package struct Asker: Hashable, Sendable {
  package let worker: WorkerID
  /// Leases it scores at once.
  package let slotCount: Int
  /// Its machine, as a number; 0 where that is not known.
  package let host: UInt32
  /// Whether no worker on another machine could have what this one is refused.
  package let isOnlyHost: Bool

  package init(_ worker: WorkerID, slotCount: Int = 1, host: UInt32 = 0, isOnlyHost: Bool = true) {
    self.worker = worker
    self.slotCount = max(1, slotCount)
    self.host = host
    self.isOnlyHost = isOnlyHost
  }
}

/// What a worker, or all of them, did of one job.
struct WorkTally: Sendable {
  var slotCount = 1
  /// When it last asked with new results.
  var noted = Instant.start
  /// Blocks of its results, in all and as of `noted`.
  var blockCount = 0
  var notedBlockCount = 0
  /// From its first question to `noted`, for each slot.
  var slotSeconds = 0.0

  /// Seconds that one slot takes for a block; `nil` before the first result.
  var secondsPerBlock: Double? {
    notedBlockCount > 0 ? slotSeconds / Double(notedBlockCount) : nil
  }
}

/// How far the holder of a lease is, and how fast.
struct Pace: Sendable {
  /// Blocks from the lease's begin, the one at work as a part.
  var position: Double
  /// Blocks in a second; 0 before there is a measure.
  var speed: Double
  /// Since the scoring began, on the worker's clock.
  var elapsed: Duration
  /// When that was said.
  var at: Instant
}

extension Duration {
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
