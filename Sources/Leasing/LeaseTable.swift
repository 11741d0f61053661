package import Jobs

/// One job's shards: who may compute which blocks, until when, and what is committed.
///
/// Reads no clock, draws no random numbers, does no I/O. The caller passes `now` and carries out
/// the effects in order. Late, repeated and foreign messages are ordinary events. There is no
/// timer per lease: `tick` compares deadlines.
package struct LeaseTable: Sendable {
  package let plan: Plan
  package internal(set) var shards: [ShardRecord]
  /// Blocks in all shards.
  package let blockCount: Int
  package internal(set) var committedBlockCount = 0
  package private(set) var confirmedBlockCount = 0
  package internal(set) var leasedBlockCount = 0
  package internal(set) var failedShardCount = 0
  package internal(set) var leaseCount = 0

  /// Whether a shard was ever charged.
  package internal(set) var hasCharges = false

  let chargeLimit: Int
  let suspectChargeLimit: Int
  let stallTime: Duration
  let leaseDuration: Duration
  var pendingShards: ShardSet
  var chain: StateChain
  /// Living leases; a free slot has `nil`.
  var slots: [Slot?] = []
  var freeSlots: [Int32] = []

  struct Slot: Sendable {
    var lease: Lease
    /// The shard's next living lease.
    var next: Int32
    /// Of its worker; 0 where that is not known.
    let host: UInt32
    let granted: Instant
    /// How far and how fast its worker is, as of its last heartbeat; `nil` before the first one.
    var pace: Pace?
  }

  /// What each worker did, for guesses about what it will do.
  var tallies: [WorkerID: WorkTally] = [:]
  var allTallies = WorkTally()
  /// Blocks that were committed, and their records.
  var talliedBlockCount = 0
  var talliedRecordCount: UInt64 = 0
  /// What was spent on it.
  package internal(set) var account = WorkAccount()
  /// The time, as of the last tick.
  private(set) var clock = Instant.start
  /// Nobody is relieved before this: it was looked at just now, and there was nothing to gain.
  var nextRelief = Instant.start

  package init(
    plan: Plan, chargeLimit: Int = Limits.chargeLimit,
    suspectChargeLimit: Int = Limits.suspectChargeLimit,
    leaseDuration: Duration = Limits.leaseDuration, stallTime: Duration = Limits.stallTime
  ) {
    self.plan = plan
    self.chargeLimit = chargeLimit
    self.suspectChargeLimit = suspectChargeLimit
    self.leaseDuration = leaseDuration
    self.stallTime = stallTime
    shards = []
    shards.reserveCapacity(plan.shardCount)
    var blockCount = 0
    for index in 0..<plan.shardCount {
      let count = plan.range(of: ShardID(UInt32(index))).blockCount
      shards.append(ShardRecord(blockCount: count))
      blockCount += count
    }
    self.blockCount = blockCount
    pendingShards = ShardSet(allBelow: plan.shardCount)
    chain = StateChain(plan: plan)
  }

  /// Whether every block is committed and confirmed: the job can be merged.
  @inlinable package var isComplete: Bool { confirmedBlockCount == blockCount }

  /// Blocks that could be leased now.
  package var pendingBlockCount: Int { blockCount - committedBlockCount - leasedBlockCount }

  /// Committed blocks that the chain of states has not reached.
  package var provisionalCount: Int { chain.provisionalCount }

  /// The living leases, in no promised order.
  package var leases: [Lease] { slots.compactMap { $0?.lease } }

  // MARK: Giving

  /// Leases the lowest pending blocks, at most `blockLimit` of one shard; `nil` if none is left.
  ///
  /// All blocks at once of a suspect shard, because each such lease searches anew. Amortised O(1),
  /// and O(log inputs) for the plan.
  package mutating func acquire(
    for asker: Asker, incarnation: Incarnation, blockLimit: Int = Limits.blocksPerShard,
    now: Instant
  ) -> Lease? {
    guard let index = lowestPendingShard(for: asker) else { return nil }
    let isSuspect = isSuspect(index)
    let limit = isSuspect ? Limits.blocksPerShard : blockLimit
    guard let blocks = shards[index].pending.firstRun(limit: limit) else { return nil }
    let lease = lease(
      blocks, of: index, to: asker.worker, incarnation, isSuspect: isSuspect, now: now)
    add(lease, host: asker.host, now: now)
    return lease
  }

  /// Names a new lease.
  mutating func lease(
    _ blocks: BlockRange, of index: Int, to worker: WorkerID, _ incarnation: Incarnation,
    isSuspect: Bool = false, now: Instant
  ) -> Lease {
    if !PlantedBug.attemptReused.isPlanted || shards[index].attempts == 0 {
      shards[index].attempts += 1
    }
    return Lease(
      shard: ShardID(UInt32(index)), blocks: blocks,
      attempt: Attempt(incarnation: incarnation, counter: shards[index].attempts),
      worker: worker, entry: entryState(shard: index, block: Int(blocks.first)),
      deadline: now + leaseDuration, isSuspect: isSuspect)
  }

  /// Leases up to `leaseLimit` runs of pending blocks, lowest first, and gives them to `each`.
  ///
  /// `blockLimit` says the most blocks of the next lease, given the number of pending blocks.
  package mutating func acquire(
    for asker: Asker, incarnation: Incarnation, leaseLimit: Int, now: Instant,
    blockLimit: (Int) -> Int, each: (Lease) -> Void
  ) {
    note(asker, now: now)
    for _ in 0..<max(0, leaseLimit) {
      guard
        let lease = acquire(
          for: asker, incarnation: incarnation, blockLimit: blockLimit(pendingBlockCount),
          now: now)
      else { return }
      each(lease)
    }
  }

  /// The lowest shard with pending blocks that may go to an asker: one that failed on its host, and
  /// only there, goes to another host while there is one.
  private mutating func lowestPendingShard(for asker: Asker) -> Int? {
    var start = 0
    while let index = start == 0 ? pendingShards.lowest() : pendingShards.next(from: start) {
      if shards[index].pending.isEmpty {
        pendingShards.remove(index)
      } else if asker.isOnlyHost || !hasFailedOnly(index, on: asker.host) {
        return index
      } else {
        start = index + 1
      }
    }
    return nil
  }

  /// What is known, or best guessed, about the cut before a block.
  func entryState(shard: Int, block: Int) -> RangeState {
    let input = plan.inputIndex(of: ShardID(UInt32(shard)))
    let end = chain[input]
    if end.shard == shard, end.block == block { return end.state }
    if block > 0 { return chain.guess(at: shard, block) ?? .recordStart }
    guard shard > plan.shards(ofInput: input).lowerBound else { return .recordStart }
    return chain.guess(at: shard - 1, Int(shards[shard - 1].blockCount)) ?? .recordStart
  }

  // MARK: Keeping

  package enum Renewal: Hashable, Sendable {
    case renewed
    /// Renewed, but the worker is to stop before this block of the shard.
    case shortened(UInt8)
    /// Committed by another, cancelled, or given to another: stop.
    case revoked
  }

  /// Prolongs a lease that its worker still holds.
  ///
  /// A lease this table does not know (expired, or given before a restart) is taken up again where
  /// its blocks are free; the caller has checked its MAC. A charge made when it expired is taken
  /// back: its worker lives. One whose worker is stuck is over, and counts against its shard.
  package mutating func renew(
    _ held: Lease, progress: UInt64?, report: ScoringReport = ScoringReport(), host: UInt32 = 0,
    now: Instant, into effects: inout [LeaseEffect]
  ) -> Renewal {
    guard held.shard.index < shards.count else { return .revoked }
    if let slot = slot(of: held) {
      slots[slot]?.lease.deadline =
        PlantedBug.leaseBySenderClock.isPlanted ? held.deadline : now + leaseDuration
      if let progress { slots[slot]?.lease.progress = progress }
      return keep(slot, held, progress: progress, report, now: now, into: &effects)
    }
    let record = shards[held.shard.index]
    // A stuck worker lives, but shows nothing by it.
    guard report.isScored || report.stalled < stallTime else { return .revoked }
    guard Int(held.blocks.end) <= Int(record.blockCount),
      BlockMask(held.blocks).subtracting(record.pending).isEmpty
        || PlantedBug.deadLeaseRenewed.isPlanted
    else { return .revoked }
    uncharge(held.shard, worker: held.worker, into: &effects)
    var lease = held
    lease.deadline = now + leaseDuration
    lease.progress = progress
    add(lease, host: host, now: now)
    return .renewed
  }

  /// Ends a lease whose worker is stuck, or notes how fast it is and what was taken from it.
  private mutating func keep(
    _ slot: Int, _ held: Lease, progress: UInt64?, _ report: ScoringReport, now: Instant,
    into effects: inout [LeaseEffect]
  ) -> Renewal {
    guard let lease = slots[slot]?.lease else { return .revoked }
    guard report.isScored || report.stalled < stallTime else {
      let host = host(ofSlot: slot)
      if let entry = slots[slot] { noteLoss(of: entry) }
      remove(lease)
      effects.append(.revoke(lease))
      if !lease.isBackup { charge(lease, host: host, into: &effects) }
      return .revoked
    }
    if let progress { notePace(ofSlot: slot, records: progress, report, now: now) }
    // Of blocks that another has committed at its end, the holder needs to finish none.
    let end = openEnd(of: lease) ?? Int(lease.blocks.end)
    if end < lease.blocks.end {
      slots[slot]?.lease.blocks = BlockRange(Int(lease.blocks.first), end)
    }
    return end < held.blocks.end ? .shortened(UInt8(end)) : .renewed
  }

  // MARK: Ending

  package enum Outcome: Hashable, Sendable {
    /// Some blocks were missing and are now committed.
    case committed
    /// Every block was committed before.
    case already
    /// It started from a state that is known to be wrong; its blocks are leased again, uncharged.
    case wrongState
    /// The shard or its blocks are not in the plan.
    case unknown
  }

  /// Takes a valid partial: the first result of a block wins, whichever attempt made it.
  package mutating func finish(
    _ result: ShardResult, worker: WorkerID, into effects: inout [LeaseEffect]
  ) -> Outcome {
    let index = result.shard.index
    guard index < shards.count, Int(result.blocks.end) <= Int(shards[index].blockCount) else {
      return .unknown
    }
    let ended = endLease(shard: result.shard, attempt: result.attempt, worker: worker)
    if ended == nil { uncharge(result.shard, worker: worker, into: &effects) }
    let isBackup = ended?.isBackup ?? false
    tallies[worker]?.blockCount += result.blocks.count
    let committed = PlantedBug.dedupeDropped.isPlanted ? .none : shards[index].committed
    let missing = BlockMask(result.blocks).subtracting(committed)
    let takesPart = !PlantedBug.lateBlocksDropped.isPlanted
    guard !missing.isEmpty, takesPart || missing == BlockMask(result.blocks) else {
      note(result, newBlockCount: 0, isBackup: isBackup)
      return .already
    }
    guard !contradictsChain(result) else {
      note(result, newBlockCount: 0, isBackup: isBackup)
      return .wrongState
    }
    note(result, newBlockCount: missing.count, isBackup: isBackup)
    var rest = missing
    while let run = rest.firstRun() {
      commit(run, of: result, into: &effects)
      rest = rest.subtracting(BlockMask(run))
    }
    revokeFinishedLeases(of: result.shard, into: &effects)
    followChain(input: plan.inputIndex(of: result.shard), into: &effects)
    return .committed
  }

  /// Whether the result starts at the end of the chain from another state than the chain's.
  private func contradictsChain(_ result: ShardResult) -> Bool {
    let end = chain[plan.inputIndex(of: result.shard)]
    guard end.shard == result.shard.index, result.blocks.indices.contains(end.block) else {
      return false
    }
    return result.state(before: end.block) != end.state
  }

  mutating func commit(
    _ run: BlockRange, of result: ShardResult, into effects: inout [LeaseEffect]
  ) {
    let index = result.shard.index
    let committed = CommittedBlocks(
      shard: result.shard, blocks: run, attempt: result.attempt,
      entry: result.state(before: Int(run.first)), exit: result.state(before: Int(run.end)),
      counts: result.counts(of: run), partial: result.partial)
    shards[index].committed = shards[index].committed.union(BlockMask(run))
    recountLeased(index)
    committedBlockCount += run.count
    talliedBlockCount += run.count
    talliedRecordCount += committed.counts.total
    if shards[index].committed == shards[index].allBlocks { recover(index) }
    effects.append(.commit(committed))
    if !confirmAtEnd(committed, into: &effects) { chain.insert(committed) }
  }

  /// Ends the leases all of whose blocks are committed by now.
  mutating func revokeFinishedLeases(
    of shard: ShardID, into effects: inout [LeaseEffect]
  ) {
    guard !PlantedBug.finishedLeaseKept.isPlanted else { return }
    var slot = shards[shard.index].firstSlot
    while slot >= 0, let entry = slots[Int(slot)] {
      slot = entry.next
      let open = BlockMask(entry.lease.blocks).subtracting(shards[shard.index].committed)
      guard open.isEmpty else { continue }
      noteSuperfluous(entry)
      remove(entry.lease)
      effects.append(.revoke(entry.lease))
    }
  }

  /// Gives blocks back unfinished, for pre-emption or drain; never charged.
  package mutating func handBack(shard: ShardID, attempt: Attempt, worker: WorkerID) {
    guard shard.index < shards.count else { return }
    if let slot = slot(shard: shard, attempt: attempt, worker: worker), let entry = slots[slot] {
      noteLoss(of: entry)
      remove(entry.lease)
    }
    if PlantedBug.preemptionCharged.isPlanted { shards[shard.index].charges += 1 }
  }

  /// Ends a lease whose worker says that it failed; counts against the shard.
  package mutating func fail(
    shard: ShardID, attempt: Attempt, worker: WorkerID, into effects: inout [LeaseEffect]
  ) {
    guard shard.index < shards.count,
      let slot = slot(shard: shard, attempt: attempt, worker: worker),
      let lease = slots[slot]?.lease
    else { return }
    let host = host(ofSlot: slot)
    if let entry = slots[slot] { noteLoss(of: entry) }
    remove(lease)
    guard !lease.isBackup else { return }
    charge(lease, host: host, isReported: true, into: &effects)
  }

  /// Ends overdue leases; those whose worker had begun count against their shard, unless they were
  /// a second try, and several of one worker as one: it fell silent once.
  package mutating func tick(now: Instant, into effects: inout [LeaseEffect]) {
    clock = now
    var counted: Set<Silence> = []
    for slot in slots.indices {
      guard let entry = slots[slot], entry.lease.deadline <= now else { continue }
      let lease = entry.lease
      let host = entry.host
      noteLoss(of: entry)
      remove(lease)
      effects.append(.revoke(lease))
      let hasBegun = lease.progress != nil
      let silence = Silence(worker: lease.worker, shard: lease.shard, hasBegun: hasBegun)
      guard !lease.isBackup, counted.insert(silence).inserted,
        hasBegun || isLostOnceTooOften(lease)
      else { continue }
      charge(lease, host: host, into: &effects)
    }
  }

  /// A worker that is not heard of, while it holds leases of a shard.
  private struct Silence: Hashable {
    let worker: WorkerID
    let shard: ShardID
    let hasBegun: Bool
  }

  /// Whether a lease that ran out unbegun is the last straw.
  ///
  /// Mostly its grant was lost on the way, or its worker died of something else. But a record that
  /// kills its worker at once never lets it report that it began, and must not do so for ever.
  private mutating func isLostOnceTooOften(_ lease: Lease) -> Bool {
    shards[lease.shard.index].lossCount += 1
    guard shards[lease.shard.index].lossCount >= Limits.lossesPerCharge,
      !PlantedBug.lossNeverCharged.isPlanted
    else { return false }
    shards[lease.shard.index].lossCount = 0
    return true
  }

  /// Ends a worker's leases because it left or was lost with its connection; never charged.
  package mutating func release(worker: WorkerID) {
    noteLoss(ofAllOf: worker)
    for slot in slots.indices {
      guard let lease = slots[slot]?.lease, lease.worker == worker else { continue }
      remove(lease)
    }
    tallies[worker] = nil
  }

  /// Ends every lease: the job was cancelled or failed.
  package mutating func revokeAll(into effects: inout [LeaseEffect]) {
    for slot in slots.indices {
      guard let lease = slots[slot]?.lease else { continue }
      remove(lease)
      effects.append(.revoke(lease))
    }
  }

  // MARK: The chain of states

  /// Confirms blocks that begin at the end of the chain, in its state.
  mutating func confirmAtEnd(
    _ committed: CommittedBlocks, into effects: inout [LeaseEffect]
  ) -> Bool {
    let input = plan.inputIndex(of: committed.shard)
    let end = chain[input]
    guard end.shard == committed.shard.index, end.block == Int(committed.blocks.first),
      end.state == committed.entry || PlantedBug.stateChainUnchecked.isPlanted
    else { return false }
    confirmedBlockCount += committed.blocks.count
    effects.append(
      .confirm(shard: committed.shard, blocks: committed.blocks, counts: committed.counts))
    let isShardEnd = committed.blocks.end == shards[end.shard].blockCount
    chain[input] = StateChain.End(
      shard: isShardEnd ? end.shard + 1 : end.shard,
      block: isShardEnd ? 0 : Int(committed.blocks.end), state: committed.exit)
    return true
  }

  /// Confirms or refutes the provisional blocks that the chain now reaches.
  mutating func followChain(input: Int, into effects: inout [LeaseEffect]) {
    let inputEnd = plan.shards(ofInput: input).upperBound
    while case let end = chain[input], end.shard < inputEnd,
      let next = chain.provisional(at: end.shard, end.block)
    {
      chain.remove(next)
      guard !confirmAtEnd(next, into: &effects) else { continue }
      noteRefuted(next.blocks.count)
      shards[end.shard].committed = shards[end.shard].committed.subtracting(
        BlockMask(next.blocks))
      committedBlockCount -= next.blocks.count
      recountLeased(end.shard)
      pendingShards.insert(end.shard)
      if !PlantedBug.refutationForgotten.isPlanted { effects.append(.refute(next)) }
    }
  }
}
