import CoordinatorCore
import Jobs
import Leasing

/// The coordinator's process.
extension World {
  var coordinatorInstant: Instant { Instant(nanoseconds: now - coordinator.startedAt) }

  /// Starts a life: the journal is read, then the network is open.
  mutating func startCoordinator() {
    guard coordinator.core == nil else { return }
    if coordinator.life > 0, sabotage != .incarnationReused {
      coordinator.journal.incarnation = coordinator.journal.incarnation.next
    }
    coordinator.life += 1
    coordinator.startedAt = now
    checkReplay()
    var core = CoordinatorCore(
      incarnation: coordinator.journal.incarnation,
      recoveredAt: coordinator.life == 1 ? .start : .start + Limits.recoveryWindow,
      chargeLimit: chargeLimit, suspectChargeLimit: suspectChargeLimit)
    var effects: [CoordinatorEffect] = []
    restore(&core, into: &effects)
    coordinator.core = core
    carryOut(effects)
    scheduleSync()
    queue.push(.coordinatorTicks(life: coordinator.life), at: now)
  }

  /// Gives the journal's job to a new core; the user submits it (again) where it is not there.
  private mutating func restore(
    _ core: inout CoordinatorCore, into effects: inout [CoordinatorEffect]
  ) {
    let journaled = coordinator.journal.folded
    guard let state = journaled.state else {
      do {
        try core.submit(Self.job, request, createdNanoseconds: 1, into: &effects)
      } catch {
        violate("submit was refused: \(error)")
      }
      return
    }
    core.restore(
      CoordinatorCore.Restored(
        id: Self.job, request: request, createdNanoseconds: 1, state: state, reason: "",
        folder: nil, planned: journaled.isPlanned ? (text.plan, Self.model) : nil),
      into: &effects)
    if journaled.isPlanned { reload(&core, journaled, into: &effects) }
  }

  /// Reads rows as a database gives them: in any order.
  private mutating func reload(
    _ core: inout CoordinatorCore, _ journaled: JournalState,
    into effects: inout [CoordinatorEffect]
  ) {
    let charges = journaled.charges.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    core.reload(
      Self.job, commits: journaled.rows.shuffled(using: &generator), charges: charges,
      into: &effects)
  }

  mutating func crashCoordinator() {
    guard coordinator.core != nil else { return }
    count(\.coordinatorCrashes)
    if generator.below(3) == 0 {
      // The transaction was complete, but nobody was told.
      for violation in coordinator.journal.sync() { violate(violation) }
    } else {
      coordinator.journal.crash()
    }
    coordinator.spool.crash()
    coordinator.core = nil
    coordinator.outbox = []
    coordinator.isSyncScheduled = false
    coordinator.mergesAfterSync = false
    coordinator.endsAfterSync = false
    coordinator.isMerging = false
    let pause = generator.within(100...(hasHealed ? 1_000 : 14_000))
    queue.push(.coordinatorStarts, at: now + Int64(pause) * Self.millisecond)
  }

  mutating func tickCoordinator(life: Int) {
    guard coordinator.life == life, coordinator.core != nil else { return }
    var effects: [CoordinatorEffect] = []
    let time = coordinatorInstant
    coordinator.core?.tick(now: time, into: &effects)
    carryOut(effects)
    checkTable()
    queue.push(.coordinatorTicks(life: life), at: now + 500 * Self.millisecond)
  }

  mutating func endPlan(life: Int) {
    guard coordinator.life == life, coordinator.core != nil else { return }
    var effects: [CoordinatorEffect] = []
    coordinator.core?.planned(Self.job, text.plan, Self.model, into: &effects)
    carryOut(effects)
  }

  // MARK: Effects

  mutating func carryOut(_ effects: [CoordinatorEffect]) {
    for effect in effects {
      switch effect {
      case .journal(let entry): append(entry)
      case .plan:
        queue.push(
          .planEnds(life: coordinator.life),
          at: now + Int64(generator.within(1...500)) * Self.millisecond)
      case .merge:
        if coordinator.isMerging { violate("a second merge starts beside the first") }
        coordinator.isMerging = true
        coordinator.mergesAfterSync = true
      case .reload:
        guard var core = coordinator.core else { continue }
        var more: [CoordinatorEffect] = []
        reload(&core, coordinator.journal.visible, into: &more)
        coordinator.core = core
        carryOut(more)
      case .ended: coordinator.endsAfterSync = true
      case .log: break
      }
    }
    if !effects.isEmpty { scheduleSync() }
  }

  private mutating func append(_ entry: JournalEntry) {
    tally(entry)
    switch entry {
    case .refute where sabotage == .refuteLost: return
    case .commit where sabotage == .commitLost && generator.below(20) == 0: return
    default: coordinator.journal.append(entry)
    }
  }

  private mutating func tally(_ entry: JournalEntry) {
    switch entry {
    case .commit: count(\.commits)
    case .refute: count(\.refutations)
    case .charge: count(\.charges)
    case .submitted, .planned, .columns, .inputsChecked, .state, .published, .deleted: break
    }
  }

  mutating func scheduleSync() {
    guard !coordinator.isSyncScheduled else { return }
    coordinator.isSyncScheduled = true
    queue.push(
      .journalSyncs(life: coordinator.life),
      at: now + Int64(generator.within(500...20_000)) * 1_000)
  }

