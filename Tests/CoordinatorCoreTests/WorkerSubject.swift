import Jobs
import Leasing
import WorkerCore

/// A generator that always draws its limit, so that back-off is as long as it can be.
struct LongestDraw: RandomNumberGenerator {
  mutating func next() -> UInt64 { .max }
}

func grant(
  _ shard: UInt32, _ blocks: BlockRange = BlockRange(0, 4), counter: UInt32 = 1
) -> Grant {
  Grant(
    job: job,
    lease: Lease(
      shard: ShardID(shard), blocks: blocks,
      attempt: Attempt(incarnation: Incarnation(1), counter: counter), worker: me,
      entry: .recordStart, deadline: .start))
}

func result(of grant: Grant, blocks: BlockRange? = nil) -> ShardResult {
  let blocks = blocks ?? grant.lease.blocks
  let block = BlockResult(counts: RecordCounts(ok: 3), exit: .recordStart)
  let result = ShardResult(
    shard: grant.lease.shard, attempt: grant.lease.attempt, entry: grant.lease.entry,
    blocks: blocks, results: Array(repeating: block, count: blocks.count),
    partial: PartialName(digest: digest, byteCount: 1))
  guard let result else { fatalError("one result for each block") }
  return result
}

/// A worker under test with two slots, and its effects in words.
final class WorkerSubject {
  var core: WorkerCore
  private var effects: [WorkerEffect] = []
  private var generator = LongestDraw()
  /// Seconds since the start.
  var now = 0

  init(idleTimeout: Duration? = nil, joined: Bool = true) {
    var timing = WorkerTiming()
    timing.idleTimeout = idleTimeout
    core = WorkerCore(name: "w", slotCount: 2, timing: timing, now: .start)
    guard joined else { return }
    _ = tick()
    _ = answer(hello, .welcome)
    _ = answer(.acquire(leaseLimit: 4), .wait(.seconds(1)))
    _ = answer(.heartbeat([]), .alive(revoked: [], drain: false))
  }

  var hello: FleetRequest { .hello(name: "w", threadCount: 2) }

  /// Ticks and gives the effects in words.
  func tick(at seconds: Int? = nil) -> String {
    now = seconds ?? now
    core.tick(now: instant, using: &generator, into: &effects)
    return takeEffects()
  }

  func answer(_ request: FleetRequest, _ answer: FleetAnswer) -> String {
    core.answered(request, answer, now: instant, using: &generator, into: &effects)
    return takeEffects()
  }

  func refused(_ request: FleetRequest, _ scope: RefusalScope) -> String {
    core.refused(request, "r", scope, now: instant, using: &generator, into: &effects)
    return takeEffects()
  }

  /// A slot's lease could not be scored on this machine.
  func failedHere(_ slot: Int) -> String {
    core.failedHere(slot: slot, reason: "full", now: instant, into: &effects)
    return tick()
  }

  func unanswered(_ request: FleetRequest) {
    core.unanswered(request, now: instant, using: &generator)
  }

  /// Grants leases through an answer to a request for four.
  func take(_ grants: Grant...) -> String {
    answer(.acquire(leaseLimit: 4), .grants(grants))
  }

  func terminate() -> String {
    core.terminate(now: instant, into: &effects)
    return takeEffects()
  }

  func scored(_ slot: Int, _ result: ShardResult) -> String {
    core.scored(slot: slot, result, now: instant)
    return tick()
  }

  @discardableResult
  func uploadFailed(_ key: LeaseKey) -> String {
    core.uploadFailed(key, now: instant, using: &generator, into: &effects)
    return takeEffects()
  }

  private var instant: Instant { seconds(now) }

  private func takeEffects() -> String {
    defer { effects = [] }
    return effects.map(describe).joined(separator: ", ")
  }
}

func describe(_ effect: WorkerEffect) -> String {
  switch effect {
  case .send(let request): describe(request)
  case .score(let slot, let grant): "score \(grant.lease.shard) on \(slot)"
  case .stop(let slot, let keepBlocks): "stop \(slot)\(keepBlocks ? " keeping" : "")"
  case .shorten(let slot, let end): "shorten \(slot) to \(end)"
  case .upload(let key, let offset): "upload \(key.shard) from \(offset)"
  case .discard(let key): "discard \(key.shard)"
  case .exit(let reason): "exit \(reason)"
  }
}

private func describe(_ request: FleetRequest) -> String {
  switch request {
  case .hello: "hello"
  case .acquire(let limit): "acquire \(limit)"
  case .heartbeat(let held):
    "heartbeat [" + held.map { "\($0.grant.lease.shard)" }.joined(separator: " ") + "]"
  case .finish(_, let result): "finish \(result.shard):\(result.blocks)"
  case .handBack(let key): "handBack \(key.shard)"
  case .fail(let key, let code, _): "fail \(key.shard) \(code.rawValue)"
  case .goodbye: "goodbye"
  }
}
