import Jobs
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
    let sweep = await Sweep.run(seeds, threadCount: 2)
    for failed in sweep.failed.prefix(3) {
      let shrunk = Shrinking(failed).outcome
      Issue.record(
        """
        \(failed.violations.joined(separator: "\n"))
        swift run -c release nightshift-sim --seed \(failed.seed) --trace
        with \(shrunk.struck.count) faults: \(shrunk.struck.map(\.description))
        """)
    }
    #expect(sweep.failedCount == 0, "of \(seeds.count) worlds")
    #expect(sweep.stepCount > seeds.count * 50)
    guard seeds.count >= 10_000 else { return }
    #expect(sweep.tally.missing == [], "every kind of fault and of ending happens")
    #expect(sweep.tally[.coordinatorCrashes] > seeds.count, "more than one in each world")
    #expect(sweep.tally[.workerCrashes] > seeds.count)
    #expect(sweep.kindCount > 3 * seeds.count, "three kinds of fault in a world on average")
  }

  @Test func replaysExactly() async {
    let seeds: Range<UInt64> = Seeds.isOne ? Seeds.all : 0..<1_000
    let first = await Sweep.run(seeds, threadCount: 2)
    let second = await Sweep.run(seeds, threadCount: 1)
    #expect(first.digest == second.digest, "some world of \(seeds) is not deterministic")
    let other = SimulationOutcome(seed: seeds.lowerBound + 1)
    #expect(SimulationOutcome(seed: seeds.lowerBound).digest != other.digest)
  }

  @Test func tellsTheSameStory() {
    var lines: [String] = []
    let traced = SimulationOutcome(tracing: Schedule(seed: 7)) { lines.append($0) }
    #expect(traced == SimulationOutcome(seed: 7), "a reader changes nothing")
    #expect(lines.contains { $0.contains("commit shard") })
  }

  @Test func aFaultThatIsLeftOutLeavesTheOthers() throws {
    let whole = try #require(
      (0..<100).lazy.map { SimulationOutcome(seed: $0) }.first { $0.struck.count > 5 })
    var schedule = whole.schedule
    schedule.allowed = Set(whole.struck)
    #expect(SimulationOutcome(schedule).digest == whole.digest, "all that struck may strike")
    schedule.allowed = []
    #expect(SimulationOutcome(schedule).struck == [])
    let first = try #require(whole.struck.first)
    schedule.allowed = [first]
    #expect(SimulationOutcome(schedule).struck == [first])
  }

  @Test func faultsAreNamedAsTheCommandLineHasThem() {
    for kind in FaultKind.allCases {
      #expect(FaultKind(kind.name) == kind)
      #expect(Fault("\(kind.name):17") == Fault(kind, 17))
    }
    for text in ["", "loss", "loss:", "loss:x", "nothing:1", "loss:1:2"] {
      #expect(Fault(text) == nil, "\(text)")
    }
  }

  @Test func noFaultIsCompiledIntoARelease() {
    #if !NIGHTSHIFT_PLANTED_BUGS
      #expect(!PlantedBug.areCompiledIn)
      #expect(PlantedBug.allCases.allSatisfy { !$0.isPlanted })
    #endif
    #expect(PlantedBug.allCases.count >= 25)
  }
}
