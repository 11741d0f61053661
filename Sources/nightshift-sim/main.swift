import Glibc
import Jobs
import Simulation

/// Prints one line on standard error.
func complain(_ text: String) {
  let line = Array("nightshift-sim: \(text)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
}

/// Plants a fault for all worlds that begin from now on.
func plant(_ bug: PlantedBug?) {
  #if NIGHTSHIFT_PLANTED_BUGS
    PlantedBug.planted = bug
  #endif
}

/// Runs one world; returns whether nothing was found.
func replay(_ options: Options, seed: UInt64) -> Bool {
  let schedule = options.schedule(seed: seed)
  let outcome =
    options.isTraced
    ? SimulationOutcome(tracing: schedule) { print($0) } : SimulationOutcome(schedule)
  print(
    "seed \(seed): \(outcome.stepCount) events in \(outcome.milliseconds) simulated ms, "
      + "\(outcome.struck.count) faults, trace hash \(String(outcome.digest, radix: 16))")
  guard !outcome.violations.isEmpty else { return true }
  show(outcome, bug: options.bug)
  return false
}

/// Shows what was found, and the shortest schedule that still fails.
func show(_ outcome: SimulationOutcome, bug: PlantedBug?) {
  print("\nseed \(outcome.seed) fails:")
  for violation in outcome.violations { print("  \(violation)") }
  print("  replay: \(command(Schedule(seed: outcome.seed), bug: bug))")
  let shrunk = Shrinking(outcome)
  print(
    "  shrunk in \(shrunk.trialCount) trials from \(outcome.struck.count) faults to "
      + "\(shrunk.outcome.struck.count), and to \(shrunk.outcome.workerCount) workers and "
      + "\(shrunk.outcome.inputCount) inputs:")
  for violation in shrunk.outcome.violations { print("    \(violation)") }
  print("    replay: \(command(shrunk.outcome.schedule, bug: bug))")
}

/// Runs many worlds; returns whether nothing was found.
func sweep(_ options: Options) async -> Bool {
  let clock = ContinuousClock()
  let begin = clock.now
  let found = await Sweep.run(options.seeds, threadCount: options.threadCount)
  let report = Report(
    sweep: found, seconds: (clock.now - begin).inSeconds, threadCount: options.threadCount,
    seeds: options.seeds, bug: options.bug)
  print(options.printsJSON ? report.json : report.text)
  if !options.printsJSON {
    for outcome in found.failed.prefix(5) { show(outcome, bug: options.bug) }
  }
  return found.failedCount == 0
}

/// Runs worlds twice; returns whether their traces agree.
func repeatWorlds(_ options: Options) -> Bool {
  var differingCount = 0
  for seed in options.seeds.prefix(options.againCount) {
    let outcomes = (SimulationOutcome(seed: seed), SimulationOutcome(seed: seed))
    guard outcomes.0 != outcomes.1 else { continue }
    differingCount += 1
    print("seed \(seed) is not deterministic")
  }
  print("\(options.againCount) schedules run twice: \(differingCount) differ")
  return differingCount == 0
}

/// Plants each fault in turn; returns whether every one was found.
func tryAllBugs(_ options: Options) async -> Bool {
  var missed = 0
  if !options.printsJSON {
    print("fault                       schedules     found in   first seed")
  }
  for bug in PlantedBug.allCases {
    plant(bug)
    var worldCount = 0
    var failedCount = 0
    var first: UInt64?
    var begin = options.seeds.lowerBound
    while begin < options.seeds.upperBound, failedCount < options.enough {
      let end = min(options.seeds.upperBound, begin + UInt64(worldCount == 0 ? 100 : 1_000))
      let found = await Sweep.run(begin..<end, threadCount: options.threadCount)
      worldCount += found.worldCount
      failedCount += found.failedCount
      first = first ?? found.failed.first?.seed
      begin = end
    }
    if failedCount == 0 { missed += 1 }
    let seed = first.map(String.init) ?? "none"
    print(
      options.printsJSON
        ? "{\"bug\":\"\(bug.rawValue)\",\"schedules\":\(worldCount),\"found\":\(failedCount),"
          + "\"firstSeed\":\(first.map(String.init) ?? "null")}"
        : "\(padded(bug.rawValue, 27))\(right(worldCount, 10))\(right(failedCount, 13))   \(seed)")
    fflush(nil)  // whoever reads it through a pipe waits a minute otherwise
  }
  plant(nil)
  let count = PlantedBug.allCases.count
  if !options.printsJSON { print("\(count - missed) of \(count) planted faults found") }
  return missed == 0
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard !arguments.contains("--help") else {
  print(Options.usage, terminator: "")
  exit(0)
}
do throws(Options.UsageError) {
  let planted = getenv("NIGHTSHIFT_PLANTED_BUG").map { String(cString: $0) }
  let options = try Options(arguments, planted: planted)
  plant(options.bug)
  var isFine = true
  if let fleet = options.fleet {
    print(fleetReport(fleet))
  } else if options.triesAllBugs {
    isFine = await tryAllBugs(options)
  } else if let seed = options.seed {
    isFine = replay(options, seed: seed)
  } else if options.againCount > 0 {
    isFine = repeatWorlds(options)
  } else {
    isFine = await sweep(options)
  }
  exit(isFine ? 0 : 1)
} catch {
  complain(error.text)
  exit(64)
}
