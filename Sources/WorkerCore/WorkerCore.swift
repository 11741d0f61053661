package import Jobs
package import Leasing

/// A worker's decisions: when to ask, what to score next, what to send again, when to leave.
///
/// Reads no clock and does no I/O; randomness (jitter) comes in. Each event changes the state and
/// appends what has to be done. Requests are sent again under the same names until answered, so the
/// coordinator must take repeats as ordinary, and it does.
package struct WorkerCore: Sendable {
  package enum Phase: Hashable, Sendable {
    /// Not yet known to the coordinator, or no longer since its restart.
    case joining
    case active
    case ended
  }

  package private(set) var phase = Phase.joining
  /// Set once no new leases are asked for.
  package private(set) var leaving: WorkerExit?
  /// Granted and waiting for a slot, in the order granted.
  package internal(set) var queue: [Grant] = []
  package internal(set) var slots: [Slot]
  /// Scored and not yet acknowledged.
  package private(set) var results: [PendingResult] = []

  /// Results not yet acknowledged, for each slot, beyond which no more work is asked for: a full
  /// spool must not fill the worker's disk as well.
  package static let resultsPerSlot = 16

  /// Leases in a row that fail because of this machine before the worker leaves: once may be
  /// chance, more would only keep the leases from machines that can score them.
  package static let environmentFailureLimit = 2

  var timing: WorkerTiming
  /// Without the coordinator for so long, the worker ends.
  package var deadManTime: Duration { timing.deadManTime }
  private let name: String
  private var lastContact: Instant
  private var lastBusy: Instant
  private var terminatedAt: Instant?
  /// Leases in a row that this machine could not score, whatever their job.
  private var environmentFailureCount = 0
  private var lastWords = LastWords.none
  private var join = Timer()
  private var acquire = Timer()
  private var heartbeat = Timer()
  /// Leases to give back or to report as failed, until the coordinator has heard.
  private var reports: [Report] = []
  /// Where leases end of which another worker has the rest.
  var ends: [LeaseKey: UInt8] = [:]

  package struct Slot: Hashable, Sendable {
    package internal(set) var grant: Grant?
    package internal(set) var progress: UInt64 = 0
    package internal(set) var report = ScoringReport()
    var isStopping = false
    /// Whether its result is of no use any more.
    var isRevoked = false
    /// What the scoring thread said last, and when.
    var mark: UInt64 = 0
    var marked: Instant?
  }

  package struct PendingResult: Hashable, Sendable {
    package let grant: Grant
    package let result: ShardResult
    var timer = Timer()
    var isUploading = false
    /// Whether all of it was sent since it was last asked for.
    var isUploaded = false
  }

  /// When something may be sent, and how often it failed.
  struct Timer: Hashable, Sendable {
    var next = Instant.start
    var isInFlight = false
    var failureCount = 0

    func isDue(_ now: Instant) -> Bool { !isInFlight && next <= now }
  }

  /// A heartbeat that has to be answered before the worker leaves: it carries the log events that
  /// say why.
  private enum LastWords: Hashable, Sendable { case none, due, sent }

  private struct Report: Hashable, Sendable {
    let request: FleetRequest
    var timer = Timer()
  }

  package init(name: String, slotCount: Int, timing: WorkerTiming, now: Instant) {
    self.name = name
    self.timing = timing
    slots = Array(repeating: Slot(), count: max(1, slotCount))
    lastContact = now
    lastBusy = now
  }

  /// Takes the coordinator's times, which it tells each worker that joins.
  package mutating func adopt(
    heartbeatInterval: Duration, deadManTime: Duration, stallTime: Duration = Limits.stallTime
  ) {
    timing.heartbeatInterval = heartbeatInterval
    timing.deadManTime = deadManTime
    timing.stallTime = stallTime
    timing.stuckTime = min(timing.stuckTime, stallTime)
  }

  /// How long records may be at work before their lease is given up.
  package var stallTime: Duration { timing.stallTime }

  // MARK: Time

  /// Sends what is due; called at least every 100 ms and after each event.
  package mutating func tick(
    now: Instant, using generator: inout some RandomNumberGenerator,
    into effects: inout [WorkerEffect]
  ) {
    guard phase != .ended else { return }
    if now - lastContact > timing.deadManTime { return end(.deadMan, into: &effects) }
    abandonStuckSlots(now: now, into: &effects)
    fillSlots(into: &effects)
    if phase == .joining { return sendHello(now: now, into: &effects) }
    sendResults(now: now, into: &effects)
    sendReports(now: now, into: &effects)
    sendHeartbeat(now: now, into: &effects)
    sendAcquire(now: now, into: &effects)
    leaveIfDone(now: now, into: &effects)
  }

  private mutating func sendHello(now: Instant, into effects: inout [WorkerEffect]) {
    if leaving != nil, holdsNothing { return leaveIfDone(now: now, into: &effects) }
    guard join.isDue(now) else { return giveUpIfTerminated(now: now, into: &effects) }
    join.isInFlight = true
    effects.append(.send(.hello(name: name, threadCount: slots.count)))
  }

  private mutating func sendAcquire(now: Instant, into effects: inout [WorkerEffect]) {
    let idle = slots.reduce(0) { $0 + ($1.grant == nil ? 1 : 0) }
    let room = idle + slots.count - queue.count
    let mayFinishMore = results.count < Self.resultsPerSlot * slots.count
    guard leaving == nil, room > 0, mayFinishMore, acquire.isDue(now) else { return }
    acquire.isInFlight = true
    effects.append(.send(.acquire(leaseLimit: room)))
  }

  private mutating func sendHeartbeat(now: Instant, into effects: inout [WorkerEffect]) {
    guard heartbeat.isDue(now) || (lastWords == .due && !heartbeat.isInFlight) else { return }
    if lastWords == .due { lastWords = .sent }
    heartbeat.isInFlight = true
    effects.append(.send(.heartbeat(held)))
  }

  /// Leases that some request may still name.
  package var liveKeys: Set<LeaseKey> {
    var keys = Set(held.map(\.grant.key))
    for report in reports {
      switch report.request {
      case .handBack(let key), .fail(let key, _, _): keys.insert(key)
      default: break
      }
    }
    return keys
  }

  private mutating func sendResults(now: Instant, into effects: inout [WorkerEffect]) {
    for index in results.indices where results[index].timer.isDue(now) {
      guard !results[index].isUploading else { continue }
      results[index].timer.isInFlight = true
      effects.append(.send(.finish(results[index].grant.job, results[index].result)))
      if PlantedBug.discardedWhenSent.isPlanted {
        effects.append(.discard(results[index].grant.key))
      }
    }
  }

  private mutating func sendReports(now: Instant, into effects: inout [WorkerEffect]) {
    for index in reports.indices where reports[index].timer.isDue(now) {
      reports[index].timer.isInFlight = true
      effects.append(.send(reports[index].request))
    }
  }

  // MARK: Answers

  /// The coordinator answered a request.
  package mutating func answered(
    _ request: FleetRequest, _ answer: FleetAnswer, now: Instant,
    using generator: inout some RandomNumberGenerator, into effects: inout [WorkerEffect]
  ) {
    guard phase != .ended else { return }
    if case .refused(let reason) = answer {
      let scope = request.isHello ? RefusalScope.worker : .request
      return refused(request, reason, scope, now: now, using: &generator, into: &effects)
    }
    lastContact = now
    switch request {
    case .hello: join = Timer()
    case .acquire: acquire = Timer()
    case .heartbeat:
      heartbeat = Timer(next: now + timing.heartbeatInterval)
      if lastWords == .sent { lastWords = .none }
    case .finish(let job, let result):
      finished(job, result, answer, now: now, using: &generator, into: &effects)
    case .handBack, .fail: settleReport(request, answer)
    case .goodbye: return
    }
    switch answer {
    case .welcome:
      phase = .active
      heartbeat.next = now  // a restarted coordinator leases again what nobody claims soon
    case .refused: break  // above
    case .grants(let grants): take(grants, now: now)
    case .wait(let duration): acquire.next = now + duration
    case .alive(let revoked, let shortened, let drain):
      for key in revoked { revoke(key, into: &effects) }
      for lease in shortened { shorten(lease, into: &effects) }
      if drain { leave(.drained) }
    case .unknownWorker: phase = .joining
    case .drain: leave(.drained)
    case .finish, .done: break
    }
    tick(now: now, using: &generator, into: &effects)
  }

  /// The coordinator answered that it did not carry out a request: it is there nevertheless.
  package mutating func refused(
    _ request: FleetRequest, _ reason: String, _ scope: RefusalScope, now: Instant,
    using generator: inout some RandomNumberGenerator, into effects: inout [WorkerEffect]
  ) {
    guard phase != .ended else { return }
    lastContact = now
    switch (scope, request) {
    case (.worker, _): end(.refused(reason), into: &effects)
    case (.request, .finish(let job, let result)):
      guard let index = resultIndex(job, result) else { return }
      effects.append(.discard(results.remove(at: index).grant.key))
    case (.request, .handBack), (.request, .fail): reports.removeAll { $0.request == request }
    case (.moment, _), (.request, _): unanswered(request, now: now, using: &generator)
    }
  }

  /// No answer came: the request is sent again later.
  package mutating func unanswered(
    _ request: FleetRequest, now: Instant, using generator: inout some RandomNumberGenerator
  ) {
    switch request {
    case .hello: join.backOff(now, timing, using: &generator)
    case .acquire where PlantedBug.acquireNotRepeated.isPlanted: break
    case .acquire: acquire.backOff(now, timing, using: &generator)
    case .heartbeat:
      heartbeat.backOff(now, timing, using: &generator)
      if lastWords == .sent { lastWords = .due }
    case .finish(let job, let result):
      guard let index = resultIndex(job, result) else { return }
      if PlantedBug.resultForgotten.isPlanted { return _ = results.remove(at: index) }
      results[index].timer.backOff(now, timing, using: &generator)
    case .handBack, .fail:
      guard let index = reports.firstIndex(where: { $0.request == request }) else { return }
      reports[index].timer.backOff(now, timing, using: &generator)
    case .goodbye: break
    }
  }

  private func resultIndex(_ job: JobID, _ result: ShardResult) -> Int? {
    results.firstIndex { $0.grant.job == job && $0.result == result }
  }

  /// Takes a grant once, although its message may come twice.
  private mutating func take(_ grants: [Grant], now: Instant) {
    for grant in grants where !holds(grant.key) {
      if leaving == nil {
        queue.append(grant)
      } else {
        reports.append(Report(request: .handBack(grant.key)))
      }
    }
    lastBusy = now
  }

  func holds(_ key: LeaseKey) -> Bool {
    queue.contains { $0.key == key } || slots.contains { $0.grant?.key == key }
      || results.contains { $0.grant.key == key }
  }

  private mutating func finished(
    _ job: JobID, _ result: ShardResult, _ answer: FleetAnswer, now: Instant,
    using generator: inout some RandomNumberGenerator, into effects: inout [WorkerEffect]
  ) {
    guard let index = resultIndex(job, result) else { return }
    results[index].timer.isInFlight = false
    guard case .finish(let verdict) = answer else {
      return results[index].timer.backOff(now, timing, using: &generator)
    }
    let key = results[index].grant.key
    switch verdict {
    case .committed, .already, .wrongState, .refused:
      results.remove(at: index)
      lastBusy = now
      effects.append(.discard(key))
    case .sendPieces(let offset):
      // All of it was sent, and the coordinator still lacks it: what it took was not what the name
      // promises, or it has lost it. Sending it again at once would never end.
      if results[index].isUploaded {
        results[index].isUploaded = false
        return results[index].timer.backOff(now, timing, using: &generator)
      }
      results[index].timer = Timer()
      results[index].isUploading = true
      effects.append(.upload(key, from: offset))
    case .spoolFull:
      // Who was told to leave does not wait for a disk or a store.
      if leaving == .terminated { return giveUp(resultAt: index, into: &effects) }
      results[index].timer.backOff(now, timing, using: &generator)
    }
  }

  private mutating func giveUp(resultAt index: Int, into effects: inout [WorkerEffect]) {
    let key = results.remove(at: index).grant.key
    reports.append(Report(request: .handBack(key)))
    effects.append(.discard(key))
  }

  /// All bytes of a partial were taken: ask for the verdict.
  package mutating func uploaded(_ key: LeaseKey) {
    guard let index = results.firstIndex(where: { $0.grant.key == key }) else { return }
    results[index].isUploading = false
    results[index].isUploaded = true
    results[index].timer = Timer()
  }

  /// A partial could not be sent: it is offered again later, or given up by who was told to leave.
  package mutating func uploadFailed(
    _ key: LeaseKey, now: Instant, using generator: inout some RandomNumberGenerator,
    into effects: inout [WorkerEffect]
  ) {
    guard let index = results.firstIndex(where: { $0.grant.key == key }) else { return }
    if leaving == .terminated { return giveUp(resultAt: index, into: &effects) }
    results[index].isUploading = false
    results[index].timer.backOff(now, timing, using: &generator)
  }

  /// A partial cannot be put where its job wants it, after all retries: its lease is given back.
  package mutating func uploadRefused(
    _ key: LeaseKey, reason: String, now: Instant, into effects: inout [WorkerEffect]
  ) {
    guard let index = results.firstIndex(where: { $0.grant.key == key }) else { return }
    giveUp(resultAt: index, into: &effects)
    noteEnvironmentFailure(reason, now: now, into: &effects)
  }

  private mutating func settleReport(_ request: FleetRequest, _ answer: FleetAnswer) {
    guard let index = reports.firstIndex(where: { $0.request == request }) else { return }
    if answer == .unknownWorker {
      reports[index].timer = Timer()
    } else {
      reports.remove(at: index)
    }
  }

  private mutating func revoke(_ key: LeaseKey, into effects: inout [WorkerEffect]) {
    queue.removeAll { $0.key == key }
    for index in slots.indices where slots[index].grant?.key == key {
      slots[index].isRevoked = true
      guard !slots[index].isStopping else { continue }
      slots[index].isStopping = true
      effects.append(.stop(slot: index, keepBlocks: false))
    }
    // A result that is already made is still offered: the blocks may be open.
  }

  // MARK: Scoring

  private mutating func fillSlots(into effects: inout [WorkerEffect]) {
    for index in slots.indices where slots[index].grant == nil {
      guard let next = queue.firstIndex(where: { !isBeingScored($0) }) else { return }
      let grant = queue.remove(at: next)
      slots[index] = Slot(grant: grant)
      effects.append(.score(slot: index, grant))
      if let end = ends[grant.key] { effects.append(.shorten(slot: index, end: end)) }
    }
    if !ends.isEmpty { ends = ends.filter { holds($0.key) } }
  }

  /// Whether a slot works on blocks of the grant: a lease that ran out unnoticed may be granted
  /// to the same worker again, and the next heartbeat ends the older one.
  private func isBeingScored(_ grant: Grant) -> Bool {
    slots.contains { slot in
      guard let other = slot.grant, other.job == grant.job,
        other.lease.shard == grant.lease.shard
      else { return false }
      return BlockMask(other.lease.blocks).bits & BlockMask(grant.lease.blocks).bits != 0
        && !PlantedBug.scoredTwiceAtOnce.isPlanted
    }
  }

  /// A slot has ended with a result: the whole lease, or its first blocks after `stop`.
  package mutating func scored(slot: Int, _ result: ShardResult, now: Instant) {
    guard let grant = slots[slot].grant else { return }
    slots[slot] = Slot()
    lastBusy = now
    environmentFailureCount = 0
    results.append(PendingResult(grant: grant, result: result))
  }

  /// A slot has ended without a result because it was told to stop.
  package mutating func stopped(slot: Int) {
    guard let grant = slots[slot].grant else { return }
    slots[slot] = Slot()
    if leaving != nil { reports.append(Report(request: .handBack(grant.key))) }
  }

  /// A slot has ended because the lease could not be scored here.
  package mutating func failed(slot: Int, _ code: FailureCode, reason: String) {
    guard let grant = slots[slot].grant else { return }
    slots[slot] = Slot()
    reports.append(Report(request: .fail(grant.key, code, reason: reason)))
  }

  /// A slot has ended because this machine could not score the lease: given back, never charged.
  package mutating func failedHere(
    slot: Int, reason: String, now: Instant, into effects: inout [WorkerEffect]
  ) {
    guard let grant = slots[slot].grant else { return }
    slots[slot] = Slot()
    reports.append(Report(request: .handBack(grant.key)))
    noteEnvironmentFailure(reason, now: now, into: &effects)
  }

  private mutating func noteEnvironmentFailure(
    _ reason: String, now: Instant, into effects: inout [WorkerEffect]
  ) {
    environmentFailureCount += 1
    guard environmentFailureCount >= Self.environmentFailureLimit, leaving == nil else { return }
    lastWords = .due
    giveBack(.unfit(reason), now: now, into: &effects)
  }

  // MARK: Leaving

  /// SIGTERM: gives back what waits, keeps the finished blocks of what runs.
  package mutating func terminate(now: Instant, into effects: inout [WorkerEffect]) {
    guard terminatedAt == nil, phase != .ended else { return }
    giveBack(.terminated, now: now, into: &effects)
  }

  mutating func giveBack(
    _ reason: WorkerExit, now: Instant, into effects: inout [WorkerEffect]
  ) {
    terminatedAt = now
    leaving = reason
    for grant in queue { reports.append(Report(request: .handBack(grant.key))) }
    queue.removeAll()
    for index in slots.indices where slots[index].grant != nil && !slots[index].isStopping {
      slots[index].isStopping = true
      effects.append(.stop(slot: index, keepBlocks: true))
    }
  }

  private mutating func leave(_ reason: WorkerExit) {
    if leaving == nil { leaving = reason }
  }

  private var holdsNothing: Bool {
    queue.isEmpty && (results.isEmpty || PlantedBug.leavesWithResults.isPlanted)
      && reports.isEmpty && lastWords == .none && slots.allSatisfy { $0.grant == nil }
  }

  private mutating func leaveIfDone(now: Instant, into effects: inout [WorkerEffect]) {
    guard holdsNothing else { return giveUpIfTerminated(now: now, into: &effects) }
    if let leaving {
      effects.append(.send(.goodbye))
      end(leaving, into: &effects)
    } else if let idle = timing.idleTimeout, now - lastBusy > idle {
      effects.append(.send(.goodbye))
      end(.idle, into: &effects)
    }
  }

  private mutating func giveUpIfTerminated(now: Instant, into effects: inout [WorkerEffect]) {
    guard let terminatedAt, now - terminatedAt > timing.terminationTime else { return }
    end(leaving ?? .terminated, into: &effects)
  }

  private mutating func end(_ reason: WorkerExit, into effects: inout [WorkerEffect]) {
    phase = .ended
    effects.append(.exit(reason))
  }
}

extension FleetRequest {
  fileprivate var isHello: Bool {
    if case .hello = self { true } else { false }
  }
}
