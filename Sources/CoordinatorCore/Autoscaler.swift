package import Jobs

/// How many workers there should be, and where: a pure function of what is told to it.
///
/// It grows with the measured work that is left, never with a count of files; it leaves alone what
/// works; it lets go of what is idle. An engine that fails is asked again later and later, and
/// another pool is used meanwhile.
package struct Autoscaler: Sendable {
  /// A started worker should do useful work for so many times its start-up time.
  static let paybackFactor = 2.0
  /// And for so long at least.
  static let shortestUse = Duration.seconds(10)
  /// Idle for longer, and not needed, a worker is asked to leave: slow workers have been relieved of
  /// their rest by then.
  package static let idleTime = Duration.seconds(5)
  /// A worker that was asked to leave has so long: what it takes after SIGTERM, and some more.
  static let drainTime = Duration.seconds(30)
  /// A worker that has not joined after so many times its pool's start-up time, and so long at least,
  /// is late: other pools are asked instead of its own.
  static let lateFactor = 4
  static let shortestLateness = Duration.seconds(30)
  /// A worker that does not join is given up after so many times its pool's start-up time, and not
  /// before so long: images are pulled, and machines started.
  static let startFactor = 10
  static let shortestStart = Duration.seconds(600)
  /// The pause after an engine's failure, doubled with each one in a row up to the longest.
  package static let firstPause = Duration.seconds(5)
  static let longestPause = Duration.seconds(300)
  /// Workers that one decision asks one pool for: what an engine takes at once, and what can be
  /// wrong at once.
  static let launchLimit = 100
  /// An engine may list a worker only so long after its launch: until then one that lacks it does
  /// not count, unless an earlier one had it.
  static let listingDelay = Duration.seconds(10)
  /// A worker that has joined, and has been without a session for so long, is taken back: it cannot
  /// reach the coordinator, and others could work in its place.
  package static let silenceTime = Duration.seconds(60)

  package internal(set) var pools: [PoolState]
  package private(set) var members: [String: Member] = [:]
  private let namePrefix: String
  private var nextNumber = 1
  /// Jobs of which people were told that they are late.
  private var toldLate: Set<JobID> = []
  /// Likewise that no pool here can serve them.
  private var toldUnserved: Set<JobID> = []

  /// - Parameters:
  ///   - pools: where workers can be started; with different names.
  ///   - namePrefix: what the workers' names begin with; unique in this life of the coordinator.
  package init(pools: [Pool], namePrefix: String) {
    self.pools = pools.map { PoolState(pool: $0, startUpTime: $0.startUpTime) }
    self.namePrefix = namePrefix
  }

  // MARK: What is heard of engines

  /// An engine could not do what it was asked.
  ///
  /// - Parameters:
  ///   - pool: whose it is.
  ///   - reason: what it said.
  ///   - shortest: it is not asked again before so long.
  ///   - now: the time.
  ///   - actions: gets what people are told.
  package mutating func failed(
    pool: String, reason: String, shortest: Duration = Self.firstPause, now: Instant,
    into actions: inout [FleetAction]
  ) {
    guard let place = place(of: pool) else { return }
    let pause = min(
      Self.longestPause, max(shortest, Self.firstPause * (1 << min(pools[place].failureCount, 10))))
    pools[place].failureCount += 1
    pools[place].pausedUntil = now + pause
    pools[place].pauseReason = reason
    actions.append(
      .log(.warning, "pool \(pool): \(reason); asked again in \(Int(pause.inSeconds)) s"))
  }

  /// The workers of a launch that failed do not come.
  package mutating func launchFailed(
    names: [String], pool: String, reason: String, now: Instant, into actions: inout [FleetAction]
  ) {
    for name in names { members[name] = nil }
    failed(pool: pool, reason: reason, now: now, into: &actions)
  }

  /// A worker has said hello.
  ///
  /// One that had left is an engine's next try under its name.
  package mutating func joined(_ name: String, now: Instant) {
    guard let member = members[name], member.phase == .starting || member.phase == .leaving else {
      return
    }
    enter(.joined, name, now)
    members[name]?.lastSeen = now
    guard member.phase == .starting, let place = place(of: member.pool) else { return }
    let taken = now - member.launched
    // One that came up slowly counts for a quarter, so that one slow node is no rule.
    pools[place].startUpTime = (pools[place].startUpTime * 3 + taken) / 4
    pools[place].failureCount = 0
  }

  /// A worker has gone as it should: it said goodbye.
  package mutating func left(_ name: String, now: Instant) {
    guard let member = members[name], member.isPresent else { return }
    enter(.leaving, name, now)
    if let place = place(of: member.pool) { pools[place].quickDeathCount = 0 }
  }

  /// All workers of a pool that its engine knows of.
  ///
  /// Those that nobody here asked for are of an earlier life of the coordinator: they belong to the
  /// fleet like the others.
  ///
  /// - Parameters:
  ///   - pool: whose they are.
  ///   - entries: what the engine said.
  ///   - asked: when it was asked; it may have answered much later.
  ///   - now: the time.
  ///   - actions: gets what people are told.
  package mutating func listed(
    pool: String, _ entries: [FleetEntry], asked: Instant, now: Instant,
    into actions: inout [FleetAction]
  ) {
    var states: [String: FleetEntry.State] = [:]
    for entry in entries { states[entry.name] = entry.state }
    for name in states.keys.sorted() where members[name] == nil {
      if case .ended = states[name] { continue }
      members[name] = Member(name: name, pool: pool, launched: now, since: now, lastSeen: now)
      actions.append(.log(.info, "pool \(pool): \(name) is of an earlier life"))
    }
    for member in members.values.filter({ $0.pool == pool }).sorted(by: { $0.name < $1.name }) {
      members[member.name]?.isListed = member.isListed || states[member.name] != nil
      switch states[member.name] {
      case .waiting(let reason): waits(member, reason, into: &actions)
      case .running:
        members[member.name]?.firstRunning = member.firstRunning ?? now
        members[member.name]?.lastRunning = now
      case .ended(let reason): gone(member, reason, now: now, into: &actions)
      case nil:
        guard member.launched < asked,
          member.isListed || asked - member.launched > Self.listingDelay
        else { continue }
        gone(member, "it is no longer listed", now: now, into: &actions)
      }
    }
  }

  /// Keeps what the engine says about a worker that waits; people are told once.
  private mutating func waits(
    _ member: Member, _ reason: String, into actions: inout [FleetAction]
  ) {
    members[member.name]?.waitReason = reason
    guard let place = place(of: member.pool), !reason.isEmpty, pools[place].waitReason != reason
    else { return }
    pools[place].waitReason = reason
    actions.append(.log(.info, "pool \(member.pool): \(member.name) waits: \(reason)"))
  }

  private mutating func gone(
    _ member: Member, _ reason: String, now: Instant, into actions: inout [FleetAction]
  ) {
    members[member.name] = nil
    guard member.isPresent, let place = place(of: member.pool) else { return }
    actions.append(.log(.warning, "pool \(member.pool): \(member.name) ended: \(reason)"))
    // One that no listing had running ended between two of them.
    let life = member.firstRunning.flatMap { first in member.lastRunning.map { $0 - first } }
    guard (life ?? .zero) < Limits.quickDeath else {
      pools[place].quickDeathCount = 0
      return
    }
    pools[place].quickDeathCount += 1
    guard pools[place].quickDeathCount >= Limits.quickDeathLimit else { return }
    let text =
      "\(Limits.quickDeathLimit) workers in a row ended within \(Int(Limits.quickDeath.inSeconds)) s, "
      + "the last one with: \(reason)"
    pools[place].haltReason = text
    actions.append(.log(.error, "pool \(member.pool) is stopped: \(text)"))
  }

  /// Asks a stopped pool again.
  package mutating func reopen(pool: String) {
    guard let place = place(of: pool) else { return }
    pools[place].haltReason = nil
    pools[place].quickDeathCount = 0
    pools[place].failureCount = 0
    pools[place].pausedUntil = .start
  }

  private func place(of pool: String) -> Int? { pools.firstIndex { $0.pool.name == pool } }

  // MARK: Deciding

  /// Decides what to change now.
  ///
  /// - Parameters:
  ///   - demands: of all jobs that can be leased, in the order in which they get leases.
  ///   - workers: of the fleet, that have joined and are not leaving.
  ///   - externalThreadCount: threads of workers that somebody else has started.
  ///   - isDraining: whether all workers are to leave.
  ///   - now: the time.
  /// - Returns: what to do, in this order; what it launches is counted from now on.
  package mutating func review(
    demands: [Demand], workers: [FleetWorker], externalThreadCount: Int = 0,
    isDraining: Bool = false, now: Instant
  ) -> [FleetAction] {
    var actions: [FleetAction] = []
    var others = externalThreadCount
    for worker in workers { members[worker.name]?.lastSeen = now }
    giveUpOverdue(now: now, into: &actions)
    var free: [String: Int] = [:]
    // Without work none of them is late: they are let go of like the others.
    let late = demands.isEmpty ? [] : lateMembers(now)
    for state in pools {
      let name = state.pool.name
      free[name] = presentCount(in: name) - late.count { $0.pool == name }
    }
    var missing: [String: Int] = [:]
    var isShort = false
    if !isDraining {
      let open = pools.filter { state in
        state.isOpen(now) && !late.contains { $0.pool == state.pool.name }
      }.map(\.pool.name)
      for demand in demands {
        let isServed = share(
          demand, &others, open: Set(open), free: &free, missing: &missing, into: &actions)
        isShort = isShort || !isServed
      }
      keepLeast(free: &free, missing: &missing)
    }
    if !isShort, missing.isEmpty { replace(late, now: now, into: &actions) }
    let jobs = demands.map(\.job)
    toldLate.formIntersection(jobs)
    toldUnserved.formIntersection(jobs)
    launch(missing, now: now, into: &actions)
    release(free, workers, isDraining: isDraining, now: now, into: &actions)
    return actions
  }

  /// Workers of a pool that are there or on their way.
  private func presentCount(in pool: String) -> Int {
    members.values.count { $0.pool == pool && $0.isPresent }
  }

  /// Workers that should have joined by now.
  private func lateMembers(_ now: Instant) -> [Member] {
    members.values.filter { member in
      guard member.phase == .starting, let place = place(of: member.pool) else { return false }
      let limit = max(Self.shortestLateness, pools[place].startUpTime * Self.lateFactor)
      return now - member.since > limit
    }.sorted { $0.name < $1.name }
  }

  /// Takes back those that are late once others do their work.
  private mutating func replace(
    _ late: [Member], now: Instant, into actions: inout [FleetAction]
  ) {
    var failed: Set<String> = []
    for member in late {
      giveUp(member, shortestPause: Self.longestPause, &failed, now: now, into: &actions)
    }
  }

  /// Takes back a worker that has not joined; its pool is told once for all of `failed`.
  private mutating func giveUp(
    _ member: Member, shortestPause: Duration, _ failed: inout Set<String>, now: Instant,
    into actions: inout [FleetAction]
  ) {
    let why = member.waitReason.isEmpty ? "" : ": \(member.waitReason)"
    let reason = "\(member.name) has not joined in \(Int((now - member.since).inSeconds)) s\(why)"
    terminate(member, reason, now, into: &actions)
    guard failed.insert(member.pool).inserted else { return }
    self.failed(
      pool: member.pool, reason: reason, shortest: shortestPause, now: now, into: &actions)
  }

  /// Gives one job workers: first those that are there, then such as have to be started.
  ///
  /// - Returns: Whether it gets as many as it can use.
  private mutating func share(
    _ demand: Demand, _ others: inout Int, open: Set<String>, free: inout [String: Int],
    missing: inout [String: Int], into actions: inout [FleetAction]
  ) -> Bool {
    let eligible = eligiblePools(for: demand)
    guard let first = eligible.first(where: { open.contains($0.pool.name) }) ?? eligible.first
    else {
      guard let pool = demand.pool, toldUnserved.insert(demand.job).inserted else { return false }
      actions.append(
        .log(
          .warning, "job \(demand.job) asks for pool \(pool), and the fleet has none of this name"))
      return false
    }
    let present = eligible.reduce(0) { $0 + (free[$1.pool.name] ?? 0) }
    var left = wantedCount(demand, on: first, present: present, into: &actions)
    let helped = min(left, others / first.pool.threadCount)
    others -= helped * first.pool.threadCount
    left -= helped
    for state in eligible where left > 0 {
      let taken = min(left, free[state.pool.name] ?? 0)
      free[state.pool.name]? -= taken
      left -= taken
    }
    for state in eligible where left > 0 && open.contains(state.pool.name) {
      let name = state.pool.name
      let room = state.pool.maxReplicaCount - presentCount(in: name) - (missing[name] ?? 0)
      let taken = min(left, room)
      guard taken > 0 else { continue }
      missing[name, default: 0] += taken
      left -= taken
    }
    return left == 0
  }

  /// The pools that a job may use: the cheapest for a thread first, after those that it prefers.
  func eligiblePools(for demand: Demand) -> [PoolState] {
    func rank(_ state: PoolState) -> (Int, Double, String) {
      let pool = state.pool
      let isSecond = demand.prefersSpot != pool.isSpot
      return (isSecond ? 1 : 0, pool.pricePerHour / Double(pool.threadCount), pool.name)
    }
    return pools.filter { demand.pool == nil || demand.pool == $0.pool.name }
      .sorted { rank($0) < rank($1) }
  }

  /// Workers that are worth having for one job.
  ///
  /// Every one of them gets blocks to do, and those that have to be started do useful work for twice
  /// as long as they take to start, unless the deadline asks for more.
  private mutating func wantedCount(
    _ demand: Demand, on state: PoolState, present: Int, into actions: inout [FleetAction]
  ) -> Int {
    let pool = state.pool
    // More threads than blocks would have nothing to do.
    let useful = (demand.blockCount + pool.threadCount - 1) / pool.threadCount
    let limit = min(useful, demand.maxReplicaCount)
    guard limit > 0 else { return 0 }
    if let money = demand.moneyLeft, money <= 0 {
      actions.append(
        .pause(demand.job, reason: "its budget is spent: resume it to spend as much again"))
      return 0
    }
    guard let rate = demand.bytesPerThreadSecond, rate > 0 else {
      return min(limit, max(demand.startingReplicaCount, min(1, demand.maxReplicaCount), present))
    }
    let startUp = state.startUpTime.inSeconds
    // What one worker would take for all that is left.
    let seconds = Double(demand.byteCount) / (rate * Double(pool.threadCount))
    let payback = max(Self.shortestUse.inSeconds, startUp * Self.paybackFactor)
    var wanted = max(1, Int(min(seconds / payback, Double(limit))))
    if let timeLeft = demand.timeLeft?.inSeconds {
      let needed = Self.neededCount(
        seconds: seconds, timeLeft: timeLeft, startUp: startUp, present: present)
      wanted = max(wanted, min(limit, needed ?? limit))
      if needed ?? .max > limit, toldLate.insert(demand.job).inserted {
        actions.append(
          .log(
            .warning,
            "job \(demand.job) misses its deadline: \(Int(seconds)) s of one worker are left, "
              + "\(limit) workers may be used, and there are \(Int(timeLeft)) s"))
      }
    }
    wanted = min(limit, max(wanted, present))
    guard let money = demand.moneyLeft, pool.pricePerHour > 0 else { return wanted }
    let price = pool.pricePerHour / 3600
    let spare = money - price * seconds
    // The work costs the same for any number of workers; each start costs more.
    let affordable = spare <= 0 ? 0 : Int(min(spare / (price * startUp), Double(limit)))
    return max(min(wanted, max(1, present)), min(wanted, present + affordable))
  }

  /// Workers with which the work is done in time; nil where no number of them is enough.
  private static func neededCount(
    seconds: Double, timeLeft: Double, startUp: Double, present: Int
  ) -> Int? {
    let rest = seconds - Double(present) * timeLeft
    guard rest > 0 else { return timeLeft > 0 ? Int((seconds / timeLeft).rounded(.up)) : nil }
    let useful = timeLeft - startUp
    guard useful > 0 else { return nil }
    return Int(min(Double(present) + (rest / useful).rounded(.up), 1e9))
  }

  /// Keeps the workers that a pool has with no work at all.
  private func keepLeast(free: inout [String: Int], missing: inout [String: Int]) {
    for state in pools where state.pool.minReplicaCount > 0 {
      let name = state.pool.name
      let present = presentCount(in: name)
      let used = present - (free[name] ?? 0)
      let kept = max(0, min(free[name] ?? 0, state.pool.minReplicaCount - used))
      free[name]? -= kept
      let lacking = state.pool.minReplicaCount - present - (missing[name] ?? 0)
      if lacking > 0 { missing[name, default: 0] += lacking }
    }
  }

  private mutating func launch(
    _ missing: [String: Int], now: Instant, into actions: inout [FleetAction]
  ) {
    for state in pools where state.isOpen(now) {
      let count = min(missing[state.pool.name] ?? 0, Self.launchLimit)
      guard count > 0 else { continue }
      let names = (nextNumber..<nextNumber + count).map { "\(namePrefix)-\($0)" }
      nextNumber += count
      for name in names {
        members[name] = Member(
          name: name, pool: state.pool.name, launched: now, since: now, lastSeen: now)
      }
      actions.append(.launch(pool: state.pool.name, names: names))
    }
  }

  /// Lets go of as many workers of each pool as nobody needs, those on their way before the idle, and
  /// of those beyond its most, the longest idle first.
  private mutating func release(
    _ free: [String: Int], _ workers: [FleetWorker], isDraining: Bool, now: Instant,
    into actions: inout [FleetAction]
  ) {
    let idle = Dictionary(
      workers.map { ($0.name, $0.idleTime) }, uniquingKeysWith: { first, _ in first })
    for state in pools {
      let present = members.values.filter { $0.pool == state.pool.name && $0.isPresent }
      var forced = max(0, present.count - (isDraining ? 0 : state.pool.maxReplicaCount))
      var count = max(free[state.pool.name] ?? 0, forced)
      // The last to be asked for has the longest way left.
      let starting = present.filter { $0.phase == .starting }
        .sorted { ($0.launched, $0.name) > ($1.launched, $1.name) }
      for member in starting where count > 0 {
        (count, forced) = (count - 1, forced - 1)
        terminate(member, "it is not needed any more", now, into: &actions)
      }
      let joined = present.filter { $0.phase == .joined }
        .map { (member: $0, idleTime: idle[$0.name] ?? .zero) }
        .sorted { ($1.idleTime, $1.member.name) < ($0.idleTime, $0.member.name) }
      for (member, idleTime) in joined
      where count > 0 && (forced > 0 || idleTime >= Self.idleTime) {
        (count, forced) = (count - 1, forced - 1)
        enter(.leaving, member.name, now)
        actions.append(.drain(name: member.name))
      }
    }
  }

  /// Takes back workers that do not come, and those that do not go.
  private mutating func giveUpOverdue(now: Instant, into actions: inout [FleetAction]) {
    var failed: Set<String> = []
    for member in members.values.sorted(by: { $0.name < $1.name }) {
      guard let place = place(of: member.pool) else { continue }
      let time = now - member.since
      switch member.phase {
      case .starting:
        let limit = max(Self.shortestStart, pools[place].startUpTime * Self.startFactor)
        guard time > limit else { continue }
        giveUp(member, shortestPause: Self.firstPause, &failed, now: now, into: &actions)
      case .leaving where time > Self.drainTime:
        terminate(member, "it did not leave", now, into: &actions)
      case .terminated where time > Self.drainTime:
        terminate(member, "it is still there", now, into: &actions)
      case .joined where now - member.lastSeen > Self.silenceTime:
        terminate(
          member, "it has been silent for \(Int((now - member.lastSeen).inSeconds)) s", now,
          into: &actions)
      case .joined, .leaving, .terminated: break
      }
    }
  }

  private mutating func terminate(
    _ member: Member, _ reason: String, _ now: Instant, into actions: inout [FleetAction]
  ) {
    enter(.terminated, member.name, now)
    actions.append(.terminate(pool: member.pool, name: member.name, reason: reason))
  }

  private mutating func enter(_ phase: Member.Phase, _ name: String, _ now: Instant) {
    members[name]?.phase = phase
    members[name]?.since = now
  }
}
