import Jobs

/// The living leases: a free list of slots, and for each shard a chain of those that are its.
extension LeaseTable {
  func slot(of lease: Lease) -> Int? {
    slot(shard: lease.shard, attempt: lease.attempt, worker: lease.worker)
  }

  func slot(shard: ShardID, attempt: Attempt, worker: WorkerID) -> Int? {
    var slot = shards[shard.index].firstSlot
    while slot >= 0, let entry = slots[Int(slot)] {
      if entry.lease.attempt == attempt, entry.lease.worker == worker { return Int(slot) }
      slot = entry.next
    }
    return nil
  }

  mutating func add(_ lease: Lease, host: UInt32, now: Instant) {
    let index = lease.shard.index
    let entry = Slot(lease: lease, next: shards[index].firstSlot, host: host, granted: now)
    if let free = freeSlots.popLast() {
      slots[Int(free)] = entry
      shards[index].firstSlot = free
    } else {
      slots.append(entry)
      shards[index].firstSlot = Int32(slots.count - 1)
    }
    let newlyLeased = BlockMask(lease.blocks).subtracting(shards[index].committed)
      .subtracting(shards[index].leased)
    shards[index].leased = shards[index].leased.union(newlyLeased)
    leasedBlockCount += newlyLeased.count
    leaseCount += 1
  }

  func host(ofSlot slot: Int) -> UInt32 { slots[slot]?.host ?? 0 }

  @discardableResult
  mutating func endLease(shard: ShardID, attempt: Attempt, worker: WorkerID) -> Lease? {
    guard let slot = slot(shard: shard, attempt: attempt, worker: worker),
      let lease = slots[slot]?.lease
    else { return nil }
    remove(lease)
    return lease
  }

  /// Unlinks a lease; blocks of it that are not committed are pending again.
  mutating func remove(_ lease: Lease) {
    let index = lease.shard.index
    guard let slot = slot(of: lease), let entry = slots[slot] else { return }
    if shards[index].firstSlot == Int32(slot) {
      shards[index].firstSlot = entry.next
    } else {
      var previous = Int(shards[index].firstSlot)
      while let next = slots[previous]?.next, next != Int32(slot) { previous = Int(next) }
      slots[previous]?.next = entry.next
    }
    slots[slot] = nil
    freeSlots.append(Int32(slot))
    leaseCount -= 1
    recountLeased(index)
    if !shards[index].pending.isEmpty { pendingShards.insert(index) }
  }

  mutating func recountLeased(_ index: Int) {
    var leased = BlockMask.none
    var slot = shards[index].firstSlot
    while slot >= 0, let entry = slots[Int(slot)] {
      leased = leased.union(BlockMask(entry.lease.blocks))
      slot = entry.next
    }
    leased = leased.subtracting(shards[index].committed)
    leasedBlockCount += leased.count - shards[index].leased.count
    shards[index].leased = leased
  }
}
