import CoordinatorCore
import Jobs
import WorkerCore

/// Crashes, stops, partitions and a user with moods; and their end.
extension World {
  /// Fills the queue with the first events.
  mutating func begin() {
    queue.push(.coordinatorStarts, at: 0)
    let fresh = SimulatedWorker(
      core: .init(name: "", slotCount: 1, timing: .init(), now: .start), id: WorkerID(0))
    for worker in 0..<generator.within(1...4) {
      workers.append(fresh)
      queue.push(.workerStarts(worker), at: Int64(generator.below(3_000)) * Self.millisecond)
    }
    queue.push(.faultStrikes, at: Int64(rates.strikeInterval) * Self.millisecond)
    queue.push(.userActs, at: Self.second)
  }

  /// One moment at which anything may break.
  mutating func strike() {
    guard !hasHealed else { return }
    let pause = generator.within(1...2 * rates.strikeInterval)
    queue.push(.faultStrikes, at: now + Int64(pause) * Self.millisecond)
    if generator.chance(rates.coordinatorCrash) { crashCoordinator() }
    for worker in workers.indices where workers[worker].isUp {
      if generator.chance(rates.workerCrash) {
        count(\.workerCrashes)
        crashWorker(worker)
      }
      if generator.chance(rates.termination) {
        count(\.terminations)
        terminate(worker)
      }
      if generator.chance(rates.pause) {
        count(\.pauses)
        let length = Int64(generator.within(100...25_000)) * Self.millisecond
        workers[worker].pausedUntil = now + length
      }
      if generator.chance(rates.partition) { cut(worker) }
    }
  }

  /// Cuts a worker off in one direction or both.
  private mutating func cut(_ worker: Int) {
    count(\.partitions)
    let end = now + Int64(generator.within(100...30_000)) * Self.millisecond
    let directions = generator.below(3)
    if directions != 0 { workers[worker].muteUntil = end }
    if directions != 1 { workers[worker].deafUntil = end }
  }

  /// The faults stop; from here on the job must get on.
  mutating func heal() {
    hasHealed = true
    history = []
    for worker in workers.indices {
      workers[worker].muteUntil = now
      workers[worker].deafUntil = now
      workers[worker].pausedUntil = min(workers[worker].pausedUntil, now)
      workers[worker].blockTime = min(workers[worker].blockTime, 1_000 * Self.millisecond)
    }
  }

  /// Pauses, resumes and cancels at whim; once the faults are over, only resumes.
  mutating func actAsUser() {
    queue.push(.userActs, at: now + Int64(generator.within(300...1_500)) * Self.millisecond)
    guard let state = coordinator.core?.jobs[Self.job]?.state, !state.isTerminal else { return }
    let time = coordinatorInstant
    var effects: [CoordinatorEffect] = []
    do {
      if state == .paused {
        guard hasHealed || generator.below(3) == 0 else { return }
        try coordinator.core?.resume(Self.job, into: &effects)
      } else if !hasHealed, generator.chance(rates.userCancel) {
        try coordinator.core?.cancel(Self.job, now: time, into: &effects)
        isCancelled = true
      } else if !hasHealed, generator.chance(rates.userPause) {
        try coordinator.core?.pause(Self.job, reason: "", into: &effects)
      }
    } catch {
      // A refusal is an ordinary answer: the job is in a state that does not allow it.
    }
    carryOut(effects)
    checkTable()
  }
}
