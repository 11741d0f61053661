package import CoordinatorCore
import Jobs

/// An autoscaled fleet over simulated engines, in steps of a tenth of a second.
///
/// The `Autoscaler` is the real one. Engines, machines and jobs are modelled: blocks are scored at a
/// fixed rate, and what a machine had begun is lost with it.
package struct FleetModel: Sendable {
  /// How one pool's engine behaves.
  package struct Engine: Sendable {
    package var pool: Pool
    /// From a launch to the worker's hello, give or take a quarter.
    package var startUpTime: Duration
    /// Machines that the engine gives at once; more are refused.
    package var quota = Int.max
    /// Mean life of a machine until the engine takes it away; nil: it never does.
    package var meanLife: Duration?
    /// Workers end this long after their start, without a word; nil: they do not.
    package var crashTime: Duration?
    /// Machines never start, and this is what the engine says.
    package var stuckReason: String?

    package init(pool: Pool, startUpTime: Duration) {
      self.pool = pool
      self.startUpTime = startUpTime
    }
  }

  /// One job that comes at some time.
  package struct Work: Sendable {
    package var arrival: Duration
    package var blockCount: Int
    package var blockByteCount: UInt64 = 1 << 20
    package var bytesPerThreadSecond: Double
    package var startingReplicaCount = 1
    package var maxReplicaCount = 10
    package var prefersSpot = false
    /// After the arrival.
    package var deadline: Duration?
    package var money: Double?

    package init(arrival: Duration, blockCount: Int, bytesPerThreadSecond: Double) {
      self.arrival = arrival
      self.blockCount = blockCount
      self.bytesPerThreadSecond = bytesPerThreadSecond
    }
  }

  package var engines: [Engine]
  package var work: [Work]
  /// At this time half of all machines are gone at once; nil: never.
  package var loss: Duration?
  package var seed: UInt64 = 1
  package var timeLimit = Duration.seconds(86_400)

  package init(engines: [Engine], work: [Work]) {
    self.engines = engines
    self.work = work
  }

  /// The fleet at one second.
  package struct Sample: Hashable, Sendable {
    package var second: Int
    package var pendingBlockCount: Int
    package var startingCount: Int
    package var busyCount: Int
    package var idleCount: Int
  }

  /// What became of it.
  package struct Outcome: Sendable {
    package var samples: [Sample] = []
    /// When each job's last block was done; nil where it was not, in the order of `work`.
    package var ends: [Duration?] = []
    /// When the last machine was gone, after all work was over; nil where some stayed.
    package var zero: Duration?
    /// Seconds of workers, by what they were for.
    package var startSeconds = 0.0
    package var usefulSeconds = 0.0
    package var idleSeconds = 0.0
    package var lostSeconds = 0.0
    package var money = 0.0
    package var launchRequestCount = 0
    package var takenCount = 0
    package var mostWorkers = 0
    package var logs: [String] = []
    package var paused: Set<Int> = []
    package var launchedByPool: [String: Int] = [:]

    package var launchCount: Int { launchedByPool.values.reduce(0, +) }
  }

  /// Runs until all work is over and all machines are gone, or for `timeLimit`.
  package func run() -> Outcome {
    var run = FleetRun(self)
    while run.now - .start < timeLimit, !run.isOver { run.advance() }
    return run.finished()
  }
}

/// One machine of a simulated engine, with its worker.
private struct Machine {
  let name: String
  let engine: Int
  let ready: Instant
  let end: Instant
  var hasJoined = false
  var isDraining = false
  /// Blocks at work, as the job of each and the seconds that it still takes and has taken.
  var blocks: [(job: Int, left: Double, taken: Double)] = []
  var idleSince: Instant
}

private struct FleetRun {
  static let step = Duration.milliseconds(100)

  let model: FleetModel
  var now = Instant.start
  private var autoscaler: Autoscaler
  private var generator: SplitMix64
  private var machines: [Machine] = []
  private var waiting: [Int]
  private var unfinished: [Int]
  private var usefulOfJob: [Double]
  private var moneyOfJob: [Double]
  private var outcome = FleetModel.Outcome()
  private var stepCount = 0
  private var actions: [FleetAction] = []

