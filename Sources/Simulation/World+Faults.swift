import CoordinatorCore
import Jobs
import WorkerCore

/// Crashes, stops, partitions and a user with moods; and their end.
extension World {
  /// Fills the queue with the first events.
  mutating func begin() {
    coordinators = [SimulatedCoordinator()]
    queue.push(.coordinatorStarts(0), at: 0)
    let drawn = generator.within(1...4)
    for _ in 0..<min(drawn, schedule.workerLimit) { addWorker() }
    queue.push(.faultStrikes, at: Int64(faults.strikeInterval) * Self.millisecond)
    queue.push(.userActs(0), at: Self.second)
  }

  private mutating func addWorker() {
    let core = WorkerCore(name: "", slotCount: 1, timing: .init(), now: .start)
    workers.append(SimulatedWorker(core: core, id: WorkerID(0)))
    queue.push(.workerStarts(workers.count - 1), at: now + milliseconds(0...3_000))
  }

  /// One moment at which anything may break.
  mutating func strike() {
    guard !hasHealed else { return }
    queue.push(.faultStrikes, at: now + milliseconds(1...2 * faults.strikeInterval))
    if strikes(.clockJump) {
      clockError = Int64(generator.below(2) == 0 ? 86_400 : -86_400) * Self.second
    }
    for place in coordinators.indices { strikeCoordinator(place) }
    if coordinators.count == 1, coordinators[0].life > 0, strikes(.secondCoordinator) {
      copyCoordinator()
    }
    for worker in workers.indices where workers[worker].isUp { strikeWorker(worker) }
  }

  private mutating func strikeCoordinator(_ place: Int) {
    if strikes(.coordinatorKill) { endCoordinator(place, .kill) }
    if strikes(.coordinatorPowerLoss) { endCoordinator(place, .powerLoss) }
    if strikes(.coordinatorTermination) { endCoordinator(place, .termination) }
    if strikes(.upgrade) { upgrade(place) }
    if strikes(.coordinatorPause), coordinators[place].core != nil {
      coordinators[place].pausedUntil = now + milliseconds(100...25_000)
    }
    if strikes(.restoredBackup, percent: 200) { backUp(place) }
  }

  private mutating func strikeWorker(_ worker: Int) {
    if strikes(.workerCrash) {
      count(.workerCrashes)
      crashWorker(worker)
    }
    if strikes(.workerTermination) { terminate(worker) }
    if strikes(.workerPause) { workers[worker].pausedUntil = now + milliseconds(100...25_000) }
    if strikes(.mute) { workers[worker].muteUntil = now + milliseconds(100...30_000) }
    if strikes(.deaf) { workers[worker].deafUntil = now + milliseconds(100...30_000) }
    if strikes(.partition) {
      let end = now + milliseconds(100...30_000)
      workers[worker].muteUntil = end
      workers[worker].deafUntil = end
    }
  }

  /// A new release: the coordinator is stopped and started, then each worker in turn.
  private mutating func upgrade(_ place: Int) {
    endCoordinator(place, .termination, pause: 500)
    for worker in workers.indices { terminate(worker) }
  }

  /// Makes a copy of a state folder, or puts the one that was made back in its place.
  private mutating func backUp(_ place: Int) {
    guard let backup = coordinators[place].backup else {
      if isTraced { trace("coordinator \(place): its state folder is copied") }
      coordinators[place].backup = SimulatedCoordinator.Backup(
        journal: coordinators[place].journal, spool: coordinators[place].spool)
      return
    }
    guard coordinators[place].core != nil else { return }
    endCoordinator(place, .kill)
    if isTraced { trace("coordinator \(place): the copy of its state folder is put back") }
    coordinators[place].journal = backup.journal
    coordinators[place].spool = backup.spool
    coordinators[place].spool.endProcess()
    coordinators[place].backup = nil
    hasRestored = true
    endedAt = nil
  }

  /// Starts a copy of the state folder on another machine: same job, same output.
  mutating func copyCoordinator() {
    if isTraced { trace("a copy of the state folder is started beside coordinator 0") }
    var copy = SimulatedCoordinator()
    copy.journal = coordinators[0].journal
    copy.spool = coordinators[0].spool
    copy.spool.endProcess()
    copy.life = coordinators[0].life
    copy.stager = "b"
    copy.isCancelled = coordinators[0].isCancelled
    coordinators.append(copy)
    endedAt = nil
    queue.push(.coordinatorStarts(1), at: now + milliseconds(100...5_000))
    queue.push(.userActs(1), at: now + Self.second)
    addWorker()
    if workers.count == 2 || generator.below(2) == 0 { addWorker() }
    for worker in workers.indices where worker % 2 == 1 { crashWorker(worker) }
  }

  /// The faults stop; from here on the job must get on.
  mutating func heal() {
    if isTraced { trace("the faults stop") }
    hasHealed = true
    healedAt = now
    faults.haveStopped = true
    history = []
    storeBusyUntil = 0
    for worker in workers.indices {
      workers[worker].muteUntil = now
      workers[worker].deafUntil = now
      workers[worker].pausedUntil = min(workers[worker].pausedUntil, now)
      workers[worker].blockTime = min(workers[worker].blockTime, 1_000 * Self.millisecond)
    }
    for place in coordinators.indices {
      coordinators[place].pausedUntil = min(coordinators[place].pausedUntil, now)
    }
  }

  /// Pauses, resumes and cancels at whim; once the faults are over, only resumes.
  mutating func actAsUser(_ place: Int) {
    queue.push(.userActs(place), at: now + milliseconds(300...1_500))
    guard let state = coordinators[place].core?.jobs[Self.job]?.state, !state.isTerminal,
      coordinators[place].pausedUntil <= now, !coordinators[place].journalIsFull
    else { return }
    if state == .paused {
      moveLeftoversAway()
      if hasHealed || generator.below(3) == 0 { act(as: .resume, on: place) }
    } else if strikes(.userCancel) {
      act(as: .cancel, on: place)
    } else if strikes(.userPause) {
      act(as: .pause, on: place)
    }
  }

  /// Does what a blocked job asks for: where one of two coordinators has cancelled, an object that
  /// the other was just writing may lie below the prefix, and be nobody's.
  private mutating func moveLeftoversAway() {
    guard coordinators.contains(where: \.isCancelled), coordinators.count == 2, hasHealed,
      store.claim == nil, store.manifest == nil
    else { return }
    store.clear(isStale: false)
  }

  enum UserAction { case pause, resume, cancel }

  /// Asks for something as a user does; a refusal is an ordinary answer.
  mutating func act(as action: UserAction, on place: Int) {
    guard !coordinators[place].journalIsFull else { return }
    let time = instant(of: place)
    var effects: [CoordinatorEffect] = []
    do {
      switch action {
      case .resume: try coordinators[place].core?.resume(Self.job, into: &effects)
      case .pause: try coordinators[place].core?.pause(Self.job, reason: "", into: &effects)
      case .cancel:
        try coordinators[place].core?.cancel(Self.job, now: time, into: &effects)
        coordinators[place].isCancelled = true
      }
    } catch {
      return  // the job is in a state that does not allow it
    }
    if isTraced { trace("the user at coordinator \(place): \(action)") }
    carryOut(effects, of: place)
    checkTable(of: place)
  }
}
