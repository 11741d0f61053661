package import Jobs

/// How far a job is, at one moment.
package struct ProgressSnapshot: Hashable, Sendable {
  package var state: JobState
  package var phase: JobPhase
  /// Blocks whose results are final, of all blocks.
  package var doneBlockCount: UInt64 = 0
  package var blockCount: UInt64 = 0
  package var doneShardCount: UInt64 = 0
  package var shardCount: UInt64 = 0
  package var doneByteCount: UInt64 = 0
  package var recordCount: UInt64 = 0
  package var errorCount: UInt64 = 0
  package var workerCount: UInt64 = 0

  package init(state: JobState, phase: JobPhase) {
    self.state = state
    self.phase = phase
  }

  /// From 0 to 1; published jobs are whole.
  package var fraction: Double {
    if state == .succeeded || state == .partiallySucceeded { return 1 }
    guard blockCount > 0 else { return 0 }
    return min(1, Double(doneBlockCount) / Double(blockCount))
  }
}

/// What a job did per second of late, and how long the rest will take.
package struct ProgressRates: Hashable, Sendable {
  package var recordsPerSecond = 0.0
  package var bytesPerSecond = 0.0
  /// `nil` while nothing moves.
  package var remaining: Duration?

  package init() {}
}

/// Turns successive snapshots into rates, over a sliding window.
///
/// Reads no clock: the caller says when each snapshot was taken.
package struct ProgressMeter: Sendable {
  /// Short enough to follow a worker that joins, long enough to hide single blocks.
  private static let window = Duration.seconds(10)

  private struct Sample {
    let time: Duration
    let snapshot: ProgressSnapshot
  }

  private var samples: [Sample] = []

  package init() {}

  /// Notes a snapshot and returns the rates up to it; times never fall.
  package mutating func note(_ snapshot: ProgressSnapshot, at time: Duration) -> ProgressRates {
    samples.append(Sample(time: time, snapshot: snapshot))
    // The last sample outside of the window stays: rates are taken over at least the window.
    while samples.count > 2, time - samples[1].time >= Self.window { samples.removeFirst() }
    guard let first = samples.first, time > first.time else { return ProgressRates() }
    let seconds = (time - first.time).inSeconds
    var rates = ProgressRates()
    rates.recordsPerSecond = growth(first.snapshot.recordCount, snapshot.recordCount) / seconds
    rates.bytesPerSecond = growth(first.snapshot.doneByteCount, snapshot.doneByteCount) / seconds
    let gained = snapshot.fraction - first.snapshot.fraction
    if gained > 0 {
      rates.remaining = .seconds(min(1e9, seconds * (1 - snapshot.fraction) / gained))
    }
    return rates
  }

  /// Zero where a count fell, as it does when damaged partials are scored again.
  private func growth(_ before: UInt64, _ after: UInt64) -> Double {
    after > before ? Double(after - before) : 0
  }
}
