import Jobs

/// The chain of parser states of every input, from each file's start as far as it is known.
///
/// A worker's guess about a cut is right or wrong only against this chain. Committed blocks beyond
/// its end are provisional: they wait here, sorted, until the chain reaches them.
struct StateChain: Sendable {
  /// The first cut of an input that is not yet confirmed.
  struct End: Sendable {
    var shard: Int
    var block: Int
    var state: RangeState
  }

  private var ends: [End]
  /// Provisional blocks by shard, each list sorted by first block.
  private var provisional: [Int: [CommittedBlocks]] = [:]

  init(plan: Plan) {
    ends = plan.inputs.indices.map {
      End(shard: plan.shards(ofInput: $0).lowerBound, block: 0, state: .recordStart)
    }
  }

  subscript(input: Int) -> End {
    get { ends[input] }
    set { ends[input] = newValue }
  }

  var provisionalCount: Int { provisional.values.reduce(0) { $0 + $1.count } }

  /// The provisional blocks that begin at a cut.
  func provisional(at shard: Int, _ block: Int) -> CommittedBlocks? {
    provisional[shard]?.first { Int($0.blocks.first) == block }
  }

  /// The state at a cut, if provisional blocks end there: a better guess than none.
  func guess(at shard: Int, _ block: Int) -> RangeState? {
    provisional[shard]?.first { Int($0.blocks.end) == block }?.exit
  }

  mutating func insert(_ committed: CommittedBlocks) {
    var list = provisional[committed.shard.index] ?? []
    let place = list.firstIndex { $0.blocks.first > committed.blocks.first } ?? list.count
    list.insert(committed, at: place)
    provisional[committed.shard.index] = list
  }

  mutating func remove(_ committed: CommittedBlocks) {
    var list = provisional.removeValue(forKey: committed.shard.index) ?? []
    list.removeAll { $0.blocks == committed.blocks }
    if !list.isEmpty { provisional[committed.shard.index] = list }
  }
}
