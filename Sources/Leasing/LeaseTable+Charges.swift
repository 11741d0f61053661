package import Jobs

/// What counts against a shard, and what comes of it.
extension LeaseTable {
  /// Counts a failure against a lease's shard: the next one is made in a process apart, or is none.
  ///
  /// What the worker reports itself would be the same in a process apart.
  mutating func charge(
    _ lease: Lease, host: UInt32, isReported: Bool = false, into effects: inout [LeaseEffect]
  ) {
    let index = lease.shard.index
    let wasSuspect = isSuspect(index)
    hasCharges = true
    shards[index].charges = UInt8(clamping: Int(shards[index].charges) + 1)
    shards[index].chargedWorker = lease.worker.rawValue
    if shards[index].chargedHost == 0 {
      shards[index].chargedHost = host
    } else if host != 0, host != shards[index].chargedHost {
      shards[index].isChargedByTwoHosts = true
    }
    effects.append(.charge(lease.shard, charges: Int(shards[index].charges)))
    if fail(index, at: isReported ? chargeLimit : failureLimit) {
      effects.append(.fail(lease.shard))
    } else if isSuspect(index), !wasSuspect, !shards[index].hasFailed {
      effects.append(.suspect(lease.shard))
    }
  }

  /// Charges at which a shard fails: it was suspect before.
  private var failureLimit: Int { chargeLimit + suspectChargeLimit }

  /// Whether a shard may hold a record that ends its worker.
  func isSuspect(_ index: Int) -> Bool { Int(shards[index].charges) >= chargeLimit }

  /// Whether a shard has charges, all of them from one host.
  func hasFailedOnly(_ index: Int, on host: UInt32) -> Bool {
    shards[index].charges > 0 && !shards[index].isChargedByTwoHosts && host != 0
      && shards[index].chargedHost == host
  }

  /// Marks a shard as failed, once, if its charges reach a limit and blocks are still open.
  private mutating func fail(_ index: Int, at limit: Int) -> Bool {
    let record = shards[index]
    let limit = PlantedBug.chargeLimitOffByOne.isPlanted ? limit + 1 : limit
    guard !record.hasFailed, record.charges >= limit, record.committed != record.allBlocks
    else { return false }
    shards[index].hasFailed = true
    failedShardCount += 1
    return true
  }

  /// Takes the last charge back: the worker it was made for has shown that it lives.
  mutating func uncharge(
    _ shard: ShardID, worker: WorkerID, into effects: inout [LeaseEffect]
  ) {
    let index = shard.index
    guard shards[index].charges > 0, shards[index].chargedWorker == worker.rawValue else { return }
    shards[index].charges -= 1
    shards[index].chargedWorker = 0
    recover(index)
    effects.append(.charge(shard, charges: Int(shards[index].charges)))
  }

  /// Makes a failed shard an ordinary one again.
  mutating func recover(_ index: Int) {
    guard shards[index].hasFailed else { return }
    shards[index].hasFailed = false
    failedShardCount -= 1
    pendingShards.insert(index)
  }

  /// How many leases a worker has begun to score.
  package func begunCount(of worker: WorkerID) -> Int {
    slots.count { $0?.lease.worker == worker && $0?.lease.progress != nil }
  }

  /// Ends the leases of a worker that is known to have died, and only those.
  ///
  /// What it had begun counts against its shard, several leases of one shard as one; of a backup
  /// nothing counts.
  ///
  /// - Parameters:
  ///   - worker: The worker.
  ///   - unreported: How many leases it may have begun without having come to report it: the lowest
  ///     count too, and are taken off.
  ///   - effects: What has to be done.
  /// - Returns: Whether something counts.
  package mutating func died(
    _ worker: WorkerID, unreported: inout Int, into effects: inout [LeaseEffect]
  ) -> Bool {
    noteLoss(ofAllOf: worker)
    var charged: Set<ShardID> = []
    let ended = slots.compactMap(\.self).filter { $0.lease.worker == worker }.sorted {
      left, right in
      (left.lease.shard.index, left.lease.blocks.first)
        < (right.lease.shard.index, right.lease.blocks.first)
    }
    for entry in ended {
      remove(entry.lease)
      effects.append(.revoke(entry.lease))
      guard !entry.lease.isBackup else { continue }
      if entry.lease.progress == nil {
        guard unreported > 0 else { continue }
        unreported -= 1
      }
      guard charged.insert(entry.lease.shard).inserted else { continue }
      charge(entry.lease, host: entry.host, into: &effects)
    }
    return !charged.isEmpty
  }

  /// Takes up a shard's charges from the journal.
  package mutating func restore(charges: Int, of shard: ShardID) {
    guard shard.index < shards.count, !PlantedBug.chargesForgotten.isPlanted else { return }
    shards[shard.index].charges = UInt8(clamping: charges)
    hasCharges = hasCharges || charges > 0
    _ = fail(shard.index, at: failureLimit)
  }

  /// Forgets all charges: the user asks for another try.
  package mutating func forgiveCharges(into effects: inout [LeaseEffect]) {
    for index in shards.indices where shards[index].charges > 0 {
      shards[index].charges = 0
      shards[index].chargedHost = 0
      shards[index].isChargedByTwoHosts = false
      recover(index)
      effects.append(.charge(ShardID(UInt32(index)), charges: 0))
    }
  }
}
