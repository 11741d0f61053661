import CoordinatorCore
import Database
import Executors
import Failpoints
import Foundation
import Glibc
package import Jobs
import Journal
import Leasing
package import Logging
import Scoring
import Transport
import Wire

/// The coordinator's shell: carries out what `CoordinatorCore` decides.
///
/// One thread runs the core and SQLite. A request's answer leaves only after everything that was
/// decided up to it is in the journal; requests that arrive while a transaction is under way share
/// the next one (group commit).
package actor Coordinator {
  package nonisolated let options: CoordinatorOptions
  package nonisolated let tokens: Tokens
  nonisolated let seal: LeaseSeal
  nonisolated let admission: Admission
  nonisolated let spools: [Spool]
  nonisolated let spoolFolder: String
  nonisolated let modelFolder: String
  /// Names the staging folders of this state folder: a copy of it, started elsewhere with the same
  /// jobs, has others.
  nonisolated let stager: String
  nonisolated let logger: Logger
  nonisolated let probes = InputProbes()
  private nonisolated let executor = QueueExecutor(label: "nightshift.coordinator")
  private nonisolated let clock = ContinuousClock()
  private nonisolated let started: ContinuousClock.Instant

  private let journal: Journal
  var core: CoordinatorCore
  var logs: [JobID: JobLog] = [:]
  /// What a worker needs to know of each planned job, as JSON; after a restart, once it is asked.
  var configurations: [JobID: [UInt8]] = [:]
  /// What clients ask for that is no job yet.
  var submissions: [JobID: Submission] = [:]
  /// Threads that plan submissions, those that were dropped included.
  var planningCount = 0
  /// Planned while they were being submitted, until the journal has them.
  var prepared: [JobID: PlannedJob] = [:]
  /// Merges that go along with the scoring.
  var aheads: [JobID: MergeAhead] = [:]
  /// Jobs that have ended and are not yet cleaned up.
  var ending: Set<JobID> = []
  /// Those who wait for the end of a job.
  private var endWaiters: [JobID: [CheckedContinuation<Void, Never>]] = [:]
  /// Idle workers whose question is kept until there is work.
  let idle = IdleWorkers()
  /// What the readers of a query share, until its job ends.
  var snapshots: [JobID: SnapshotHolder] = [:]
  /// When the snapshots are asked next whether they are still there; `nil` while they are.
  var snapshotCheck: Instant? = .start
  var statistics: [WorkerID: WorkerStatistics] = [:]
  /// What each worker holds, by our own count.
  var ledgers: [WorkerID: LeaseLedger] = [:]
  /// The workers behind the connections of the control listener.
  var connections: [Int32: WorkerID] = [:]
  /// What ended jobs leave, while it is being removed.
  var cleanUps: [JobID: Task<Void, Never>] = [:]
  /// Jobs whose late partials are being removed, and whether more have come meanwhile.
  var lateRemovals: [JobID: Bool] = [:]
  var deletedRequests = DeletedRequests()
  /// Partials that are being looked for in an object store: a result that is sent again waits too.
  var securing: [PartialName: Task<FinishAnswer?, Never>] = [:]
  /// What the fleet's operator has not heard yet; without one nothing is kept.
  var departures: [String] = []
  var endedJobs: [JobID] = []
  /// How many seconds after a job's end nothing of the fleet was left.
  var zeroSeconds: [JobID: Double] = [:]
  var awaitingZero: Set<JobID> = []
  /// What workers cost each job.
  var costs = CostLedger()
  /// Why jobs have no worker, as the fleet's operator last said.
  var waitReasons: [JobID: String] = [:]
  var fleet: FleetOperator?
  var bulkPort: UInt16 = 0
  var isSpoolFull = false
  /// What clients may be told of the jobs' states.
  var durable = DurableStates()
  /// What is not durable yet, and who waits for it.
  private var commit = GroupCommit<CheckedContinuation<Void, any Error>>()
  /// Why the journal takes nothing at the moment; nothing new is decided until it does.
  private(set) var journalTrouble: String?
  /// Told once, when the coordinator cannot go on.
  private var fatal: CheckedContinuation<CoordinatorError?, Never>?
  private var fatalError: CoordinatorError?
  private(set) var isClosed = false

  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  nonisolated var now: Instant { Instant(sinceStart: clock.now - started) }
  package nonisolated var upTime: Duration { clock.now - started }
  package nonisolated let incarnation: Incarnation
  /// How often the state folder's coordinator was started.
  nonisolated let startCount: UInt64

  /// Opens the state folder, takes its lock and replays the journal.
  package init(_ options: CoordinatorOptions, logger: Logger) throws {
    self.options = options
    self.logger = logger
    started = clock.now
    journal = try Journal(folder: options.stateFolder)
    tokens = try Tokens(stateFolder: options.stateFolder)
    admission = Admission(
      tokens, try WorkerTokens(stateFolder: options.stateFolder), silence: options.leaseDuration)
    seal = LeaseSeal(secret: journal.secret)
    incarnation = journal.incarnation
    startCount = journal.startCount
    spoolFolder = Self.spoolFolder(in: options.stateFolder)
    modelFolder = "\(options.stateFolder)/models"
    stager = Self.stager(of: options.stateFolder)
    for folder in [spoolFolder, modelFolder] { try makeFolder(folder) }
    spools = (0..<4).map { [spoolFolder] in Spool(folder: spoolFolder, lane: $0) }
    let window = startCount == 1 ? Duration.zero : options.recoveryWindow
    core = CoordinatorCore(
      incarnation: incarnation, recoveredAt: .start + window, chargeLimit: options.chargeLimit,
      leaseDuration: options.leaseDuration, stallTime: options.stallTime)
  }

  /// A name for a folder on a machine: its device, its number there, and the machine's name.
  private static func stager(of folder: String) -> String {
    var status = stat()
    var numbers: [UInt64] = []
    if unsafe stat(folder, &status) == 0 {
      numbers = [UInt64(status.st_dev), UInt64(status.st_ino)]
    }
    // Not for secrecy: two machines must not take each other's folders for theirs.
    var sum: UInt64 = 0xCBF2_9CE4_8422_2325
    var name = [UInt8](repeating: 0, count: 256)
    _ = unsafe gethostname(&name, name.count - 1)
    for byte in name where byte != 0 { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return "staging-" + (numbers + [sum]).map { String($0, radix: 16) }.joined(separator: "-")
  }

  /// Where partials lie in a state folder.
  package static func spoolFolder(in stateFolder: String) -> String { "\(stateFolder)/spool" }

  /// Replays the journal into the core; before the first request.
  package func recover(bulkPort: UInt16, fleet: FleetOperator? = nil) throws {
    self.bulkPort = bulkPort
    self.fleet = fleet
    var effects: [CoordinatorEffect] = []
    var ended: [JobID: MergeWork] = [:]
    for row in try journal.jobs() {
      durable.restore(row.id, row.state)
      core.restore(row, into: &effects)
      logs[row.id] = JobLog()
      if row.state.isTerminal {
        if hasSpool(row.id) { ended[row.id] = unpublishedWork(of: row.id) }
        let totals = try journal.totals(of: row.id)
        core.forgetShards(
          of: row.id, counts: totals.counts, committedBlockCount: totals.blockCount)
      } else if row.planned != nil {
        effects.append(.reload(row.id))
      }
    }
    perform(effects)
    removeOrphans(ended)
    removeUnusedModels()
  }

  // MARK: Deciding

  /// Runs one event; returns once all that was decided up to it is durable.
  ///
  /// - Throws: What the event throws; `CoordinatorError` where the journal cannot be written now.
  ///   What was decided then stands and is journaled later: the asker asks again.
  func decide<Answer: Sendable>(
    _ event: (inout CoordinatorCore, Instant, inout [CoordinatorEffect]) throws -> Answer
  ) async throws -> Answer {
    try checkJournal()
    var effects: [CoordinatorEffect] = []
    let answer = try event(&core, now, &effects)
    perform(effects)
    if !idle.isEmpty, core.hasPendingBlocks { idle.wake() }
    try await settle()
    return answer
  }

  /// Runs an event that nobody will send again; waits while the journal's disk is full.
  ///
  /// It may run a second time and must change nothing then.
  ///
  /// - Throws: Where only a restart helps.
  func decideInTheEnd(
    _ event: (inout CoordinatorCore, Instant, inout [CoordinatorEffect]) -> Void
  ) async throws {
    while true {
      do {
        return try await decide(event)
      } catch {
        if let fatalError { throw fatalError }
        try await Task.sleep(for: .milliseconds(500))
      }
    }
  }

  /// Waits until everything decided so far is in the journal.
  func settle() async throws {
    guard commit.holdsAnswers else { return }
    try checkJournal()
    try await withCheckedThrowingContinuation { continuation in
      commit.wait(continuation)
      scheduleFlush()
    }
  }

  private func checkJournal() throws(CoordinatorError) {
    if let fatalError { throw fatalError }
    if let journalTrouble { throw CoordinatorError(journalTrouble) }
  }

  /// Answers those who wait that they have to ask again: a listener whose contexts all wait for
  /// space would answer nobody, and could not be closed.
  private func refuseWaiters(_ error: CoordinatorError) {
    for waiter in commit.refused() { waiter.resume(throwing: error) }
  }

  private func perform(_ effects: [CoordinatorEffect]) {
    for case .ended(let id) in effects {
      ending.insert(id)
      if fleet != nil {
        endedJobs.append(id)
        awaitingZero.insert(id)
      }
    }
    for effect in commit.add(effects) {
      if case .log(let id, let level, let message) = effect { log(id, EventLevel(level), message) }
    }
    if commit.isWaiting { scheduleFlush() }
  }

  /// The flush runs after the requests that are waiting now, and takes their entries along.
  private func scheduleFlush() {
    guard !commit.isScheduled else { return }
    commit.isScheduled = true
    Task { await flush() }
  }

  private func flush() async {
    let batch = commit.begin()
    // After a failed write nothing is written again: see `retryFlush`.
    if let fatalError { return refuseWaiters(fatalError) }
    do {
      if !batch.entries.isEmpty {
        Failpoint.coordinatorCommitting.hit()
        try journal.append(batch.entries)
        durable.note(batch.entries)
        Failpoint.coordinatorCommitted.hit()
      }
    } catch {
      return await retryFlush(after: error)
    }
    if !aheads.isEmpty { noteAhead(batch.entries) }
    let (answered, effects) = commit.wrote(batch)
    journalTrouble = nil
    for waiter in answered { waiter.resume() }
    for effect in effects { carryOut(effect) }
  }

  /// A full disk is waited out; anything else ends the process, because after a failed fsync the
  /// kernel may call lost pages clean (Rebello et al., ATC 2020).
  private func retryFlush(after error: any Error) async {
    let text = "the journal cannot be written: \(error)"
    guard let error = error as? JournalError, error.code == .diskFull else {
      return end(CoordinatorError(text))
    }
    if journalTrouble == nil { logger.error("\(text); waiting for space") }
    journalTrouble = text
    refuseWaiters(CoordinatorError(text))
    commit.isScheduled = true
    Task {
      try? await Task.sleep(for: .milliseconds(500))  // cancelled: flush at once
      await flush()
    }
  }

  private func carryOut(_ effect: CoordinatorEffect) {
    switch effect {
    case .plan(let id): Task { await plan(id) }
    case .merge(let id): Task { await merge(id) }
    case .reload(let id): reload(id)
    case .ended(let id):
      cleanUps[id] = Task {
        await cleanUp(id)
        ending.remove(id)
        removeUnusedModels()
        for waiter in endWaiters.removeValue(forKey: id) ?? [] { waiter.resume() }
      }
    case .journal, .log: break  // done before
    }
  }

  private func reload(_ id: JobID) {
    do {
      var effects: [CoordinatorEffect] = []
      core.reload(
        id, commits: try journal.commits(of: id), charges: try journal.charges(of: id),
        into: &effects)
      perform(effects)
      failWithoutSnapshot(id)
    } catch {
      end(CoordinatorError("job \(id) cannot be read from the journal: \(error)"))
    }
  }

  /// The job's committed blocks in plan order, for the merge.
  func commits(of id: JobID) throws -> [CommittedBlocks] { try journal.commits(of: id) }

  /// What a worker and the merge need to know of a job, as JSON: what it was planned with.
  ///
  /// `nil` where it was planned before the journal kept that.
  func plannedConfiguration(of id: JobID) throws -> [UInt8]? {
    if let known = configurations[id] { return known }
    guard let request = core.jobs[id]?.request, let columns = try journal.columns(of: id) else {
      return nil
    }
    let planned = JobConfiguration(request: request, columns: columns.names, types: columns.types)
    let bytes = try JSONEncoder.sorted.encode(planned).bytes
    configurations[id] = bytes
    return bytes
  }

  /// Whether the inputs of a job were still what was planned after all of it was scored.
  func hasCheckedInputs(of id: JobID) throws -> Bool { try journal.hasCheckedInputs(of: id) }

  // MARK: Running

  /// Compares deadlines until cancelled; returns why the coordinator cannot go on.
  package func runTicks() async {
    while !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(200))  // cancelled: the loop ends
      guard journalTrouble == nil, fatalError == nil else { continue }
      var effects: [CoordinatorEffect] = []
      core.tick(now: now, into: &effects)
      perform(effects)
      checkSnapshots()
      dropForgottenSubmissions()
      if statistics.count > core.sessions.count {
        statistics = statistics.filter { core.sessions[$0.key] != nil }
      }
      if ledgers.count > core.sessions.count {
        ledgers = ledgers.filter { core.sessions[$0.key] != nil }
      }
      if fleet == nil { chargeWorkers() }
      await reviewSessions()
    }
  }

  /// Returns once the journal has the job's end and its spool is empty, or the coordinator is
  /// closed; at once where that is so already, or there is no such job.
  package func waitForEnd(of id: JobID) async {
    guard let job = core.jobs[id], !isClosed, !job.state.isTerminal || ending.contains(id) else {
      return
    }
    await withCheckedContinuation { endWaiters[id, default: []].append($0) }
  }

  /// Returns what broke that only a restart can mend; `nil` once the coordinator is closed.
  package func failure() async -> CoordinatorError? {
    await withCheckedContinuation { continuation in
      if let fatalError {
        continuation.resume(returning: fatalError)
      } else {
        fatal = continuation
      }
    }
  }

  func end(_ error: CoordinatorError) {
    guard fatalError == nil else { return }
    fatalError = error
    logger.critical("\(error)")
    refuseWaiters(error)
    fatal?.resume(returning: error)
    fatal = nil
  }

  /// Stops giving leases; workers are told to leave.
  package func drain() { core.isDraining = true }

  /// Waits until nothing is left of the jobs that have ended.
  package func finishCleanUps() async {
    for cleanUp in cleanUps.values { await cleanUp.value }
  }

  /// Checkpoints and closes the journal; nothing may be asked afterwards.
  package func close() {
    isClosed = true
    idle.wake()
    for ahead in aheads.values { ahead.abandon() }
    aheads = [:]
    journal.close()
    for waiter in endWaiters.values.joined() { waiter.resume() }
    endWaiters = [:]
    fatal?.resume(returning: nil)
    fatal = nil
  }

  // MARK: Logs

  /// Adds to a job's log alone.
  func note(
    _ id: JobID, _ level: EventLevel, _ message: String, source: String = "coordinator"
  ) {
    logs[id, default: JobLog()].append(
      message, level: level, source: source, unixNanoseconds: wallClockNanoseconds())
  }

  func log(
    _ id: JobID, _ level: EventLevel, _ message: String, source: String = "coordinator"
  ) {
    note(id, level, message, source: source)
    let loggerLevel: Logger.Level =
      switch level {
      case .info: .info
      case .warning: .warning
      case .error: .error
      }
    logger.log(level: loggerLevel, "\(message)", metadata: ["job": "\(id)", "source": "\(source)"])
  }
}

extension EventLevel {
  init(_ level: LogLevel) {
    switch level {
    case .info: self = .info
    case .warning: self = .warning
    case .error: self = .error
    }
  }
}

/// Nanoseconds since 1970, for people and for names; nothing is decided by it.
func wallClockNanoseconds() -> Int64 {
  Int64(Date().timeIntervalSince1970 * 1e9)
}

func makeFolder(_ path: String, permissions: Int? = 0o700) throws(CoordinatorError) {
  do {
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true,
      attributes: permissions.map { [.posixPermissions: $0] })
  } catch {
    throw CoordinatorError("cannot make the folder \(path): \(error.localizedDescription)")
  }
}
