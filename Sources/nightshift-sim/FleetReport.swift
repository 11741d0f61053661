import Jobs
import Simulation

/// A simulated fleet second by second, as JSON for `bench/fleet/run`.
func fleetReport(_ scenario: FleetScenario) -> String {
  let outcome = scenario.model.run()
  let samples = outcome.samples.map { sample in
    "[\(sample.second),\(sample.pendingBlockCount),\(sample.startingCount),\(sample.busyCount),"
      + "\(sample.idleCount)]"
  }
  let ends = outcome.ends.map { $0.map { decimal($0.inSeconds, 1) } ?? "null" }
  let figures = [
    ("startSeconds", outcome.startSeconds), ("usefulSeconds", outcome.usefulSeconds),
    ("idleSeconds", outcome.idleSeconds), ("lostSeconds", outcome.lostSeconds),
    ("money", outcome.money),
  ].map { "\"\($0.0)\":\(decimal($0.1, 4))" }
  return "{\"scenario\":\"\(scenario)\",\"title\":\"\(scenario.title)\","
    + "\"ends\":[\(ends.joined(separator: ","))],"
    + "\"zero\":\(outcome.zero.map { decimal($0.inSeconds, 1) } ?? "null"),"
    + "\"mostWorkers\":\(outcome.mostWorkers),\"launched\":\(outcome.launchCount),"
    + figures.joined(separator: ",") + ","
    + "\"samples\":[\(samples.joined(separator: ","))]}"
}
