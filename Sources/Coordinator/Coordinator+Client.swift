import CoordinatorCore
import Database
import Destinations
import Executors
import Failpoints
import Foundation
import Jobs
import Leasing
import Logging
import ObjectStore
import Partials
import Tables
import Wire

/// The client plane: what the command line asks.
extension Coordinator {
  func answer(_ envelope: ClientEnvelope) async -> ClientAnswer {
    do {
      return try await answer(envelope.body)
    } catch let refusal as Refusal {
      return .refusal(refusal)
    } catch let refusal as CoordinatorCore.Refusal {
      return .refusal(Refusal(refusal))
    } catch {
      return .refusal(Refusal(code: .unavailable, text: "\(error)"))
    }
  }

  private func answer(_ request: ClientRequest) async throws -> ClientAnswer {
    switch request {
    case .submit(let id, let bytes, let asksAgain):
      return try await submit(id, bytes, asksAgain: asksAgain)
    case .list(let after, let limit, let states):
      return list(after: after, limit: limit, states: states)
    case .describe(let id): return try describe(id)
    case .logs(let id, let cursor, let limit): return try logs(of: id, after: cursor, limit)
    case .cancel(let id):
      try await decide { core, now, effects in try core.cancel(id, now: now, into: &effects) }
    case .pause(let id):
      try await decide { core, _, effects in
        try core.pause(id, reason: "paused by the user", into: &effects)
      }
    case .resume(let id), .retry(let id):
      try await decide { core, _, effects in try core.resume(id, into: &effects) }
    case .delete(let id):
      let request = core.jobs[id]?.request
      try await decide { core, _, effects in try core.delete(id, into: &effects) }
      if let request, StagedPartials.areUsed(by: request) { deletedRequests.append(id, request) }
      logs[id] = nil
      configurations[id] = nil
      zeroSeconds[id] = nil
      costs.forget(id)
    case .workers(let after, let limit): return workers(after: after, limit: limit)
    case .fleet(let request):
      guard let fleet else {
        throw Refusal(
          code: .notFound, text: "this coordinator starts no workers: start it with --fleet")
      }
      return .fleet(try JSONEncoder.sorted.encode(await fleet.answer(request)).bytes)
    case .ping:
      return .pong(
        Pong(
          versionText: CoordinatorOptions.versionText, incarnation: incarnation, uptime: upTime,
          warnings: warnings))
    }
    return .done
  }

  // MARK: Planning

  /// Plans a job that was taken in, also after a restart.
  func plan(_ id: JobID) async {
    guard let job = core.jobs[id] else { return }
    Failpoint.coordinatorPlanning.hit()
    let planner = planner(of: job.request, id)
    do {
      // What submitting found out is used once; after a restart the job is planned again.
      var planned = prepared.removeValue(forKey: id)
      if planned == nil { planned = try await ownThread { try planner.plan() } }
      guard let planned else { return }
      guard isToBePlanned(job) else {
        planned.snapshot?.close()
        return removeUnusedModels()
      }
      snapshots[id] = planned.snapshot
      configurations[id] = try JSONEncoder.sorted.encode(planned.configuration).bytes
      let columns = PlannedColumns(
        names: planned.configuration.columns, types: planned.configuration.types)
      // Before there is work. Without the folder partials come in pieces, which say what is wrong.
      // It also tells the next life that there is something to clean up, wherever partials are.
      try? await spools[0].open(id)
      try await decideInTheEnd { core, _, effects in
        core.planned(id, planned.plan, planned.model, columns, into: &effects)
        effects += planned.notes.map { .log(id, .info, $0) }
      }
      try mergeAhead(id)
    } catch {
      // The next life plans it again: this end says nothing of the job.
      guard !StoreEnding.process.hasBegun, isToBePlanned(job) else { return }
      await failQuietly(id, reason: "\(error)")
    }
  }

  /// Whether a job is still to be planned: it may have been cancelled meanwhile and cleaned up, and
  /// even deleted, so that another has its id.
  private func isToBePlanned(_ job: Job) -> Bool {
    guard let found = core.jobs[job.id] else { return false }
    return !found.state.isTerminal && found.createdNanoseconds == job.createdNanoseconds
  }

  /// Fails a job that nobody asks about at the moment.
  func failQuietly(_ id: JobID, reason: String) async {
    do {
      try await decideInTheEnd { core, now, effects in
        core.fail(id, reason: reason, now: now, into: &effects)
      }
    } catch {
      logger.error("job \(id) could not be failed: \(error)")
    }
  }

  // MARK: Looking

  private func list(after: JobID?, limit: Int, states: [JobState]) -> ClientAnswer {
    let start = after.flatMap { core.order.firstIndex(of: $0) }.map { $0 + 1 } ?? 0
    let chosen = core.order[start...].filter { id in
      states.isEmpty || told(of: id).map { states.contains($0.state) } == true
    }
    let page = chosen.prefix(min(limit, WireLimits.jobsPerPage)).compactMap(summary)
    let fitting = Array(page.prefix(FrameFit.count(of: page)))
    return .jobs(fitting, next: fitting.count < chosen.count ? fitting.last?.id : nil)
  }

