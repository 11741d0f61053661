import CoordinatorCore
import Jobs
import Leasing

/// What a coordinator answers its workers.
extension World {
  mutating func arrive(_ request: Request) {
    let place = request.place
    guard coordinators[place].core != nil else { return }
    guard coordinators[place].pausedUntil <= now else {
      return queue.push(.requestArrives(request), at: coordinators[place].pausedUntil)
    }
    var answer = Answer(
      worker: request.worker, life: request.life, id: request.id, place: place,
      body: .unavailable)
    guard !coordinators[place].journalIsFull else { return send(answer) }
    var effects: [CoordinatorEffect] = []
    guard let body = body(of: request, into: &effects) else { return }
    answer.body = body
    if case .fleet(.finish(_, let result)) = request.body { answer.settled = result }
    carryOut(effects, of: place)
    checkTable(of: place)
    guard coordinators[place].commit.holdsAnswers else { return release(answer) }
    coordinators[place].commit.wait(answer)
  }

  /// Sends an answer that nothing holds back any more.
  mutating func release(_ answer: Answer) {
    switch answer.body {
    case .fleet(.finish(.already)): count(.repeatedResults)
    case .fleet(.finish(.wrongState)): count(.wrongStates)
    default: break
    }
    checkDurability(of: answer)
    send(answer)
  }

  /// The answer; `nil` where the coordinator dies of the request.
  private mutating func body(
    of request: Request, into effects: inout [CoordinatorEffect]
  ) -> Answer.Body? {
    switch request.body {
    case .piece(_, let name, let offset, let isDamaged):
      guard isOpen(request.place) else { return .unavailable }
      return .received(
        coordinators[request.place].spool.take(name, pieceAt: offset, isDamaged: isDamaged))
    case .fleet(let body):
      return answer(body, of: request.sender, at: request.place, into: &effects)
        .map { .fleet($0) }
    }
  }

  private func isOpen(_ place: Int) -> Bool {
    coordinators[place].core?.jobs[Self.job].map { !$0.state.isTerminal } ?? false
  }

  private mutating func answer(
    _ body: FleetRequest, of worker: WorkerID, at place: Int,
    into effects: inout [CoordinatorEffect]
  ) -> FleetAnswer? {
    let time = instant(of: place)
    switch body {
    case .hello(let name, let threadCount):
      switch coordinators[place].core?.hello(
        worker, name: name, threadCount: threadCount, now: time)
      {
      case .refused(let reason): return .refused(reason)
      case .welcome, nil: return .welcome
      }
    case .acquire(let leaseLimit):
      switch coordinators[place].core?.acquire(
        worker, leaseLimit: leaseLimit, now: time, into: &effects)
      {
      case .grants(let grants): return .grants(noted(grants, of: place))
      case .unknownWorker: return .unknownWorker
      case .drain: return .drain
      case .wait, nil: return .wait(.milliseconds(generator.within(200...1_500)))
      }
    case .heartbeat(let held):
      switch coordinators[place].core?.heartbeat(worker, held: held, now: time, into: &effects) {
      case .alive(let revoked, let shortened, let drain):
        return .alive(revoked: revoked, shortened: shortened, drain: drain)
      case .unknownWorker, nil: return .unknownWorker
      }
    case .finish(let job, let result):
      return finish(job, result, of: worker, at: place, into: &effects).map { .finish($0) }
    case .handBack(let key): coordinators[place].core?.handBack(key, worker: worker)
    case .fail(let key, _, let reason):
      coordinators[place].core?.fail(key, worker: worker, reason: reason, now: time, into: &effects)
    case .goodbye: coordinators[place].core?.goodbye(worker)
    }
    return .done
  }

  /// Notes which leases were given: a name is never given twice, and a paused job has none.
  private mutating func noted(_ grants: [Grant], of place: Int) -> [Grant] {
    let state = coordinators[place].core?.jobs[Self.job]?.state
    if state != .running, state != .pending {
      violate("a job that is \(state?.rawValue ?? "not there") is leased")
    }
    for grant in grants
    where coordinators[place].granted.updateValue(grant.lease, forKey: grant.key) != nil {
      violate("two leases are named \(grant.lease.shard) \(grant.lease.attempt)")
    }
    return grants
  }

  /// Two steps: the bytes first, and once they are here and durable, the verdict.
  private mutating func finish(
    _ job: JobID, _ result: ShardResult, of worker: WorkerID, at place: Int,
    into effects: inout [CoordinatorEffect]
  ) -> FinishAnswer? {
    if let answer = coordinators[place].core?.preview(job, result) {
      if answer == .already, PlantedBug.lateResultReplaces.isPlanted {
        effects.append(.journal(.commit(job, committed(result))))
      }
      return answer
    }
    if result.partial.byteCount > 0 {
      if strikes(.spoolFull) { return .spoolFull }
      let held = coordinators[place].spool.heldByteCount(of: result.partial)
      guard held == result.partial.byteCount else { return .sendPieces(from: held) }
      guard let isSecure = secure(result.partial, at: place) else { return nil }
      guard isSecure else { return .sendPieces(from: 0) }
    }
    let time = instant(of: place)
    return coordinators[place].core?.finish(
      job, result, worker: worker, now: time, into: &effects)
  }

  /// Runs the commit order on a partial; `nil` where the coordinator dies of it.
  private mutating func secure(_ name: PartialName, at place: Int) -> Bool? {
    // Moved out and in again, because a copy of the spool would be made for each result.
    var partial = SpooledPartial(
      spool: coordinators[place].spool, name: name, faults: faults)
    coordinators[place].spool = ModelSpool()
    let result: Result<Bool, SpooledPartial.Failure>
    do throws(SpooledPartial.Failure) {
      result = .success(try PartialCommit.secure(&partial))
    } catch {
      result = .failure(error)
    }
    coordinators[place].spool = partial.spool
    faults = partial.faults
    switch result {
    case .success(let isSecure): return isSecure
    case .failure(.failedSync): endCoordinator(place, .failedSync)
    case .failure(.powerLoss): endCoordinator(place, .powerLoss)
    }
    return nil
  }

  private func committed(_ result: ShardResult) -> CommittedBlocks {
    CommittedBlocks(
      shard: result.shard, blocks: result.blocks, attempt: result.attempt, entry: result.entry,
      exit: result.results.last?.exit ?? .recordStart,
      counts: result.results.reduce(into: RecordCounts()) { $0 += $1.counts },
      partial: result.partial)
  }
}
