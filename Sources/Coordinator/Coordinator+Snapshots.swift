import CoordinatorCore
import Database
import Executors
import Jobs

/// The views of databases that the readers of queries share: held here, so watched here.
extension Coordinator {
  /// Between two looks at the snapshots.
  private static let snapshotInterval = Duration.seconds(1)

  /// Why a query's rows cannot be read any more as they were; `nil` if nothing is known of it.
  static func loss(of snapshot: SnapshotHolder?) -> String? {
    guard let snapshot else { return SnapshotHolder.lossSentence }
    do throws(DatabaseError) {
      try snapshot.check()
      return nil
    } catch {
      return error.context
    }
  }

  /// Asks now and then, far from this actor's thread, whether the snapshots are still there, and
  /// fails the jobs whose rest cannot be read any more.
  func checkSnapshots() {
    guard !snapshots.isEmpty, let due = snapshotCheck, due <= now else { return }
    let held = snapshots.filter { isReading($0.key) }
    snapshotCheck = nil
    Task {
      for (id, snapshot) in held {
        // A closed pool of threads ends the process; the next look finds what this one did not.
        let loss = try? await offPool { Self.loss(of: snapshot) }
        if let loss = loss ?? nil, isReading(id) { await failQuietly(id, reason: loss) }
      }
      snapshotCheck = now + Self.snapshotInterval
    }
  }

  /// Fails a job that a restart has taken its snapshot from, if any of it is still to be read.
  func failWithoutSnapshot(_ id: JobID) {
    let format = core.jobs[id]?.request.inputConfig.instancesFormat
    guard format == .postgresql, snapshots[id] == nil, isReading(id) else { return }
    Task { await failQuietly(id, reason: SnapshotHolder.lossSentence) }
  }

  /// Whether rows of a job are still to be read.
  private func isReading(_ id: JobID) -> Bool {
    guard let job = core.jobs[id], !job.state.isTerminal, job.state != .cancelling else {
      return false
    }
    return job.phase == .scoring && core.extent(of: id)?.isAllCommitted == false
  }
}

extension JobExtent {
  /// Whether every block is committed, so that no input is needed.
  fileprivate var isAllCommitted: Bool { confirmedBlockCount == blockCount }
}
