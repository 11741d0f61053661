/// Makes a failing schedule short: fewer workers and inputs, then as few faults as still fail.
///
/// Faults are dropped by halves, quarters and so on down to one by one (Zeller, Hildebrandt,
/// "Simplifying and Isolating Failure-Inducing Input", 2002).
package struct Shrinking: Sendable {
  /// The shortest that failed so far.
  package private(set) var outcome: SimulationOutcome
  /// Worlds that were run for it.
  package private(set) var trialCount = 0
  private let trialLimit: Int

  /// - Parameters:
  ///   - outcome: A world in which something was found wrong.
  ///   - trialLimit: Most worlds to run.
  package init(_ outcome: SimulationOutcome, trialLimit: Int = 3_000) {
    self.outcome = outcome
    self.trialLimit = trialLimit
    guard !outcome.violations.isEmpty else { return }
    var schedule = outcome.schedule
    schedule.allowed = Set(outcome.struck)
    _ = fails(schedule)
    shrinkSize()
    shrinkFaults()
    shrinkSize()
    shrinkFaults()
  }

  /// Keeps a schedule if it fails, with the faults that struck in it.
  private mutating func fails(_ schedule: Schedule) -> Bool {
    guard trialCount < trialLimit else { return false }
    trialCount += 1
    let tried = SimulationOutcome(schedule)
    guard !tried.violations.isEmpty else { return false }
    outcome = tried
    return true
  }

  private mutating func shrinkSize() {
    while outcome.workerCount > 1 {
      var schedule = outcome.schedule
      schedule.workerLimit = min(schedule.workerLimit, 4) - 1
      guard schedule.workerLimit > 0, fails(schedule) else { break }
    }
    for limit in 1..<max(1, outcome.inputCount) {
      var schedule = outcome.schedule
      schedule.inputLimit = limit
      if fails(schedule) { break }
    }
  }

  private mutating func shrinkFaults() {
    var part = max(1, outcome.struck.count / 2)
    while part >= 1 {
      var begin = 0
      while begin < outcome.struck.count {
        var schedule = outcome.schedule
        let end = min(begin + part, outcome.struck.count)
        schedule.allowed = Set(outcome.struck[..<begin] + outcome.struck[end...])
        if !fails(schedule) { begin = end }
      }
      if part == 1 { break }
      part /= 2
    }
  }
}
