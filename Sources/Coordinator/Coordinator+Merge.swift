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
import Scoring
import Tables
import Wire

/// From the last committed block to the published folder, and what is cleaned up after a job.
extension Coordinator {
  /// Merges and publishes a job, or finds that an earlier life of the coordinator did.
  func merge(_ id: JobID) async {
    let end: MergeWork.End
    do {
      guard var work = try mergeWork(id, commits: try commits(of: id)) else { return }
      work.ahead = aheads.removeValue(forKey: id)
      end = try await self.end(of: work)
    } catch {
      return self.end(CoordinatorError("job \(id) cannot be merged: \(error)"))
    }
    // A store that is not waited for because this process ends says nothing of the job.
    if case .blocked = end.outcome, StoreEnding.process.hasBegun { return }
    for warning in end.warnings { log(id, .warning, warning) }
    Failpoint.coordinatorPublished.hit()
    do {
      try await decideInTheEnd { core, now, effects in
        core.mergeEnded(id, end.outcome, now: now, into: &effects)
      }
    } catch {
      logger.error("the end of job \(id) is found again after a restart: \(error)")
    }
  }

  /// Notes between check and merge that a merge taken up again needs no input.
  private func end(of work: MergeWork) async throws -> MergeWork.End {
    if let end = await work.endWithoutMerge() { return end }
    if !work.inputsAreChecked {
      try await decideInTheEnd { _, _, effects in
        effects.append(.journal(.inputsChecked(work.job.id)))
      }
    }
    return await work.run()
  }

  private func mergeWork(_ id: JobID, commits: [CommittedBlocks]) throws -> MergeWork? {
    guard let job = core.jobs[id], let plan = core.tables[id]?.plan, let model = job.model else {
      return nil
    }
    return MergeWork(
      job: job, plan: plan, model: model, commits: commits,
      configuration: try plannedConfiguration(of: id),
      inputsAreChecked: try hasCheckedInputs(of: id), spoolFolder: spoolFolder,
      modelFolder: modelFolder, stager: stager, execution: try execution(of: job))
  }

  /// Has a job that was just planned merged as its blocks are committed.
  func mergeAhead(_ id: JobID) throws {
    guard aheads.count < MergeAhead.jobLimit, let work = try mergeWork(id, commits: []),
      work.job.phase == .scoring, !work.job.state.isTerminal, work.goesAhead
    else { return }
    aheads[id] = MergeAhead(of: work.plan, placing: work.placed, beginning: work.begin)
  }

  /// Tells the merges under way of entries that the journal has.
  func noteAhead(_ entries: [JournalEntry]) {
    for (id, ahead) in aheads {
      let own = entries.filter { entry in
        switch entry {
        case .commit(let job, _), .refute(let job, _): job == id
        case .submitted, .planned, .columns, .inputsChecked, .state, .charge, .published, .deleted:
          false
        }
      }
      if !own.isEmpty { ahead.note(own) }
    }
  }

  /// What varies from run to run, for the receipt.
  private func execution(of job: Job) throws -> JSONValue {
    let elapsed = job.startedAt.map { now - $0 } ?? .zero
    let cost = try core.cost(of: job.id, costs).map { try JSONEncoder.sorted.encode($0).bytes }
    return .members([
      "modelPath": .string(job.request.model),
      "submitted": .string(OutputName.timestamp(job.createdNanoseconds)),
      "merged": .string(OutputName.timestamp(wallClockNanoseconds())),
      "elapsedMilliseconds": .integer(elapsed.milliseconds),
      "recordsPerSecond": .number(
        (Double(job.counts.total) / max(elapsed.inSeconds, 1e-3)).rounded()),
      "coordinatorStarts": .unsigned(startCount),
      "workers": .unsigned(UInt64(core.sessions.count)),
      "leases": .unsigned(UInt64(job.grantCount)),
      "repeatedResults": .unsigned(UInt64(job.repeatedResultCount)),
      "cost": cost.map { .verbatim($0) } ?? .null,
    ])
  }

  /// Removes what a job that has ended leaves: its partials, and what was merged of them and is not
  /// published.
  ///
  /// The spool's folder goes last: as long as it is there, the next life does all of this again.
  func cleanUp(_ id: JobID) async {
    let (unpublished, request) = (unpublishedWork(of: id), core.jobs[id]?.request)
    snapshots.removeValue(forKey: id)?.close()
    core.forgetShards(of: id)
    if let ahead = aheads.removeValue(forKey: id) { await abandon(ahead) }
    for spool in spools { await spool.forget(id) }
    async let discarded: Void = discard(unpublished)
    if let request { await removeStaged(request, job: id) }
    await discarded
    await removeAll([Spooling.folder(of: id, in: spoolFolder)])
    cleanUps[id] = nil
  }

