import CoordinatorCore
import Jobs
import Leasing
import Logging

/// The ends of leases and of workers, where what they may have at once is counted.
extension Coordinator {
  /// A worker's lease is over; what has arrived of its partial is forgotten, unless it is committed.
  func ended(_ lease: LeaseKey, of worker: WorkerID) async {
    ledgers[worker]?.forget(lease)
    guard let partial = admission.unstage(lease, of: worker) else { return }
    await spool(for: partial).forget(partial)
  }

  /// A worker has left.
  func forget(_ worker: WorkerID) async {
    statistics[worker] = nil
    ledgers[worker] = nil
    await drop(admission.end(worker).partials)
  }

  /// Sends away workers whose token was revoked; their leases are free at once.
  func reviewSessions() async {
    let leftovers = admission.review { core.sessions[$0] != nil }
    for worker in leftovers.revoked {
      let name = core.sessions[worker]?.name ?? worker.description
      logger.warning("the token of the worker \(name) was revoked")
      ledgers[worker] = nil
      // Without the journal nothing is decided; the leases then run out.
      try? await decide { core, _, _ in core.goodbye(worker) }
    }
    await drop(leftovers.partials)
  }

  private func drop(_ partials: [(job: JobID, name: PartialName)]) async {
    for partial in partials { await spool(for: partial.name).forget(partial.name) }
  }
}
