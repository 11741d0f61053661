import Jobs
import Leasing

/// Random events on a random table, with results as a correct parser would make them.
struct RandomWalk {
  let subject: LeaseTableSubject
  /// Commits minus refutations of each block, by shard and block.
  private(set) var committed: [Int: Int] = [:]
  private(set) var confirmed: [Int: Int] = [:]
  private var generator: SplitMix
  private var known: [Lease] = []
  private var now = 0

  init(seed: UInt64) {
    var generator = SplitMix(state: seed)
    let counts = (0..<3).map { _ in Int.random(in: 0...150, using: &generator) }
    self.generator = generator
    subject = LeaseTableSubject(plan(counts[0], counts[1], counts[2]), chargeLimit: 200)
  }

  mutating func step() {
    now += Int.random(in: 0...2, using: &generator)
    let worker = WorkerID(.random(in: 1...3, using: &generator))
    switch Int.random(in: 0..<16, using: &generator) {
    case 0..<6:
      let limit = Int.random(in: 1...64, using: &generator)
      if let lease = subject.acquire(worker, limit: limit, now: now) { known.append(lease) }
    case 6..<9: withKnown { $0.finish($1) }
    case 9..<11: withKnown { _ = $0.subject.renew($1, now: $0.now) }
    case 11: subject.tick(now)
    case 12:
      withKnown {
        $0.subject.table.handBack(shard: $1.shard, attempt: $1.attempt, worker: $1.worker)
      }
    case 13:
      withKnown {
        $0.subject.table.fail(
          shard: $1.shard, attempt: $1.attempt, worker: $1.worker, into: &$0.subject.effects)
      }
    case 14: subject.table.release(worker: worker)
    default: subject.table.forgiveCharges(into: &subject.effects)
    }
    count()
  }

  mutating func finishEverything() {
    subject.table.revokeAll(into: &subject.effects)
    subject.table.forgiveCharges(into: &subject.effects)
    while let lease = subject.acquire() {
      finish(lease)
      count()
    }
  }

  private mutating func withKnown(_ body: (inout RandomWalk, Lease) -> Void) {
    guard let lease = known.randomElement(using: &generator) else { return }
    body(&self, lease)
  }

  /// Finishes all or the first blocks of a lease from the state it was told.
  private mutating func finish(_ lease: Lease) {
    let end = Int.random(
      in: (Int(lease.blocks.first) + 1)...Int(lease.blocks.end), using: &generator)
    let blocks = BlockRange(Int(lease.blocks.first), end)
    let shard = lease.shard.index
    var exits: [Int: Int64] = [:]
    var state = lease.entry.code
    for block in blocks.indices {
      state = truth(after: shard, block, from: state)
      exits[block + 1] = state
    }
    _ = subject.finish(
      result(shard, blocks, lease.attempt, entry: lease.entry.code, exits: exits),
      by: lease.worker)
  }

  /// A file in which every fifth block opens a field that lasts two blocks; a parser that starts
  /// from a wrong state inside it is wrong until the field ends.
  private func truth(after shard: Int, _ block: Int, from state: Int64) -> Int64 {
    switch (shard * 64 + block) % 5 {
    case 3: Int64(shard * 64 + block)
    case 4: state
    default: -1
    }
  }

  /// Books the effects by block.
  private mutating func count() {
    for effect in subject.effects {
      switch effect {
      case .commit(let part): add(1, part.shard, part.blocks, to: \.committed)
      case .refute(let part): add(-1, part.shard, part.blocks, to: \.committed)
      case .confirm(let shard, let blocks, _): add(1, shard, blocks, to: \.confirmed)
      case .revoke, .charge, .suspect, .fail: break
      }
    }
    subject.effects = []
  }

  private mutating func add(
    _ amount: Int, _ shard: ShardID, _ blocks: BlockRange,
    to counts: WritableKeyPath<RandomWalk, [Int: Int]>
  ) {
    for block in blocks.indices {
      self[keyPath: counts][shard.index * 64 + block, default: 0] += amount
    }
  }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
