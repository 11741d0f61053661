import CoordinatorCore
import Fleet
import Foundation
import Testing

private func workerLaunch(pool: String = "main") -> WorkerLaunch {
  WorkerLaunch(
    fleet: "nightshift-1f2e", pool: pool, program: "/opt/nightshift/bin/nightshift",
    address: "tcp://10.0.0.1:7070", threadCount: 4, tokenFile: "/etc/nightshift/fleet.token")
}

/// What our comments say, and who is meant by them.
@Suite struct SlurmMarkTests {
  @Test(arguments: [
    (["ns-ab12-17"], "ns-ab12-17"),
    (["ns-ab12-17", "ns-ab12-18", "ns-ab12-19"], "ns-ab12-17..19"),
    (["ns-9", "ns-10", "ns-12", "ns-11"], "ns-9..10 ns-12 ns-11"),
    (["w", "w", "w-07", "w-08", "w-0", "w-1"], "w w w-07 w-08 w-0..1"),
    (["a1", "b2", "7", "8"], "a1 b2 7..8"),
    (["w-1234567890123456", "w-1234567890123457"], "w-1234567890123456 w-1234567890123457"),
    (["node.1", "node.2"], "node.1..2"),
  ])
  func namesAreShortAndComeBack(names: [String], text: String) throws {
    let mark = SlurmMark(workerLaunch(), names)
    #expect(mark.description == "nightshift nightshift-1f2e main \(text)")
    let read = try #require(SlurmMark(mark.description))
    #expect(read == mark)
    #expect(names.indices.map { read.name(ofTask: $0) } == names)
    #expect(read.name(ofTask: names.count) == nil)
    #expect(read.name(ofTask: -1) == nil)
  }

  @Test(arguments: [
    "", "(null)", "nightshift", "nightshift f p", "weather f p w-1", "nightshift f p w-1..",
    "nightshift f p ..3", "nightshift f p w-5..4", "nightshift f p w-1..2..3",
    "nightshift f p w-1..99999999999999999999", "nightshift f p w..3", "nightshift f p w-1..+3",
  ])
  func commentsOfOthersAreNone(comment: String) {
    #expect(SlurmMark(comment) == nil)
  }

  @Test(arguments: [
    ("ns-ab12-17", true), ("Node_1.cluster", true), ("", false), ("a b", false), ("a;b", false),
    ("$(reboot)", false), ("a'b", false), ("a\nb", false), ("a|b", false), ("a/b", false),
    ("--wrap", false), ("a..b", false), ("größe", false),
    (String(repeating: "a", count: 201), false),
  ])
  func onlyPlainWordsAreNames(word: String, isTaken: Bool) {
    #expect(SlurmMark.takes(word) == isTaken)
  }

  @Test func jobsAreNoLargerThanAnArrayMayBe() {
    let names = (1...2_500).map { "ns-ab12-\($0)" }
    let jobs = SlurmMark.jobs(workerLaunch(), names, taskCountLimit: 1_000)
    #expect(jobs.map(\.count) == [1_000, 1_000, 500])
    #expect(jobs.flatMap { $0 } == names)
    #expect(SlurmMark.jobs(workerLaunch(), [], taskCountLimit: 10).isEmpty)
    #expect(SlurmMark.jobs(workerLaunch(), ["a", "b"], taskCountLimit: 1) == [["a"], ["b"]])
  }

  @Test func commentsAreNoLongerThanSlurmTakes() {
    let names = (1...100).map { "\(String(repeating: "long", count: 10))-\($0 * 2)" }
    let jobs = SlurmMark.jobs(workerLaunch(), names, taskCountLimit: 1_000)
    #expect(jobs.flatMap { $0 } == names)
    #expect(jobs.count == 8)
    for job in jobs {
      #expect(SlurmMark(workerLaunch(), job).description.utf8.count <= 1_000)
    }
  }
}

