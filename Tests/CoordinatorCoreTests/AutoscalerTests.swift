import CoordinatorCore
import Jobs
import Testing

/// Single decisions of the autoscaler; `FleetModelTests` have whole days of them.
@Suite struct AutoscalerTests {
  private static let start = Instant.start + .seconds(100)

  private static func pool(_ name: String = "main", _ change: (inout Pool) -> Void = { _ in })
    -> Pool
  {
    var pool = Pool(name: name, threadCount: 4)
    change(&pool)
    return pool
  }

  /// More work than any fleet finishes, at a known rate.
  private static func demand(_ change: (inout Demand) -> Void = { _ in }) -> Demand {
    var demand = Demand(job: JobID(1), blockCount: 1_000_000, byteCount: 1 << 40)
    demand.bytesPerThreadSecond = 1_048_576
    demand.maxReplicaCount = 1_000
    change(&demand)
    return demand
  }

  private static func autoscaler(_ pools: [Pool]) -> Autoscaler {
    Autoscaler(pools: pools, namePrefix: "w")
  }

  private static func launched(_ actions: [FleetAction]) -> [String: [String]] {
    var names: [String: [String]] = [:]
    for case .launch(let pool, let launched) in actions { names[pool, default: []] += launched }
    return names
  }

  /// A fleet of joined workers in one pool, all at work.
  private static func running(
    _ count: Int, _ pool: Pool = pool(), now: Instant = start
  ) -> Autoscaler {
    var autoscaler = autoscaler([pool])
    let actions = autoscaler.review(
      demands: [
        demand {
          $0.maxReplicaCount = count
          $0.startingReplicaCount = count
          $0.bytesPerThreadSecond = nil
        }
      ], workers: [], now: now)
    for name in launched(actions).values.joined() { autoscaler.joined(name, now: now) }
    return autoscaler
  }

  @Test func oneDecisionAsksForAHundredAtMost() {
    var autoscaler = Self.autoscaler([Self.pool { $0.maxReplicaCount = 250 }])
    var counts: [Int] = []
    for second in 0..<4 {
      let now = Self.start + .seconds(second)
      let actions = autoscaler.review(demands: [Self.demand()], workers: [], now: now)
      counts.append(Self.launched(actions)["main"]?.count ?? 0)
    }
    #expect(counts == [100, 100, 50, 0])
    #expect(Set(autoscaler.members.keys) == Set((1...250).map { "w-\($0)" }))
  }

  @Test func thePoolsLeastIsKeptWithoutWork() {
    var autoscaler = Self.autoscaler([Self.pool { $0.minReplicaCount = 2 }])
    let actions = autoscaler.review(demands: [], workers: [], now: Self.start)
    #expect(actions == [.launch(pool: "main", names: ["w-1", "w-2"])])
    for name in ["w-1", "w-2"] { autoscaler.joined(name, now: Self.start) }
    let idle = ["w-1", "w-2"].map { FleetWorker(name: $0, idleTime: .seconds(600)) }
    let later = Self.start + .seconds(600)
    #expect(autoscaler.review(demands: [], workers: idle, now: later).isEmpty)
    // A job's workers are among them, not beside them.
    let small = Self.demand { $0.blockCount = 4 }
    #expect(autoscaler.review(demands: [small], workers: idle, now: later).isEmpty)
    // One that is lost is started again.
    autoscaler.left("w-1", now: later)
    let again = autoscaler.review(demands: [], workers: [idle[1]], now: later)
    #expect(again == [.launch(pool: "main", names: ["w-3"])])
  }

  @Test func onlyWhatIsBeyondTheLeastIsLetGo() {
    var autoscaler = Self.running(3, Self.pool { $0.minReplicaCount = 1 })
    let idle = (1...3).map { FleetWorker(name: "w-\($0)", idleTime: .seconds(6)) }
    let actions = autoscaler.review(demands: [], workers: idle, now: Self.start + .seconds(9))
    #expect(actions == [.drain(name: "w-3"), .drain(name: "w-2")], "the last to come")
  }

  @Test func whoIsBusyOrHasJustWorkedStays() {
    var autoscaler = Self.running(2)
    let workers = [FleetWorker(name: "w-1"), FleetWorker(name: "w-2", idleTime: .seconds(4))]
    let now = Self.start + .seconds(60)
    #expect(autoscaler.review(demands: [], workers: workers, now: now).isEmpty)
  }

  @Test func workersOfOthersCount() {
    for (threadCount, expected) in [(0, 10), (11, 8), (40, 0), (400, 0)] {
      var autoscaler = Self.autoscaler([Self.pool()])
      let actions = autoscaler.review(
        demands: [Self.demand { $0.maxReplicaCount = 10 }], workers: [],
        externalThreadCount: threadCount, now: Self.start)
      #expect(Self.launched(actions)["main"]?.count ?? 0 == expected)
    }
  }

