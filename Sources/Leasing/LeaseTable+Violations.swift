import Jobs

/// What must hold between any two events; for tests and the simulation.
extension LeaseTable {
  /// Every broken invariant, in words; empty when all is well.
  ///
  /// Counters equal recounts from the masks; a shard's leased blocks are those of its living
  /// leases that are not committed; living leases of one shard never share a block, but for one
  /// that is a second try; a shard without open blocks has no lease. O(shards + leases log leases).
  package func violations() -> [String] {
    counterViolations() + leaseViolations()
  }

  private func counterViolations() -> [String] {
    var found: [String] = []
    var committed = 0
    var leased = 0
    var failed = 0
    for (index, shard) in shards.enumerated() {
      committed += shard.committed.count
      leased += shard.leased.count
      failed += shard.state == .failed ? 1 : 0
      let beyond = shard.committed.union(shard.leased).subtracting(shard.allBlocks)
      if !beyond.isEmpty { found.append("shard \(index) has blocks that it has not") }
      if !shard.committed.intersection(shard.leased).isEmpty {
        found.append("shard \(index) has blocks both committed and leased")
      }
    }
    if committed != committedBlockCount { found.append("committedBlockCount is not \(committed)") }
    if leased != leasedBlockCount { found.append("leasedBlockCount is not \(leased)") }
    if failed != failedShardCount { found.append("failedShardCount is not \(failed)") }
    if confirmedBlockCount > committed { found.append("more blocks confirmed than committed") }
    return found
  }

  private func leaseViolations() -> [String] {
    var found: [String] = []
    let living = leases.sorted {
      ($0.shard, $0.blocks.first, $0.attempt) < ($1.shard, $1.blocks.first, $1.attempt)
    }
    if living.count != leaseCount { found.append("leaseCount is not \(living.count)") }
    var next = living[...]
    for (index, shard) in shards.enumerated() {
      var claimed = BlockMask.none
      var twice = BlockMask.none
      while let lease = next.first, lease.shard.index == index {
        next.removeFirst()
        let blocks = BlockMask(lease.blocks)
        let earlier = lease.isBackup ? twice : claimed
        if !earlier.intersection(blocks).isEmpty {
          found.append("two leases share blocks of shard \(index)")
        }
        if blocks.subtracting(shard.committed).isEmpty {
          found.append("a lease on shard \(index) has no open block")
        }
        if lease.isBackup { twice = twice.union(blocks) } else { claimed = claimed.union(blocks) }
      }
      if claimed.union(twice).subtracting(shard.committed) != shard.leased {
        found.append("leased blocks of shard \(index) are not those of its leases")
      }
    }
    return found
  }
}
