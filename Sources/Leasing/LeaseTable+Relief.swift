package import Jobs

/// Relief of stragglers: what an idle worker takes over from a slow one.
///
/// First the rest of a lease is divided at a block bound, so that its holder and the asker end
/// together; its holder learns of it at its next heartbeat. Of what is left, too little to divide,
/// the asker makes a second try: the first valid result wins, and neither is charged.
extension LeaseTable {
  /// What could be done about one lease.
  private struct Relief {
    let slot: Int
    let blocks: BlockRange
    let isBackup: Bool
    /// Seconds by which the lease's blocks would be there earlier.
    let gain: Double
  }

  /// Leases to an idle asker a part of what another worker holds; `nil` where nothing is gained.
  ///
  /// For when no block is pending. O(leases), at most once in `Limits.heartbeatInterval` / 20 where
  /// there is nothing to gain.
  package mutating func relieve(
    for asker: Asker, incarnation: Incarnation, now: Instant, into effects: inout [LeaseEffect]
  ) -> Lease? {
    tallies[asker.worker]?.noted = now  // it had nothing to do
    guard leaseCount > 0, now >= nextRelief else { return nil }
    guard let best = bestRelief(for: asker, now: now) else {
      nextRelief = now + Limits.heartbeatInterval / 20
      return nil
    }
    guard let holder = slots[best.slot]?.lease else { return nil }
    if !best.isBackup { cut(best.slot, before: best.blocks, into: &effects) }
    var lease = lease(
      best.blocks, of: holder.shard.index, to: asker.worker, incarnation, now: now)
    lease.isBackup = best.isBackup
    add(lease, host: asker.host, now: now)
    return lease
  }

  /// Takes the last blocks of a lease from it, or all of them.
  private mutating func cut(
    _ slot: Int, before blocks: BlockRange, into effects: inout [LeaseEffect]
  ) {
    guard let lease = slots[slot]?.lease else { return }
    let kept = BlockMask(firstCount: Int(blocks.first)).intersection(BlockMask(lease.blocks))
    guard !kept.subtracting(shards[lease.shard.index].committed).isEmpty else {
      remove(lease)
      return effects.append(.revoke(lease))
    }
    slots[slot]?.lease.blocks = BlockRange(Int(lease.blocks.first), Int(blocks.first))
    recountLeased(lease.shard.index)
  }

  /// The relief that gains most.
  private func bestRelief(for asker: Asker, now: Instant) -> Relief? {
    let delays = delays(now: now)
    let own = secondsPerBlock(of: asker.worker)
    var best: Relief?
    for slot in slots.indices {
      guard let entry = slots[slot], !entry.lease.isSuspect, !entry.lease.isBackup else { continue }
      let found = relief(
        of: slot, entry, for: asker, own, delay: delays[entry.lease.worker] ?? 0,
        now: now)
      guard let found, found.gain > best?.gain ?? 0 else { continue }
      best = found
    }
    return best
  }

  /// For each worker the seconds until a lease that waits there is begun.
  private func delays(now: Instant) -> [WorkerID: Double] {
    var delays: [WorkerID: Double] = [:]
    for case let entry? in slots where entry.pace != nil {
      let left = secondsLeft(of: entry, now: now)
      delays[entry.lease.worker] = min(left, delays[entry.lease.worker] ?? .infinity)
    }
    return delays
  }

  /// What may be done about a lease that takes longer than it would with help.
  private func relief(
    of slot: Int, _ entry: Slot, for asker: Asker, _ pace: Double?, delay: Double, now: Instant
  ) -> Relief? {
    let lease = entry.lease
    guard lease.worker != asker.worker else { return nil }
    guard let end = openEnd(of: lease) else { return nil }
    let count = end - Int(lease.blocks.first)
    let position = min(position(of: entry, now: now), Double(count) - 0.01)
    let other = secondsPerBlock(of: entry, now: now)
    // As fast as the holder, as long as nobody has finished anything.
    let own = pace ?? other
    let wait = entry.pace == nil ? delay : 0
    // Nothing is known of anybody, or a worker says what cannot be.
    guard own + other > 0, (own + other + wait).isFinite else { return nil }
    let left = wait + (Double(count) - position) * other
    // The block at work stays with its holder, one that waits may go.
    let first = entry.pace == nil ? 0 : Int(position) + 1
    if first < count {
      // Both end together: wait + (cut - position) * other = (count - cut) * own.
      let even = (Double(count) * own + position * other - wait) / (own + other)
      let cut = Int(min(max(even.rounded(), Double(first)), Double(count - 1)))
      let kept = cut == 0 ? 0 : wait + max(0, Double(cut) - position) * other
      let gain = left - max(kept, Double(count - cut) * own)
      let begin = Int(lease.blocks.first) + cut
      let blocks = BlockRange(begin, end)
      guard isWorthwhile(gain, of: left), isOpen(blocks, of: lease.shard) else { return nil }
      return Relief(slot: slot, blocks: blocks, isBackup: false, gain: gain)
    }
    guard shards[lease.shard.index].charges == 0 else { return nil }
    let begin = Int(lease.blocks.first) + min(Int(position), count - 1)
    let blocks = BlockRange(begin, end)
    let gain = left - Double(blocks.count) * own
    guard isWorthwhile(gain, of: left), left > 2 * Double(blocks.count) * own,
      isOpen(blocks, of: lease.shard), !hasBackup(lease)
    else { return nil }
    return Relief(slot: slot, blocks: blocks, isBackup: true, gain: gain)
  }

