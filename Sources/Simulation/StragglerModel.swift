import CoordinatorCore
import Jobs
import Leasing
import WorkerCore

/// One job on a fleet in which one worker may be slow, in steps of ten milliseconds.
///
/// The cores are the real ones. Nothing is lost and nobody dies: what is shown is how long the job
/// takes, from its first lease to its last block.
package struct StragglerModel: Sendable {
  package var workerCount = 8
  package var blockCount = 2_048
  /// What an ordinary worker takes for a block, give or take a fifth.
  package var blockTime = Duration.milliseconds(100)
  /// How many times as long worker 0 takes.
  package var slowness = 1
  package var seed: UInt64 = 1

  private static let job = JobID(0x51)
  private static let step = Duration.milliseconds(10)

  package init() {}

  /// One worker with a single slot.
  fileprivate struct Member {
    var core: WorkerCore
    let id: WorkerID
    var grant: Grant?
    var end = 0
    var results: [BlockResult] = []
    var blockEnds = Instant.start
    var isStopping = false
    var isShortened = false
    var nextTick = Instant.start
    var requests: [FleetRequest] = []
  }

  fileprivate struct Run {
    let model: StragglerModel
    var now = Instant.start
    var core = CoordinatorCore(incarnation: Incarnation(1))
    var members: [Member] = []
    var generator: SplitMix64
    var ignored: [CoordinatorEffect] = []
  }

  /// How long the job takes; `nil` if it takes more than a day.
  package func duration() -> Duration? {
    var run = Run(model: self, generator: SplitMix64(seed: seed))
    run.begin(job: Self.job)
    while !(run.core.tables[Self.job]?.isComplete ?? true) {
      guard run.now < .start + .seconds(86_400) else { return nil }
      run.advance(by: Self.step)
    }
    return run.now - .start
  }
}

extension StragglerModel.Run {
  mutating func begin(job: JobID) {
    let request = JobRequest(
      displayName: "straggler", model: "/model", inputConfig: .init(uris: ["/in"]),
      outputConfig: .init(uri: "/out"))
    let block = Limits.smallestBlockByteCount
    let input = PlannedInput(
      path: "/in", byteCount: UInt64(model.blockCount) * block, modifiedNanoseconds: 0, inode: 0,
      compression: .none)
    do {
      try core.submit(job, request, createdNanoseconds: 0, into: &ignored)
      let plan = try Plan(inputs: [input], blockByteCount: block)
      core.planned(
        job, plan, PlannedModel(digest: ContentDigest(words: .zero), byteCount: 1), into: &ignored)
    } catch {
      preconditionFailure("an empty coordinator takes a small job: \(error)")
    }
    members = (0..<model.workerCount).map { index in
      let worker = WorkerCore(name: "w\(index)", slotCount: 1, timing: WorkerTiming(), now: .start)
      return StragglerModel.Member(core: worker, id: WorkerID(UInt64(index) + 1))
    }
  }

  mutating func advance(by step: Duration) {
    now = now + step
    for index in members.indices {
      finishBlocks(index)
      let requests = members[index].requests
      members[index].requests = []
      for request in requests { answer(request, of: index) }
      guard members[index].nextTick <= now else { continue }
      members[index].nextTick = now + .milliseconds(50)
      note(index)
      update(index) { worker, now, generator, effects in
        worker.tick(now: now, using: &generator, into: &effects)
      }
    }
    core.tick(now: now, into: &ignored)
    ignored.removeAll(keepingCapacity: true)
  }

  private mutating func note(_ index: Int) {
    guard members[index].grant != nil else { return }
    let done = members[index].results.count
    members[index].core.progressed(
      slot: 0, records: UInt64(done), blocks: done, mark: 2, now: now)
  }

