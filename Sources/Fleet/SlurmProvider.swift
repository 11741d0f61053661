package import CoordinatorCore

/// Workers as tasks of Slurm's job arrays, by its command-line client.
///
/// All that it knows of them is in Slurm: the comment of each job says whose it is and what its
/// workers are called. A job is never queued again by Slurm, because a worker joins once under its
/// name; the fleet asks for another one instead. A worker that is taken back gets SIGTERM and, after
/// Slurm's `KillWait` (30 seconds unless told), SIGKILL.
package struct SlurmProvider: Provider {
  private let launch: WorkerLaunch
  private let settings: SlurmSettings

  /// - Parameters:
  ///   - launch: what each worker is started with, as the nodes see it.
  ///   - settings: what Slurm is asked for.
  package init(_ launch: WorkerLaunch, settings: SlurmSettings) {
    self.launch = launch
    self.settings = settings
  }

  package func launch(_ names: [String]) async throws(FleetError) {
    if let problem = settings.problem { throw FleetError(problem, names: names) }
    if let word = ([launch.fleet, launch.pool] + names).first(where: { !SlurmMark.takes($0) }) {
      throw FleetError(
        "'\(word)' cannot be a name under Slurm: use letters, digits, hyphens, underscores and "
          + "single dots, at most \(SlurmMark.wordByteLimit)", names: names)
    }
    let jobs = SlurmMark.jobs(launch, names, taskCountLimit: settings.taskCountLimit)
    for (place, job) in jobs.enumerated() {
      do throws(FleetError) {
        try await call(
          "sbatch", settings.submission(launch, job), input: Self.script(launch, job))
      } catch {
        throw FleetError(error.description, names: jobs[place...].flatMap { $0 })
      }
    }
  }

  package func list() async throws(FleetError) -> [FleetEntry] {
    SlurmTask.entries(try await tasks())
  }

  package func terminate(_ names: [String]) async throws(FleetError) {
    let wanted = Set(names)
    let identifiers = SlurmTask.identifiers(try await tasks().filter { wanted.contains($0.name) })
    guard !identifiers.isEmpty else { return }
    try await call("scancel", ["--quiet"] + identifiers)
  }

  /// All of ours, with those that ended within Slurm's `MinJobAge`.
  private func tasks() async throws(FleetError) -> [SlurmTask] {
    let listing = try await call(
      "squeue",
      ["--noheader", "--me", "--states=all", "--Format=\(SlurmTask.format)"])
    return SlurmTask.tasks(listing, of: launch, logFolder: settings.logFolder)
  }

  @discardableResult
  private func call(
    _ program: String, _ arguments: [String], input: String = ""
  ) async throws(FleetError) -> String {
    let path = settings.clientFolder.map { "\($0)/\(program)" } ?? program
    var command = EngineCommand(path, arguments)
    command.input = input
    // Without it, squeue cuts the tasks of an array off after 64 bytes.
    command.variables = settings.variables.merging(["SLURM_BITSTR_LEN": "0"]) { $1 }
    do throws(FleetError) {
      return try await command.run().output
    } catch {
      throw FleetError(Self.advised(error.description))
    }
  }

  /// The script of one job: becomes the worker whose name is at the task's index.
  ///
  /// `exec`, so that signals reach the worker.
  ///
  /// - Parameters:
  ///   - launch: what the workers are started with.
  ///   - names: of the workers, one for each task.
  /// - Returns: what `sh` runs on the node.
  package static func script(_ launch: WorkerLaunch, _ names: [String]) -> String {
    // No argument has a zero byte: it marks where the name goes.
    let arguments = launch.arguments(name: "\0").map { $0 == "\0" ? "\"$1\"" : quoted($0) }
    return """
      #!/bin/sh
      set -- \(names.map(quoted).joined(separator: " "))
      shift "${SLURM_ARRAY_TASK_ID:-0}" || exit
      echo "worker $1: job $SLURM_JOB_ID on $SLURMD_NODENAME"
      exec \(quoted(launch.program)) \(arguments.joined(separator: " "))

      """
  }

  /// One word of a shell that means nothing but itself.
  package static func quoted(_ text: String) -> String {
    "'" + text.replacing("'", with: #"'\''"#) + "'"
  }

  /// Slurm's words with what to do next, where we know them.
  package static func advised(_ words: String) -> String {
    let advice = [
      ("nvalid partition", "sinfo -s lists the partitions: mend the pool's partition"),
      ("nvalid account", "sacctmgr show assoc user=$USER lists yours: mend the pool's account"),
      ("nvalid qos", "sacctmgr show assoc user=$USER lists yours: mend the pool's qos"),
      (
        "nvalid job array",
        "scontrol show config tells MaxArraySize: let the pool's arrays have fewer tasks"
      ),
      (
        "nvalid feature",
        "sinfo -o '%P %f' lists the nodes' features: mend the pool's constraint"
      ),
      (
        "node configuration is not available",
        "sinfo -o '%P %c %m %f' lists what the nodes have: ask for fewer threads or less memory"
      ),
      ("submit limit", "as many jobs as you may have are there: lower the pool's count of workers"),
      ("time limit", "sinfo -o '%P %l' lists the partitions' limits: lower the pool's time limit"),
      ("Socket timed out", "Slurm may have done it all the same: the next listing tells"),
      (
        "Unable to contact slurm controller",
        "scontrol ping tells whether slurmctld runs and can be reached"
      ),
      (
        "Could not establish a configuration source",
        "this machine has no slurm.conf: name it with SLURM_CONF"
      ),
      (
        "Unable to process configuration file",
        "this machine has no slurm.conf there: name it with SLURM_CONF"
      ),
      ("uthentication", "munged has to run here with the cluster's key"),
    ]
    guard let next = advice.first(where: { words.contains($0.0) })?.1 else { return words }
    return "\(words); \(next)"
  }
}
