package import Jobs
import Leasing

/// What the autoscaler is told of jobs and workers, and what it has done to workers.
extension CoordinatorCore {
  /// What each job that can be leased still needs, in the order in which they get leases.
  ///
  /// - Parameter wallClockNanoseconds: since 1970; deadlines are times of the day.
  /// - Returns: one demand for each job; its money is the whole budget.
  package func demands(wallClockNanoseconds: Int64) -> [Demand] {
    openOrder.compactMap { id in
      guard let job = jobs[id], job.canLease, let table = tables[id] else { return nil }
      let resources = job.request.dedicatedResources
      var demand = Demand(
        job: id, blockCount: table.blockCount - table.committedBlockCount,
        byteCount: table.uncommittedByteCount)
      demand.bytesPerThreadSecond = table.bytesPerSlotSecond
      demand.startingReplicaCount = resources.startingReplicaCount ?? 1
      demand.maxReplicaCount = resources.maxReplicaCount
      demand.pool = resources.machineSpec?.machineType
      demand.moneyLeft = resources.budget
      demand.prefersSpot = resources.spot ?? false
      demand.timeLeft = resources.deadline.map {
        .nanoseconds($0.nanoseconds(submitted: job.createdNanoseconds) - wallClockNanoseconds)
      }
      return demand
    }
  }

  /// Workers that have joined and are not leaving, in order of their names.
  package func fleetWorkers(now: Instant) -> [FleetWorker] {
    sessions.values.filter { !$0.isDraining }.map { session in
      FleetWorker(
        name: session.name, threadCount: session.threadCount,
        idleTime: session.leaseCount > 0 ? .zero : now - session.lastBusy)
    }.sorted { $0.name < $1.name }
  }

  /// Has the workers of a name finish what they hold, and leave.
  package mutating func drain(named name: String) {
    for (worker, session) in sessions where session.name == name {
      sessions[worker]?.isDraining = true
    }
  }
}