  init(_ model: FleetModel) {
    self.model = model
    autoscaler = Autoscaler(pools: model.engines.map(\.pool), namePrefix: "w")
    generator = SplitMix64(seed: model.seed)
    waiting = model.work.map(\.blockCount)
    unfinished = waiting
    usefulOfJob = model.work.map { _ in 0 }
    moneyOfJob = usefulOfJob
    outcome.ends = model.work.map { _ in nil }
  }

  /// Whether all jobs have come and ended, and no machine is left.
  var isOver: Bool {
    let areDone = model.work.indices.allSatisfy {
      unfinished[$0] == 0 || outcome.paused.contains($0)
    }
    let last = model.work.map(\.arrival).max() ?? .zero
    return areDone && machines.isEmpty && now - .start > last
  }

  func finished() -> FleetModel.Outcome {
    var outcome = outcome
    if isOver { outcome.zero = now - .start }
    return outcome
  }

  mutating func advance() {
    now = now + Self.step
    stepCount += 1
    takeMachines()
    for place in machines.indices { work(place) }
    machines.removeAll { machine in machine.isDraining && machine.blocks.isEmpty }
    if stepCount.isMultiple(of: 20) { list() }
    if stepCount.isMultiple(of: 10) {
      review()
      sample()
    }
    carryOut()
  }

  private func isOpen(_ job: Int) -> Bool {
    unfinished[job] > 0 && !outcome.paused.contains(job)
      && model.work[job].arrival <= now - .start
  }

  // MARK: Machines

  private mutating func takeMachines() {
    if let loss = model.loss, now - .start >= loss, now - .start < loss + Self.step {
      for place in machines.indices.reversed() where place.isMultiple(of: 2) { take(place) }
    }
    for place in machines.indices.reversed() where machines[place].end <= now {
      if model.engines[machines[place].engine].crashTime == nil {
        autoscaler.left(machines[place].name, now: now)
      }
      take(place)
    }
  }

  /// What the machine had begun is done again.
  private mutating func take(_ place: Int) {
    for block in machines[place].blocks {
      waiting[block.job] += 1
      outcome.lostSeconds += block.taken
    }
    outcome.takenCount += 1
    machines.remove(at: place)
  }

  private mutating func work(_ place: Int) {
    let seconds = Self.step.inSeconds
    let pool = model.engines[machines[place].engine].pool
    let cost = pool.pricePerHour * seconds / 3600
    outcome.money += cost
    guard now >= machines[place].ready else { return outcome.startSeconds += seconds }
    if !machines[place].hasJoined {
      machines[place].hasJoined = true
      machines[place].idleSince = now
      autoscaler.joined(machines[place].name, now: now)
    }
    takeBlocks(place, threadCount: pool.threadCount)
    let share = seconds / Double(pool.threadCount)
    outcome.idleSeconds += share * Double(pool.threadCount - machines[place].blocks.count)
    for number in machines[place].blocks.indices.reversed() {
      let job = machines[place].blocks[number].job
      machines[place].blocks[number].left -= seconds
      machines[place].blocks[number].taken += share
      moneyOfJob[job] += cost / Double(pool.threadCount)
      guard machines[place].blocks[number].left <= 1e-9 else { continue }
      let taken = machines[place].blocks[number].taken
      outcome.usefulSeconds += taken
      usefulOfJob[job] += taken * Double(pool.threadCount)
      machines[place].blocks.remove(at: number)
      finishBlock(of: job)
    }
    takeBlocks(place, threadCount: pool.threadCount)
    if !machines[place].blocks.isEmpty { machines[place].idleSince = now }
  }

  private mutating func takeBlocks(_ place: Int, threadCount: Int) {
    guard !machines[place].isDraining else { return }
    for job in model.work.indices where isOpen(job) {
      while waiting[job] > 0, machines[place].blocks.count < threadCount {
        waiting[job] -= 1
        let work = model.work[job]
        let time = Double(work.blockByteCount) / work.bytesPerThreadSecond
        machines[place].blocks.append((job, time, 0))
      }
    }
  }

  private mutating func finishBlock(of job: Int) {
    unfinished[job] -= 1
    if unfinished[job] == 0 { outcome.ends[job] = now - .start }
  }

  // MARK: Engines

