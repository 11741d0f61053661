import CoordinatorCore
import Jobs
import Leasing

/// The coordinators' processes.
extension World {
  func instant(of place: Int) -> Instant {
    let error = PlantedBug.wallClockUsed.isPlanted ? clockError : 0
    return Instant(nanoseconds: now - coordinators[place].startedAt + error)
  }

  /// Whether an event reaches the process it was meant for; one that is stopped gets it later.
  mutating func isRunning(_ place: Int, life: Int, else event: Event) -> Bool {
    guard coordinators[place].core != nil, coordinators[place].life == life else { return false }
    guard coordinators[place].pausedUntil <= now else {
      queue.push(event, at: coordinators[place].pausedUntil)
      return false
    }
    return true
  }

  /// Starts a life: the journal is read, then the network is open.
  mutating func startCoordinator(_ place: Int) {
    guard coordinators[place].core == nil else { return }
    if coordinators[place].life > 0, !PlantedBug.incarnationNotJournaled.isPlanted {
      let drawn = UInt32(generator.within(1...Int(Incarnation.steps.upperBound)))
      let step = PlantedBug.incarnationCounted.isPlanted ? 1 : drawn
      coordinators[place].journal.incarnation =
        coordinators[place].journal.incarnation.advanced(by: step)
    }
    coordinators[place].life += 1
    coordinators[place].startedAt = now
    coordinators[place].pausedUntil = now
    checkReplay(of: place)
    let incarnation = coordinators[place].journal.incarnation
    var core = CoordinatorCore(
      incarnation: incarnation,
      recoveredAt: incarnation.rawValue == 1 ? .start : .start + Limits.recoveryWindow,
      chargeLimit: chargeLimit, suspectChargeLimit: suspectChargeLimit)
    var effects: [CoordinatorEffect] = []
    restore(&core, of: place, into: &effects)
    coordinators[place].core = core
    if isTraced { trace("coordinator \(place) starts, incarnation \(incarnation)") }
    carryOut(effects, of: place)
    noteEnd()
    queue.push(.coordinatorTicks(place, life: coordinators[place].life), at: now)
  }

