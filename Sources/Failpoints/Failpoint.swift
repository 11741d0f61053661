import Glibc

/// A named place at which a test can kill, pause or break the process.
///
/// Set by the environment variable `NIGHTSHIFT_FAILPOINT`, for example
/// `coordinator.merging=kill@2`: at the second passage, the process kills itself with SIGKILL;
/// `stop` sends SIGSTOP, `error` makes `hit` return true so that the caller takes its error path.
/// Without the variable a passage costs one comparison.
package enum Failpoint: String, CaseIterable, Sendable {
  case workerAcquiring = "worker.acquiring"
  case workerReading = "worker.reading"
  case workerScoring = "worker.scoring"
  case workerSending = "worker.sending"
  case workerSent = "worker.sent"
  case workerAcknowledged = "worker.acknowledged"
  case coordinatorPlanning = "coordinator.planning"
  case coordinatorGranting = "coordinator.granting"
  case coordinatorReceiving = "coordinator.receiving"
  case coordinatorCommitting = "coordinator.committing"
  case coordinatorCommitted = "coordinator.committed"
  case coordinatorMerging = "coordinator.merging"
  case coordinatorPublishing = "coordinator.publishing"
  case coordinatorPublished = "coordinator.published"

  /// Passes the place; true where the caller is to take its error path.
  @discardableResult
  package func hit() -> Bool {
    guard let setting = Setting.current, setting.place == self else { return false }
    guard setting.passages.add() == setting.passage else { return false }
    switch setting.action {
    case .kill: kill(getpid(), SIGKILL)
    case .stop: kill(getpid(), SIGSTOP)
    case .error: return true
    }
    return false
  }
}

private struct Setting: Sendable {
  enum Action: String, Sendable { case kill, stop, error }

  let place: Failpoint
  let action: Action
  let passage: Int
  let passages = PassageCount()

  /// What the environment asks for; an unknown name ends the process, so that no test passes
  /// because of a misspelt one.
  static let current: Setting? = {
    guard let text = unsafe getenv("NIGHTSHIFT_FAILPOINT") else { return nil }
    let setting = unsafe String(cString: text)
    guard !setting.hasPrefix(RecordFailpoint.place) else { return nil }
    guard let parsed = Setting(setting) else { fatalError("NIGHTSHIFT_FAILPOINT: \(setting)?") }
    return parsed
  }()

  /// Reads `place=action` or `place=action@passage`.
  init?(_ text: String) {
    let sides = text.split(separator: "=", maxSplits: 1)
    guard sides.count == 2, let place = Failpoint(rawValue: String(sides[0])) else { return nil }
    let parts = sides[1].split(separator: "@", maxSplits: 1)
    guard let action = Action(rawValue: String(parts[0])) else { return nil }
    guard let passage = parts.count == 2 ? Int(parts[1]) : 1 else { return nil }
    self.place = place
    self.action = action
    self.passage = passage
  }
}