/// What `squeue` prints; the lines are of Slurm 22.05.
@Suite struct SlurmQueueTests {
  private static let listing = """
    12|2-3|PENDING|0|Priority|nightshift nightshift-1f2e main ns-ab12-17..18 ns-ab12-20 other|
    13|N/A|RUNNING|0|None|nightshift nightshift-1f2e main ns-ab12-21|
    12|0|COMPLETING|0|Resources|nightshift nightshift-1f2e main ns-ab12-17..18 ns-ab12-20 other|
    12|1|FAILED|768|NonZeroExitCode|nightshift nightshift-1f2e main ns-ab12-17..18 ns-ab12-20 other|
    47|N/A|CANCELLED|0|JobHeldUser|nightshift nightshift-1f2e main ns-ab12-30..31|
    14|N/A|RUNNING|0|None|nightshift nightshift-1f2e there ns-ab12-22|
    15|N/A|RUNNING|0|None|nightshift another-fleet main ns-ab12-23|
    16|N/A|RUNNING|0|None|(null)|
    17|N/A|RUNNING|0|None|one | two|
    18|N/A|RUNNING|0|None|two
    lines|

    """

  @Test func oursAreFoundWithTheirNames() {
    let tasks = SlurmTask.tasks(Self.listing, of: workerLaunch(), logFolder: "/logs")
    #expect(tasks.map(\.name) == ["ns-ab12-20", "other", "ns-ab12-21", "ns-ab12-17", "ns-ab12-18"])
    #expect(tasks.map(\.job) == [12, 12, 13, 12, 12])
    #expect(tasks.map(\.task) == [2, 3, nil, 0, 1])
    #expect(
      SlurmTask.entries(tasks) == [
        FleetEntry(name: "ns-ab12-17", state: .running),
        FleetEntry(
          name: "ns-ab12-18",
          state: .ended(
            "FAILED, exit code 3; its log is /logs/nightshift-nightshift-1f2e-main-12_1.log")),
        FleetEntry(name: "ns-ab12-20", state: .waiting("Priority")),
        FleetEntry(name: "ns-ab12-21", state: .running),
        FleetEntry(name: "other", state: .waiting("Priority")),
      ])
    #expect(SlurmTask.identifiers(tasks) == ["12_[0,2-3]", "13"])
    #expect(SlurmTask.tasks("", of: workerLaunch(), logFolder: "/logs").isEmpty)
  }

  @Test(arguments: [
    ("3", [3]), ("0-4", [0, 1, 2, 3, 4]), ("1,3,7-9", [1, 3, 7, 8, 9]), ("1-9:2", [1, 3, 5, 7, 9]),
    ("0-2,6-10:4%2", [0, 1, 2, 6, 10]), ("9-12", [9, 10]), ("N/A", []), ("", []), ("4-2", []),
    ("2-3:0", [2, 3]), ("1,x,99999999999999999999,2", [1, 2]),
  ])
  func tasksThatWaitShareALine(text: String, tasks: [Int]) {
    let line = "47|\(text)|PENDING|0|Resources|nightshift nightshift-1f2e main w-0..10|"
    let read = SlurmTask.tasks(line, of: workerLaunch(), logFolder: "/logs")
    #expect(read.map(\.task) == tasks)
    #expect(read.map(\.name) == tasks.map { "w-\($0)" })
    #expect(read.allSatisfy { $0.job == 47 && $0.state == .waiting("Resources") })
  }

  @Test(arguments: [
    ("PENDING", 0, "None", FleetEntry.State.waiting("")),
    ("PENDING", 0, "Resources", .waiting("Resources")),
    ("CONFIGURING", 0, "None", .waiting("CONFIGURING")),
    (
      "REQUEUE_HOLD", 0, "launch failed requeued held",
      .waiting("REQUEUE_HOLD: launch failed requeued held")
    ),
    ("RUNNING", 0, "Resources", .running),
    ("SUSPENDED", 0, "None", .running),
    ("COMPLETING", 1_792, "None", .running),
    ("A_STATE_TO_COME", 0, "None", .running),
    ("COMPLETED", 0, "None", .ended("COMPLETED, exit code 0")),
    ("CANCELLED", 1_792, "Resources", .ended("CANCELLED, exit code 7")),
    ("PREEMPTED", 15, "None", .ended("PREEMPTED, signal 15")),
    ("FAILED", 32_512, "NonZeroExitCode", .ended("FAILED, exit code 127; its log is /log")),
    ("TIMEOUT", 0, "TimeLimit", .ended("TIMEOUT, exit code 0; its log is /log")),
    ("NODE_FAIL", 0, "NodeDown", .ended("NODE_FAIL (NodeDown), exit code 0; its log is /log")),
    (
      "FAILED", 53, "JobLaunchFailure",
      .ended("FAILED: the node could not begin it; is there a folder for /log?")
    ),
  ])
  func eachStateMeansOne(
    state: String, waitStatus: Int, reason: String, expected: FleetEntry.State
  ) {
    #expect(
      SlurmTask.state(state, waitStatus: waitStatus, reason: reason, log: "/log") == expected)
  }

  @Test func whoIsListedTwiceIsAliveWhereOneIs() {
    let lines = ["CANCELLED", "RUNNING", "FAILED"].enumerated().map { number, state in
      "\(number)|N/A|\(state)|0|None|nightshift nightshift-1f2e main w-1|"
    }
    let tasks = SlurmTask.tasks(
      lines.joined(separator: "\n"), of: workerLaunch(), logFolder: "/logs")
    #expect(SlurmTask.entries(tasks) == [FleetEntry(name: "w-1", state: .running)])
    #expect(SlurmTask.identifiers(tasks) == ["1"])
  }
}