  /// What may have been merged of a job that has ended without a publication.
  ///
  /// Asked for while the job's plan is still known; `nil` where nothing can have been merged.
  func unpublishedWork(of id: JobID) -> MergeWork? {
    defer { configurations[id] = nil }  // nobody asks for it any more
    guard core.jobs[id]?.folder == nil else { return nil }
    do {
      return try mergeWork(id, commits: [])
    } catch {
      logger.warning("what was merged of job \(id) stays: \(error)")
      return nil
    }
  }

  /// Whether there are partials of a job, or a life ended before it had removed them.
  func hasSpool(_ id: JobID) -> Bool {
    FileManager.default.fileExists(atPath: Spooling.folder(of: id, in: spoolFolder))
  }

  private nonisolated func discard(_ work: MergeWork?) async {
    guard let work else { return }
    do {
      try await offPool { try work.discard() }
    } catch {
      logger.warning("what was merged of job \(work.job.id) stays: \(error)")
    }
  }

  nonisolated func abandon(_ ahead: MergeAhead) async {
    do {
      try await ownThread { ahead.abandon() }
    } catch {
      logger.warning("a merge cannot be given up: \(error)")
    }
  }

  /// Removes a job's partials from its object store; what stays there for trouble is found by
  /// `nightshift sweep`.
  private nonisolated func removeStaged(_ request: JobRequest, job: JobID) async {
    guard StagedPartials.areUsed(by: request) else { return }
    do {
      try await ownThread { try StagedPartials(request, job: job).removeAll() }
    } catch {
      logger.warning("partials stay in \(request.outputConfig.uri): \(error)")
    }
  }

  /// Removes the partials that a worker put into an object store after their job had ended: it was
  /// at that when the job was cancelled, and reports them only now.
  ///
  /// None while the id is being given to another job, whose partials would be there too.
  func removeLatePartials(of id: JobID) {
    guard submissions[id] == nil, core.jobs[id]?.state.isTerminal != false,
      let request = core.jobs[id]?.request ?? deletedRequests[id],
      StagedPartials.areUsed(by: request),
      lateRemovals.updateValue(true, forKey: id) == nil
    else { return }
    Task {
      while lateRemovals[id] == true {
        lateRemovals[id] = false
        await removeStaged(request, job: id)
      }
      lateRemovals[id] = nil
    }
  }

  /// Removes what is left of jobs that ended before a crash could clean up after them.
  ///
  /// - Parameter ended: What may have been merged of such jobs, by job.
  func removeOrphans(_ ended: [JobID: MergeWork]) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: spoolFolder)) ?? []
    let orphans = names.filter(isOrphan)
    let requests = orphans.map { JobID($0).flatMap { core.jobs[$0]?.request } }
    let removal = Task {
      for (name, request) in zip(orphans, requests) {
        let id = JobID(name)
        if let id {
          await discard(ended[id])
          if let request { await removeStaged(request, job: id) }
        }
        await removeAll(["\(spoolFolder)/\(name)"])
        if let id { cleanUps[id] = nil }
      }
    }
    // None of them is taken in again meanwhile.
    for id in orphans.compactMap({ JobID($0) }) { cleanUps[id] = removal }
  }

  /// Whether a folder of the spool is of no job, or of one that has ended.
  private func isOrphan(_ name: String) -> Bool {
    guard let id = JobID(name), let job = core.jobs[id] else { return true }
    return job.state.isTerminal
  }

  /// Waits until nothing more is removed of a job that had the id before.
  ///
  /// - Returns: False where that takes longer than `limit`.
  func isFree(_ id: JobID, within limit: Duration) async -> Bool {
    let end = now + limit
    while ending.contains(id) || cleanUps[id] != nil || lateRemovals[id] != nil {
      guard now < end, !Task.isCancelled else { return false }
      try? await Task.sleep(for: .milliseconds(20))  // cancelled: seen at once
    }
    return true
  }

  nonisolated func removeAll(_ folders: [String]) async {
    do {
      try await offPool {
        for folder in folders where FileManager.default.fileExists(atPath: folder) {
          try FileManager.default.removeItem(atPath: folder)
        }
      }
    } catch {
      logger.warning("a spool folder cannot be removed: \(error.localizedDescription)")
    }
  }
}