  @Test func aFleetThatIsDrainedStartsNobodyAndLetsAllGo() {
    var autoscaler = Self.running(2, Self.pool { $0.minReplicaCount = 2 })
    let workers = [
      FleetWorker(name: "w-1", idleTime: .seconds(5)), FleetWorker(name: "w-2"),
    ]
    let now = Self.start + .seconds(9)
    let actions = autoscaler.review(
      demands: [Self.demand()], workers: workers, isDraining: true, now: now)
    #expect(actions == [.drain(name: "w-1"), .drain(name: "w-2")], "it finishes what it holds")
  }

  @Test func whatIsBeyondTheMostIsLetGoThoughItHasWork() {
    var autoscaler = Self.running(3)
    autoscaler.scale(pool: "main", least: nil, most: 1)
    let workers = ["w-1", "w-2", "w-3"].map {
      FleetWorker(name: $0, idleTime: $0 == "w-2" ? .seconds(3) : .zero)
    }
    let actions = autoscaler.review(demands: [Self.demand()], workers: workers, now: Self.start)
    #expect(actions == [.drain(name: "w-2"), .drain(name: "w-3")])
    let later = autoscaler.review(
      demands: [Self.demand()], workers: [workers[0]], now: Self.start + .seconds(1))
    #expect(later.isEmpty)
  }

