/// How a pool asks Slurm for its workers.
package struct SlurmSettings: Hashable, Sendable {
  /// Tasks of one job array, below what Slurm takes unless it is told (`MaxArraySize` is 1,001).
  package static let standardTaskCountLimit = 1_000

  /// Gets what each worker prints; every node sees it, and it is there.
  package var logFolder: String
  /// Where `sbatch`, `squeue` and `scancel` are; nil for PATH.
  package var clientFolder: String?
  package var partition: String?
  package var account: String?
  package var qos: String?
  /// Features that a node must have, in Slurm's notation.
  package var constraint: String?
  /// After so long Slurm ends a worker, after a notice; nil for what the partition says.
  package var timeLimit: Duration?
  /// Of one worker; nil for what the partition says.
  package var memoryByteCount: UInt64?
  /// More options of `sbatch`, each with its value in one text: `--gres=gpu:1`.
  package var moreOptions: [String] = []
  /// Where Slurm takes fewer tasks in an array; 1 for jobs without arrays.
  package var taskCountLimit = SlurmSettings.standardTaskCountLimit
  /// Added to the environment of Slurm's client, such as `SLURM_CONF`.
  package var variables: [String: String] = [:]

  package init(logFolder: String) {
    self.logFolder = logFolder
  }

  /// The options of `sbatch` for one job.
  ///
  /// Those of the fleet file come before ours: of two that say the same, Slurm takes the last.
  ///
  /// - Parameters:
  ///   - launch: what the workers are started with.
  ///   - names: of the workers, one for each task.
  /// - Returns: the arguments, without the program.
  package func submission(_ launch: WorkerLaunch, _ names: [String]) -> [String] {
    let isArray = names.count > 1
    let folder = logFolder.replacing("%", with: "%%")
    let wishes: [(String, String?)] = [
      ("partition", partition), ("account", account), ("qos", qos), ("constraint", constraint),
      ("time", timeLimit.map(Self.text)), ("mem", memoryByteCount.map(Self.text)),
    ]
    return ["--parsable"] + moreOptions + [
      "--nodes=1", "--ntasks=1", "--cpus-per-task=\(launch.threadCount)", "--no-requeue",
      "--signal=B:TERM@\(Self.noticeSeconds)", "--open-mode=append",
      "--job-name=\(Self.jobName(launch))",
      "--comment=\(SlurmMark(launch, names))",
      "--output=\(folder)/%x-\(isArray ? "%A_%a" : "%j").log",
    ] + (isArray ? ["--array=0-\(names.count - 1)"] : [])
      + wishes.compactMap { name, value in value.map { "--\(name)=\($0)" } }
  }

  /// From the notice to the end at the time limit: a worker takes 25 seconds to hand back.
  static let noticeSeconds = 30

  package static func jobName(_ launch: WorkerLaunch) -> String {
    "nightshift-\(launch.fleet)-\(launch.pool)"
  }

  /// Hours, minutes and seconds, as Slurm reads them; rounded up.
  static func text(_ time: Duration) -> String {
    let seconds = Int((time / .seconds(1)).rounded(.up))
    func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(seconds / 3600):\(twoDigits(seconds / 60 % 60)):\(twoDigits(seconds % 60))"
  }

  /// MiB, as Slurm reads them; rounded up.
  static func text(_ byteCount: UInt64) -> String {
    "\(byteCount >> 20 + (byteCount & (1 << 20 - 1) == 0 ? 0 : 1))M"
  }

  /// What `sbatch` would misunderstand.
  var problem: String? {
    if let option = moreOptions.first(where: { !$0.hasPrefix("-") }) {
      return "the sbatch option '\(option)' begins with no hyphen: write each option and its value "
        + "in one text, as in --gres=gpu:1"
    }
    if logFolder.contains("\\") {
      return "Slurm takes no backslash in the path of a log: rename the folder \(logFolder)"
    }
    return (1...Self.standardTaskCountLimit).contains(taskCountLimit)
      ? nil
      : "an array has from 1 to \(Self.standardTaskCountLimit) tasks here, not \(taskCountLimit)"
  }
}
