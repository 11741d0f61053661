import Jobs
import Simulation

/// What the command is asked to do.
struct Options {
  static let usage = """
    nightshift-sim: the coordinator and its workers in simulated worlds where everything fails.

      --schedules N      run the worlds of the seeds 0 to N-1 (10,000 unless said)
      --seeds A..B       run the worlds of the seeds A to B-1
      --seed S           run one world; with --trace tell what happens in it
      --threads N        runners (2 unless said)
      --only F:N,F:N…    with --seed: the only faults that may strike
      --workers N        with --seed: at most this many workers
      --inputs N         with --seed: at most this many input files
      --again N          run N of the worlds twice and compare their traces
      --bug NAME         plant a fault; so does NIGHTSHIFT_PLANTED_BUG
      --bugs             plant each fault in turn: in how many worlds is it found?
      --enough N         with --bugs: stop at a fault that was found N times (1,000,000 unless said)
      --json             print JSON
      --fleet NAME       an autoscaled fleet second by second, as JSON; NAME is one of
                         \(FleetScenario.allCases.map(\.rawValue).joined(separator: " "))

    Exit status: 0 nothing found, 1 something found (with --bugs: a fault was not), 64 usage.
    Faults are compiled in with -D NIGHTSHIFT_PLANTED_BUGS alone.

    """

  var seeds: Range<UInt64> = 0..<10_000
  var seed: UInt64?
  var threadCount = 2
  var isTraced = false
  var allowed: Set<Fault>?
  var workerLimit = Int.max
  var inputLimit = Int.max
  var againCount = 0
  var bug: PlantedBug?
  var triesAllBugs = false
  var enough = 1_000_000
  var printsJSON = false
  var fleet: FleetScenario?

  struct UsageError: Error {
    let text: String
  }

  init(_ arguments: [String], planted: String?) throws(UsageError) {
    if let planted { bug = try Self.bug(planted) }
    var rest = arguments[...]
    while let name = rest.popFirst() {
      switch name {
      case "--trace": isTraced = true
      case "--bugs": triesAllBugs = true
      case "--json": printsJSON = true
      default:
        guard let value = rest.popFirst() else {
          throw UsageError(text: "\(name)? --help shows the options")
        }
        try set(name, value)
      }
    }
    if bug != nil || triesAllBugs, !PlantedBug.areCompiledIn {
      throw UsageError(text: "no faults are compiled in: build with -D NIGHTSHIFT_PLANTED_BUGS")
    }
  }

  private mutating func set(_ name: String, _ value: String) throws(UsageError) {
    switch name {
    case "--schedules": seeds = 0..<(try Self.number(name, value))
    case "--seeds":
      let ends = value.split(separator: ".", omittingEmptySubsequences: true).compactMap {
        UInt64($0)
      }
      guard ends.count == 2, ends[0] < ends[1] else {
        throw UsageError(text: "--seeds \(value)? it looks like 0..10000")
      }
      seeds = ends[0]..<ends[1]
    case "--seed": seed = try Self.number(name, value)
    case "--threads": threadCount = Int(try Self.number(name, value))
    case "--workers": workerLimit = Int(try Self.number(name, value))
    case "--inputs": inputLimit = Int(try Self.number(name, value))
    case "--again": againCount = Int(try Self.number(name, value))
    case "--enough": enough = Int(try Self.number(name, value))
    case "--bug": bug = try Self.bug(value)
    case "--fleet":
      guard let scenario = FleetScenario(rawValue: value) else {
        throw UsageError(text: "--fleet \(value)? --help shows the names")
      }
      fleet = scenario
    case "--only":
      var faults: Set<Fault> = []
      for part in value.split(separator: ",") where part != "none" {
        guard let fault = Fault(part) else { throw UsageError(text: "--only: \(part)?") }
        faults.insert(fault)
      }
      allowed = faults
    default: throw UsageError(text: "\(name)? --help shows the options")
    }
  }

  private static func number(_ name: String, _ text: String) throws(UsageError) -> UInt64 {
    guard let number = UInt64(text), number < 1 << 62 else {
      throw UsageError(text: "\(name) \(text)? it takes a number")
    }
    return number
  }

  private static func bug(_ name: String) throws(UsageError) -> PlantedBug {
    guard let bug = PlantedBug(rawValue: name) else {
      let names = PlantedBug.allCases.map(\.rawValue).joined(separator: " ")
      throw UsageError(text: "no fault is named \(name); there are: \(names)")
    }
    return bug
  }

  /// The schedule of one world.
  func schedule(seed: UInt64) -> Schedule {
    var schedule = Schedule(seed: seed)
    schedule.allowed = allowed
    schedule.workerLimit = workerLimit
    schedule.inputLimit = inputLimit
    return schedule
  }
}
