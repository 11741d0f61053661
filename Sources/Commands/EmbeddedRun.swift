import Coordinator
import Destinations
import Foundation
import Glibc
import Jobs
import Logging
import ObjectStore
import Synchronization
import Transport
import Wire

/// One job under `run`: the coordinator inside this process, workers beside it, nothing left.
struct EmbeddedRun {
  let request: JobRequest
  let id: JobID
  let stateFolder: String
  /// `nil`: as many as there is work for, at most one per core.
  let workerCount: Int?
  let threadCount: Int
  let isQuiet: Bool
  let logger: Logger

  /// How a run ended.
  enum End {
    case finished(JobSummary)
    case interrupted(signal: Int32)
  }

  /// Runs the job to its end, or until a signal comes.
  ///
  /// - Throws: `CommandError`; the state is kept then.
  func run() async throws -> End {
    let events = RunEvents()
    watchSignals(events)
    _ = signal(SIGPIPE, SIG_IGN)  // a worker may die before it is told the address
    StoreNotices.process.hear { [self] text in
      guard logger.logLevel > .warning else { return logger.warning("\(text)") }
      if StoreWatch.current == nil { say(text) }  // a watched request is in the planning's line
    }
    try makeFolders()
    let fleet = WorkerFleet(arguments: workerArguments, logFile: "\(stateFolder)/workers.log")
    events.hurry = { await fleet.killAll() }
    // One worker is always needed: it starts while the coordinator does.
    await fleet.grow(to: workerCount ?? 1)
    let service: CoordinatorService
    do {
      service = try await openService()
    } catch {
      await fleet.stop(.atOnce)
      throw error
    }
    await fleet.hearDeaths { process, cause in
      await service.coordinator.died(
        named: WorkerCommand.name(ofProcess: process), of: "its worker died of \(cause)")
    }
    await fleet.join(service.address)
    let serving = Task {
      do {
        try await service.run()
      } catch {
        await events.serviceFailed("\(error)")
      }
    }
    do {
      let end = try await follow(service, fleet, events)
      await close(fleet, service, serving, end)
      return end
    } catch {
      if let number = events.signal {
        await close(fleet, service, serving, .interrupted(signal: number))
        return .interrupted(signal: number)
      }
      StoreEnding.process.begin(grace: .seconds(2))
      await fleet.stop(.atOnce)
      service.stop()
      await serving.value
      if events.isRefused { removeState() }
      // The coordinator's own failure explains what its clients saw.
      throw events.failure ?? error
    }
  }

  // MARK: Start and end

  private func makeFolders() throws(CommandError) {
    let output = request.outputConfig.uri
    let folders = [(output, 0o777), (stateFolder, 0o700), (scratchFolder, 0o700)]
    for (folder, mode) in folders where Paths.scheme(of: folder) == nil {
      if FileManager.default.fileExists(atPath: folder) { continue }
      do {
        try FileManager.default.createDirectory(
          atPath: folder, withIntermediateDirectories: true,
          attributes: folder == output ? nil : [.posixPermissions: mode])
      } catch {
        throw CommandError(
          "cannot make the folder \(folder): \(error.localizedDescription); "
            + "check the permissions, or choose another --output")
      }
    }
  }

  private var scratchFolder: String { "\(stateFolder)/scratch" }

  private func openService() async throws -> CoordinatorService {
    var options = CoordinatorOptions(
      stateFolder: stateFolder, listen: try Address("tcp://127.0.0.1:0"))
    options.recoveryWindow = .zero  // no worker outlives this process
    do {
      return try await CoordinatorService(options, logger: logger)
    } catch {
      throw CommandError(
        "cannot open the state folder \(stateFolder): \(error). If the same command is running "
          + "elsewhere, wait for it")
    }
  }

  private var workerArguments: [String] {
    [
      "worker", "--threads", String(threadCount),
      "--token-file", "\(stateFolder)/\(Tokens.fleetFile)", "--scratch", scratchFolder,
      "--spool", Coordinator.spoolFolder(in: stateFolder), "--exit-with-parent",
      "--join-from-parent",
    ]
  }

