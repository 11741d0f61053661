import CoordinatorCore
import Simulation
import Testing

/// The autoscaler against engines that are slow, refuse, take machines back, or break.
@Suite(.timeLimit(.minutes(1)))
struct FleetModelTests {
  @Test func aStepOfWorkGrowsTheFleetAndLeavesNone() throws {
    let outcome = FleetScenario.steps.model.run()
    let ends = outcome.ends.compactMap { $0 }
    try #require(ends.count == 2)
    #expect(outcome.mostWorkers == 10)
    // One worker learns how fast the job is; ten workers would need 103 s for each job.
    #expect(ends[0] < .seconds(130))
    #expect(ends[1] - .seconds(1_000) < .seconds(130))
    // Between the two there is nobody.
    let between = outcome.samples.filter { $0.second > 180 && $0.second < 1_000 }
    #expect(!between.isEmpty)
    #expect(between.allSatisfy { $0.startingCount + $0.busyCount + $0.idleCount == 0 })
    let zero = try #require(outcome.zero)
    #expect(zero - ends[1] < .seconds(30))
    #expect(outcome.usefulSeconds.rounded() == 2_048)
    #expect(outcome.lostSeconds == 0)
    #expect(outcome.startSeconds + outcome.idleSeconds < 0.15 * outcome.usefulSeconds)
  }

  @Test(arguments: [1, 3, 8])
  func aSmallJobStartsOneWorker(blockCount: Int) throws {
    let work = FleetScenario.work(blockCount: blockCount)
    let outcome = FleetModel(engines: [FleetScenario.engine()], work: [work]).run()
    #expect(outcome.launchCount == 1)
    #expect(outcome.zero != nil)
  }

  /// Where machines take minutes, fewer of them are asked for, and none for nothing.
  @Test func slowMachinesAreWorthTheirStart() throws {
    let outcome = FleetScenario.slowStart.model.run()
    #expect(outcome.zero != nil)
    #expect(outcome.launchCount <= 5)
    #expect(outcome.launchCount >= 3)
    #expect(outcome.startSeconds < outcome.usefulSeconds)
    #expect(outcome.takenCount == 0, "machines that were on their way are not taken back")
  }

  /// Machines that live for a minute each: the work goes on, and nobody calls it a crash.
  @Test func aStormOfPreemptionsIsRiddenOut() throws {
    let outcome = FleetScenario.preemptions.model.run()
    let end = try #require(outcome.ends[0])
    #expect(end < .seconds(300))
    #expect(outcome.takenCount > 10)
    #expect(!outcome.logs.contains { $0.contains("stopped") })
    #expect(outcome.zero != nil)
    // A block takes a second: what is begun is lost, half a block for each thread.
    #expect(outcome.lostSeconds < Double(outcome.takenCount) * 4)
  }

  /// What is lost, and what the machines in the places of the others take to start.
  @Test func oneMachineInTenEachMinuteCostsTwoPerCentAtMost() throws {
    let model = FleetScenario.attrition.model
    let outcome = model.run()
    #expect(outcome.takenCount >= 10, "nothing was at stake")
    let again = Double(outcome.launchCount - outcome.mostWorkers) * 5
    #expect(outcome.lostSeconds + again <= 0.02 * outcome.usefulSeconds)
  }

  @Test func spotMachinesComeFirstAndOthersHelpWhereTheyAreRefused() throws {
    let outcome = FleetScenario.quota.model.run()
    #expect(outcome.zero != nil)
    #expect(outcome.launchedByPool["spot"] == 3)
    #expect(outcome.launchedByPool["dear"] == 7)
    #expect(outcome.logs.contains { $0.contains("the quota of 3 is reached") })
    // Refused, an engine is asked again later and later.
    #expect(outcome.launchRequestCount < 12)
  }

