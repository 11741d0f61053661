package import Jobs
import Leasing

/// What the autoscaler is told of jobs and workers, and what it has done to workers.
extension CoordinatorCore {
  /// What each job that can be leased still needs, in the order in which they get leases.
  ///
  /// - Parameters:
  ///   - wallClockNanoseconds: since 1970; deadlines are times of the day.
  ///   - ledger: what each has cost.
  /// - Returns: one demand for each job.
  package func demands(wallClockNanoseconds: Int64, _ ledger: CostLedger) -> [Demand] {
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
      demand.moneyLeft = resources.budget.map { $0 - ledger.spent(by: id) }
      demand.prefersSpot = resources.spot ?? false
      demand.timeLeft = resources.deadline.map {
        .nanoseconds($0.nanoseconds(submitted: job.createdNanoseconds) - wallClockNanoseconds)
      }
      return demand
    }
  }

  /// Who pays for workers now.
  ///
  /// - Parameter ended: jobs after whose end workers are still here.
  /// - Returns: them, and the jobs that workers can be of use to.
  package func payers(ended: Set<JobID>) -> [CostLedger.Payer] {
    let open = openOrder.compactMap { id -> CostLedger.Payer? in
      guard let job = jobs[id] else { return nil }
      if job.phase == .merging || job.phase == .publishing {
        return CostLedger.Payer(job: id, stage: .merging)
      }
      guard job.canLease, let table = tables[id] else { return nil }
      return CostLedger.Payer(
        job: id, stage: .scoring, leaseCount: table.leaseCount,
        pool: job.request.dedicatedResources.machineSpec?.machineType)
    }
    return open + ended.sorted().map { CostLedger.Payer(job: $0, stage: .ended) }
  }

  /// What a job has cost so far.
  package func cost(of id: JobID, _ ledger: CostLedger) -> JobCost? {
    guard let job = jobs[id], let extent = extent(of: id) else { return nil }
    return JobCost(extent.work, ledger.account(of: id), recordCount: job.counts.total)
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
