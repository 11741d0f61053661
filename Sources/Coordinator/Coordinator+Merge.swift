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

/// From the last committed block to the published folder, and what is cleaned up after a job.
extension Coordinator {
  /// Merges and publishes a job, or finds that an earlier life of the coordinator did.
  func merge(_ id: JobID) async {
    guard let job = core.jobs[id], let plan = core.tables[id]?.plan, let model = job.model else {
      return
    }
    let end: MergeWork.End
    do {
      let work = MergeWork(
        job: job, plan: plan, model: model, commits: try commits(of: id),
        configuration: configurations[id], spoolFolder: spoolFolder, modelFolder: modelFolder,
        execution: execution(of: job))
      end = await work.run()
    } catch {
      return self.end(CoordinatorError("job \(id) cannot be read from the journal: \(error)"))
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

  /// What varies from run to run, for the receipt.
  private func execution(of job: Job) -> JSONValue {
    let elapsed = job.startedAt.map { now - $0 } ?? .zero
    return .members([
      "submitted": .string(OutputName.timestamp(job.createdNanoseconds)),
      "merged": .string(OutputName.timestamp(wallClockNanoseconds())),
      "elapsedMilliseconds": .integer(elapsed.milliseconds),
      "recordsPerSecond": .number(
        (Double(job.counts.total) / max(elapsed.inSeconds, 1e-3)).rounded()),
      "coordinatorStarts": .unsigned(UInt64(incarnation.rawValue)),
      "workers": .unsigned(UInt64(core.sessions.count)),
      "leases": .unsigned(UInt64(job.grantCount)),
      "repeatedResults": .unsigned(UInt64(job.repeatedResultCount)),
    ])
  }

  /// Removes what a job that has ended leaves: its partials and the staging folder.
  func cleanUp(_ id: JobID) async {
    configurations[id] = nil
    snapshots.removeValue(forKey: id)?.close()
    core.forgetShards(of: id)
    for spool in spools { await spool.forget(id) }
    let folders = [Spool.folder(of: id, in: spoolFolder)]
    await removeAll(folders)
    if let request = core.jobs[id]?.request { await removeStaged(request, job: id) }
    cleanUps[id] = nil
  }

  /// Removes a job's partials from its object store; what stays there for trouble is found by
  /// `nightshift sweep`.
  private nonisolated func removeStaged(_ request: JobRequest, job: JobID) async {
    guard StagedPartials.areUsed(by: request) else { return }
    do {
      try await offPool { try StagedPartials(request, job: job).removeAll() }
    } catch {
      logger.warning("partials stay in \(request.outputConfig.uri): \(error)")
    }
  }

  /// Removes partials of jobs that ended before a crash could clean them up.
  func removeOrphans() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: spoolFolder)) ?? []
    let orphans = names.filter { name in
      guard let id = JobID(name), let job = core.jobs[id] else { return true }
      return job.state.isTerminal
    }
    let folders = orphans.map { "\(spoolFolder)/\($0)" }
    Task { await removeAll(folders) }
  }

  private nonisolated func removeAll(_ folders: [String]) async {
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