/// What `sbatch` is told, and what its script does.
@Suite(.timeLimit(.minutes(1)))
struct SlurmSubmissionTests {
  @Test func anArrayHasATaskForEachName() {
    var settings = SlurmSettings(logFolder: "/shared/it's 100%")
    settings.partition = "short"
    settings.account = "research"
    settings.qos = "low"
    settings.constraint = "avx2&ib"
    settings.timeLimit = .seconds(90_061)
    settings.memoryByteCount = 3 << 30 + 1
    settings.moreOptions = ["--gres=gpu:1"]
    #expect(
      settings.submission(workerLaunch(), ["w-1", "w-2", "w-3"]) == [
        "--parsable", "--gres=gpu:1", "--nodes=1", "--ntasks=1", "--cpus-per-task=4",
        "--no-requeue", "--signal=B:TERM@30", "--open-mode=append",
        "--job-name=nightshift-nightshift-1f2e-main",
        "--comment=nightshift nightshift-1f2e main w-1..3",
        "--output=/shared/it's 100%%/%x-%A_%a.log", "--array=0-2", "--partition=short",
        "--account=research", "--qos=low", "--constraint=avx2&ib", "--time=25:01:01",
        "--mem=3073M",
      ])
  }

  @Test func oneWorkerNeedsNoArray() {
    let arguments = SlurmSettings(logFolder: "/logs").submission(workerLaunch(), ["w-1"])
    #expect(arguments.contains("--output=/logs/%x-%j.log"))
    #expect(!arguments.contains { $0.hasPrefix("--array") })
  }

  @Test(arguments: ["plain", "", "it's", "a b\n\"c\" $(exit 9) `exit 9` \\ * ~ ; & | # !", "'''"])
  func aShellReadsBackWhatWasQuoted(text: String) async throws {
    let command = EngineCommand("sh", ["-c", "printf '%s.' \(SlurmProvider.quoted(text))"])
    #expect(try await command.run().output == text + ".")
  }

  @Test(arguments: [nil, 0, 1, 2])
  func theScriptBecomesTheWorkerOfItsTask(task: Int?) async throws {
    var launch = workerLaunch()
    launch.program = "printf"
    launch.address = "it's \"$(exit 9)\""
    launch.moreArguments = ["--scratch", "/my scratch/`exit 9`"]
    // The worker's first argument is printf's format.
    let script = SlurmProvider.script(launch, ["w-1", "w-2", "w-3"])
      .replacing("'printf' 'worker'", with: "printf '[%s]'")
    var command = EngineCommand("sh", ["-c", script])
    command.variables = ["SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"]
    if let task { command.variables["SLURM_ARRAY_TASK_ID"] = "\(task)" }
    let name = "w-\((task ?? 0) + 1)"
    #expect(
      try await command.run().output == """
        worker \(name): job 7 on n1
        [--join][it's "$(exit 9)"][--name][\(name)][--threads][4][--token-file]\
        [/etc/nightshift/fleet.token][--scratch][/my scratch/`exit 9`]
        """)
  }

  @Test func aTaskWithoutNameStartsNothing() async {
    var command = EngineCommand("sh", ["-c", SlurmProvider.script(workerLaunch(), ["w-1"])])
    command.variables = ["SLURM_ARRAY_TASK_ID": "9"]
    let error = await #expect(throws: FleetError.self) { try await command.run() }
    #expect(error?.description.contains("shift") == true)
  }
}