  @Test func workersThatDieAtOnceStopTheirPool() throws {
    var alone = FleetScenario.crashes.model
    let outcome = alone.run()
    #expect(outcome.ends[0] != nil, "the other pool does the work")
    #expect(outcome.logs.contains { $0.hasPrefix("pool broken is stopped: 10 workers in a row") })
    #expect(outcome.launchedByPool["broken"] ?? 0 <= 30)
    alone.engines.removeLast()
    alone.timeLimit = .seconds(3_600)
    let halted = alone.run()
    #expect(halted.ends == [nil])
    #expect(halted.launchCount <= 30, "nothing is started any more")
    #expect(halted.samples.last?.startingCount == 0)
  }

  @Test func machinesThatNeverStartAreGivenUp() throws {
    var alone = FleetScenario.stuck.model
    let outcome = alone.run()
    let end = try #require(outcome.ends[0])
    #expect(end < .seconds(150), "the other pool is asked after half a minute")
    #expect(outcome.launchedByPool["stuck"] == 1, "and this one no more for five")
    #expect(
      outcome.logs.contains { $0.contains("has not joined in") && $0.contains("ImagePullBackOff") })
    #expect(outcome.zero != nil)
    alone.engines.removeLast()
    alone.timeLimit = .seconds(3_600)
    let halted = alone.run()
    #expect(halted.ends == [nil])
    #expect(halted.logs.contains { $0.hasSuffix("waits: ImagePullBackOff") })
    #expect(halted.launchRequestCount <= 6, "ten minutes are waited for each")
  }

  @Test func halfOfTheFleetGoneAtOnceIsReplaced() throws {
    let outcome = FleetScenario.loss.model.run()
    let end = try #require(outcome.ends[0])
    #expect(outcome.takenCount == 5)
    #expect(end < .seconds(150))
    #expect(outcome.zero != nil)
  }

  /// A deadline has more workers started than their start-up time is worth.
  @Test func aDeadlineIsMet() throws {
    var model = FleetScenario.deadline.model
    let hurried = model.run()
    model.work[0].deadline = nil
    let patient = model.run()
    #expect(try #require(patient.ends[0]) > .seconds(360))
    #expect(try #require(hurried.ends[0]) <= .seconds(360))
    #expect(hurried.launchCount > patient.launchCount)
    #expect(!hurried.logs.contains { $0.contains("deadline") })
  }

  @Test func aDeadlineThatCannotBeMetIsToldOnce() throws {
    var job = FleetScenario.work()
    job.deadline = .seconds(20)
    let outcome = FleetModel(engines: [FleetScenario.engine()], work: [job]).run()
    #expect(outcome.logs.count { $0.contains("misses its deadline") } == 1)
    #expect(outcome.mostWorkers == 10, "it is done as soon as it can be")
  }

  /// What is not there is not spent: the job is paused, and the fleet goes.
  @Test func aBudgetIsNotExceeded() throws {
    var model = FleetScenario.budget.model
    let outcome = model.run()
    #expect(outcome.ends == [nil])
    #expect(outcome.paused == [0])
    #expect(outcome.zero != nil)
    #expect(outcome.money > 0.1)
    #expect(outcome.money < 0.115, "what idle and starting workers cost comes on top")
    model.work[0].money = 0.35
    let enough = model.run()
    #expect(enough.ends[0] != nil)
    #expect(enough.money < 0.35)
  }

  @Test(arguments: FleetScenario.allCases)
  func everyFleetGoesToZero(scenario: FleetScenario) throws {
    let outcome = scenario.model.run()
    let zero = try #require(outcome.zero)
    let last = outcome.samples.last { $0.busyCount > 0 }
    #expect(zero - .seconds(try #require(last).second) < .seconds(30))
  }

  @Test(arguments: 1...20)
  func theSameSeedGivesTheSameFleet(seed: Int) {
    var model = FleetScenario.preemptions.model
    model.engines[0].meanLife = .seconds(40)
    model.seed = UInt64(seed)
    let outcome = model.run()
    #expect(outcome.samples == model.run().samples)
    #expect(outcome.zero != nil)
  }
}
