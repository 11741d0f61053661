import CoordinatorCore

import Executors
import Failpoints
import Foundation
import Jobs
import Leasing
import Logging
import Scoring
import Tables

/// From the last committed block to the published folder, and what is cleaned up after a job.
extension Coordinator {
  /// Merges and publishes a job, or finds that an earlier life of the coordinator did.
  func merge(_ id: JobID) async {
    guard let job = core.jobs[id], let plan = core.tables[id]?.plan, let model = job.model else {
      return
    }
    let outcome: CoordinatorCore.MergeOutcome
    do {
      let work = MergeWork(
        job: job, plan: plan, model: model, commits: try commits(of: id),
        spoolFolder: spoolFolder, modelFolder: modelFolder,
        execution: execution(of: job))
      outcome = await work.run()
    } catch {
      return end(CoordinatorError("job \(id) cannot be read from the journal: \(error)"))
    }
    Failpoint.coordinatorPublished.hit()
    do {
      try await decide { core, now, effects in
        core.mergeEnded(id, outcome, now: now, into: &effects)
      }
    } catch {
      // The journal's disk is full: the merge is found again, or repeated, after a restart.
      end(CoordinatorError("the end of job \(id) cannot be journaled: \(error)"))
    }
  }

  /// What varies from run to run, for the receipt.
  private func execution(of job: Job) -> ExecutionDetails {
    let elapsed = job.startedAt.map { now - $0 } ?? .zero
    return ExecutionDetails(
      createdNanoseconds: job.createdNanoseconds, endedNanoseconds: wallClockNanoseconds(),
      elapsedMilliseconds: elapsed.milliseconds, incarnation: Int(incarnation.rawValue),
      workerCount: core.sessions.count, grantCount: job.grantCount,
      repeatedResultCount: job.repeatedResultCount,
      recordsPerSecond: Double(job.counts.total) / max(elapsed.inSeconds, 1e-3))
  }

  /// Removes what a job that has ended leaves: its partials and the staging folder.
  func cleanUp(_ id: JobID) async {
    for spool in spools { await spool.forget(id) }
    let folders = [Spool.folder(of: id, in: spoolFolder)]
    await removeAll(folders)
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

/// What varies from run to run: stands in the receipt under `execution`.
struct ExecutionDetails: Encodable, Sendable {
  let createdNanoseconds: Int64
  let endedNanoseconds: Int64
  let elapsedMilliseconds: Int64
  let incarnation: Int
  let workerCount: Int
  let grantCount: Int
  let repeatedResultCount: Int
  let recordsPerSecond: Double
}