  private func isWorthwhile(_ gain: Double, of left: Double) -> Bool {
    gain >= Limits.reliefGain.seconds && gain >= left / 8
  }

  /// The end of the last block of a lease that is not committed.
  func openEnd(of lease: Lease) -> Int? {
    let open = BlockMask(lease.blocks).subtracting(shards[lease.shard.index].committed)
    return open.isEmpty ? nil : 64 - open.bits.leadingZeroBitCount
  }

  private func isOpen(_ blocks: BlockRange, of shard: ShardID) -> Bool {
    BlockMask(blocks).intersection(shards[shard.index].committed).isEmpty
  }

  private func hasBackup(_ lease: Lease) -> Bool {
    var slot = shards[lease.shard.index].firstSlot
    while slot >= 0, let entry = slots[Int(slot)] {
      let shared = BlockMask(entry.lease.blocks).intersection(BlockMask(lease.blocks))
      if entry.lease.isBackup, !shared.isEmpty { return true }
      slot = entry.next
    }
    return false
  }

  // MARK: Guesses

  /// How far a lease is now; what its worker said last goes on for a heartbeat and no longer.
  private func position(of entry: Slot, now: Instant) -> Double {
    guard let pace = entry.pace else { return 0 }
    let since = min(now - pace.at, Limits.heartbeatInterval).seconds
    return min(pace.position + pace.speed * since, Double(entry.lease.blocks.count) - 0.01)
  }

  private func secondsLeft(of entry: Slot, now: Instant) -> Double {
    let left = Double(entry.lease.blocks.count) - position(of: entry, now: now)
    return left * secondsPerBlock(of: entry, now: now)
  }

  /// What the holder of a lease takes for a block: as measured on the lease, or on others of it.
  private func secondsPerBlock(of entry: Slot, now: Instant) -> Double {
    if let pace = entry.pace, pace.speed > 0 { return 1 / pace.speed }
    let usual = secondsPerBlock(of: entry.lease.worker) ?? 0
    // Nothing is finished yet, so that a block takes at least as long as it has been at work.
    guard let pace = entry.pace else { return usual }
    return max(usual, pace.elapsed.seconds)
  }

  /// What one slot of a worker takes for a block: its own, or the mean of all; `nil` at first.
  private func secondsPerBlock(of worker: WorkerID) -> Double? {
    tallies[worker]?.secondsPerBlock ?? allTallies.secondsPerBlock
  }

  /// Takes note that a worker asks: what it did since it last asked with new results.
  mutating func note(_ asker: Asker, now: Instant) {
    guard let tally = tallies[asker.worker] else {
      tallies[asker.worker] = WorkTally(slotCount: asker.slotCount, noted: now)
      return
    }
    guard tally.blockCount > tally.notedBlockCount else { return }
    tallies[asker.worker]?.slotSeconds += (now - tally.noted).seconds * Double(tally.slotCount)
    tallies[asker.worker]?.noted = now
    tallies[asker.worker]?.notedBlockCount = tally.blockCount
    allTallies.slotSeconds += (now - tally.noted).seconds * Double(tally.slotCount)
    allTallies.notedBlockCount += tally.blockCount - tally.notedBlockCount
  }

  /// Shortens a worker's leases, because its connection is gone: it may be dead.
  ///
  /// A worker that lives renews them as soon as it is connected again.
  package mutating func shortenLeases(of worker: WorkerID, to end: Instant) {
    for slot in slots.indices {
      guard let lease = slots[slot]?.lease, lease.worker == worker else { continue }
      slots[slot]?.lease.deadline = min(lease.deadline, end)
    }
  }

  /// Takes note of how far the holder of a lease is.
  mutating func notePace(
    ofSlot slot: Int, records: UInt64, _ report: ScoringReport, now: Instant
  ) {
    guard let entry = slots[slot] else { return }
    var position = Double(report.finishedBlockCount)
    if talliedBlockCount > 0, talliedRecordCount > 0 {
      let usual = Double(talliedRecordCount) / Double(talliedBlockCount)
      position = min(max(position, Double(records) / usual), position + 0.95)
    }
    if report.isScored { position = Double(entry.lease.blocks.count) }
    // Since the lease's begin: between two heartbeats a whole block may end, or none.
    let speed = report.elapsed > .zero ? position / report.elapsed.seconds : 0
    slots[slot]?.pace = Pace(position: position, speed: speed, elapsed: report.elapsed, at: now)
  }
}