  private mutating func update(
    _ index: Int,
    _ event: (inout WorkerCore, Instant, inout SplitMix64, inout [WorkerEffect]) -> Void
  ) {
    var effects: [WorkerEffect] = []
    event(&members[index].core, now, &generator, &effects)
    for effect in effects {
      switch effect {
      case .send(let request): members[index].requests.append(request)
      case .score(_, let grant):
        members[index].grant = grant
        members[index].end = Int(grant.lease.blocks.end)
        members[index].results = []
        members[index].isStopping = false
        members[index].isShortened = false
        members[index].blockEnds = now + blockTime(index)
        note(index)
      case .stop:
        members[index].isStopping = true
        members[index].blockEnds = now
      case .shorten(_, let end):
        members[index].end = min(members[index].end, Int(end))
        members[index].isShortened = true
      case .upload, .discard, .exit: break
      }
    }
  }

  private mutating func blockTime(_ index: Int) -> Duration {
    let factor = Int64(index == 0 ? model.slowness : 1)
    let percent = Int64(generator.within(80...120))
    return .nanoseconds(model.blockTime.nanoseconds * factor * percent / 100)
  }

  /// Ends the blocks whose time has come; a real thread, too, hears in the middle of a block that
  /// nobody needs it.
  private mutating func finishBlocks(_ index: Int) {
    if let grant = members[index].grant, members[index].isShortened {
      let next = Int(grant.lease.blocks.first) + members[index].results.count
      if next >= members[index].end, next > grant.lease.blocks.first {
        return deliver(grant, index, next)
      }
    }
    while let grant = members[index].grant, members[index].blockEnds <= now {
      if members[index].isStopping {
        members[index].grant = nil
        members[index].core.stopped(slot: 0)
        return
      }
      members[index].results.append(
        BlockResult(counts: RecordCounts(ok: 1), exit: .recordStart))
      let next = Int(grant.lease.blocks.first) + members[index].results.count
      guard next >= members[index].end else {
        members[index].blockEnds = members[index].blockEnds + blockTime(index)
        continue
      }
      deliver(grant, index, next)
    }
  }

  private mutating func deliver(_ grant: Grant, _ index: Int, _ end: Int) {
    let lease = grant.lease
    members[index].grant = nil
    let result = ShardResult(
      shard: lease.shard, attempt: lease.attempt, entry: lease.entry,
      blocks: BlockRange(Int(lease.blocks.first), end), results: members[index].results,
      partial: PartialName(digest: ContentDigest(words: .zero), byteCount: 1))
    guard let result else { preconditionFailure("one result for each block") }
    update(index) { worker, now, generator, effects in
      worker.scored(slot: 0, result, now: now)
      worker.tick(now: now, using: &generator, into: &effects)
    }
  }

  private mutating func answer(_ request: FleetRequest, of index: Int) {
    let answer = answer(request, of: members[index].id)
    update(index) { worker, now, generator, effects in
      worker.answered(request, answer, now: now, using: &generator, into: &effects)
    }
  }

  private mutating func answer(_ request: FleetRequest, of worker: WorkerID) -> FleetAnswer {
    switch request {
    case .hello(let name, let threadCount):
      _ = core.hello(worker, name: name, threadCount: threadCount, now: now)
      return .welcome
    case .acquire(let limit):
      switch core.acquire(worker, leaseLimit: limit, now: now, into: &ignored) {
      case .grants(let grants): return .grants(grants)
      case .wait, .unknownWorker, .drain: return .wait(.milliseconds(100))
      }
    case .heartbeat(let held):
      switch core.heartbeat(worker, held: held, now: now, into: &ignored) {
      case .alive(let revoked, let shortened, let drain):
        return .alive(revoked: revoked, shortened: shortened, drain: drain)
      case .unknownWorker: return .unknownWorker
      }
    case .finish(let job, let result):
      if let answer = core.preview(job, result) { return .finish(answer) }
      return .finish(core.finish(job, result, worker: worker, now: now, into: &ignored))
    case .handBack(let key):
      core.handBack(key, worker: worker)
      return .done
    case .fail, .goodbye: return .done
    }
  }
}