  private func describe(_ id: JobID) throws -> ClientAnswer {
    guard let job = told(of: id), let summary = summary(id) else {
      throw CoordinatorCore.Refusal.noSuchJob
    }
    let details = JobDetails(
      request: job.request, modelDigest: job.model?.digest.hexadecimal,
      modelByteCount: job.model?.byteCount,
      inputs: core.tables[id]?.plan.inputs.prefix(JobDetails.inputLimit).map(\.path),
      inputCount: core.extent(of: id)?.inputCount,
      resultFileCount: core.extent(of: id)?.resultFileCount,
      cost: core.cost(of: id, costs), zeroAfterSeconds: zeroSeconds[id],
      awaitsZero: awaitingZero.contains(id) ? true : nil)
    let bytes = try JSONEncoder.sorted.encode(details).bytes
    return .description(summary, details: bytes)
  }

  private func logs(of id: JobID, after cursor: UInt64, _ limit: Int) throws -> ClientAnswer {
    guard let job = told(of: id) else { throw CoordinatorCore.Refusal.noSuchJob }
    let log = logs[id] ?? JobLog()
    return .logs(
      log.page(
        after: cursor, limit: min(limit, WireLimits.eventsPerPage),
        isEnded: job.state.isTerminal))
  }

  private func workers(after: WorkerID?, limit: Int) -> ClientAnswer {
    let all = core.sessions.values.sorted { $0.worker < $1.worker }
      .filter { session in after.map { session.worker > $0 } ?? true }
    let page = all.prefix(min(limit, WireLimits.workersPerPage)).map { session in
      var summary = WorkerSummary(
        id: session.worker, name: session.name, threadCount: UInt32(session.threadCount))
      summary.leaseCount = UInt32(session.leaseCount)
      summary.recordCount = session.recordCount
      summary.byteCount = statistics[session.worker]?.byteCount ?? 0
      summary.processorMilliseconds = statistics[session.worker]?.processorMilliseconds ?? 0
      summary.joinedMillisecondsAgo = UInt64(max(0, (now - session.joined).milliseconds))
      summary.seenMillisecondsAgo = UInt64(max(0, (now - session.lastSeen).milliseconds))
      summary.isDraining = session.isDraining
      return summary
    }
    let fitting = Array(page.prefix(FrameFit.count(of: page)))
    return .workers(fitting, next: fitting.count < all.count ? fitting.last?.id : nil)
  }

  /// A job as a client may hear of it: what is not in the journal yet has not happened.
  private func told(of id: JobID) -> Job? { core.jobs[id].map { durable.told(of: $0) } }

  func summary(_ id: JobID) -> JobSummary? {
    guard let job = told(of: id) else { return nil }
    var summary = JobSummary(
      id: id, displayName: job.request.displayName, state: job.state, phase: job.phase,
      createdNanoseconds: job.createdNanoseconds, errorThreshold: job.request.errorThreshold)
    summary.reason = job.reason.isEmpty ? waitReasons[id] ?? "" : job.reason
    summary.counts = job.counts
    summary.resultFolder = job.folder
    summary.grantCount = UInt64(job.grantCount)
    summary.repeatedResultCount = UInt64(job.repeatedResultCount)
    summary.workerCount = UInt32(core.sessions.count)
    if let started = job.startedAt {
      let elapsed = (job.endedAt ?? now) - started
      summary.elapsedMilliseconds = UInt64(max(0, elapsed.milliseconds))
      let seconds = max(elapsed.inSeconds, 1e-3)
      summary.recordsPerSecond = Double(job.counts.total) / seconds
    }
    if let extent = core.extent(of: id) { Self.add(extent, to: &summary) }
    return summary
  }

  private static func add(_ extent: JobExtent, to summary: inout JobSummary) {
    summary.shardCount = UInt64(extent.shardCount)
    summary.committedShardCount = UInt64(extent.committedShardCount)
    summary.failedShardCount = UInt64(extent.failedShardCount)
    summary.blockCount = UInt64(extent.blockCount)
    summary.confirmedBlockCount = UInt64(extent.confirmedBlockCount)
    summary.provisionalBlockCount = UInt64(
      max(0, extent.committedBlockCount - extent.confirmedBlockCount))
    summary.leasedBlockCount = UInt64(extent.leasedBlockCount)
    summary.inputByteCount = extent.inputByteCount
    // Blocks are of one size but for the last ones: good enough for a progress bar.
    let share = Double(extent.confirmedBlockCount) / Double(max(1, extent.blockCount))
    summary.doneByteCount = UInt64(Double(extent.inputByteCount) * share)
  }
}

/// What `describe` shows beside the summary.
struct JobDetails: Codable {
  /// Names of inputs that fit in a frame beside the rest.
  static let inputLimit = 20

  let request: JobRequest
  let modelDigest: String?
  let modelByteCount: UInt64?
  let inputs: [String]?
  let inputCount: Int?
  let resultFileCount: Int?
  let cost: JobCost?
  /// From the job's end until nothing of the fleet was left.
  let zeroAfterSeconds: Double?
  let awaitsZero: Bool?
}

extension Refusal {
  init(_ refusal: CoordinatorCore.Refusal) {
    switch refusal {
    case .noSuchJob: self.init(code: .notFound, text: "there is no such job")
    case .alreadyExists:
      self.init(code: .alreadyExists, text: "another job has this id")
    case .tooManyJobs:
      self.init(code: .limit, text: "\(Limits.openJobs) jobs are open: wait for some to end")
    case .state(let state):
      self.init(code: .state, text: "the job is \(state.rawValue), which does not allow this")
    }
  }
}

extension JSONEncoder {
  /// One form for one value.
  static var sorted: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return encoder
  }
}

extension Data {
  var bytes: [UInt8] { Array(self) }
}
