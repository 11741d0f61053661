package import Jobs
package import Leasing

/// The fleet's side: what workers ask and report.
extension CoordinatorCore {
  package enum HelloAnswer: Hashable, Sendable {
    case welcome
    case refused(String)
  }

  /// A worker introduces itself, at its start and after each restart of the coordinator.
  package mutating func hello(
    _ worker: WorkerID, name: String, host: String = "", threadCount: Int, now: Instant
  ) -> HelloAnswer {
    guard sessions[worker] != nil || sessions.count < Limits.workers else {
      return .refused("the coordinator already has \(Limits.workers) workers")
    }
    sessionThreadCount += max(1, threadCount) - (sessions[worker]?.threadCount ?? 0)
    sessions[worker] = Session(
      worker: worker, name: name, host: Self.number(ofHost: host),
      threadCount: max(1, threadCount), lastSeen: now, joined: sessions[worker]?.joined ?? now,
      lastBusy: now)
    return .welcome
  }

  /// FNV-1a (Fowler, Noll, Vo), 32 bits; 0 for an empty name alone.
  private static func number(ofHost name: String) -> UInt32 {
    guard !name.isEmpty else { return 0 }
    return max(1, name.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 })
  }

  /// A worker as the shards know it.
  private func asker(_ session: Session, now: Instant) -> Asker {
    Asker(
      session.worker, slotCount: session.threadCount, host: session.host,
      isOnlyHost: !hasCharges || isOnlyHost(session.host, now: now))
  }

  /// Whether some shard has failed before, so that it matters who asks.
  private var hasCharges: Bool { openOrder.contains { tables[$0]?.hasCharges == true } }

  private func isOnlyHost(_ host: UInt32, now: Instant) -> Bool {
    !sessions.values.contains {
      $0.host != host && $0.host != 0 && !$0.isDraining && now - $0.lastSeen < leaseDuration
    }
  }

  package enum AcquireAnswer: Hashable, Sendable {
    case grants([Grant])
    /// Nothing to do now.
    case wait
    /// The coordinator does not know the worker: it says hello again.
    case unknownWorker
    /// The worker is to finish what it holds and leave.
    case drain
  }

  /// Leases up to `leaseLimit` runs of blocks, oldest job first.
  package mutating func acquire(
    _ worker: WorkerID, leaseLimit: Int, now: Instant, into effects: inout [CoordinatorEffect]
  ) -> AcquireAnswer {
    guard let place = sessions.index(forKey: worker) else { return .unknownWorker }
    sessions.values[place].lastSeen = now
    if isDraining || sessions.values[place].isDraining { return .drain }
    guard now >= recoveredAt else { return .wait }
    let room = Limits.leasesPerWorker - sessions.values[place].leaseCount
    let limit = min(leaseLimit, Limits.leasesPerGrant, room)
    var grants: [Grant] = []
    let asker = asker(sessions.values[place], now: now)
    for id in openOrder {
      guard grants.count < limit else { break }
      guard jobs[id]?.canLease == true else { continue }
      grant(id, to: asker, limit: limit, now: now, grants: &grants, into: &effects)
    }
    let isIdle = sessions.values[place].leaseCount < asker.slotCount
    if grants.isEmpty, isIdle, limit > 0, let relief = relief(by: asker, now: now, into: &effects) {
      grants.append(relief)
    }
    sessions.values[place].leaseCount += grants.count
    if sessions.values[place].leaseCount > 0 { sessions.values[place].lastBusy = now }
    return grants.isEmpty ? .wait : .grants(grants)
  }

  /// Whether some job has blocks that could be leased now.
  package var hasPendingBlocks: Bool {
    openOrder.contains { id in
      jobs[id]?.canLease == true && (tables[id]?.pendingBlockCount ?? 0) > 0
    }
  }

  /// What an idle worker takes over from a slow one, if there is something to gain.
  private mutating func relief(
    by asker: Asker, now: Instant, into effects: inout [CoordinatorEffect]
  ) -> Grant? {
    for id in openOrder where jobs[id]?.canLease == true {
      leaseEffects.removeAll(keepingCapacity: true)
      let lease = tables[id]?.relieve(
        for: asker, incarnation: incarnation, now: now, into: &leaseEffects)
      carryOut(id, now: now, into: &effects)
      guard let lease else { continue }
      jobs[id]?.grantCount += 1
      return Grant(job: id, lease: lease)
    }
    return nil
  }

  /// Adds leases of one job until there are `limit` grants, or the job has no more.
  private mutating func grant(
    _ id: JobID, to asker: Asker, limit: Int, now: Instant, grants: inout [Grant],
    into effects: inout [CoordinatorEffect]
  ) {
    let threadCount = sessionThreadCount
    let before = grants.count
    tables[id]?.acquire(
      for: asker, incarnation: incarnation, leaseLimit: limit - before, now: now,
      blockLimit: { pending in Self.blockLimit(pending: pending, threadCount: threadCount) },
      each: { lease in grants.append(Grant(job: id, lease: lease)) })
    guard grants.count > before else { return }
    if jobs[id]?.startedAt == nil { jobs[id]?.startedAt = now }
    if jobs[id]?.state == .pending { enter(.running, id, into: &effects) }
    jobs[id]?.grantCount += grants.count - before
  }

  /// Blocks in one lease: whole shards while there is plenty, then a quarter, so that progress is
  /// seen every second, and smaller pieces towards the end so that all threads finish together
  /// (guided self-scheduling, Polychronopoulos and Kuck 1987).
  private static func blockLimit(pending: Int, threadCount: Int) -> Int {
    let smallest = 4
    let plenty = 1 << 16
    let largest = pending < plenty ? Limits.blocksPerShard / 4 : Limits.blocksPerShard
    return min(largest, max(smallest, pending / max(1, 2 * threadCount)))
  }

  package enum HeartbeatAnswer: Hashable, Sendable {
    /// The leases to stop, those to stop early, and whether to leave after the rest.
    case alive(revoked: [LeaseKey], shortened: [ShortenedLease] = [], drain: Bool)
    case unknownWorker
  }

  /// Renews a worker's leases and tells it which of them are over.
  ///
  /// The caller has checked the MAC of leases that were given before a restart.
  package mutating func heartbeat(
    _ worker: WorkerID, held: [HeldLease], now: Instant,
    into effects: inout [CoordinatorEffect]
  ) -> HeartbeatAnswer {
    guard sessions[worker] != nil else { return .unknownWorker }
    sessions[worker]?.lastSeen = now
    sessions[worker]?.leaseCount = held.count
    if !held.isEmpty { sessions[worker]?.lastBusy = now }
    var revoked: [LeaseKey] = []
    var shortened: [ShortenedLease] = []
    for lease in held {
      switch renew(lease, of: worker, now: now, into: &effects) {
      case .renewed: break
      case .shortened(let end): shortened.append(ShortenedLease(key: lease.grant.key, end: end))
      case .revoked: revoked.append(lease.grant.key)
      }
    }
    let drain = isDraining || sessions[worker]?.isDraining == true
    return .alive(revoked: revoked, shortened: shortened, drain: drain)
  }

  private mutating func renew(
    _ held: HeldLease, of worker: WorkerID, now: Instant,
    into effects: inout [CoordinatorEffect]
  ) -> LeaseTable.Renewal {
    let id = held.grant.job
    guard let job = jobs[id], job.phase == .scoring, !job.state.isTerminal,
      job.state != .cancelling, held.grant.lease.worker == worker
    else { return .revoked }
    leaseEffects.removeAll(keepingCapacity: true)
    let renewal = tables[id]?.renew(
      held.lease, progress: held.progress, report: held.report,
      host: sessions[worker]?.host ?? 0, now: now, into: &leaseEffects)
    let isStuck = held.report.stalled >= stallTime
    carryOut(
      id, now: now,
      because: isStuck ? "its worker made no progress for \(held.report.stalled)" : nil,
      into: &effects)
    return renewal ?? .revoked
  }

  /// Whether a result is of use, before its bytes are asked for; changes nothing.
  ///
  /// Its `already` may rest on a commit that is not durable yet: it waits for the same sync.
  package func preview(_ id: JobID, _ result: ShardResult) -> FinishAnswer? {
    guard let job = jobs[id],
      !job.state.isTerminal && job.phase == .scoring || PlantedBug.commitAfterEnd.isPlanted
    else {
      return .refused("the job has ended")
    }
    guard let shardCount = tables[id]?.shards.count, result.shard.index < shardCount,
      let shard = tables[id]?.shards[result.shard.index], result.blocks.end <= shard.blockCount
    else { return .refused("the plan has no blocks \(result.blocks) of shard \(result.shard)") }
    return BlockMask(result.blocks).subtracting(shard.committed).isEmpty ? .already : nil
  }

  /// Takes a result whose partial is durable.
  package mutating func finish(
    _ id: JobID, _ result: ShardResult, worker: WorkerID, now: Instant,
    into effects: inout [CoordinatorEffect]
  ) -> FinishAnswer {
    guard let place = tables.index(forKey: id),
      jobs[id]?.state.isTerminal == false || PlantedBug.commitAfterEnd.isPlanted
    else {
      return .refused("the job has ended")
    }
    leaseEffects.removeAll(keepingCapacity: true)
    let outcome = tables.values[place].finish(result, worker: worker, into: &leaseEffects)
    note(worker, result, now: now)
    carryOut(id, now: now, into: &effects)
    switch outcome {
    case .committed:
      mergeIfComplete(id, into: &effects)
      return .committed
    case .already:
      jobs[id]?.repeatedResultCount += 1
      return .already
    case .wrongState: return .wrongState
    case .unknown: return .refused("shard \(result.shard) has no blocks \(result.blocks)")
    }
  }

  /// Takes note of a result that `preview` has found to be all there already.
  package mutating func noteRepeated(_ id: JobID, _ result: ShardResult, worker: WorkerID) {
    jobs[id]?.repeatedResultCount += 1
    tables[id]?.noteRepeated(result, worker: worker)
  }

  private mutating func note(_ worker: WorkerID, _ result: ShardResult, now: Instant) {
    guard let place = sessions.index(forKey: worker) else { return }
    sessions.values[place].lastSeen = now
    sessions.values[place].lastBusy = now
    sessions.values[place].leaseCount = max(0, sessions.values[place].leaseCount - 1)
    sessions.values[place].recordCount += result.recordCount
  }

  /// Takes back a lease that its worker did not finish; never charged.
  package mutating func handBack(_ key: LeaseKey, worker: WorkerID) {
    tables[key.job]?.handBack(shard: key.shard, attempt: key.attempt, worker: worker)
    if let count = sessions[worker]?.leaseCount, count > 0 {
      sessions[worker]?.leaseCount = count - 1
    }
  }

  /// A worker could not score a lease; counts against the shard.
  package mutating func fail(
    _ key: LeaseKey, worker: WorkerID, reason: String, now: Instant,
    into effects: inout [CoordinatorEffect]
  ) {
    guard tables[key.job] != nil else { return }
    effects.append(
      .log(key.job, .warning, "shard \(key.shard), attempt \(key.attempt): \(reason)"))
    leaseEffects.removeAll(keepingCapacity: true)
    tables[key.job]?.fail(
      shard: key.shard, attempt: key.attempt, worker: worker, into: &leaseEffects)
    carryOut(key.job, now: now, because: "of \(reason)", into: &effects)
  }

  /// A worker leaves; what it still held is free again.
  package mutating func goodbye(_ worker: WorkerID) {
    guard let session = sessions.removeValue(forKey: worker) else { return }
    sessionThreadCount -= session.threadCount
    for id in openOrder { tables[id]?.release(worker: worker) }
  }

  /// A worker's connection is gone: unless it comes back in time, its leases are over.
  ///
  /// Never at once: a connection may end for other reasons, and its worker makes a new one.
  package mutating func lostConnection(
    of worker: WorkerID, time: Duration, now: Instant
  ) {
    guard sessions[worker] != nil else { return }
    for id in openOrder { tables[id]?.shortenLeases(of: worker, to: now + time) }
  }

  /// A worker has died, as whoever started it knows for certain: its leases are over at once.
  ///
  /// What it was scoring counts against its shard: the leases that it reported to have begun, and
  /// for each thread without one the first of those that it did not come to report. The others are
  /// free again, uncharged.
  ///
  /// - Returns: Whether something counts against a shard.
  package mutating func died(
    _ worker: WorkerID, because cause: String, now: Instant,
    into effects: inout [CoordinatorEffect]
  ) -> Bool {
    guard let session = sessions[worker] else { return false }
    let begunCount = openOrder.reduce(0) { $0 + (tables[$1]?.begunCount(of: worker) ?? 0) }
    var unreported = max(0, session.threadCount - begunCount)
    var isCharged = false
    for id in openOrder {
      leaseEffects.removeAll(keepingCapacity: true)
      if tables[id]?.died(worker, unreported: &unreported, into: &leaseEffects) == true {
        isCharged = true
      }
      carryOut(id, now: now, because: cause, into: &effects)
    }
    goodbye(worker)
    return isCharged
  }

  /// Tells a job's log whose leases of it were overdue; `leaseEffects` has their ends.
  private func tellOverdue(
    _ id: JobID, now: Instant, into effects: inout [CoordinatorEffect]
  ) {
    var counts: [WorkerID: Int] = [:]
    for case .revoke(let lease) in leaseEffects { counts[lease.worker, default: 0] += 1 }
    for (worker, count) in counts.sorted(by: { $0.key < $1.key }) {
      let session = sessions[worker]
      let time = session.map { " for \((now - $0.lastSeen).components.seconds) s" } ?? ""
      effects.append(
        .log(
          id, .warning,
          "worker \(session?.name ?? "\(worker)") is silent\(time): \(count) of its leases "
            + "are free for others"))
    }
  }

  /// Ends overdue leases and forgets workers that are silent.
  package mutating func tick(now: Instant, into effects: inout [CoordinatorEffect]) {
    seekPublications(now: now, into: &effects)
    for id in openOrder where tables[id] != nil {
      leaseEffects.removeAll(keepingCapacity: true)
      tables[id]?.tick(now: now, into: &leaseEffects)
      tellOverdue(id, now: now, into: &effects)
      carryOut(id, now: now, into: &effects)
    }
    let lost = sessions.values.filter { now - $0.lastSeen > Limits.deadManTime }
    for session in lost.sorted(by: { $0.worker < $1.worker }) { goodbye(session.worker) }
  }
}