  /// Workers first, then the coordinator, then the state of a job that is over.
  private func close(
    _ fleet: WorkerFleet, _ service: CoordinatorService, _ serving: Task<Void, Never>, _ end: End
  ) async {
    guard case .finished(let job) = end else {
      await fleet.stop(.afterHandingBack)
      service.stop()
      return await serving.value
    }
    await fleet.stop(.atOnce)
    // The job has ended: a store that no longer answers must not hold up what is only tidying.
    StoreEnding.process.begin(grace: .seconds(5))
    await service.coordinator.waitForEnd(of: id)
    // A failed job's workers may have said why; but where nothing came of it, nothing is kept.
    let isPublished = job.state == .succeeded || job.state == .partiallySucceeded
    if isPublished || job.confirmedBlockCount == 0 {
      // Nobody asks any more, and what a tidy end would write goes too: the process ends as it is.
      return removeState()
    }
    service.stop()
    await serving.value
  }

  /// Removes the state; what stays of it, or of the job's folder at the destination, is said.
  private func removeState() {
    var reason = ""
    do {
      try FileManager.default.removeItem(atPath: stateFolder)
    } catch {
      reason = ": \(error.localizedDescription)"
    }
    // Looked for, because not every failure of a removal is told.
    var folders = [stateFolder]
    let work = "\(request.outputConfig.uri)/.nightshift-\(id)"
    if Paths.scheme(of: work) == nil, work != stateFolder { folders.append(work) }
    for folder in folders where FileManager.default.fileExists(atPath: folder) {
      Terminal.standardError.write(
        "warning: \(printable(folder)) could not be removed\(reason); nothing needs it any more: "
          + "remove it\n")
    }
  }

  private func watchSignals(_ events: RunEvents) {
    let signals = Signals.catchTermination()
    Task {
      for await number in signals {
        guard events.signal == nil else {
          await events.hurry?()  // told twice: no more handing back
          continue
        }
        StoreEnding.process.begin(grace: .seconds(3))
        await events.signalled(number)
      }
    }
  }

  private func say(_ text: String) {
    guard !isQuiet else { return }
    Terminal.standardError.write(text + "\n")
  }

  // MARK: The job

  private func follow(
    _ service: CoordinatorService, _ fleet: WorkerFleet, _ events: RunEvents
  ) async throws -> End {
    let client = try CoordinatorClient(
      address: service.address, token: try Tokens.read("\(stateFolder)/\(Tokens.clientFile)"),
      patience: .seconds(60))
    // A question under way must not hold up the answer to a signal or a failure.
    events.interrupt = { await client.close() }
    if let job = try await takeUp(client, events) { return .finished(job) }
    var display = ProgressDisplay(isQuiet: isQuiet)
    defer { display.clear() }
    var retries = RetryLines()
    let clock = ContinuousClock()
    let started = clock.now
    Task {
      await service.coordinator.waitForEnd(of: id)
      events.wake()
    }
    while true {
      if let number = events.signal { return .interrupted(signal: number) }
      if let failure = events.failure { throw failure }
      if let failure = await fleet.failure { throw stopped(because: failure) }
      let job = try await client.describe(id).job
      await retries.tell(clock.now - started, of: id, client) { display.say($0) }
      display.show(ProgressSnapshot(job))
      if job.state.isTerminal {
        display.clear()
        await explain(job, client)
        return .finished(job)
      }
      if job.state == .paused { throw stopped(because: printable(job.reason)) }
      if workerCount == nil, job.phase != .planning {
        await fleet.grow(to: usefulWorkerCount(job))
      }
      await events.pause(for: pause(job, after: clock.now - started))
    }
  }

  /// How long nothing is asked: the end of the job is told, the rest can wait.
  private func pause(_ job: JobSummary, after elapsed: Duration) -> Duration {
    if job.phase == .planning, elapsed < .seconds(1) { return .milliseconds(5) }
    return isQuiet ? .milliseconds(250) : max(.milliseconds(50), JobWatch.pause(after: elapsed))
  }

  private func stopped(because reason: String) -> CommandError {
    // To a fleet's users it is said how to resume; here it is the same command.
    let advice = /(; mend it)?[,;] then resume( the job)?$/
    return CommandError(
      "job \(id) cannot go on: \(reason.replacing(advice, with: "")). What is scored is kept in "
        + "\(stateFolder): put it right and give the same command again")
  }

  /// Shows the last warnings and errors of a job that did not end well.
  private func explain(_ job: JobSummary, _ client: CoordinatorClient) async {
    let isFailed = job.state == .failed || job.state == .cancelled
    var events: [JobEvent] = []
    var cursor: UInt64 = 0
    // The log only adds to the job's own reason: without it the job has ended all the same.
    while let page = try? await client.logs(of: id, after: cursor) {
      // The reason itself is shown with the outcome.
      events += page.events.filter { event in
        isFailed
          ? event.level != .info && !event.message.hasSuffix(job.reason)
          : event.message == ObjectDestination.warning
      }
      cursor = page.nextCursor
      if page.events.isEmpty { break }
    }
    for event in events.suffix(5) { say(logLine(event, on: .standardError)) }
  }

