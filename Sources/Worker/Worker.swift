import Digests
import Executors
import Failpoints
import Foundation
import Jobs
import Leasing
package import Logging
import ObjectStore
import Partials
import Transport
import Wire
package import WorkerCore

/// A worker's shell: carries out what `WorkerCore` decides.
///
/// Requests are awaited in tasks of their own; scoring runs on one thread for each slot. Every event
/// comes back to this actor, which tells the core and carries out the effects.
package actor Worker {
  private let options: WorkerOptions
  private let link: CoordinatorLink
  private let jobs: JobCache
  private let logger: Logger
  private let outgoingLogs = OutgoingLogs()
  private let clock = ContinuousClock()
  private let started: ContinuousClock.Instant
  private var core: WorkerCore
  private var generator = SystemRandomNumberGenerator()
  private var seals: [LeaseKey: SealedGrant] = [:]
  private var partials: [LeaseKey: FinishedPartial] = [:]
  private var slots: [ScoringSlot]
  private var statistics = WorkerStatistics()
  private var isClosing = false
  private var exit: WorkerExit?
  private var exitWaiter: CheckedContinuation<WorkerExit, Never>?
  /// The limit that the coordinator named last.
  private var lastLimit: String?
  /// When the coordinator answered last, or this began; and whether its silence since then was told.
  private var lastAnswer = Instant.start
  private var isSilenceTold = false
  /// Silence that is told: longer than a restart takes.
  private static let silenceTime = Duration.seconds(10)
  /// The goodbye on its way.
  private var farewell: Task<Void, Never>?

  package init(_ options: WorkerOptions, logger: Logger) throws {
    self.options = options
    self.logger = logger
    started = clock.now
    link = try CoordinatorLink(options)
    jobs = JobCache(link: link)
    core = WorkerCore(
      name: options.name, slotCount: options.threadCount, timing: options.timing, now: .start)
    slots = (0..<max(1, options.threadCount)).map { _ in ScoringSlot() }
  }

  private var now: Instant { Instant(sinceStart: clock.now - started) }

  /// Works until there is a reason to leave.
  package func run() async -> WorkerExit {
    let ticks = Task { await tickUntilExit() }
    let certificates = Task { await watchCertificates() }
    defer {
      ticks.cancel()
      certificates.cancel()
    }
    StoreNotices.process.hear { [weak self] text in
      Task { [weak self] in await self?.tellJobs(text) }
    }
    return await withCheckedContinuation { continuation in
      if let exit { continuation.resume(returning: exit) } else { exitWaiter = continuation }
    }
  }

  private func tickUntilExit() async {
    while exit == nil, !Task.isCancelled {
      for index in slots.indices {
        core.progressed(
          slot: index, records: slots[index].recordCount, blocks: slots[index].blockCount,
          mark: slots[index].mark, now: now)
      }
      update { core, now, generator, effects in
        core.tick(now: now, using: &generator, into: &effects)
      }
      try? await Task.sleep(for: .milliseconds(50))  // cancelled: the loop ends
    }
  }

  /// Warns once a day of certificates of ours that end soon, in each job as it comes to hand.
  private func watchCertificates() async {
    guard let tls = options.tls else { return }
    var told: Set<JobID> = []
    for round in 0... {
      guard exit == nil, !Task.isCancelled else { return }
      let isNewDay = round.isMultiple(of: 2_880)  // looks of half a minute
      if isNewDay { told = [] }
      let jobs = Set(core.held.map(\.grant.job)).subtracting(told)
      told.formUnion(jobs)
      for text in isNewDay || !jobs.isEmpty ? tls.warnings() : [] {
        for job in jobs { outgoingLogs.append(job: job, level: .warning, text) }
        if isNewDay { logger.warning("\(text)") }
      }
      try? await Task.sleep(for: .seconds(30))  // cancelled: the loop ends
    }
  }

  /// Tells the jobs at hand, for example that a store is being asked again and again.
  private func tellJobs(_ text: String) {
    for job in Set(core.held.map(\.grant.job)) {
      outgoingLogs.append(job: job, level: .warning, text)
    }
    logger.warning("\(text)")
  }

  /// SIGTERM: hands back what is unfinished and leaves.
  package func terminate() {
    StoreEnding.process.begin(grace: .seconds(5))
    update { core, now, _, effects in core.terminate(now: now, into: &effects) }
  }

  /// Closes the connections once the goodbye has been heard; bounded.
  package func close() async {
    isClosing = true
    await farewell?.value
    await link.close()
  }

  // MARK: Effects

  private func update(
    _ event: (
      inout WorkerCore, Instant, inout SystemRandomNumberGenerator, inout [WorkerEffect]
    ) -> Void
  ) {
    var effects: [WorkerEffect] = []
    event(&core, now, &generator, &effects)
    for effect in effects { carryOut(effect) }
  }

  private func carryOut(_ effect: WorkerEffect) {
    switch effect {
    case .send(.goodbye): farewell = Task { await send(.goodbye) }
    case .send(let request): Task { await send(request) }
    case .score(let slot, let grant): start(grant, on: slot)
    case .stop(let slot, let keepBlocks): stop(slot, keepBlocks: keepBlocks)
    case .shorten(let slot, let end): slots[slot].shorten(to: Int(end))
    case .upload(let key, let offset): Task { await upload(key, from: offset) }
    case .discard(let key):
      Failpoint.workerAcknowledged.hit()
      partials[key] = nil
    case .exit(let reason):
      exit = reason
      exitWaiter?.resume(returning: reason)
      exitWaiter = nil
    }
  }

  // MARK: Requests

  private func send(_ request: FleetRequest) async {
    if case .acquire = request { Failpoint.workerAcquiring.hit() }
    let logs = takeLogs(for: request)
    do {
      let (answer, sealed) = try await link.ask(
        request, seals: seals, logs: logs, statistics: statistics)
      noteAnswer()
      for grant in sealed { seals[grant.grant.key] = grant }
      if case .finish = request { Failpoint.workerSent.hit() }
      if answer == .welcome, let welcome = link.welcome {
        core.adopt(
          heartbeatInterval: welcome.heartbeatInterval, deadManTime: welcome.deadManTime,
          stallTime: welcome.stallTime)
        logger.info("joined \(options.join)", metadata: ["worker": "\(link.worker)"])
      }
      update { core, now, generator, effects in
        core.answered(request, answer, now: now, using: &generator, into: &effects)
      }
      forgetEnded(answer)
    } catch let refusal as Refusal {
      note(refusal, of: request, logs)
    } catch let error as WireError where error.code == .version {
      note(Refusal(error), of: request, logs)
    } catch {
      if let logs { outgoingLogs.putBack(logs) }
      endIfStuck(error)
      logger.debug("no answer: \(error)")
      await tellSilence()
      update { core, now, generator, _ in
        core.unanswered(request, now: now, using: &generator)
      }
    }
  }

  private func noteAnswer() {
    if isSilenceTold {
      logger.info("the coordinator answers again, after \(Int((now - lastAnswer).inSeconds)) s")
    }
    lastAnswer = now
    isSilenceTold = false
  }

  /// Says once that nothing comes back, and why.
  private func tellSilence() async {
    let silence = now - lastAnswer
    guard silence >= Self.silenceTime, !isSilenceTold else { return }
    isSilenceTold = true
    let reason = await link.diagnose()
    let left = max(0, Int((core.deadManTime - silence).inSeconds))
    let seconds = Int(silence.inSeconds)
    logger.warning(
      "no answer from the coordinator for \(seconds) s: \(reason); tried for \(left) s more")
  }

  private func note(_ refusal: Refusal, of request: FleetRequest, _ logs: OutgoingLogs.Batch?) {
    let scope = refusal.scope(of: request)
    // What is refused for good is refused with the same log events again.
    if let logs, scope == .moment { outgoingLogs.putBack(logs) }
    // What waits for people is said to them, once.
    let isNews = refusal.code == .limit && refusal.text != lastLimit
    if isNews { lastLimit = refusal.text }
    logger.log(
      level: scope == .moment && !isNews ? .debug : .warning,
      "the coordinator refused \(request.name): \(refusal.text)")
    update { core, now, generator, effects in
      core.refused(
        request, refusal.text, scope, now: now, using: &generator, into: &effects)
    }
  }

  /// libnng 1.5.2 can hang for the whole process: only a new process helps.
  private func endIfStuck(_ error: any Error) {
    guard let error = error as? TransportError, error.code == .closed, !isClosing else { return }
    carryOut(.exit(.refused("libnng hangs: start the worker again (\(error.context))")))
  }

  private func takeLogs(for request: FleetRequest) -> OutgoingLogs.Batch? {
    guard case .heartbeat = request else { return nil }
    return outgoingLogs.take()
  }

  /// Seals of leases that have ended are of no more use.
  private func forgetEnded(_ answer: FleetAnswer) {
    guard case .alive = answer else { return }
    let live = core.liveKeys
    seals = seals.filter { live.contains($0.key) }
  }

  private func upload(_ key: LeaseKey, from offset: UInt64) async {
    guard let partial = partials[key], let sealed = seals[key] else { return }
    do {
      Failpoint.workerSending.hit()
      try await send(partial, of: sealed, from: offset)
      update { core, now, generator, effects in
        core.uploaded(key)
        core.tick(now: now, using: &generator, into: &effects)
      }
    } catch let error as ObjectError {
      let reason = "the partial of shard \(key.shard) was not taken: \(error)"
      outgoingLogs.append(job: key.job, level: .error, reason)
      logger.error("\(reason)")
      update { core, now, generator, effects in
        core.uploadRefused(key, reason: error.context, now: now, into: &effects)
        core.tick(now: now, using: &generator, into: &effects)
      }
    } catch {
      logger.warning("the partial of shard \(key.shard) was not taken: \(error)")
      update { core, now, generator, effects in
        core.uploadFailed(key, now: now, using: &generator, into: &effects)
        core.tick(now: now, using: &generator, into: &effects)
      }
    }
  }

  /// Puts a partial where its job's merge looks for it: in the destination's object store, or with
  /// the coordinator.
  private func send(
    _ partial: FinishedPartial, of sealed: SealedGrant, from offset: UInt64
  ) async throws {
    let job = sealed.grant.job
    let request = try await jobs.context(of: job).request
    guard StagedPartials.areUsed(by: request) else {
      return try await link.upload(partial, for: sealed, from: offset)
    }
    let staged = try StagedPartials(request, job: job)
    try await ownThread { try staged.put(partial.name, read: partial.read) }
  }

  // MARK: Scoring

  private func start(_ grant: Grant, on index: Int) {
    let slot = ScoringSlot()
    slots[index] = slot
    guard let sealed = seals[grant.key] else {
      return ended(index, grant, .failed(.environment, "the lease's details are missing"))
    }
    if grant.lease.isSuspect {
      Task { await scoreApart(sealed, on: slot, index) }
    } else {
      Task { await score(sealed, on: slot, index) }
    }
  }

  private func score(_ sealed: SealedGrant, on slot: ScoringSlot, _ index: Int) async {
    let (link, options) = (link, options)
    let end: ScoringEnd
    do {
      let context = try await jobs.context(of: sealed.grant.job)
      guard slot.begin() else { return }  // stopped while the model was on its way
      end = await slot.run(named: "scoring \(index)") {
        scoreLease(sealed, context: context, slot: slot, link: link, options: options)
      }
    } catch let error as Unanswered {
      guard slot.begin() else { return }
      end = .failed(.environment, "no model from the coordinator \(error.context)")
    } catch {
      guard slot.begin() else { return }
      end = .failed(.modelUnusable, "\(error)")
    }
    ended(index, sealed.grant, end)
  }

  /// Scores a suspect lease in processes of its own.
  private func scoreApart(_ sealed: SealedGrant, on slot: ScoringSlot, _ index: Int) async {
    let job: FetchedJob
    do {
      job = try await fetch(sealed.grant.job)
    } catch {
      guard slot.begin() else { return }
      return ended(
        index, sealed.grant, .failed(.environment, "no model from the coordinator: \(error)"))
    }
    guard slot.begin() else { return }
    let (link, options, stallTime) = (link, options, core.stallTime)
    let end = await slot.run(named: "suspect \(index)") {
      scoreSuspect(
        sealed, of: job, slot: slot, link: link, options: options, stallTime: stallTime)
    }
    noteIsolation(slot.remarks, of: sealed.grant)
    ended(index, sealed.grant, end)
  }

  /// What a process apart has to know of a job.
  private func fetch(_ job: JobID) async throws -> FetchedJob {
    let fetched = try await link.configuration(of: job)
    let model = try await link.model(fetched.modelDigest, byteCount: fetched.modelByteCount)
    return FetchedJob(configuration: fetched.content, model: model)
  }

  private func noteIsolation(_ remarks: [String], of grant: Grant) {
    for remark in remarks {
      outgoingLogs.append(job: grant.job, level: .warning, "shard \(grant.lease.shard): \(remark)")
      logger.warning("shard \(grant.lease.shard): \(remark)")
    }
  }

  /// Stops a lease at its next block, or at once while its model is on its way.
  private func stop(_ index: Int, keepBlocks: Bool) {
    let slot = slots[index]
    slot.stop(keepBlocks: keepBlocks)
    guard let grant = core.slots[index].grant, slot.begin() else { return }
    ended(index, grant, .stopped)
  }

  private func ended(_ index: Int, _ grant: Grant, _ end: ScoringEnd) {
    switch end {
    case .scored(let result, let partial):
      partials[grant.key] = partial
      if let spool = options.spoolFolder { partial.offer(to: spool, job: grant.job) }
      update { core, now, generator, effects in
        core.scored(slot: index, result, now: now)
        core.tick(now: now, using: &generator, into: &effects)
      }
    case .stopped:
      update { core, now, generator, effects in
        core.stopped(slot: index)
        core.tick(now: now, using: &generator, into: &effects)
      }
    case .failed(.environment, let reason):
      outgoingLogs.append(
        job: grant.job, level: .error,
        "shard \(grant.lease.shard) is handed back, this machine cannot score it: \(reason)")
      logger.error("shard \(grant.lease.shard) is handed back: \(reason)")
      update { core, now, generator, effects in
        core.failedHere(slot: index, reason: reason, now: now, into: &effects)
        core.tick(now: now, using: &generator, into: &effects)
      }
    case .failed(let code, let reason):
      outgoingLogs.append(
        job: grant.job, level: .error, "shard \(grant.lease.shard): \(code.rawValue): \(reason)")
      update { core, now, generator, effects in
        core.failed(slot: index, code, reason: reason)
        core.tick(now: now, using: &generator, into: &effects)
      }
    }
  }
}

extension Refusal {
  /// What a refusal of a request is about: a wrong token or version ends the worker, as does a
  /// hello that is refused; a bad seal on one report does not, and where there are too many workers
  /// one may leave.
  fileprivate func scope(of request: FleetRequest) -> RefusalScope {
    switch (code, request) {
    case (.unavailable, _), (.limit, .hello): .moment
    case (.unauthorized, _), (.version, _), (_, .hello): .worker
    default: .request
    }
  }
}

extension FleetRequest {
  /// For people.
  fileprivate var name: String {
    switch self {
    case .hello: "the hello"
    case .acquire: "a request for leases"
    case .heartbeat: "a heartbeat"
    case .finish(_, let result): "the result of shard \(result.shard)"
    case .handBack(let key): "the hand-back of shard \(key.shard)"
    case .fail(let key, _, _): "the failure of shard \(key.shard)"
    case .goodbye: "the goodbye"
    }
  }
}
