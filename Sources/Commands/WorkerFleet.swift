import Foundation
import Glibc
import Jobs
import Transport

/// The worker processes of one `run`: started, started again when they die, and ended.
actor WorkerFleet {
  /// After SIGTERM, before SIGKILL: five seconds more than a worker takes at most.
  private static let terminationTime = Duration.seconds(25)
  /// After the pipe is closed, before SIGKILL: a worker exits at once then.
  private static let exitTime = Duration.seconds(2)

  private let arguments: [String]
  private let logFile: String
  private let clock = ContinuousClock()
  private var policy = RestartPolicy()
  private var slots: [Task<Void, Never>] = []
  private var living: [pid_t: WorkerProcess] = [:]
  private var isStopping = false
  /// Whether a record has killed a worker, which has told where: those that die of it after that
  /// need not.
  private var hasCharged = false
  private var address: Address?
  private var hearDeath: HearDeath?
  /// Why no worker is started any more.
  private(set) var failure: String?

  /// - Parameters:
  ///   - arguments: of each worker process.
  ///   - logFile: what the processes themselves print.
  init(arguments: [String], logFile: String) {
    self.arguments = arguments
    self.logFile = logFile
  }

  /// Tells all workers, also those that are started later, where the coordinator is.
  func join(_ address: Address) {
    self.address = address
    for process in living.values { process.tell(address) }
  }

  /// Told of a process that was ended by a signal; answers whether that counts against a shard.
  typealias HearDeath = @Sendable (_ process: pid_t, _ cause: String) async -> Bool

  /// Has somebody told at once when a worker dies.
  func hearDeaths(_ hear: @escaping HearDeath) { hearDeath = hear }

  /// Starts workers until there are `count`; they wait until they are told where to go.
  func grow(to count: Int) {
    while slots.count < count, !isStopping {
      slots.append(Task { await keepOneAlive() })
    }
  }

  private func keepOneAlive() async {
    while !isStopping, failure == nil {
      let started = clock.now
      let (end, process) = await runOnce()
      if isStopping { return }
      if end == WorkerProcess.description(ofExit: WorkerCommand.unfitCode) {
        failure = unfitReason()
        return
      }
      var isCharged = false
      if let process, end.hasPrefix(WorkerProcess.signalWord) {
        isCharged = await hearDeath?(process, end) ?? false
      }
      if isStopping { return }
      hasCharged = hasCharged || isCharged
      switch policy.died(afterLiving: clock.now - started, isCharged: isCharged) {
      case .restart(let pause):
        try? await Task.sleep(for: pause)  // cancelled: the loop looks at isStopping
      case .giveUp:
        failure =
          "\(Limits.quickDeathLimit) worker processes in a row died within "
          + "\(Figures.words(Limits.quickDeath)) of their start, "
          + "the last one with \(end)" + lastWords()
      }
    }
  }

  /// Runs one process to its end; returns how it ended, and which it was.
  private func runOnce() async -> (end: String, process: pid_t?) {
    do throws(CommandError) {
      let process = try WorkerProcess(
        arguments: arguments, log: logFile, tracesCrash: !hasCharged)
      living[process.processID] = process
      if let address { process.tell(address) }
      let end = await process.ended()
      living[process.processID] = nil
      return (end, process.processID)
    } catch {
      return (error.context, nil)
    }
  }

  /// Why the last worker that left said that it cannot score.
  private func unfitReason() -> String {
    let text = String(
      decoding: FileManager.default.contents(atPath: logFile) ?? Data(), as: UTF8.self)
    let mark = WorkerCommand.unfitMark
    let line = text.split(separator: "\n").last { $0.hasPrefix(mark) }
    return line.map { printable(String($0.dropFirst(mark.count))) } ?? "no worker can score"
  }

  /// The end of what the processes printed.
  private func lastWords() -> String {
    guard let content = FileManager.default.contents(atPath: logFile), !content.isEmpty else {
      return ""
    }
    let text = String(decoding: content.suffix(2_000), as: UTF8.self)
    let lines = text.split(separator: "\n").suffix(5).map { "\n  " + printable(String($0)) }
    return "; they said:" + lines.joined()
  }

  /// How workers are ended.
  enum Ending: Sendable {
    /// The job has ended: nothing they do matters any more.
    case atOnce
    /// They hand back what is unfinished.
    case afterHandingBack
  }

  /// Ends every worker; none is left when it returns.
  func stop(_ ending: Ending) async {
    isStopping = true
    let limit: Duration
    switch ending {
    case .atOnce:
      for process in living.values { process.releaseLifeline() }
      limit = Self.exitTime
    case .afterHandingBack:
      for process in living.values { process.signal(SIGTERM) }
      limit = Self.terminationTime
    }
    let deadline = Task {
      try await Task.sleep(for: limit)
      killAll()
    }
    for slot in slots {
      slot.cancel()  // ends the pause before a restart
      await slot.value
    }
    deadline.cancel()
  }

  /// Ends every worker without further waiting.
  func killAll() {
    for process in living.values { process.signal(SIGKILL) }
  }
}