  /// The transaction is durable: what waited for it may happen.
  mutating func syncJournal(life: Int) {
    guard coordinator.life == life, coordinator.core != nil else { return }
    coordinator.isSyncScheduled = false
    for violation in coordinator.journal.sync() { violate(violation) }
    checkJournal()
    let answers = coordinator.outbox
    coordinator.outbox = []
    for answer in answers { release(answer) }
    if coordinator.mergesAfterSync {
      coordinator.mergesAfterSync = false
      queue.push(
        .mergeBegins(life: life), at: now + Int64(generator.within(1...400)) * Self.millisecond)
    }
    if coordinator.endsAfterSync {
      coordinator.endsAfterSync = false
      coordinator.spool.removeAll()
    }
    if coordinator.journal.folded.state?.isTerminal == true, endedAt == nil { endedAt = now }
  }

  // MARK: Requests

  mutating func arrive(_ request: Request) {
    guard coordinator.core != nil else { return }
    var effects: [CoordinatorEffect] = []
    var answer = Answer(
      worker: request.worker, life: request.life, id: request.id,
      body: answer(request, into: &effects))
    if case .fleet(.finish(_, let result)) = request.body { answer.settled = result }
    carryOut(effects)
    checkTable()
    if sabotage == .answerBeforeSync { return release(answer) }
    coordinator.outbox.append(answer)
    scheduleSync()
  }

  private mutating func release(_ answer: Answer) {
    switch answer.body {
    case .fleet(.finish(.already)): count(\.repeatedResults)
    case .fleet(.finish(.wrongState)): count(\.wrongStates)
    default: break
    }
    checkDurability(of: answer)
    send(answer)
  }

  private mutating func answer(
    _ request: Request, into effects: inout [CoordinatorEffect]
  ) -> Answer.Body {
    switch request.body {
    case .piece(_, let name, let offset):
      return .received(coordinator.spool.take(name, pieceAt: offset))
    case .fleet(let body): return .fleet(answer(body, of: request.sender, into: &effects))
    }
  }

  private mutating func answer(
    _ body: FleetRequest, of worker: WorkerID, into effects: inout [CoordinatorEffect]
  ) -> FleetAnswer {
    let time = coordinatorInstant
    switch body {
    case .hello(let name, let threadCount):
      switch coordinator.core?.hello(worker, name: name, threadCount: threadCount, now: time) {
      case .refused(let reason): return .refused(reason)
      case .welcome, nil: return .welcome
      }
    case .acquire(let leaseLimit):
      switch coordinator.core?.acquire(
        worker, leaseLimit: leaseLimit, now: time, into: &effects)
      {
      case .grants(let grants): return .grants(noted(grants))
      case .unknownWorker: return .unknownWorker
      case .drain: return .drain
      case .wait, nil: return .wait(.milliseconds(generator.within(200...1_500)))
      }
    case .heartbeat(let held):
      switch coordinator.core?.heartbeat(worker, held: held, now: time, into: &effects) {
      case .alive(let revoked, let shortened, let drain):
        return .alive(revoked: revoked, shortened: shortened, drain: drain)
      case .unknownWorker, nil: return .unknownWorker
      }
    case .finish(let job, let result):
      return .finish(finish(job, result, of: worker, into: &effects))
    case .handBack(let key): coordinator.core?.handBack(key, worker: worker)
    case .fail(let key, _, let reason):
      coordinator.core?.fail(key, worker: worker, reason: reason, now: time, into: &effects)
    case .goodbye: coordinator.core?.goodbye(worker)
    }
    return .done
  }

  /// Notes which leases were given: a name is never given twice.
  private mutating func noted(_ grants: [Grant]) -> [Grant] {
    for grant in grants where granted.updateValue(grant.lease, forKey: grant.key) != nil {
      violate("two leases are named \(grant.lease.shard) \(grant.lease.attempt)")
    }
    return grants
  }

  /// Two steps: the bytes first, and once they are here and synced, the verdict.
  private mutating func finish(
    _ job: JobID, _ result: ShardResult, of worker: WorkerID,
    into effects: inout [CoordinatorEffect]
  ) -> FinishAnswer {
    if let answer = coordinator.core?.preview(job, result) {
      if answer == .already, sabotage == .lateResultReplaces {
        effects.append(.journal(.commit(job, committed(result))))
      }
      return answer
    }
    guard coordinator.spool.has(result.partial) else {
      if !hasHealed, generator.chance(rates.spoolFull) { return .spoolFull }
      return .sendPieces(from: coordinator.spool.receivedByteCount(of: result.partial))
    }
    if sabotage != .commitBeforeFileSync { coordinator.spool.sync(result.partial) }
    let time = coordinatorInstant
    return coordinator.core?.finish(
      job, result, worker: worker, now: time, into: &effects)
      ?? .refused("no coordinator")
  }

  private func committed(_ result: ShardResult) -> CommittedBlocks {
    CommittedBlocks(
      shard: result.shard, blocks: result.blocks, attempt: result.attempt, entry: result.entry,
      exit: result.results.last?.exit ?? .recordStart,
      counts: result.results.reduce(into: RecordCounts()) { $0 += $1.counts },
      partial: result.partial)
  }
}