  @Test func whoIsSilentForAMinuteIsTakenBack() {
    var autoscaler = Self.running(1)
    let demands = [Self.demand { $0.maxReplicaCount = 1 }]
    let soon = autoscaler.review(demands: demands, workers: [], now: Self.start + .seconds(60))
    #expect(soon.isEmpty)
    let later = autoscaler.review(demands: demands, workers: [], now: Self.start + .seconds(61))
    #expect(
      later == [
        .terminate(pool: "main", name: "w-1", reason: "it has been silent for 61 s"),
        .launch(pool: "main", names: ["w-2"]),
      ])
  }

  /// A listing that was asked for before a launch lacks its workers, however late it comes.
  @Test func aLateListingEndsNobody() {
    var autoscaler = Self.running(1)
    var actions: [FleetAction] = []
    autoscaler.listed(
      pool: "main", [], asked: Self.start, now: Self.start + .seconds(40), into: &actions)
    #expect(autoscaler.members.count == 1)
    autoscaler.listed(
      pool: "main", [], asked: Self.start + .seconds(11), now: Self.start + .seconds(41),
      into: &actions)
    #expect(autoscaler.members.isEmpty)
  }

  @Test func aStoppedPoolIsAskedAgainWhenSomebodySaysSo() {
    var autoscaler = Self.autoscaler([Self.pool()])
    var now = Self.start
    var told: [FleetAction] = []
    for _ in 0..<Limits.quickDeathLimit {
      now = now + .seconds(1)
      let actions = autoscaler.review(
        demands: [Self.demand { $0.maxReplicaCount = 1 }], workers: [], now: now)
      for name in Self.launched(actions)["main"] ?? [] {
        autoscaler.listed(
          pool: "main", [FleetEntry(name: name, state: .ended("exit code 1"))], asked: now,
          now: now,
          into: &told)
      }
    }
    #expect(
      told.last
        == .log(
          .error,
          "pool main is stopped: 10 workers in a row ended within 5 s, the last one with: exit code 1"
        ))
    let demands = [Self.demand()]
    #expect(autoscaler.review(demands: demands, workers: [], now: now + .seconds(9_999)).isEmpty)
    autoscaler.reopen(pool: "main")
    let actions = autoscaler.review(demands: demands, workers: [], now: now + .seconds(9_999))
    #expect(Self.launched(actions)["main"]?.count == 10)
  }

  @Test func aLifeOfFiveSecondsEndsTheCount() {
    var autoscaler = Self.running(20, Self.pool { $0.maxReplicaCount = 20 })
    var actions: [FleetAction] = []
    let entries = (1...20).map { FleetEntry(name: "w-\($0)", state: .running) }
    autoscaler.listed(pool: "main", entries, asked: Self.start, now: Self.start, into: &actions)
    autoscaler.listed(
      pool: "main", Array(entries.prefix(1)), asked: Self.start + .seconds(5),
      now: Self.start + .seconds(5), into: &actions)
    #expect(autoscaler.pools[0].quickDeathCount == 19)
    #expect(autoscaler.pools[0].haltReason != nil)
    autoscaler.reopen(pool: "main")
    autoscaler.listed(
      pool: "main", [], asked: Self.start + .seconds(6), now: Self.start + .seconds(6),
      into: &actions)
    #expect(autoscaler.pools[0].quickDeathCount == 0)
  }

  /// After a restart of the coordinator its workers are there before it asks for any.
  @Test func workersOfAnEarlierLifeAreTheFleets() {
    var autoscaler = Self.autoscaler([Self.pool()])
    var actions: [FleetAction] = []
    autoscaler.listed(
      pool: "main",
      [
        FleetEntry(name: "old-1", state: .running), FleetEntry(name: "old-2", state: .waiting("")),
        FleetEntry(name: "old-3", state: .ended("exit code 0")),
      ], asked: Self.start, now: Self.start, into: &actions)
    #expect(autoscaler.members.keys.sorted() == ["old-1", "old-2"])
    autoscaler.joined("old-1", now: Self.start + .seconds(1))
    let three = Self.demand { $0.maxReplicaCount = 3 }
    let more = autoscaler.review(
      demands: [three], workers: [FleetWorker(name: "old-1")], now: Self.start + .seconds(2))
    #expect(Self.launched(more) == ["main": ["w-1"]])
    // Without work they go as others do.
    let idle = [FleetWorker(name: "old-1", idleTime: .seconds(6))]
    let last = autoscaler.review(demands: [], workers: idle, now: Self.start + .seconds(9))
    #expect(
      last == [
        .terminate(pool: "main", name: "w-1", reason: "it is not needed any more"),
        .terminate(pool: "main", name: "old-2", reason: "it is not needed any more"),
        .drain(name: "old-1"),
      ])
  }

  @Test func whoDoesNotLeaveIsTakenBackAgainAndAgain() {
    var autoscaler = Self.running(1)
    let idle = [FleetWorker(name: "w-1", idleTime: .seconds(6))]
    var taken: [Int: [FleetAction]] = [:]
    for second in stride(from: 10, through: 110, by: 1) {
      let actions = autoscaler.review(
        demands: [], workers: idle, now: Self.start + .seconds(second))
      if !actions.isEmpty { taken[second] = actions }
    }
    #expect(
      taken == [
        10: [.drain(name: "w-1")],
        41: [.terminate(pool: "main", name: "w-1", reason: "it did not leave")],
        72: [.terminate(pool: "main", name: "w-1", reason: "it is still there")],
        103: [.terminate(pool: "main", name: "w-1", reason: "it is still there")],
      ])
    var actions: [FleetAction] = []
    autoscaler.listed(
      pool: "main", [FleetEntry(name: "w-1", state: .ended("signal 9"))],
      asked: Self.start + .seconds(111), now: Self.start + .seconds(111), into: &actions)
    #expect(actions.isEmpty, "it was sent away")
    #expect(autoscaler.members.isEmpty)
  }

  @Test func aJobHasWorkersOfItsPoolAlone() {
    let pools = [Self.pool("cheap"), Self.pool("big") { $0.pricePerHour = 9 }]
    var autoscaler = Self.autoscaler(pools)
    let big = Self.demand {
      $0.pool = "big"
      $0.maxReplicaCount = 3
    }
    let actions = autoscaler.review(demands: [big], workers: [], now: Self.start)
    #expect(Self.launched(actions).mapValues(\.count) == ["big": 3])
    // Idle workers of the other pool are no help, and those of its own are.
    let any = Self.demand { $0.maxReplicaCount = 3 }
    #expect(autoscaler.review(demands: [any], workers: [], now: Self.start).isEmpty)
  }

  @Test func aPoolThatIsNotThereIsToldOnce() {
    var autoscaler = Self.autoscaler([Self.pool()])
    let lost = Self.demand { $0.pool = "gone" }
    #expect(
      autoscaler.review(demands: [lost], workers: [], now: Self.start) == [
        .log(.warning, "job \(JobID(1)) asks for pool gone, and the fleet has none of this name")
      ])
    #expect(autoscaler.review(demands: [lost], workers: [], now: Self.start).isEmpty)
  }

  @Test func theCheapestThreadComesFirst() {
    let pools = [
      Self.pool("small") { $0.pricePerHour = 4 },
      Self.pool("large") {
        $0.pricePerHour = 6
        $0.threadCount = 8
        $0.maxReplicaCount = 2
      },
    ]
    var autoscaler = Self.autoscaler(pools)
    let demand = Self.demand { $0.maxReplicaCount = 5 }
    let actions = autoscaler.review(demands: [demand], workers: [], now: Self.start)
    #expect(Self.launched(actions).mapValues(\.count) == ["large": 2, "small": 3])
  }

  @Test func aFailedLaunchIsForgottenAndTriedLaterAndLater() {
    var autoscaler = Self.autoscaler([Self.pool()])
    var told: [FleetAction] = []
    var launches: [Int] = []
    for second in 0..<100 {
      let now = Self.start + .seconds(second)
      let actions = autoscaler.review(demands: [Self.demand()], workers: [], now: now)
      guard let names = Self.launched(actions)["main"] else { continue }
      launches.append(second)
      autoscaler.launchFailed(
        names: names, pool: "main", reason: "no permission", now: now, into: &told)
      #expect(autoscaler.members.isEmpty)
    }
    #expect(launches == [0, 5, 15, 35, 75])
    #expect(told.first == .log(.warning, "pool main: no permission; asked again in 5 s"))
  }
}

