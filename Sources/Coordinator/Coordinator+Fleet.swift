import CoordinatorCore
import Database
import Executors
import Failpoints
import Foundation
import Jobs
import Leasing
import Logging
import ObjectStore
import Partials
import Tables
import Transport
import Wire

/// The fleet plane: workers' requests on the control listener.
extension Coordinator {
  func answer(_ envelope: FleetEnvelope) async -> FleetAnswerBody {
    let worker = envelope.worker
    if let connection = Server.connection { note(connection, of: worker) }
    do {
      switch envelope.body {
      case .hello(let name, let host, let threadCount, _, _):
        return try await hello(worker, name: name, host: host, threadCount: threadCount)
      case .acquire(let limit): return try await acquire(worker, limit: limit)
      case .heartbeat(let heartbeat): return try await note(heartbeat, from: worker)
      case .finish(let leases): return .finish(try await finish(leases, worker: worker))
      case .handBack(let lease):
        guard accepts(lease, from: worker) else { return .refusal(Self.sealRefusal) }
        await ended(lease.grant.key, of: worker)
        try await decide { core, _, _ in core.handBack(lease.grant.key, worker: worker) }
        return .done
      case .fail(let lease, let code, let reason):
        return try await fail(lease, code, reason: reason, worker: worker)
      case .goodbye:
        if fleet != nil, let name = core.sessions[worker]?.name { departures.append(name) }
        try await decide { core, _, _ in core.goodbye(worker) }
        await forget(worker)
        return .done
      case .nonce: return .refusal(Refusal(code: .malformed, text: "a nonce needs no session"))
      case .configuration(let job, let offset):
        return try await configuration(of: job, from: offset)
      }
    } catch {
      return .refusal(Refusal(code: .unavailable, text: "\(error)"))
    }
  }

  private static let sealRefusal = Refusal(
    code: .seal, text: "the lease was not given by this coordinator's state folder")

  /// Whether a lease is the asker's, and was given by a coordinator of this state folder.
  private func accepts(_ lease: SealedLease, from worker: WorkerID) -> Bool {
    lease.grant.lease.worker == worker && seal.accepts(lease.grant, seal: lease.seal)
  }

  // MARK: Connections

  private func note(_ connection: Int32, of worker: WorkerID) {
    // Of requests that were answered after their connection had ended; the others come back.
    if connections.count > 2 * Limits.workers { connections.removeAll() }
    connections[connection] = worker
  }

  /// A connection of the control listener has ended: its worker has a heartbeat's time to come back.
  func lost(_ connection: Int32) async {
    guard let worker = connections.removeValue(forKey: connection),
      !connections.values.contains(worker)
    else { return }
    // Without the journal nothing is decided; the lease then ends by itself.
    try? await decide { [options] core, now, _ in
      core.lostConnection(of: worker, time: options.heartbeatInterval * 1.1, now: now)
    }
  }

  /// The worker processes of a name have died, as their parent knows for certain.
  ///
  /// - Parameters:
  ///   - name: What they called themselves.
  ///   - cause: For people, such as "its worker died of signal 11".
  /// - Returns: Whether that counts against a shard.
  package func died(named name: String, of cause: String) async -> Bool {
    let workers = core.sessions.values.filter { $0.name == name }.map(\.worker).sorted()
    for worker in workers { statistics[worker] = nil }
    do {
      return try await decide { core, now, effects in
        var isCharged = false
        for worker in workers {
          let counts = core.died(worker, because: cause, now: now, into: &effects)
          isCharged = isCharged || counts
        }
        return isCharged
      }
    } catch {
      return false  // their leases then end by themselves
    }
  }

  private func hello(
    _ worker: WorkerID, name: String, host: String, threadCount: Int
  ) async throws -> FleetAnswerBody {
    let answer = try await decide { core, now, _ in
      core.hello(worker, name: name, host: host, threadCount: threadCount, now: now)
    }
    switch answer {
    case .refused(let reason): return .refusal(Refusal(code: .limit, text: reason))
    case .welcome:
      return .welcome(
        Welcome(
          incarnation: incarnation, heartbeatInterval: options.heartbeatInterval,
          leaseDuration: options.leaseDuration, deadManTime: options.deadManTime,
          stallTime: options.stallTime, bulkPort: bulkPort,
          versionText: CoordinatorOptions.versionText))
    }
  }

