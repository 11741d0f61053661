import Simulation
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// How many worlds this run has, and which.
private enum Seeds {
  /// One named by `SIM_SEED`, or `SIM_COUNT` from 0 (10,000 unless said).
  static let all: Range<UInt64> = {
    if let seed = number("SIM_SEED") { return seed..<seed + 1 }
    return 0..<(number("SIM_COUNT") ?? 10_000)
  }()

  static var isOne: Bool { all.count == 1 }

  private static func number(_ name: String) -> UInt64? {
    guard let text = getenv(name) else { return nil }
    return UInt64(String(cString: text))
  }
}

/// The real cores in simulated worlds, each drawn from its seed.
struct SimulationTests {
  @Test func loseNothingAndRepeatNothing() async {
    let seeds = Seeds.all
    let runnerCount = UInt64(2)
    let outcomes = await withTaskGroup(of: Part.self) { group in
      for runner in 0..<runnerCount {
        group.addTask { Part(seeds: seeds, from: runner, step: runnerCount) }
      }
      return await group.reduce(into: Part()) { $0.add($1) }
    }
    for failed in outcomes.failed.prefix(10) {
      Issue.record(
        """
        \(failed.violations.joined(separator: "\n"))
        SIM_SEED=\(failed.seed) swift test -c release --disable-testable-imports \
        --filter SimulationTests
        """)
    }
    #expect(outcomes.failed.count == 0, "of \(seeds.count) worlds")
    #expect(outcomes.stepCount > seeds.count * 50)
    guard seeds.count >= 1_000 else { return }
    #expect(outcomes.tally.missing == [], "every kind of fault and of ending happens")
    #expect(outcomes.tally.coordinatorCrashes > seeds.count, "more than one in each world")
    #expect(outcomes.tally.workerCrashes > seeds.count)
  }

  @Test(arguments: 0..<100 as Range<UInt64>) func replaysExactly(seed: UInt64) {
    let seed = Seeds.isOne ? Seeds.all.lowerBound : seed &* 7_919
    let first = SimulationOutcome(seed: seed)
    #expect(first == SimulationOutcome(seed: seed), "SIM_SEED=\(seed) is not deterministic")
    #expect(first.digest != SimulationOutcome(seed: seed + 1).digest)
  }

  @Test(arguments: Sabotage.allCases) func findsAPlantedFault(_ sabotage: Sabotage) {
    let limit = UInt64(500)
    let seed = (0..<limit).first { seed in
      !SimulationOutcome(seed: seed, sabotage: sabotage).violations.isEmpty
    }
    #expect(seed != nil, "\(sabotage) passes \(limit) worlds unseen")
  }
}

/// What one runner found.
private struct Part: Sendable {
  var failed: [SimulationOutcome] = []
  var tally = SimulationTally()
  var stepCount = 0

  init() {}

  init(seeds: Range<UInt64>, from first: UInt64, step: UInt64) {
    for seed in stride(from: seeds.lowerBound + first, to: seeds.upperBound, by: Int(step)) {
      let outcome = SimulationOutcome(seed: seed)
      stepCount += outcome.stepCount
      tally += outcome.tally
      if !outcome.violations.isEmpty { failed.append(outcome) }
    }
  }

  mutating func add(_ other: Part) {
    failed += other.failed
    tally += other.tally
    stepCount += other.stepCount
  }
}
