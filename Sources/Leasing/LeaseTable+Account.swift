package import Jobs

/// What the threads of workers did for one job, in seconds of one thread.
package struct WorkAccount: Hashable, Sendable {
  /// For the results that count.
  package var useful = 0.0
  /// For results of blocks that were committed before, and of guesses that were wrong.
  package var repeated = 0.0
  /// For second tries, or what they made superfluous.
  package var backup = 0.0
  /// For leases that ended without a result: their workers were taken away, died or fell silent.
  package var preempted = 0.0

  package init() {}

  package var total: Double { useful + repeated + backup + preempted }
}

/// The account of the work; what a worker does between two heartbeats and loses is not seen.
extension LeaseTable {
  /// Takes note of what a result took, of which some blocks count.
  mutating func note(_ result: ShardResult, newBlockCount: Int, isBackup: Bool) {
    let seconds = result.elapsed.seconds
    let useful = seconds * Double(newBlockCount) / Double(result.blocks.count)
    account.useful += useful
    if isBackup {
      account.backup += seconds - useful
    } else {
      account.repeated += seconds - useful
    }
  }

  /// Takes note of a result all of whose blocks were committed before.
  package mutating func noteRepeated(_ result: ShardResult, worker: WorkerID) {
    guard result.shard.index < shards.count else { return }
    let slot = slot(shard: result.shard, attempt: result.attempt, worker: worker)
    note(
      result, newBlockCount: 0, isBackup: slot.map { slots[$0]?.lease.isBackup == true } ?? false)
  }

  /// Takes note of blocks that were committed and count no more.
  mutating func noteRefuted(_ blockCount: Int) {
    guard committedBlockCount > 0 else { return }
    let seconds = account.useful * Double(blockCount) / Double(committedBlockCount)
    account.useful -= seconds
    account.repeated += seconds
  }

  /// Takes note of a lease that ends without a result.
  mutating func noteLoss(of entry: Slot) { account.preempted += secondsAtWork(entry) }

  /// Takes note of a lease whose blocks another attempt has committed.
  mutating func noteSuperfluous(_ entry: Slot) { account.backup += secondsAtWork(entry) }

  /// Takes note of all that a worker had at work, and does no more.
  ///
  /// Of what it had not reported yet, as many leases as it has threads to spare, the lowest first.
  mutating func noteLoss(ofAllOf worker: WorkerID) {
    let own = slots.compactMap(\.self).filter { $0.lease.worker == worker }
    for entry in own { noteLoss(of: entry) }
    let unreported = own.filter { $0.pace == nil }.sorted {
      ($0.granted, $0.lease.shard.index) < ($1.granted, $1.lease.shard.index)
    }
    let spare = max(0, (tallies[worker]?.slotCount ?? 1) - (own.count - unreported.count))
    for entry in unreported.prefix(spare) {
      account.preempted += max(0, min(clock - entry.granted, Limits.heartbeatInterval).seconds)
    }
  }

  /// For how long the scoring of a lease has been under way: zero before its first report.
  private func secondsAtWork(_ entry: Slot) -> Double {
    guard let pace = entry.pace else { return 0 }
    return pace.elapsed.seconds + max(0, min(clock - pace.at, Limits.heartbeatInterval).seconds)
  }
}