  private func usefulWorkerCount(_ job: JobSummary) -> Int {
    defaultWorkerCount(
      coreCount: ProcessInfo.processInfo.activeProcessorCount / threadCount,
      shardCount: job.shardCount, blockCount: job.blockCount)
  }

  /// Submits the job, or goes on with what an earlier try left; returns a job that is over already.
  private func takeUp(
    _ client: CoordinatorClient, _ events: RunEvents
  ) async throws -> JobSummary? {
    guard let earlier = try await client.find(id) else {
      do {
        try await client.submit(id, request, isQuiet: isQuiet)
      } catch {
        events.refuse()
        throw error
      }
      return nil
    }
    switch earlier.state {
    case .succeeded, .partiallySucceeded:
      if let folder = earlier.resultFolder, FileManager.default.fileExists(atPath: folder) {
        say("an earlier try of this command had already published its output")
        return earlier
      }
    case .failed, .cancelled:
      let reason = earlier.reason.isEmpty ? "" : ": \(printable(earlier.reason))"
      say("an earlier try of this command ended as \(earlier.state.rawValue)\(reason); anew")
    case .paused:
      try await client.resume(id)
      fallthrough
    case .queued, .pending, .running, .cancelling:
      say(
        "going on with an earlier try: \(earlier.confirmedBlockCount) of \(earlier.blockCount) "
          + "blocks are committed already")
      return nil
    }
    try await client.delete(id)
    try await client.submit(id, request, isQuiet: isQuiet)
    return nil
  }
}

/// The lines of a job's log that say that a store is asked again and again.
private struct RetryLines {
  private static let interval = Duration.seconds(2)

  private var cursor: UInt64 = 0
  private var next = RetryLines.interval

  /// Says what is new, now and then.
  mutating func tell(
    _ elapsed: Duration, of id: JobID, _ client: CoordinatorClient, say: (String) -> Void
  ) async {
    guard elapsed >= next else { return }
    next = elapsed + Self.interval
    // The job goes on whether or not its log can be shown.
    while let page = try? await client.logs(of: id, after: cursor), !page.events.isEmpty {
      for event in page.events where event.message.hasPrefix("retrying ") {
        say(logLine(event, on: .standardError))
      }
      cursor = page.nextCursor
    }
  }
}

/// What happens to a run from outside, noted by other tasks.
private final class RunEvents: Sendable {
  private struct State {
    var signal: Int32?
    var failure: CommandError?
    var isRefused = false
    /// Whether there is something to look at: no more pauses.
    var isAwake = false
    var pause: Task<Void, Never>?
    var hurry: (@Sendable () async -> Void)?
    var interrupt: (@Sendable () async -> Void)?
  }

  private let state = Mutex(State())

  var signal: Int32? { state.withLock { $0.signal } }

  var failure: CommandError? { state.withLock { $0.failure } }

  /// Whether the job was never taken in: then there is nothing to keep.
  var isRefused: Bool { state.withLock { $0.isRefused } }

  func refuse() { state.withLock { $0.isRefused = true } }

  /// What a second signal does.
  var hurry: (@Sendable () async -> Void)? {
    get { state.withLock { $0.hurry } }
    set { state.withLock { $0.hurry = newValue } }
  }

  /// Ends whatever is being waited for.
  var interrupt: (@Sendable () async -> Void)? {
    get { state.withLock { $0.interrupt } }
    set { state.withLock { $0.interrupt = newValue } }
  }

  /// Waits, but no longer than until `wake`.
  func pause(for duration: Duration) async {
    let pause = Task { _ = try? await Task.sleep(for: duration) }  // cancelled: woken
    let isAwake = state.withLock { state in
      state.pause = pause
      return state.isAwake
    }
    if isAwake { pause.cancel() }
    await pause.value
  }

  /// Ends the pause, and every later one.
  func wake() {
    let pause = state.withLock { state in
      state.isAwake = true
      return state.pause
    }
    pause?.cancel()
  }

  func signalled(_ number: Int32) async {
    state.withLock { $0.signal = number }
    wake()
    await interrupt?()
  }

  func serviceFailed(_ reason: String) async {
    state.withLock { $0.failure = CommandError("the coordinator failed: \(reason)") }
    wake()
    await interrupt?()
  }
}
