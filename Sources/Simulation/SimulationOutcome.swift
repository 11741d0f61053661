/// What came of one simulated world.
package struct SimulationOutcome: Hashable, Sendable {
  package let seed: UInt64
  package let violations: [String]
  /// Equal for equal seeds.
  package let digest: UInt64
  package let stepCount: Int
  package let tally: SimulationTally

  /// Runs the world of a seed to its end.
  package init(seed: UInt64, sabotage: Sabotage? = nil) {
    var world = World(seed: seed, sabotage: sabotage)
    world.run()
    self.seed = seed
    violations = world.violations
    digest = world.digest
    stepCount = world.stepCount
    tally = world.tally
  }
}
