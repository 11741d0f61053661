package import Jobs
package import Leasing

/// The coordinator's decisions: which job, which blocks to whom, when a job ends and how.
///
/// Reads no clock, draws no random numbers, does no I/O. Each event method takes `now`, changes the
/// state, appends what has to be done and returns what the asker is told. The caller makes the
/// journal entries durable before it sends the answer.
package struct CoordinatorCore: Sendable {
  package let incarnation: Incarnation
  package internal(set) var jobs: [JobID: Job] = [:]
  /// The shards of each planned job; apart from `jobs`, so that nothing copies them by accident.
  package internal(set) var tables: [JobID: LeaseTable] = [:]
  /// Jobs in order of submission.
  package private(set) var order: [JobID] = []
  /// Those of them that have not ended: what every request of a worker looks at.
  package private(set) var openOrder: [JobID] = []
  package internal(set) var sessions: [WorkerID: Session] = [:]
  /// Threads of all sessions together.
  var sessionThreadCount = 0
  /// No leases are given before this: living workers of the last incarnation report first.
  let recoveredAt: Instant
  private let chargeLimit: Int
  private let suspectChargeLimit: Int
  let leaseDuration: Duration
  let stallTime: Duration
  /// Lease effects of one event; kept to spare an allocation for each.
  var leaseEffects: [LeaseEffect] = []
  package var isDraining = false

  package init(
    incarnation: Incarnation, recoveredAt: Instant = .start,
    chargeLimit: Int = Limits.chargeLimit,
    suspectChargeLimit: Int = Limits.suspectChargeLimit,
    leaseDuration: Duration = Limits.leaseDuration, stallTime: Duration = Limits.stallTime
  ) {
    self.incarnation = incarnation
    self.recoveredAt = recoveredAt
    self.chargeLimit = chargeLimit
    self.suspectChargeLimit = suspectChargeLimit
    self.leaseDuration = leaseDuration
    self.stallTime = stallTime
  }

  // MARK: Jobs, as users see them

  package enum Refusal: Error, Hashable, Sendable {
    case noSuchJob
    case alreadyExists
    case tooManyJobs
    /// The job's state does not allow it; the state is named.
    case state(JobState)
  }

  /// Takes a job in; the shell plans it next.
  package mutating func submit(
    _ id: JobID, _ request: JobRequest, createdNanoseconds: Int64,
    into effects: inout [CoordinatorEffect]
  ) throws(Refusal) {
    guard jobs[id] == nil else { throw .alreadyExists }
    guard openOrder.count < Limits.openJobs else { throw .tooManyJobs }
    jobs[id] = Job(id: id, request: request, createdNanoseconds: createdNanoseconds)
    order.append(id)
    openOrder.append(id)
    effects.append(
      .journal(.submitted(id, request, createdNanoseconds: createdNanoseconds)))
    effects.append(.plan(id))
  }

  /// The inputs are listed and the model is readable: the job can run.
  package mutating func planned(
    _ id: JobID, _ plan: Plan, _ model: PlannedModel, _ columns: PlannedColumns? = nil,
    into effects: inout [CoordinatorEffect]
  ) {
    guard let job = jobs[id], job.phase == .planning, !job.state.isTerminal else { return }
    let table = table(for: plan)
    tables[id] = table
    jobs[id]?.model = model
    jobs[id]?.phase = .scoring
    effects.append(.journal(.planned(id, plan, model)))
    if let columns { effects.append(.journal(.columns(id, columns))) }
    if job.state == .queued { enter(.pending, id, into: &effects) }
    effects.append(
      .log(id, .info, "planned: shards: \(plan.shardCount), files: \(plan.inputs.count)"))
    mergeIfComplete(id, into: &effects)  // a plan may have no shard
  }

  private func table(for plan: Plan) -> LeaseTable {
    LeaseTable(
      plan: plan, chargeLimit: chargeLimit, suspectChargeLimit: suspectChargeLimit,
      leaseDuration: leaseDuration, stallTime: stallTime)
  }

  /// Ends a job that cannot be run, or that broke: nothing is published.
  package mutating func fail(
    _ id: JobID, reason: String, now: Instant, into effects: inout [CoordinatorEffect]
  ) {
    guard let job = jobs[id], !job.state.isTerminal else { return }
    end(id, job.state == .cancelling ? .cancelled : .failed, reason: reason, now, &effects)
  }

  package mutating func cancel(
    _ id: JobID, now: Instant, into effects: inout [CoordinatorEffect]
  ) throws(Refusal) {
    guard let job = jobs[id] else { throw .noSuchJob }
    guard !job.state.isTerminal else { throw .state(job.state) }
    if job.phase == .merging {
      enter(.cancelling, id, into: &effects)  // a publication under way may still win
    } else if tables[id]?.isComplete == true {
      enter(.cancelling, id, into: &effects)
      findPublication(id, into: &effects)
    } else {
      end(id, .cancelled, reason: "cancelled by the user", now, &effects)
    }
  }

  package mutating func pause(
    _ id: JobID, reason: String, into effects: inout [CoordinatorEffect]
  ) throws(Refusal) {
    guard let job = jobs[id] else { throw .noSuchJob }
    guard [.queued, .pending, .running].contains(job.state) else { throw .state(job.state) }
    enter(.paused, id, reason: reason, into: &effects)
  }

  package mutating func resume(
    _ id: JobID, into effects: inout [CoordinatorEffect]
  ) throws(Refusal) {
    guard let job = jobs[id] else { throw .noSuchJob }
    guard job.state == .paused else { throw .state(job.state) }
    enter(job.phase == .planning ? .queued : .running, id, into: &effects)
    mergeIfComplete(id, into: &effects)  // not where a merge is under way: it was never stopped
  }

  /// How far a job is.
  package func extent(of id: JobID) -> JobExtent? {
    jobs[id]?.extent ?? tables[id].map { JobExtent($0) }
  }

  /// Drops the shards of a job that has ended: only what is told of them stays in memory.
  ///
  /// - Parameters:
  ///   - id: the job.
  ///   - counts: after a restart, what the journal has; `nil`: what is known.
  ///   - committedBlockCount: likewise.
  package mutating func forgetShards(
    of id: JobID, counts: RecordCounts? = nil, committedBlockCount: Int? = nil
  ) {
    guard let job = jobs[id], job.state.isTerminal, var extent = extent(of: id) else { return }
    if let committedBlockCount, let counts {
      jobs[id]?.counts = counts
      extent.committedBlockCount = committedBlockCount
      let isWhole = committedBlockCount == extent.blockCount
      extent.confirmedBlockCount = isWhole ? committedBlockCount : 0
      extent.committedShardCount = isWhole ? extent.shardCount : 0
    }
    jobs[id]?.extent = extent
    if job.folder != nil { jobs[id]?.phase = .publishing }
    tables[id] = nil
  }

  /// Forgets a job that has ended.
  package mutating func delete(
    _ id: JobID, into effects: inout [CoordinatorEffect]
  ) throws(Refusal) {
    guard let job = jobs[id] else { throw .noSuchJob }
    guard job.state.isTerminal else { throw .state(job.state) }
    jobs[id] = nil
    tables[id] = nil
    order.removeAll { $0 == id }
    effects.append(.journal(.deleted(id)))
  }

  // MARK: Merge and publication

  package enum MergeOutcome: Hashable, Sendable {
    case published(folder: String)
    /// The job cannot be published, now or later.
    case failed(String)
    /// Something outside the job is in the way, such as a full disk: `resume` tries again.
    case blocked(String)
    /// A partial at rest is not what was committed: its blocks are scored again.
    case damaged([CommittedBlocks])
  }

  package mutating func mergeEnded(
    _ id: JobID, _ outcome: MergeOutcome, now: Instant, into effects: inout [CoordinatorEffect]
  ) {
    guard let job = jobs[id], job.phase == .merging, !job.state.isTerminal else { return }
    switch outcome {
    case .published(let folder):
      jobs[id]?.folder = folder
      effects.append(.journal(.published(id, folder: folder)))
      let state: JobState = job.counts.error == 0 ? .succeeded : .partiallySucceeded
      end(id, state, reason: "", now, &effects)
    case .failed(let reason):
      fail(id, reason: reason, now: now, into: &effects)
    case .blocked(let reason):
      guard job.state != .cancelling else {
        return fail(id, reason: reason, now: now, into: &effects)
      }
      jobs[id]?.phase = .scoring  // complete, so that `resume` starts the merge again
      enter(.paused, id, reason: reason, into: &effects)
    case .damaged(let blocks):
      guard job.state != .cancelling else {
        return fail(id, reason: "cancelled by the user", now: now, into: &effects)
      }
      for damaged in blocks { effects.append(.journal(.refute(id, damaged))) }
      effects.append(.log(id, .warning, "\(blocks.count) damaged partials are scored again"))
      effects.append(.reload(id))
    }
  }

  /// Rebuilds a job's table from the journal, in any order of rows: after a start, and after
  /// damaged partials were taken out.
  package mutating func reload(
    _ id: JobID, commits: some Sequence<CommittedBlocks>, charges: [(ShardID, Int)],
    into effects: inout [CoordinatorEffect]
  ) {
    guard let former = tables[id] else { return }
    var rebuilt = table(for: former.plan)
    rebuilt.continueAttempts(of: former)
    tables[id] = rebuilt
    jobs[id]?.counts = RecordCounts()
    jobs[id]?.phase = .scoring
    leaseEffects.removeAll(keepingCapacity: true)
    for committed in commits {
      let fits = tables[id]?.restore(committed, into: &leaseEffects) ?? false
      if !fits { effects.append(.journal(.refute(id, committed))) }
    }
    for (shard, count) in charges { tables[id]?.restore(charges: count, of: shard) }
    carryOut(id, now: .start, into: &effects)
    settleReloaded(id, into: &effects)
  }

  /// Ends, or brings to its merge, a job that the journal shows to be that far.
  private mutating func settleReloaded(
    _ id: JobID, into effects: inout [CoordinatorEffect]
  ) {
    guard let job = jobs[id], !job.state.isTerminal, let table = tables[id] else { return }
    if let failed = table.shards.firstIndex(where: { $0.state == .failed }) {
      let reason = describeFailure(of: ShardID(UInt32(failed)), in: id)
      fail(id, reason: reason, now: .start, into: &effects)
    } else if job.state != .cancelling {
      mergeIfComplete(id, into: &effects)
    } else if table.isComplete {
      findPublication(id, into: &effects)
    } else {
      end(id, .cancelled, reason: "cancelled by the user", .start, &effects)
    }
  }

  /// Looks for the output of a complete job that is to be cancelled: an earlier life may have
  /// published it and died before the journal knew.
  private mutating func findPublication(
    _ id: JobID, into effects: inout [CoordinatorEffect]
  ) {
    jobs[id]?.phase = .merging
    effects.append(.merge(id))
  }

  // MARK: Restoring from the journal

  /// One job as the journal has it.
  package struct Restored: Sendable {
    package var id: JobID
    package var request: JobRequest
    package var createdNanoseconds: Int64
    package var state: JobState
    package var reason: String
    package var folder: String?
    package var planned: (plan: Plan, model: PlannedModel)?

    package init(
      id: JobID, request: JobRequest, createdNanoseconds: Int64, state: JobState, reason: String,
      folder: String?, planned: (plan: Plan, model: PlannedModel)?
    ) {
      self.id = id
      self.request = request
      self.createdNanoseconds = createdNanoseconds
      self.state = state
      self.reason = reason
      self.folder = folder
      self.planned = planned
    }
  }

  /// Takes a job up again after a start; `reload` follows with its committed blocks.
  package mutating func restore(_ row: Restored, into effects: inout [CoordinatorEffect]) {
    var job = Job(id: row.id, request: row.request, createdNanoseconds: row.createdNanoseconds)
    job.state = row.state
    job.reason = row.reason
    job.folder = row.folder
    if let planned = row.planned {
      job.model = planned.model
      tables[row.id] = table(for: planned.plan)
      job.phase = .scoring
    }
    jobs[row.id] = job
    order.append(row.id)
    if !row.state.isTerminal { openOrder.append(row.id) }
    switch (row.state, row.planned == nil) {
    case (.cancelling, true):
      end(row.id, .cancelled, reason: "cancelled by the user", .start, &effects)
    case (.queued, false): enter(.pending, row.id, into: &effects)
    case (_, true) where !row.state.isTerminal: effects.append(.plan(row.id))
    default: break  // `reload` decides
    }
  }

  // MARK: What every event shares

  mutating func enter(
    _ state: JobState, _ id: JobID, reason: String = "",
    into effects: inout [CoordinatorEffect]
  ) {
    jobs[id]?.state = state
    jobs[id]?.reason = reason
    effects.append(.journal(.state(id, state, reason: reason)))
    let tail = reason.isEmpty ? "" : ": \(reason)"
    effects.append(.log(id, state == .failed ? .error : .info, state.rawValue + tail))
  }

  private mutating func end(
    _ id: JobID, _ state: JobState, reason: String, _ now: Instant,
    _ effects: inout [CoordinatorEffect]
  ) {
    leaseEffects.removeAll(keepingCapacity: true)
    tables[id]?.revokeAll(into: &leaseEffects)
    openOrder.removeAll { $0 == id }
    jobs[id]?.endedAt = now
    enter(state, id, reason: reason, into: &effects)
    effects.append(.ended(id))
  }

  /// Starts the merge once the last block is confirmed.
  mutating func mergeIfComplete(
    _ id: JobID, into effects: inout [CoordinatorEffect]
  ) {
    guard tables[id]?.isComplete == true, let job = jobs[id], job.phase == .scoring,
      job.state == .running || job.state == .pending
    else { return }
    jobs[id]?.phase = .merging
    effects.append(.log(id, .info, "every shard is committed: merging"))
    effects.append(.merge(id))
  }

  /// Turns a table's effects into the coordinator's.
  ///
  /// `cause` is what ended a lease, in words; `nil`: its worker fell silent.
  mutating func carryOut(
    _ id: JobID, now: Instant, because cause: String? = nil,
    into effects: inout [CoordinatorEffect]
  ) {
    var failure: String?
    var confirmed = RecordCounts()
    for effect in leaseEffects {
      switch effect {
      case .commit(let blocks): effects.append(.journal(.commit(id, blocks)))
      case .refute(let blocks): effects.append(.journal(.refute(id, blocks)))
      case .confirm(let shard, let blocks, let counts):
        confirmed += counts
        noteErrors(counts.error, of: shard, blocks, in: id)
      case .charge(let shard, let charges):
        effects.append(.journal(.charge(id, shard, charges: charges)))
      case .revoke: break  // the worker learns of it at its next heartbeat
      case .suspect(let shard):
        effects.append(.log(id, .warning, describeSuspicion(of: shard, in: id, because: cause)))
      case .fail(let shard):
        failure = failure ?? describeFailure(of: shard, in: id, because: cause)
      }
    }
    leaseEffects.removeAll(keepingCapacity: true)
    if confirmed.total > 0, let place = jobs.index(forKey: id) {
      jobs.values[place].counts += confirmed
      failure = excessOfErrors(jobs.values[place]) ?? failure
    }
    if let failure { fail(id, reason: failure, now: now, into: &effects) }
  }

  /// Most stored bytes of a shard whose text's size is unknown for the end to be waited for.
  private static let awaitedByteCount: UInt64 = 256 << 20

  /// Sets errors of a compressed shard aside until its last block is there: whoever has read that
  /// has compared the checksums.
  private mutating func noteErrors(
    _ count: UInt64, of shard: ShardID, _ blocks: BlockRange, in id: JobID
  ) {
    guard let plan = tables[id]?.plan, let place = jobs.index(forKey: id) else { return }
    let range = plan.range(of: shard)
    let input = plan.inputs[range.inputIndex]
    guard input.compression != .none,
      range.end != nil || input.byteCount <= Self.awaitedByteCount
    else { return }
    if Int(blocks.end) >= range.blockCount {
      jobs.values[place].unverifiedErrorCounts[shard] = nil
    } else if count > 0 {
      jobs.values[place].unverifiedErrorCounts[shard, default: 0] += count
    }
  }

  /// Why the job has too many error records, if it has.
  private func excessOfErrors(_ job: Job) -> String? {
    let threshold = job.request.errorThreshold
    let unverified = job.unverifiedErrorCounts.values.reduce(0, +)
    let count = job.counts.error - min(unverified, job.counts.error)
    guard threshold >= 0, count > UInt64(threshold) else { return nil }
    return
      "\(count) error records exceed errorThreshold \(threshold): correct the input, "
      + "or raise the threshold (-1: no limit)"
  }

  private func describeFailure(
    of shard: ShardID, in id: JobID, because cause: String? = nil
  ) -> String {
    guard let count = tables[id]?.shards[shard.index].charges else {
      return "shard \(shard) failed"
    }
    return
      "\(place(of: shard, in: id)) failed \(count) times, the last time because "
      + "\(reason(cause, shard, in: id)); `nightshift logs \(id)` shows more"
  }

  private func describeSuspicion(
    of shard: ShardID, in id: JobID, because cause: String?
  ) -> String {
    "\(place(of: shard, in: id)) failed \(chargeLimit) times, the last time because "
      + "\(reason(cause, shard, in: id)): it is scored in a process apart from now on, to isolate "
      + "records that end their worker"
  }

  /// A shard with its range, for people.
  private func place(of shard: ShardID, in id: JobID) -> String {
    guard let plan = tables[id]?.plan else { return "shard \(shard)" }
    let range = plan.range(of: shard)
    let end = range.end.map(String.init) ?? "the end"
    return
      "shard \(shard) (\(plan.inputs[range.inputIndex].path), \(unit(of: id)) \(range.offset) to "
      + "\(end))"
  }

  /// Why a lease ended, without the shard's own path.
  private func reason(_ cause: String?, _ shard: ShardID, in id: JobID) -> String {
    guard let cause, let plan = tables[id]?.plan else { return "its worker fell silent" }
    return cause.replacing(": \(plan.inputs[plan.inputIndex(of: shard)].path): ", with: ": ")
  }

  /// What a job's offsets count.
  private func unit(of id: JobID) -> String {
    switch jobs[id]?.request.inputConfig.instancesFormat {
    case .parquet, .orc, .arrow: "rows"
    case .postgresql: "keys"
    case .files: "files"
    case .csv, .jsonl, nil: "bytes"
    }
  }
}
