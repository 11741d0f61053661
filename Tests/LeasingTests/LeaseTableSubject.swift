import Jobs
import Leasing

let me = WorkerID(1)
let other = WorkerID(2)
let third = WorkerID(3)
let digest = ContentDigest(words: SIMD4(1, 2, 3, 4))

func seconds(_ count: Int) -> Instant { Instant(sinceStart: .seconds(count)) }

/// A plan of plain inputs with blocks of 256 bytes, by their numbers of blocks.
func plan(_ blockCounts: Int...) -> Plan {
  do {
    return try Plan(
      inputs: blockCounts.map {
        PlannedInput(
          path: "/in", byteCount: UInt64($0) * 256, modifiedNanoseconds: 0, inode: 0,
          compression: .none)
      }, blockByteCount: 256)
  } catch {
    fatalError("\(error)")
  }
}

/// A result whose blocks have ten records each, and end as `exits` says: -1, or an offset.
func result(
  _ shard: Int, _ blocks: BlockRange, _ attempt: Attempt, entry: Int64 = -1,
  exits: [Int: Int64] = [:]
) -> ShardResult {
  let results = blocks.indices.map { block in
    BlockResult(
      counts: RecordCounts(ok: 9, error: 1),
      exit: RangeState(code: exits[block + 1] ?? -1) ?? .recordStart)
  }
  guard
    let result = ShardResult(
      shard: ShardID(UInt32(shard)), attempt: attempt,
      entry: RangeState(code: entry) ?? .recordStart, blocks: blocks, results: results,
      partial: PartialName(digest: digest, byteCount: 1))
  else { fatalError("one result for each block") }
  return result
}

/// The attempt `1.counter`, or of an earlier life.
func attempt(_ counter: UInt32, of incarnation: UInt32 = 1) -> Attempt {
  Attempt(incarnation: Incarnation(incarnation), counter: counter)
}

/// A table under test, which notes its effects as words.
final class LeaseTableSubject {
  var table: LeaseTable
  var effects: [LeaseEffect] = []

  /// A table in which a shard fails at the charge limit, unless it is said how long it is suspect.
  init(_ plan: Plan, chargeLimit: Int = 3, suspectChargeLimit: Int = 0) {
    table = LeaseTable(
      plan: plan, chargeLimit: chargeLimit, suspectChargeLimit: suspectChargeLimit)
  }

  func acquire(_ worker: WorkerID = me, limit: Int = 64, now: Int = 0) -> Lease? {
    table.acquire(
      for: Asker(worker), incarnation: Incarnation(1), blockLimit: limit, now: seconds(now))
  }

  func finish(_ result: ShardResult, by worker: WorkerID = me) -> LeaseTable.Outcome {
    table.finish(result, worker: worker, into: &effects)
  }

  func renew(
    _ lease: Lease, progress: UInt64? = 5, now: Int = 1
  ) -> LeaseTable.Renewal {
    table.renew(lease, progress: progress, now: seconds(now), into: &effects)
  }

  func tick(_ now: Int) { table.tick(now: seconds(now), into: &effects) }

  func fail(_ counter: UInt32, by worker: WorkerID = me, shard: UInt32 = 0) {
    table.fail(shard: ShardID(shard), attempt: attempt(counter), worker: worker, into: &effects)
  }

  /// The effects since the last call, in words.
  func takeEffects() -> String {
    defer { effects = [] }
    return effects.map(describe).joined(separator: ", ")
  }

  /// Shard 0 in words: state, committed and leased blocks, charges.
  var shape: String {
    let shard = table.shards[0]
    let charges = shard.charges == 0 ? "" : " charged \(shard.charges)"
    return "\(shard.state) \(shard.committed.runs)/\(shard.leased.runs)\(charges)"
  }
}

func describe(_ effect: LeaseEffect) -> String {
  switch effect {
  case .commit(let part): "commit \(part.shard):\(part.blocks) by \(part.attempt)"
  case .refute(let part): "refute \(part.shard):\(part.blocks) by \(part.attempt)"
  case .confirm(let shard, let blocks, let counts): "confirm \(shard):\(blocks) (\(counts.total))"
  case .revoke(let lease): "revoke \(lease.attempt) of \(lease.worker.rawValue)"
  case .charge(let shard, let charges): "charge \(shard) = \(charges)"
  case .suspect(let shard): "suspect \(shard)"
  case .fail(let shard): "fail \(shard)"
  }
}

func describe(_ lease: Lease?) -> String {
  guard let lease else { return "nothing" }
  return "\(lease.shard):\(lease.blocks) as \(lease.attempt) from \(lease.entry.code)"
}