  // MARK: Grants

  private func acquire(_ worker: WorkerID, limit: Int) async throws -> FleetAnswerBody {
    var answer = try await grants(to: worker, limit: limit)
    if case .wait = answer, await workComes() {
      answer = try await grants(to: worker, limit: limit)
    }
    switch answer {
    case .wait: return .wait(idleWait)
    case .unknownWorker: return .unknownWorker
    case .drain: return .drain
    case .grants(let grants):
      Failpoint.coordinatorGranting.hit()
      return try await details(of: grants, for: worker)
    }
  }

  /// What the core grants, within what the worker may hold.
  private func grants(
    to worker: WorkerID, limit: Int
  ) async throws -> CoordinatorCore.AcquireAnswer {
    try await decide { core, now, effects in
      let room = ledgers[worker, default: LeaseLedger()].room(now: now)
      guard room > 0 else { return .wait }
      let answer = core.acquire(worker, leaseLimit: min(limit, room), now: now, into: &effects)
      if case .grants(let grants) = answer {
        let end = now + options.leaseDuration
        for grant in grants { ledgers[worker]?.note(grant.key, until: end) }
      }
      return answer
    }
  }

  /// Waits for work; false where there is none in time.
  private func workComes() async -> Bool {
    // It may have come while the answer waited for the journal.
    guard !core.hasPendingBlocks else { return true }
    return await idle.wait(atMost: idleWait)
  }

  /// How long idle workers wait: together they ask at most 500 times a second.
  private var idleWait: Duration {
    .milliseconds(max(100, core.sessions.count * 2))
  }

  /// Adds what the worker needs to read the input; a changed input fails its job instead.
  private func details(
    of grants: [Grant], for worker: WorkerID
  ) async throws -> FleetAnswerBody {
    var plans: [JobID: Plan] = [:]
    for grant in grants where plans[grant.job] == nil {
      plans[grant.job] = core.tables[grant.job]?.plan
    }
    let sealed = try await offPool { [plans, probes, seal, now] in
      SealedGrants(grants, plans: plans, probes: probes, seal: seal, now: now)
    }
    for failure in sealed.failures { try await failJob(failure.job, reason: failure.reason) }
    if !sealed.unused.isEmpty {
      try await decide { core, _, _ in
        for grant in sealed.unused {
          ledgers[worker]?.forget(grant.key)
          core.handBack(grant.key, worker: worker)
        }
      }
    }
    return sealed.fitting.isEmpty ? .wait(idleWait) : .grants(sealed.fitting)
  }

  func failJob(_ id: JobID, reason: String) async throws {
    try await decide { core, now, effects in
      core.fail(id, reason: reason, now: now, into: &effects)
    }
  }

  // MARK: Reports

  private func note(
    _ heartbeat: Heartbeat, from worker: WorkerID
  ) async throws -> FleetAnswerBody {
    let name = core.sessions[worker]?.name ?? worker.description
    for event in heartbeat.events {
      guard let job = event.job, core.jobs[job] != nil else { continue }
      log(job, event.level, event.message, source: name)
    }
    noteDropped(heartbeat)
    statistics[worker] = core.sessions[worker] == nil ? nil : heartbeat.statistics
    let forged = heartbeat.held.filter { !accepts($0.lease, from: worker) }
    let held = heartbeat.held.filter { accepts($0.lease, from: worker) }.map(\.held)
    let answer = try await decide { core, now, effects in
      let answer = core.heartbeat(worker, held: held, now: now, into: &effects)
      let end = now + options.leaseDuration
      for lease in held {
        ledgers[worker, default: LeaseLedger()].note(lease.grant.key, until: end)
      }
      return answer
    }
    switch answer {
    case .unknownWorker: return .unknownWorker
    case .alive(let revoked, let shortened, let drain):
      for key in revoked { ledgers[worker]?.forget(key) }
      return .alive(
        revoked: revoked + forged.map(\.lease.grant.key), shortened: shortened, drain: drain)
    }
  }

