/// What came of many worlds.
package struct Sweep: Sendable {
  /// Those in which something was found wrong, by seed.
  package private(set) var failed: [SimulationOutcome] = []
  package private(set) var worldCount = 0
  package private(set) var stepCount = 0
  package private(set) var tally = SimulationTally()
  /// Kinds of fault that struck, added up over the worlds.
  package private(set) var kindCount = 0
  /// Simulated time, added up.
  package private(set) var milliseconds: Int64 = 0
  /// A hash over the digests of all worlds, whatever their order.
  package private(set) var digest: UInt64 = 0

  /// Failed worlds kept; the rest is counted in `failedCount` alone.
  private static let failedLimit = 100

  package private(set) var failedCount = 0

  private init() {}

  /// Runs the worlds of a range of seeds on several threads.
  ///
  /// - Parameters:
  ///   - seeds: Which.
  ///   - threadCount: Runners; each takes every so-manieth seed.
  /// - Returns: What came of all of them.
  package static func run(_ seeds: Range<UInt64>, threadCount: Int) async -> Sweep {
    await withTaskGroup(of: Sweep.self) { group in
      let step = max(1, threadCount)
      for runner in 0..<step {
        group.addTask { Sweep(seeds, from: UInt64(runner), step: step) }
      }
      var all = await group.reduce(into: Sweep()) { $0.add($1) }
      all.failed.sort { $0.seed < $1.seed }
      return all
    }
  }

  private init(_ seeds: Range<UInt64>, from first: UInt64, step: Int) {
    for seed in stride(from: seeds.lowerBound + first, to: seeds.upperBound, by: step) {
      note(SimulationOutcome(seed: seed))
    }
  }

  private mutating func note(_ outcome: SimulationOutcome) {
    worldCount += 1
    stepCount += outcome.stepCount
    tally += outcome.tally
    kindCount += outcome.tally.worlds.reduce(0, +)
    milliseconds += outcome.milliseconds
    digest ^= mixed(outcome.digest ^ outcome.seed)
    guard !outcome.violations.isEmpty else { return }
    failedCount += 1
    if failed.count < Self.failedLimit { failed.append(outcome) }
  }

  private mutating func add(_ other: Sweep) {
    failed += other.failed.prefix(max(0, Self.failedLimit - failed.count))
    failedCount += other.failedCount
    worldCount += other.worldCount
    stepCount += other.stepCount
    tally += other.tally
    kindCount += other.kindCount
    milliseconds += other.milliseconds
    digest ^= other.digest
  }
}
