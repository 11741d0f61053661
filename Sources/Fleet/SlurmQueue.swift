package import CoordinatorCore

/// A worker as Slurm sees it.
package struct SlurmTask: Hashable, Sendable {
  /// The fields that are asked for, each with a bar at its end; the comment may have bars in it.
  static let format =
    "ArrayJobID:|,ArrayTaskID:|,State:|,exit_code:|,Reason:|,Comment:|"

  package let name: String
  /// The number of the job or the array.
  package let job: Int
  /// Nil in a job without array.
  package let task: Int?
  package let state: FleetEntry.State

  /// Reads what `squeue` prints in our format, and leaves out jobs of others.
  ///
  /// - Parameters:
  ///   - output: one line for each task, but for those that wait: an array has them in one line.
  ///   - launch: whose fleet and pool it is about.
  ///   - logFolder: where the workers' logs are.
  /// - Returns: one entry for each task of ours, in the order of the lines.
  package static func tasks(
    _ output: String, of launch: WorkerLaunch, logFolder: String
  ) -> [SlurmTask] {
    output.split(separator: "\n").flatMap { line -> [SlurmTask] in
      let fields = line.split(separator: "|", maxSplits: 5, omittingEmptySubsequences: false)
      guard fields.count == 6, let job = Int(fields[0]), fields[5].hasSuffix("|"),
        let mark = SlurmMark(fields[5].dropLast()), mark.fleet == launch.fleet,
        mark.pool == launch.pool
      else { return [] }
      // An array that was cancelled before any of it ran has one line, and no task in it.
      let isArray = fields[1] != "N/A" || mark.count > 1
      let places = isArray ? places(fields[1], limit: mark.count) : [nil]
      return places.compactMap { task in
        guard let name = mark.name(ofTask: task ?? 0) else { return nil }
        let number = task.map { "\(job)_\($0)" } ?? "\(job)"
        let state = state(
          fields[2], waitStatus: Int(fields[3]) ?? 0, reason: fields[4],
          log: "\(logFolder)/\(SlurmSettings.jobName(launch))-\(number).log")
        return SlurmTask(name: name, job: job, task: task, state: state)
      }
    }
  }

  /// Reads the tasks of an array that wait: `3`, `0,2-4`, `1-9:2`, `0-9%2`.
  ///
  /// `squeue --array` would print a line for each, but 22.05 forgets the last one of `1-9:2`.
  ///
  /// - Parameters:
  ///   - text: the indices; from a per cent sign on, how many may run at a time.
  ///   - limit: those from here on are left out.
  /// - Returns: the indices; none for what cannot be read.
  private static func places(_ text: some StringProtocol, limit: Int) -> [Int?] {
    text.prefix { $0 != "%" }.split(separator: ",").flatMap { range -> [Int?] in
      let parts = range.split(separator: ":")
      let ends = (parts.first ?? "").split(separator: "-").map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, last >= first else {
        return []
      }
      let step = parts.count > 1 ? Int(parts[1]) ?? 1 : 1
      return Array(stride(from: first, through: min(last, limit - 1), by: max(1, step)))
    }
  }

  /// What one of Slurm's states means for a worker.
  ///
  /// COMPLETING is running: a worker that was cancelled hands back what it holds then, and its
  /// processors are not free. A state that we do not know counts as running too, since nobody acts
  /// on that.
  ///
  /// - Parameters:
  ///   - state: its full name.
  ///   - waitStatus: as `waitpid` gives it.
  ///   - reason: why it waits or has ended; may be of a time before.
  ///   - log: the file with what the worker said.
  /// - Returns: the same for the fleet.
  package static func state(
    _ state: some StringProtocol, waitStatus: Int, reason: some StringProtocol, log: String
  ) -> FleetEntry.State {
    switch String(state) {
    case "PENDING":
      return .waiting(reason == "None" ? "" : String(reason))
    case "CONFIGURING", "POWER_UP_NODE", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD",
      "RESV_DEL_HOLD", "SPECIAL_EXIT":
      return .waiting(reason == "None" ? String(state) : "\(state): \(reason)")
    case "COMPLETED", "CANCELLED", "PREEMPTED", "REVOKED":
      return .ended("\(state), \(end(waitStatus))")
    case "BOOT_FAIL", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
      "RECONFIG_FAIL", "TIMEOUT":
      guard reason != "JobLaunchFailure" else {
        return .ended("\(state): the node could not begin it; is there a folder for \(log)?")
      }
      // The reason for which it waited stays where Slurm has none for its end.
      let known: Set = ["None", "NonZeroExitCode", "Resources", "Priority", "TimeLimit"]
      let why = known.contains(String(reason)) ? "" : " (\(reason))"
      return .ended("\(state)\(why), \(end(waitStatus)); its log is \(log)")
    default:
      return .running
    }
  }

  private static func end(_ waitStatus: Int) -> String {
    let signal = waitStatus & 0x7f
    return signal == 0 ? "exit code \(waitStatus >> 8 & 0xff)" : "signal \(signal)"
  }

  /// The fleet's view: each name once, and alive where one of its tasks is.
  package static func entries(_ tasks: [SlurmTask]) -> [FleetEntry] {
    func rank(_ state: FleetEntry.State) -> Int {
      switch state {
      case .running: 2
      case .waiting: 1
      case .ended: 0
      }
    }
    var states: [String: FleetEntry.State] = [:]
    for task in tasks {
      if let known = states[task.name], rank(known) >= rank(task.state) { continue }
      states[task.name] = task.state
    }
    return states.map { FleetEntry(name: $0.key, state: $0.value) }.sorted { $0.name < $1.name }
  }

  /// How `scancel` is told of tasks: `17_[0,2-4]` for those of an array, `18` for a job without.
  ///
  /// Those that have ended are left out.
  package static func identifiers(_ tasks: [SlurmTask]) -> [String] {
    let alive = tasks.filter { task in
      if case .ended = task.state { false } else { true }
    }
    return Dictionary(grouping: alive, by: \.job).sorted { $0.key < $1.key }.map { job, tasks in
      let places = Set(tasks.compactMap(\.task)).sorted()
      return places.isEmpty ? "\(job)" : "\(job)_[\(ranges(places))]"
    }
  }

  /// Rising numbers in Slurm's notation: `0,2-4`.
  private static func ranges(_ numbers: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for number in numbers {
      if let last = ranges.last, last.upperBound + 1 == number {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    return ranges.map { range in
      range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
    }.joined(separator: ",")
  }
}