  /// Counts what a worker dropped, once for each job that its heartbeat tells of.
  private func noteDropped(_ heartbeat: Heartbeat) {
    guard heartbeat.droppedCount > 0 else { return }
    let jobs = Set(heartbeat.events.compactMap(\.job) + heartbeat.held.map(\.lease.grant.job))
    for job in jobs where core.jobs[job] != nil { logs[job]?.noteDropped(heartbeat.droppedCount) }
  }

  private func fail(
    _ lease: SealedLease, _ code: FailureCode, reason: String, worker: WorkerID
  ) async throws -> FleetAnswerBody {
    guard accepts(lease, from: worker) else { return .refusal(Self.sealRefusal) }
    let job = lease.grant.job
    await ended(lease.grant.key, of: worker)
    // The worker's word alone does not end a job: look at the input ourselves.
    if code == .inputChanged, let plan = core.tables[job]?.plan {
      let input = plan.inputs[plan.inputIndex(of: lease.grant.lease.shard)]
      // Not on this actor's thread: a network file system may hang.
      let snapshot = snapshots[job]
      let change = try await ownThread {
        InputAccess.isDatabase(input.path)
          ? Self.loss(of: snapshot) : PinnedInput.change(of: input)
      }
      if let change {
        try await failJob(job, reason: change)
        return .done
      }
    }
    try await decide { core, now, effects in
      core.fail(
        lease.grant.key, worker: worker, reason: "\(code.rawValue): \(reason)", now: now,
        into: &effects)
    }
    return .done
  }

  // MARK: Results

  /// Takes the results of one message, in their order, in one transaction of the journal.
  private func finish(
    _ leases: [FinishedLease], worker: WorkerID
  ) async throws -> [FinishAnswer] {
    var answers: [FinishAnswer?] = []
    for lease in leases { answers.append(await obstacle(to: lease, worker: worker)) }
    // An `already` may rest on a commit that is not durable yet: it waits for the same sync.
    let final = try await decide { [answers] core, now, effects in
      zip(leases, answers).map { lease, answer in
        if case .refused(let reason) = answer {
          core.fail(
            lease.lease.grant.key, worker: worker, reason: "its result was refused: \(reason)",
            now: now, into: &effects)
        }
        if answer == .already {
          core.noteRepeated(lease.lease.grant.job, lease.result, worker: worker)
        }
        return answer
          ?? core.finish(
            lease.lease.grant.job, lease.result, worker: worker, now: now, into: &effects)
      }
    }
    for (lease, answer) in zip(leases, final) where accepts(lease.lease, from: worker) {
      switch answer {
      case .committed, .already, .wrongState, .refused:
        await ended(lease.lease.grant.key, of: worker)
      case .sendPieces, .spoolFull: break
      }
    }
    return final
  }

  /// What is answered instead of taking a result; its partial is durable where there is nothing.
  private func obstacle(to finished: FinishedLease, worker: WorkerID) async -> FinishAnswer? {
    guard accepts(finished.lease, from: worker) else { return .refused(Self.sealRefusal.text) }
    let (job, result) = (finished.lease.grant.job, finished.result)
    if let answer = core.preview(job, result) {
      if case .refused = answer { removeLatePartials(of: job) }
      return answer
    }
    guard result.partial.byteCount > 0 || !options.acceptsEmptyPartials else { return nil }
    return await secure(result, job: job)
  }

  /// For so long a worker's report waits for an object store: each one that waits holds one of the
  /// contexts that answer everybody.
  private static let securingTime = Duration.seconds(1)

  /// Makes the partial durable and checks that it says what the result says; an answer where that
  /// cannot be done now.
  private func secure(_ result: ShardResult, job: JobID) async -> FinishAnswer? {
    let name = result.partial
    if let request = core.jobs[job]?.request, StagedPartials.areUsed(by: request) {
      let task = securing[name] ?? Task { await secureStaged(result, job: job, request) }
      securing[name] = task
      // A store may take minutes to answer; the worker asks again.
      return await value(of: task, within: Self.securingTime) ?? .spoolFull
    }
    do throws(Spool.Failure) {
      let held = await spool(for: name).heldByteCount(of: name, job: job)
      guard held == name.byteCount else { return .sendPieces(from: held) }
      guard try await spool(for: name).complete(name, job: job) else {
        return .sendPieces(from: 0)
      }
    } catch {
      return answer(to: error, job: job)
    }
    let path = Spooling.path(of: name, job: job, in: spoolFolder)
    do {
      let problem = try await offPool { checkPartial(at: path, against: result, job: job) }
      if let problem { return .refused(problem) }
    } catch {
      return .refused("\(error)")
    }
    isSpoolFull = false
    return nil
  }

