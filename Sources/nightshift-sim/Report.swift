import Jobs
import Simulation

/// A sweep's figures, for people and for programs.
struct Report {
  let sweep: Sweep
  let seconds: Double
  let threadCount: Int
  let seeds: Range<UInt64>
  let bug: PlantedBug?

  private var rate: Double { Double(sweep.worldCount) / max(seconds, 1e-9) }

  private func perWorld(_ number: Int) -> Double {
    Double(number) / Double(max(1, sweep.worldCount))
  }

  var text: String {
    var lines = [
      "\(sweep.worldCount) schedules, seeds \(seeds.lowerBound) to \(seeds.upperBound - 1)"
        + (bug.map { ", with \($0.rawValue) planted" } ?? ""),
      "\(sweep.failedCount) with a violation",
      "\(decimal(seconds, 1)) s on \(threadCount) threads: \(decimal(rate, 0)) schedules/s, "
        + "\(decimal(Double(sweep.stepCount) / max(seconds, 1e-9) / 1e6, 2)) million events/s, "
        + "\(decimal(Double(sweep.milliseconds) / 1e3 / max(seconds, 1e-9), 0)) times real time",
      "a schedule has \(decimal(perWorld(sweep.stepCount), 0)) events, "
        + "\(decimal(perWorld(sweep.tally[.coordinatorCrashes]), 2)) coordinator ends, "
        + "\(decimal(perWorld(sweep.kindCount), 1)) kinds of fault",
      "trace hash of all: \(String(sweep.digest, radix: 16))",
      "", "fault                     struck     in schedules",
    ]
    for kind in FaultKind.allCases {
      lines.append(
        "\(padded(kind.name, 22))\(right(sweep.tally[kind], 10))"
          + "\(right(sweep.tally.worlds[kind.rawValue], 17))")
    }
    lines += ["", "what happened"]
    for happening in SimulationTally.Happening.allCases {
      lines.append("\(padded("\(happening)", 22))\(right(sweep.tally[happening], 10))")
    }
    return lines.joined(separator: "\n")
  }

  var json: String {
    let faults = FaultKind.allCases.map {
      "\"\($0.name)\":{\"struck\":\(sweep.tally[$0]),"
        + "\"schedules\":\(sweep.tally.worlds[$0.rawValue])}"
    }
    let happenings = SimulationTally.Happening.allCases.map { "\"\($0)\":\(sweep.tally[$0])" }
    let failed = sweep.failed.map { "\($0.seed)" }
    return """
      {"schedules":\(sweep.worldCount),"firstSeed":\(seeds.lowerBound),\
      "violations":\(sweep.failedCount),"seconds":\(decimal(seconds, 3)),\
      "threads":\(threadCount),"schedulesPerSecond":\(decimal(rate, 1)),\
      "eventsPerSchedule":\(decimal(perWorld(sweep.stepCount), 1)),\
      "coordinatorEndsPerSchedule":\(decimal(perWorld(sweep.tally[.coordinatorCrashes]), 3)),\
      "faultKindsPerSchedule":\(decimal(perWorld(sweep.kindCount), 2)),\
      "traceHash":"\(String(sweep.digest, radix: 16))",\
      "faults":{\(faults.joined(separator: ","))},\
      "happenings":{\(happenings.joined(separator: ","))},\
      "failedSeeds":[\(failed.joined(separator: ","))]}
      """
  }
}

/// A schedule as the command line that replays it.
func command(_ schedule: Schedule, bug: PlantedBug?) -> String {
  var words = ["nightshift-sim", "--seed", "\(schedule.seed)"]
  if let bug { words += ["--bug", bug.rawValue] }
  if schedule.workerLimit < Int.max { words += ["--workers", "\(schedule.workerLimit)"] }
  if schedule.inputLimit < Int.max { words += ["--inputs", "\(schedule.inputLimit)"] }
  if let allowed = schedule.allowed {
    let faults = allowed.map(\.description).sorted()
    words += ["--only", faults.isEmpty ? "none" : faults.joined(separator: ",")]
  }
  return (words + ["--trace"]).joined(separator: " ")
}

/// A number with so many decimals, without a locale.
func decimal(_ number: Double, _ decimals: Int) -> String {
  guard decimals > 0 else { return String(Int(number.rounded())) }
  var scale = 1
  for _ in 0..<decimals { scale *= 10 }
  let scaled = Int((number * Double(scale)).rounded())
  let fraction = String(scaled % scale)
  let zeros = String(repeating: "0", count: decimals - fraction.utf8.count)
  return "\(scaled / scale).\(zeros)\(fraction)"
}

func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(1, width - text.utf8.count))
}

func right(_ number: Int, _ width: Int) -> String {
  let text = String(number)
  return String(repeating: " ", count: max(0, width - text.utf8.count)) + text
}
