import CoordinatorCore

/// Days of a fleet that the autoscaler has to be good at; the tests and the plots have the same.
package enum FleetScenario: String, CaseIterable, Sendable {
  case steps, slowStart, preemptions, attrition, quota, crashes, stuck, loss, deadline, budget

  /// What happens, for the title of a plot.
  package var title: String {
    switch self {
    case .steps: "two jobs, 1,000 s apart"
    case .slowStart: "machines that take two minutes to start"
    case .preemptions: "spot machines that live for a minute"
    case .attrition: "one machine in ten taken away each minute"
    case .quota: "a quota of three spot machines, and dearer ones"
    case .crashes: "a pool whose workers die after a second, and a sound one"
    case .stuck: "a pool whose machines never start, and a sound one"
    case .loss: "half of the fleet gone at once"
    case .deadline: "a deadline of six minutes with slow machines"
    case .budget: "a budget for a third of the job"
    }
  }

  package var model: FleetModel {
    switch self {
    case .steps:
      return FleetModel(
        engines: [Self.engine()], work: [Self.work(), Self.work(at: .seconds(1_000))])
    case .slowStart:
      return FleetModel(engines: [Self.engine(startUp: .seconds(120))], work: [Self.work()])
    case .preemptions:
      var spot = Self.engine()
      spot.meanLife = .seconds(60)
      return FleetModel(engines: [spot], work: [Self.work()])
    case .attrition:
      var spot = Self.engine()
      spot.meanLife = .seconds(600)
      return FleetModel(engines: [spot], work: [Self.work(blockCount: 409_600)])
    case .quota:
      var spot = Self.engine("spot", price: 0.3)
      spot.pool.isSpot = true
      spot.quota = 3
      var job = Self.work()
      job.prefersSpot = true
      return FleetModel(engines: [Self.engine("dear"), spot], work: [job])
    case .crashes:
      var broken = Self.engine("broken", price: 0.1)
      broken.crashTime = .seconds(1)
      return FleetModel(engines: [broken, Self.engine("sound")], work: [Self.work()])
    case .stuck:
      var stuck = Self.engine("stuck", price: 0.1)
      stuck.stuckReason = "ImagePullBackOff"
      return FleetModel(engines: [stuck, Self.engine("sound")], work: [Self.work()])
    case .loss:
      var model = FleetModel(engines: [Self.engine()], work: [Self.work()])
      model.loss = .seconds(60)
      return model
    case .deadline:
      var slow = Self.engine(startUp: .seconds(120))
      slow.pool.maxReplicaCount = 100
      var job = Self.work()
      job.maxReplicaCount = 100
      job.deadline = .seconds(360)
      return FleetModel(engines: [slow], work: [job])
    case .budget:
      var job = Self.work()
      job.money = 0.1  // of the 0.28 that the work costs
      return FleetModel(engines: [Self.engine()], work: [job])
    }
  }

  /// About 17 minutes of one machine of four threads.
  package static func work(
    at arrival: Duration = .zero, blockCount: Int = 4_096
  ) -> FleetModel.Work {
    FleetModel.Work(arrival: arrival, blockCount: blockCount, bytesPerThreadSecond: 1_048_576)
  }

  /// Machines of four threads.
  package static func engine(
    _ name: String = "a", startUp: Duration = .seconds(5), price: Double = 1
  ) -> FleetModel.Engine {
    var pool = Pool(name: name, threadCount: 4)
    pool.pricePerHour = price
    pool.startUpTime = startUp
    return FleetModel.Engine(pool: pool, startUpTime: startUp)
  }
}