/// What people are told when Slurm does not do what it is asked.
@Suite(.timeLimit(.minutes(1)))
struct SlurmErrorTests {
  private func provider(_ change: (inout SlurmSettings) -> Void = { _ in }) -> SlurmProvider {
    var settings = SlurmSettings(logFolder: "/logs")
    settings.clientFolder = "/no such folder"
    change(&settings)
    return SlurmProvider(workerLaunch(), settings: settings)
  }

  @Test(arguments: [
    (
      "sbatch: error: Batch job submission failed: Invalid partition name specified",
      "sinfo -s lists the partitions"
    ),
    (
      "sbatch: error: Batch job submission failed: Invalid job array specification", "MaxArraySize"
    ),
    ("sbatch: error: Batch job submission failed: Invalid feature specification", "constraint"),
    (
      "sbatch: error: Batch job submission failed: Requested node configuration is not available",
      "fewer threads"
    ),
    (
      "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
      "scontrol ping"
    ),
    (
      "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit "
        + "limit, user's size and/or time limits)", "count of workers"
    ),
    ("squeue: fatal: Could not establish a configuration source", "SLURM_CONF"),
  ])
  func slurmsWordsComeWithTheNextStep(words: String, advice: String) {
    let text = SlurmProvider.advised(words)
    #expect(text.hasPrefix(words + "; "))
    #expect(text.contains(advice))
  }

  @Test func unknownWordsStayAsTheyAre() {
    #expect(SlurmProvider.advised("sbatch: error: on fire") == "sbatch: error: on fire")
  }

  @Test func aClientThatIsNotThereIsNamed() async {
    let error = await #expect(throws: FleetError.self) {
      try await provider().launch(["w-1", "w-2"])
    }
    #expect(error?.names == ["w-1", "w-2"])
    #expect(error?.description.contains("/no such folder/sbatch: there is no such") == true)
    let listing = await #expect(throws: FleetError.self) { try await provider().list() }
    #expect(listing?.description.contains("/no such folder/squeue") == true)
  }

  @Test(arguments: ["w 1", "$(reboot)", "w'1", ""])
  func badNamesGoNowhere(name: String) async {
    let error = await #expect(throws: FleetError.self) {
      try await provider { $0.clientFolder = nil }.launch(["w-1", name])
    }
    #expect(error?.names == ["w-1", name])
    #expect(error?.description.hasPrefix("'\(name)' cannot be a name under Slurm") == true)
  }

  @Test func settingsThatSlurmWouldMisreadAreRefused() async {
    let changes: [(String, (inout SlurmSettings) -> Void)] = [
      ("begins with no hyphen", { $0.moreOptions = ["-p", "main"] }),
      ("no backslash", { $0.logFolder = "/a\\b" }),
      ("from 1 to 1000 tasks", { $0.taskCountLimit = 0 }),
    ]
    for (words, change) in changes {
      let error = await #expect(throws: FleetError.self) {
        try await provider(change).launch(["w-1"])
      }
      #expect(error?.description.contains(words) == true)
      #expect(error?.names == ["w-1"])
    }
  }
}