  private mutating func list() {
    for (number, engine) in model.engines.enumerated() {
      let entries = machines.filter { $0.engine == number }.map { machine in
        let state: FleetEntry.State =
          now >= machine.ready ? .running : .waiting(engine.stuckReason ?? "")
        return FleetEntry(name: machine.name, state: state)
      }
      autoscaler.listed(
        pool: engine.pool.name, entries, asked: now, now: now, into: &actions)
    }
  }

  private mutating func carryOut() {
    let todo = actions
    actions = []
    for action in todo {
      switch action {
      case .launch(let pool, let names): launch(pool, names)
      case .drain(let name):
        for place in machines.indices where machines[place].name == name {
          machines[place].isDraining = true
        }
      case .terminate(_, let name, let reason):
        outcome.logs.append("\(name) is taken back: \(reason)")
        for place in machines.indices.reversed() where machines[place].name == name { take(place) }
      case .log(_, let text): outcome.logs.append(text)
      case .pause(let job, _): outcome.paused.insert(Int(job.rawValue) - 1)
      }
    }
  }

  private mutating func launch(_ pool: String, _ names: [String]) {
    guard let number = model.engines.firstIndex(where: { $0.pool.name == pool }) else { return }
    let engine = model.engines[number]
    outcome.launchRequestCount += 1
    let count = machines.count { $0.engine == number }
    let given = max(0, min(names.count, engine.quota - count))
    for name in names.prefix(given) { start(name, number) }
    outcome.launchedByPool[pool, default: 0] += given
    outcome.mostWorkers = max(outcome.mostWorkers, machines.count)
    guard given < names.count else { return }
    autoscaler.launchFailed(
      names: Array(names.dropFirst(given)), pool: pool,
      reason: "the quota of \(engine.quota) is reached", now: now, into: &actions)
  }

  private mutating func start(_ name: String, _ number: Int) {
    let engine = model.engines[number]
    let tenths = Int(engine.startUpTime.milliseconds / 100)
    let spread = tenths / 4
    let startUp = Duration.milliseconds(100 * (tenths + generator.within(-spread...spread)))
    var end = Instant(nanoseconds: .max)
    if let life = engine.meanLife {
      // About exponential: as many coins as it takes.
      var periods = 1
      while !generator.chance(100_000), periods < 1_000 { periods += 1 }
      let rest = Duration.milliseconds(100 * generator.below(Int(life.milliseconds / 1_000)))
      end = now + startUp + life / 10 * (periods - 1) + rest
    }
    if let crash = engine.crashTime { end = now + startUp + crash }
    let ready = engine.stuckReason == nil ? now + startUp : Instant(nanoseconds: .max)
    machines.append(
      Machine(
        name: name, engine: number, ready: ready, end: end, idleSince: ready))
  }

  // MARK: Deciding

  private mutating func review() {
    let demands = model.work.indices.filter(isOpen).map { job in
      let work = model.work[job]
      var demand = Demand(
        job: JobID(UInt64(job) + 1), blockCount: unfinished[job],
        byteCount: UInt64(unfinished[job]) * work.blockByteCount)
      if usefulOfJob[job] > 0 {
        let done = Double(UInt64(work.blockCount - unfinished[job]) * work.blockByteCount)
        demand.bytesPerThreadSecond = done / usefulOfJob[job]
      }
      demand.startingReplicaCount = work.startingReplicaCount
      demand.maxReplicaCount = work.maxReplicaCount
      demand.prefersSpot = work.prefersSpot
      demand.timeLeft = work.deadline.map { work.arrival + $0 - (now - .start) }
      demand.moneyLeft = work.money.map { $0 - moneyOfJob[job] }
      return demand
    }
    let workers = machines.filter { $0.hasJoined && !$0.isDraining }.map {
      FleetWorker(name: $0.name, idleTime: now - $0.idleSince)
    }
    actions += autoscaler.review(demands: demands, workers: workers, now: now)
  }

  private mutating func sample() {
    let joined = machines.filter(\.hasJoined)
    let busy = joined.count { !$0.blocks.isEmpty }
    outcome.samples.append(
      FleetModel.Sample(
        second: Int((now - .start).inSeconds),
        pendingBlockCount: model.work.indices.filter(isOpen).reduce(0) { $0 + waiting[$1] },
        startingCount: machines.count - joined.count, busyCount: busy,
        idleCount: joined.count - busy))
  }
}