/// What users are told of jobs without workers.
@Suite struct AutoscalerWaitTests {
  private static let start = Instant.start + .seconds(100)

  private static var demand: Demand {
    var demand = Demand(job: JobID(1), blockCount: 100, byteCount: 1 << 30)
    demand.startingReplicaCount = 2
    return demand
  }

  private static var autoscaler: Autoscaler {
    Autoscaler(pools: [Pool(name: "main", threadCount: 4)], namePrefix: "w")
  }

  @Test func aJobSaysWhatItsWorkersWaitFor() {
    var autoscaler = Self.autoscaler
    #expect(
      autoscaler.waitReasons(of: [Self.demand], now: Self.start)[JobID(1)]
        == "waits for workers: pool main: none is started")
    var actions = autoscaler.review(demands: [Self.demand], workers: [], now: Self.start)
    #expect(
      autoscaler.waitReasons(of: [Self.demand], now: Self.start)[JobID(1)]
        == "waits for workers: pool main: starting 2")
    autoscaler.listed(
      pool: "main", [FleetEntry(name: "w-1", state: .waiting("no image"))], asked: Self.start,
      now: Self.start, into: &actions)
    #expect(
      autoscaler.waitReasons(of: [Self.demand], now: Self.start)[JobID(1)]
        == "waits for workers: pool main: no image")
    autoscaler.joined("w-2", now: Self.start)
    #expect(autoscaler.waitReasons(of: [Self.demand], now: Self.start)[JobID(1)] == nil)
  }

  @Test func anEnginesWordsAreToldAtALimit() {
    var autoscaler = Self.autoscaler
    var actions: [FleetAction] = []
    autoscaler.failed(
      pool: "main", reason: String(repeating: "no ", count: 300), now: Self.start, into: &actions)
    let reason = autoscaler.waitReasons(of: [Self.demand], now: Self.start)[JobID(1)]
    #expect(reason?.hasPrefix("waits for workers: pool main: no no") == true)
    #expect(reason?.count == 600)
    let status = autoscaler.status(ofPoolAt: 0, engine: "local", listed: nil, now: Self.start)
    #expect(status.pauseReason?.count == 600)
    #expect(status.pausedSeconds == 5)
  }

  /// The job is gone, and its workers had not come: the next job need not wait for that.
  @Test func aPoolWhoseWorkersAreNotNeededAnyMoreIsNotPaused() {
    var autoscaler = Self.autoscaler
    _ = autoscaler.review(demands: [Self.demand], workers: [], now: Self.start)
    let later = Self.start + .seconds(60)
    let actions = autoscaler.review(demands: [], workers: [], now: later)
    #expect(
      actions
        == ["w-2", "w-1"].map { name in
          .terminate(pool: "main", name: name, reason: "it is not needed any more")
        })
    #expect(autoscaler.pools[0].isOpen(later))
  }
}

/// Engines that begin a worker again under its name.
@Suite struct AutoscalerReturnTests {
  @Test func aWorkerThatComesBackIsOneOfThem() {
    let start = Instant.start + .seconds(100)
    var autoscaler = Autoscaler(pools: [Pool(name: "main", threadCount: 4)], namePrefix: "w")
    let demand = Demand(job: JobID(1), blockCount: 100, byteCount: 1 << 30)
    _ = autoscaler.review(demands: [demand], workers: [], now: start)
    autoscaler.joined("w-1", now: start)
    let startUpTime = autoscaler.pools[0].startUpTime
    autoscaler.left("w-1", now: start + .seconds(9))
    autoscaler.joined("w-1", now: start + .seconds(10))
    #expect(autoscaler.pools[0].startUpTime == startUpTime, "how long that took is not known")
    let later = start + .seconds(60)
    let actions = autoscaler.review(
      demands: [demand], workers: [FleetWorker(name: "w-1")], now: later)
    #expect(actions.isEmpty, "it is neither replaced nor taken back: \(actions)")
    let idle = FleetWorker(name: "w-1", idleTime: .seconds(6))
    #expect(
      autoscaler.review(demands: [], workers: [idle], now: later) == [.drain(name: "w-1")])
  }
}