  /// The same where the job's partials are in an object store.
  private func secureStaged(
    _ result: ShardResult, job: JobID, _ request: JobRequest
  ) async -> FinishAnswer? {
    defer { securing[result.partial] = nil }
    do {
      return try await ownThread {
        let staged = try StagedPartials(request, job: job)
        guard try staged.holds(result.partial) else { return .sendPieces(from: 0) }
        return difference(of: try staged.header(of: result.partial), to: result, job: job)
          .map { .refused($0) }
      }
    } catch {
      guard !StoreEnding.process.hasBegun else { return .spoolFull }
      log(job, .error, "the object store does not answer: \(error)")
      if let error = error as? ObjectError { await pause(job, because: error) }
      return .spoolFull  // the worker keeps its partial and asks again
    }
  }

  /// Pauses a job whose object store does not do what was asked, after all retries.
  private func pause(_ job: JobID, because error: ObjectError) async {
    await pause(job, reason: "\(error.context); then resume the job")
  }

  func pause(_ job: JobID, reason: String) async {
    do {
      try await decide { core, _, effects in
        try core.pause(job, reason: reason, into: &effects)
      }
    } catch {
      logger.debug("job \(job) is not paused: \(error)")  // it is no more at work
    }
  }

  private func answer(to failure: Spool.Failure, job: JobID) -> FinishAnswer {
    switch failure {
    case .full(let text):
      noteFullSpool(text, job: job)
      return .spoolFull
    case .refused(let text): return .refused(text)
    case .broken(let text):
      log(job, .error, "the spool is broken: \(text)")
      return .spoolFull
    }
  }

  /// Says once that the spool is full; workers keep their partials and ask again.
  func noteFullSpool(_ text: String, job: JobID) {
    guard !isSpoolFull else { return }
    isSpoolFull = true
    // What was merged ahead takes space too, and can be merged again.
    if let ahead = aheads.removeValue(forKey: job) { Task { await abandon(ahead) } }
    log(job, .error, "the spool is full: \(text); free some space, the job goes on by itself")
  }

  nonisolated func spool(for name: PartialName) -> Spool {
    spools[Int(name.digest.words[0] % UInt64(spools.count))]
  }

  // MARK: Configurations

  private func configuration(
    of job: JobID, from offset: UInt64
  ) async throws -> FleetAnswerBody {
    guard let request = core.jobs[job]?.request, let model = core.jobs[job]?.model,
      let plan = core.tables[job]?.plan
    else { return .refusal(Refusal(code: .notFound, text: "no job \(job) that can be run")) }
    let content: [UInt8]
    if let known = try plannedConfiguration(of: job) {
      content = known
    } else {
      content = try await offPool {
        try JSONEncoder.sorted.encode(JobPlanner.configuration(of: request, plan)).bytes
      }
      configurations[job] = content
    }
    let start = Int(min(offset, UInt64(content.count)))
    let end = min(content.count, start + WireLimits.configurationPartByteCount)
    return .configuration(
      ConfigurationPart(
        totalByteCount: UInt64(content.count), offset: UInt64(start),
        bytes: Array(content[start..<end]), modelDigest: model.digest,
        modelByteCount: model.byteCount))
  }
}

/// What is wrong with a partial that a worker announced; `nil` if it says what the result says.
private func checkPartial(at path: String, against result: ShardResult, job: JobID) -> String? {
  do {
    return difference(of: try PartialReader(path: path).header, to: result, job: job)
  } catch {
    return "the partial cannot be read: \(error)"
  }
}

/// What a partial's header says that its result does not; `nil` if they agree.
private func difference(
  of header: PartialHeader, to result: ShardResult, job: JobID
) -> String? {
  let isSame =
    header.name == result.partial && header.job == job && header.shard == result.shard
    && header.attempt == result.attempt && header.range == result.blocks
    && header.entry == result.entry
    && header.blocks.map { BlockResult(counts: $0.counts, exit: $0.exit) } == result.results
  return isSame ? nil : "the partial's header does not say what its result says"
}
