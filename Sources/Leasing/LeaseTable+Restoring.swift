import Jobs

/// What the journal brings back.
extension LeaseTable {
  /// Takes up committed blocks from the journal, in any order, before the first lease.
  ///
  /// Returns the effects that the chain of states has: confirmations, and refutations that a
  /// crash kept from the journal.
  package mutating func restore(
    _ committed: CommittedBlocks, into effects: inout [LeaseEffect]
  ) -> Bool {
    let index = committed.shard.index
    guard index < shards.count, committed.blocks.end <= shards[index].blockCount,
      BlockMask(committed.blocks).intersection(shards[index].committed).isEmpty
    else { return false }
    shards[index].committed = shards[index].committed.union(BlockMask(committed.blocks))
    committedBlockCount += committed.blocks.count
    recountLeased(index)
    if !confirmAtEnd(committed, into: &effects) { chain.insert(committed) }
    revokeFinishedLeases(of: committed.shard, into: &effects)
    followChain(input: plan.inputIndex(of: committed.shard), into: &effects)
    return true
  }

  /// Goes on counting attempts where another table of the same plan stopped.
  ///
  /// A table rebuilt within one incarnation would otherwise give two leases one name.
  package mutating func continueAttempts(of other: LeaseTable) {
    for index in shards.indices { shards[index].attempts = other.shards[index].attempts }
  }
}