  /// Gives the journal's job to a new core; the user submits it (again) where it is not there.
  private mutating func restore(
    _ core: inout CoordinatorCore, of place: Int, into effects: inout [CoordinatorEffect]
  ) {
    let journaled = coordinators[place].journal.folded
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
        folder: journaled.publicationCount > 0 ? "prediction" : nil,
        planned: journaled.isPlanned ? (text.plan, Self.model) : nil),
      into: &effects)
    if state.isTerminal {
      let counts = journaled.rows.reduce(into: RecordCounts()) { $0 += $1.counts }
      let blockCount = journaled.rows.reduce(0) { $0 + $1.blocks.count }
      core.forgetShards(of: Self.job, counts: counts, committedBlockCount: blockCount)
    } else if journaled.isPlanned {
      reload(&core, journaled, into: &effects)
    }
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

  /// How a coordinator's process ends.
  enum CoordinatorEnd {
    /// `kill -9`: the page cache outlives it.
    case kill
    case powerLoss
    /// SIGTERM: what was decided is written, then the journal is closed.
    case termination
    /// A failed fsync: the process ends, and nobody knows what the disk has.
    case failedSync
  }

  mutating func endCoordinator(_ place: Int, _ end: CoordinatorEnd, pause: Int? = nil) {
    guard coordinators[place].core != nil else { return }
    if isTraced { trace("coordinator \(place) ends: \(end)") }
    count(.coordinatorCrashes)
    // A transaction may be complete although nobody was told.
    if end == .termination || (!coordinators[place].journalIsFull && generator.below(3) == 0) {
      write(coordinators[place].commit.begin().entries, of: place)
    }
    coordinators[place].spool.endProcess()
    if end == .powerLoss { losePower(place) }
    coordinators[place].core = nil
    coordinators[place].commit = GroupCommit()
    coordinators[place].isSyncScheduled = false
    coordinators[place].journalIsFull = false
    coordinators[place].publication = nil
    coordinators[place].ahead = nil
    coordinators[place].aheadRecords = []
    let longest = hasHealed ? 1_000 : 14_000
    let wait = pause ?? generator.within(100...longest)
    queue.push(.coordinatorStarts(place), at: now + Int64(wait) * Self.millisecond)
  }

  private mutating func losePower(_ place: Int) {
    let lostCount = coordinators[place].journal.losePower()
    if lostCount > 0 { violate("the power failure took \(lostCount) entries of the journal") }
    let salt = generator.next()
    let keepsSome = strikes(.tornWrite)
    coordinators[place].spool.losePower { digest in
      keepsSome && mixed(digest.words[0] ^ salt) % 2 == 0
    }
    // The output is on this machine's disk, unless several machines see it.
    guard coordinators.count == 1, !keepsSome || generator.below(2) == 0 else { return }
    folder.losePower()
    // A rename that was not synced may be undone; nobody was told that the job is published.
    let isPromised = coordinators[place].journal.folded.publicationCount > 0
    if folder.visible == nil, !isPromised, !publishesToStore { seen = nil }
  }

  mutating func write(_ entries: [JournalEntry], of place: Int, isSynced: Bool = true) {
    for violation in coordinators[place].journal.write(entries, isSynced: isSynced) {
      violate(violation)
    }
  }

  mutating func tickCoordinator(_ place: Int, life: Int) {
    let event = Event.coordinatorTicks(place, life: life)
    guard isRunning(place, life: life, else: event) else { return }
    queue.push(event, at: now + 500 * Self.millisecond)
    guard !coordinators[place].journalIsFull else { return }
    var effects: [CoordinatorEffect] = []
    let time = instant(of: place)
    coordinators[place].core?.tick(now: time, into: &effects)
    carryOut(effects, of: place)
    checkTable(of: place)
  }

  mutating func endPlan(_ place: Int, life: Int) {
    guard isRunning(place, life: life, else: .planEnds(place, life: life)) else { return }
    var effects: [CoordinatorEffect] = []
    coordinators[place].core?.planned(Self.job, text.plan, Self.model, into: &effects)
    // Only the life that planned a job merges it ahead, and only into a folder.
    if !publishesToStore, text.plan.shardCount > 0 {
      coordinators[place].ahead = MergeOrder(text.plan)
    }
    carryOut(effects, of: place)
  }

  // MARK: Effects

  mutating func carryOut(_ effects: [CoordinatorEffect], of place: Int) {
    for case .journal(let entry) in effects { tally(entry) }
    for effect in coordinators[place].commit.add(effects) { carryOutNow(effect, of: place) }
    if coordinators[place].commit.isWaiting { scheduleSync(place) }
  }

  /// Carries out what needs no journal any more.
  private mutating func carryOutNow(_ effect: CoordinatorEffect, of place: Int) {
    let life = coordinators[place].life
    switch effect {
    case .plan:
      queue.push(.planEnds(place, life: life), at: now + milliseconds(1...500))
    case .merge:
      queue.push(
        .mergeBegins(place, life: life),
        at: now + milliseconds(0...(generator.below(2) == 0 ? 400 : 10)))
    case .reload:
      guard var core = coordinators[place].core else { return }
      var more: [CoordinatorEffect] = []
      reload(&core, coordinators[place].journal.folded, into: &more)
      coordinators[place].core = core
      carryOut(more, of: place)
    case .ended: queue.push(.cleanUp(place, life: life), at: now + milliseconds(0...800))
    case .journal, .log: break
    }
  }

  func isLive(_ place: Int, life: Int) -> Bool {
    coordinators[place].core != nil && coordinators[place].life == life
  }

  mutating func milliseconds(_ range: ClosedRange<Int>) -> Int64 {
    Int64(generator.within(range)) * Self.millisecond
  }

  private mutating func tally(_ entry: JournalEntry) {
    switch entry {
    case .commit: count(.commits)
    case .refute: count(.refutations)
    case .charge: count(.charges)
    case .submitted, .planned, .columns, .inputsChecked, .state, .published, .deleted: break
    }
    if isTraced { trace("decided: \(describe(entry))") }
  }

  /// Removes what a job that has ended leaves.
  mutating func cleanUp(_ place: Int, life: Int) {
    guard isRunning(place, life: life, else: .cleanUp(place, life: life)) else { return }
    guard coordinators[place].core?.jobs[Self.job]?.state.isTerminal == true else { return }
    coordinators[place].core?.forgetShards(of: Self.job)
    coordinators[place].spool.removeAll()
  }

  // MARK: The journal

  mutating func scheduleSync(_ place: Int) {
    guard !coordinators[place].isSyncScheduled else { return }
    coordinators[place].isSyncScheduled = true
    coordinators[place].commit.isScheduled = true
    queue.push(
      .journalSyncs(place, life: coordinators[place].life),
      at: now + Int64(generator.within(500...20_000)) * 1_000)
  }

  /// Writes what was decided; then what waited for it may happen.
  mutating func syncJournal(_ place: Int, life: Int) {
    guard isRunning(place, life: life, else: .journalSyncs(place, life: life)) else { return }
    coordinators[place].isSyncScheduled = false
    let batch = coordinators[place].commit.begin()
    var isSynced = true
    if !batch.entries.isEmpty {
      if strikes(.journalFull) { return refuse(place) }
      if strikes(.failedSync, percent: 20) {
        guard PlantedBug.failedSyncIgnored.isPlanted else {
          return endCoordinator(place, .failedSync)
        }
        isSynced = false
      }
      write(batch.entries, of: place, isSynced: isSynced)
      takeAhead(batch.entries, of: place)
    }
    coordinators[place].journalIsFull = false
    let (answers, effects) = coordinators[place].commit.wrote(batch)
    for answer in answers { release(answer) }
    for effect in effects where isLive(place, life: life) { carryOutNow(effect, of: place) }
    checkJournal(of: place)
    noteEnd()
    // The moment after the end is as good as any.
    if endedAt == now, strikes(.coordinatorPowerLoss, percent: 3 * publicationStress) {
      endCoordinator(place, .powerLoss)
    }
  }

  /// The journal's disk is full: who waits asks again, and the write is repeated.
  private mutating func refuse(_ place: Int) {
    coordinators[place].journalIsFull = true
    for var answer in coordinators[place].commit.refused() {
      answer.body = .unavailable
      answer.settled = nil
      send(answer)
    }
    scheduleSync(place)
  }

  /// Notes when every job has durably ended.
  mutating func noteEnd() {
    let haveEnded = coordinators.allSatisfy { $0.journal.folded.state?.isTerminal == true }
    if !haveEnded { endedAt = nil } else if endedAt == nil { endedAt = now }
  }
}
