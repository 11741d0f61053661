import CoordinatorCore
import Jobs
import Leasing

let job = JobID(0xA)
let me = WorkerID(1)
let other = WorkerID(2)
let digest = ContentDigest(words: SIMD4(1, 2, 3, 4))

func seconds(_ count: Int) -> Instant { Instant(sinceStart: .seconds(count)) }

func request(errorThreshold: Int64 = 5) -> JobRequest {
  var request = JobRequest(
    displayName: "test", model: "/model", inputConfig: .init(uris: ["/in"]),
    outputConfig: .init(uri: "/out"))
  request.errorThreshold = errorThreshold
  return request
}

/// A plan of one plain input with blocks of 256 bytes.
func plan(blockCount: Int) -> Plan {
  let input = PlannedInput(
    path: "/in", byteCount: UInt64(blockCount) * 256, modifiedNanoseconds: 0, inode: 0,
    compression: .none)
  do {
    return try Plan(inputs: [input], blockByteCount: 256)
  } catch {
    fatalError("\(error)")
  }
}

/// A result for blocks of shard 0, all from and to a record's start.
func result(
  _ blocks: BlockRange, _ counter: UInt32, ok: UInt64 = 2, error: UInt64 = 0,
  entry: RangeState = .recordStart
) -> ShardResult {
  let block = BlockResult(counts: RecordCounts(ok: ok, error: error), exit: .recordStart)
  let result = ShardResult(
    shard: ShardID(0), attempt: Attempt(incarnation: Incarnation(1), counter: counter),
    entry: entry, blocks: blocks, results: Array(repeating: block, count: blocks.count),
    partial: PartialName(digest: digest, byteCount: 1))
  guard let result else { fatalError("one result for each block") }
  return result
}

func committed(_ blocks: BlockRange, ok: UInt64 = 8) -> CommittedBlocks {
  CommittedBlocks(
    shard: ShardID(0), blocks: blocks, attempt: Attempt(incarnation: Incarnation(1), counter: 1),
    entry: .recordStart, exit: .recordStart, counts: RecordCounts(ok: ok),
    partial: PartialName(digest: digest, byteCount: 1))
}

/// A coordinator under test with at most one job of four blocks, and its effects in words.
final class CoordinatorSubject {
  var core = CoordinatorCore(incarnation: Incarnation(1))
  var effects: [CoordinatorEffect] = []

  static let model = PlannedModel(digest: digest, byteCount: 1)

  /// Runs an event that may refuse; says what was answered.
  func attempt(
    _ event: (inout CoordinatorCore, inout [CoordinatorEffect]) throws(CoordinatorCore.Refusal)
      -> Void
  ) -> String {
    do {
      try event(&core, &effects)
      return "ok"
    } catch {
      return "\(error)"
    }
  }

  func submit(_ id: JobID = job) -> String {
    attempt { core, effects throws(CoordinatorCore.Refusal) in
      try core.submit(id, request(), createdNanoseconds: 1, into: &effects)
    }
  }

  func planned(_ blockCount: Int = 4) {
    core.planned(job, plan(blockCount: blockCount), Self.model, into: &effects)
  }

  func hello(_ worker: WorkerID = me, now: Int = 0) {
    _ = core.hello(worker, name: "w", threadCount: 1, now: seconds(now))
  }

  func acquire(_ worker: WorkerID = me, now: Int = 0) -> [Grant] {
    let answer = core.acquire(worker, leaseLimit: 1, now: seconds(now), into: &effects)
    guard case .grants(let grants) = answer else { return [] }
    return grants
  }

  @discardableResult
  func finish(
    _ result: ShardResult, by worker: WorkerID = me, now: Int = 0
  ) -> FinishAnswer {
    core.finish(job, result, worker: worker, now: seconds(now), into: &effects)
  }

  func mergeEnded(_ outcome: CoordinatorCore.MergeOutcome) {
    core.mergeEnded(job, outcome, now: seconds(3), into: &effects)
  }

  /// The effects since the last call, in words, without the log.
  func takeEffects() -> String {
    defer { effects = [] }
    return effects.compactMap(describe).joined(separator: ", ")
  }

  var shape: String {
    guard let entry = core.jobs[job] else { return "none" }
    return "\(entry.state.rawValue)/\(entry.phase.rawValue)"
  }
}

func describe(_ effect: CoordinatorEffect) -> String? {
  switch effect {
  case .journal(let entry): describe(entry)
  case .plan: "plan"
  case .merge: "merge"
  case .reload: "reload"
  case .ended: "ended"
  case .log: nil
  }
}

private func describe(_ entry: JournalEntry) -> String {
  switch entry {
  case .submitted: "+submitted"
  case .planned: "+planned"
  case .columns: "+columns"
  case .inputsChecked: "+inputs checked"
  case .state(_, let state, _): "+\(state.rawValue)"
  case .commit(_, let part): "+commit \(part.blocks)"
  case .refute(_, let part): "+refute \(part.blocks)"
  case .charge(_, let shard, let charges): "+charge \(shard)=\(charges)"
  case .published: "+published"
  case .deleted: "+deleted"
  }
}
