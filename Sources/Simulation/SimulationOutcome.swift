import Jobs

/// Which world is run, and what is left out of it.
package struct Schedule: Hashable, Sendable {
  package let seed: UInt64
  /// The only faults that may strike; `nil`: all that the seed draws.
  package var allowed: Set<Fault>?
  /// Most workers and input files; what the seed draws is cut off here.
  package var workerLimit = Int.max
  package var inputLimit = Int.max

  package init(seed: UInt64) {
    self.seed = seed
  }
}

/// What came of one simulated world.
package struct SimulationOutcome: Hashable, Sendable {
  package let schedule: Schedule
  package let violations: [String]
  /// Equal for equal schedules.
  package let digest: UInt64
  package let stepCount: Int
  /// When it ended, in simulated milliseconds.
  package let milliseconds: Int64
  package let workerCount: Int
  package let inputCount: Int
  /// What struck, in order.
  package let struck: [Fault]
  package let tally: SimulationTally

  package var seed: UInt64 { schedule.seed }

  /// Runs the world of a schedule to its end.
  package init(_ schedule: Schedule) {
    var world = World(schedule)
    world.run()
    self.init(world)
  }

  /// Runs the world of a seed to its end.
  package init(seed: UInt64) { self.init(Schedule(seed: seed)) }

  /// Runs a world and tells what happens in it, line by line.
  package init(tracing schedule: Schedule, to tell: (String) -> Void) {
    var world = World(schedule)
    world.isTraced = true
    world.run(tell)
    self.init(world)
  }

  private init(_ world: World) {
    schedule = world.schedule
    violations = world.violations
    digest = world.digest
    stepCount = world.stepCount
    milliseconds = world.now / World.millisecond
    workerCount = world.workers.count
    inputCount = world.text.plan.inputs.count
    struck = world.faults.struck
    var tally = world.tally
    for fault in struck { tally.faults[fault.kind.rawValue] += 1 }
    for index in tally.worlds.indices where tally.faults[index] > 0 { tally.worlds[index] = 1 }
    self.tally = tally
  }
}
