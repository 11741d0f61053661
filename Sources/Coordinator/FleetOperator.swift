import CoordinatorCore
package import Fleet
import Jobs
package import Logging
import Wire

/// Asks engines for workers and takes them back, as the autoscaler decides: the shell between it,
/// the providers and the coordinator.
///
/// Engines are asked on tasks of their own, one listing of a pool at a time: one that hangs holds up
/// nobody else.
package actor FleetOperator {
  /// Between two decisions, and where there is no worker, so that a first one soon is, or one is on
  /// its way, so that its start is measured.
  private static let reviewInterval = Duration.seconds(1)
  private static let startInterval = Duration.milliseconds(200)
  /// Between two listings of a pool that has workers, and of one that has none.
  private static let listInterval = Duration.seconds(2)
  private static let restInterval = Duration.seconds(30)

  private let configuration: FleetConfiguration
  private let providers: [String: any Provider]
  private let coordinator: Coordinator
  private let logger: Logger
  private var autoscaler: Autoscaler
  /// When each pool was last asked for its workers, and which of them are being asked.
  private var asked: [String: Instant] = [:]
  private var asking: Set<String> = []
  /// When a pool's listing was last complete.
  private var listed: [String: Instant] = [:]
  /// Pools whose last listing failed.
  private var silent: Set<String> = []
  private(set) var isDraining = false
  private var watch = ZeroWatch()

  /// - Parameters:
  ///   - configuration: of the fleet file.
  ///   - launches: what the workers of each pool are started with, by its name.
  ///   - coordinator: whose jobs they score.
  ///   - logger: gets what people are told.
  package init(
    _ configuration: FleetConfiguration, launches: [String: WorkerLaunch],
    coordinator: Coordinator, logger: Logger
  ) {
    self.configuration = configuration
    self.coordinator = coordinator
    self.logger = logger
    var providers: [String: any Provider] = [:]
    for place in configuration.places {
      guard let launch = launches[place.pool.name] else { continue }
      providers[place.pool.name] = place.engine.provider(launch)
    }
    self.providers = providers
    autoscaler = Autoscaler(
      pools: configuration.places.map(\.pool),
      namePrefix: "\(coordinator.fleetName)-\(coordinator.startCount)")
  }

  /// Decides and carries out until cancelled.
  package func run() async {
    // Workers of an earlier life are found before any is asked for.
    await withTaskGroup { group in
      for pool in providers.keys { group.addTask { await self.list(pool) } }
    }
    while !Task.isCancelled {
      await review()
      let members = autoscaler.members.values
      let isAtStart = members.isEmpty || members.contains { $0.phase == .starting }
      let pause = isAtStart ? Self.startInterval : Self.reviewInterval
      try? await Task.sleep(for: pause)  // cancelled: the loop ends
    }
  }

  /// Whether every engine has said that no worker is left, and all that waited for it know.
  var isEmpty: Bool {
    autoscaler.members.isEmpty && watch.waiting.isEmpty && listed.count == providers.count
  }

  // MARK: Deciding

  private func review() async {
    let view = await coordinator.fleetView(crews, members: Set(autoscaler.members.keys))
    let now = coordinator.now
    for name in view.departed { autoscaler.left(name, now: now) }
    for worker in view.workers { autoscaler.joined(worker.name, now: now) }
    let own = view.workers.filter { autoscaler.members[$0.name] != nil }
    let others = view.workers.filter { autoscaler.members[$0.name] == nil }
    let actions = autoscaler.review(
      demands: view.demands, workers: own,
      externalThreadCount: others.reduce(0) { $0 + $1.threadCount }, isDraining: isDraining,
      now: now)
    await carryOut(actions)
    await coordinator.tell(waiting: waits(view.demands, others: others, now))
    for pool in providers.keys.sorted() where isListingDue(pool, now) {
      Task { await list(pool) }
    }
    for id in view.ended { watch.jobEnded(id, now: now) }
    await noteZero(hasOpenJobs: view.hasOpenJobs, now)
  }

  /// The workers of each pool, those on their way apart.
  private var crews: [CostLedger.Crew] {
    autoscaler.pools.flatMap { state in
      let own = autoscaler.members.values.filter { $0.pool == state.pool.name }
      let starting = own.count { $0.phase == .starting }
      return [(starting, true), (own.count - starting, false)].map { count, isStarting in
        CostLedger.Crew(
          pool: state.pool.name, threadCount: count * state.pool.threadCount,
          pricePerHour: Double(count) * state.pool.pricePerHour, isStarting: isStarting)
      }
    }
  }

  /// Why jobs have no worker; of those that somebody else has started each may have one.
  private func waits(
    _ demands: [Demand], others: [FleetWorker], _ now: Instant
  ) -> [JobID: String] {
    guard others.isEmpty else { return [:] }
    guard isDraining else { return autoscaler.waitReasons(of: demands, now: now) }
    let reasons = demands.map { ($0.job, "waits for workers: the fleet is drained") }
    return Dictionary(reasons, uniquingKeysWith: { first, _ in first })
  }

  /// Records that nothing is left once all engines say so.
  private func noteZero(hasOpenJobs: Bool, _ now: Instant) async {
    guard !watch.waiting.isEmpty else { return }
    var kept: Set<String> = []
    for state in autoscaler.pools where state.pool.minReplicaCount > 0 {
      let names = autoscaler.members.values.filter { $0.pool == state.pool.name && $0.isPresent }
        .map(\.name).sorted()
      kept.formUnion(names.prefix(state.pool.minReplicaCount))
    }
    let records = watch.review(
      hasOpenJobs: hasOpenJobs, left: Set(autoscaler.members.keys), kept: kept,
      listed: providers.keys.map { listed[$0] }, now: now)
    for (id, record) in records { await coordinator.note(record, of: id) }
  }

  private func isListingDue(_ pool: String, _ now: Instant) -> Bool {
    guard !asking.contains(pool), let last = asked[pool] else { return !asking.contains(pool) }
    // One that failed is asked again when its pause is over, and not much later.
    if let state = autoscaler.pools.first(where: { $0.pool.name == pool }), silent.contains(pool) {
      return now >= min(state.pausedUntil, last + Self.restInterval)
    }
    let isWatched =
      !watch.waiting.isEmpty || autoscaler.members.values.contains { $0.pool == pool }
    return now - last >= (isWatched ? Self.listInterval : Self.restInterval)
  }

  private func carryOut(_ actions: [FleetAction]) async {
    var terminated: [String: [String]] = [:]
    for action in actions {
      switch action {
      case .launch(let pool, let names):
        logger.info("pool \(pool): \(names.count) workers are started", metadata: names.metadata)
        Task { await launch(pool, names) }
      case .drain(let name):
        logger.info("\(name) is asked to leave")
        await coordinator.drain(worker: name)
      case .terminate(let pool, let name, let reason):
        logger.info("pool \(pool): \(name) is taken back: \(reason)")
        terminated[pool, default: []].append(name)
      case .log(let level, let text): tell(level, text)
      case .pause(let job, let reason):
        await coordinator.pauseSpent(job, reason: reason)
      }
    }
    for (pool, names) in terminated { Task { await terminate(pool, names) } }
  }

  private func tell(_ level: LogLevel, _ text: String) {
    switch level {
    case .info: logger.info("\(text)")
    case .warning: logger.warning("\(text)")
    case .error: logger.error("\(text)")
    }
  }

  // MARK: What users ask

  func answer(_ request: ScalingRequest) throws(Refusal) -> FleetStatus {
    switch request {
    case .status: break
    case .drain(let isOn):
      isDraining = isOn
      logger.info("\(isOn ? "all workers leave" : "workers are started again")")
    case .scale(let name, let least, let most, let reopens):
      guard let pool = autoscaler.pools.first(where: { $0.pool.name == name })?.pool else {
        let names = autoscaler.pools.map(\.pool.name).joined(separator: ", ")
        throw Refusal(
          code: .notFound, text: "the fleet has no pool of this name; it has \(names)")
      }
      guard (least ?? pool.minReplicaCount) <= (most ?? pool.maxReplicaCount) else {
        throw Refusal(
          code: .invalidRequest,
          text: "a pool cannot keep more workers than it has at most: change both")
      }
      autoscaler.scale(pool: name, least: least, most: most)
      if reopens { autoscaler.reopen(pool: name) }
    }
    return status
  }

  private var status: FleetStatus {
    let now = coordinator.now
    let pools = configuration.places.enumerated().map { place, pool in
      autoscaler.status(
        ofPoolAt: place, engine: pool.engine.name, listed: listed[pool.pool.name], now: now)
    }
    return FleetStatus(
      pools: pools, isDraining: isDraining, currency: configuration.currency)
  }

  // MARK: Engines

  private func launch(_ pool: String, _ names: [String]) async {
    guard let provider = providers[pool] else { return }
    var actions: [FleetAction] = []
    do throws(FleetError) {
      try await provider.launch(names)
    } catch {
      autoscaler.launchFailed(
        names: error.names, pool: pool, reason: error.description, now: coordinator.now,
        into: &actions)
    }
    await carryOut(actions)
  }

  private func terminate(_ pool: String, _ names: [String]) async {
    guard let provider = providers[pool] else { return }
    do throws(FleetError) {
      try await provider.terminate(names)
    } catch {
      logger.warning("pool \(pool): \(error)")  // it is told again
    }
  }

  private func list(_ pool: String) async {
    guard let provider = providers[pool], asking.insert(pool).inserted else { return }
    let start = coordinator.now
    asked[pool] = start
    var actions: [FleetAction] = []
    do throws(FleetError) {
      let entries = try await provider.list()
      let before = Set(autoscaler.members.keys)
      autoscaler.listed(
        pool: pool, entries, asked: start, now: coordinator.now, into: &actions)
      for name in before where autoscaler.members[name] == nil {
        watch.workerEnded(name, "it is no longer listed")
      }
      // Engines list for minutes what has ended: of those that were here alone.
      for case (let name, .ended(let reason)) in entries.map({ ($0.name, $0.state) })
      where before.contains(name) { watch.workerEnded(name, reason) }
      listed[pool] = start
      silent.remove(pool)
    } catch {
      silent.insert(pool)
      autoscaler.failed(
        pool: pool, reason: error.description, now: coordinator.now, into: &actions)
    }
    asking.remove(pool)
    await carryOut(actions)
  }
}

extension [String] {
  fileprivate var metadata: Logger.Metadata {
    ["first": "\(first ?? "")", "last": "\(last ?? "")"]
  }
}
