/// How often what happened in a simulated world.
package struct SimulationTally: Hashable, Sendable {
  package internal(set) var coordinatorCrashes = 0
  package internal(set) var workerCrashes = 0
  package internal(set) var terminations = 0
  package internal(set) var pauses = 0
  package internal(set) var partitions = 0
  package internal(set) var lostMessages = 0
  package internal(set) var replays = 0
  package internal(set) var commits = 0
  package internal(set) var refutations = 0
  package internal(set) var charges = 0
  package internal(set) var repeatedResults = 0
  package internal(set) var wrongStates = 0
  package internal(set) var damagedMerges = 0
  package internal(set) var blockedMerges = 0
  package internal(set) var diedAfterPublishing = 0
  package internal(set) var succeeded = 0
  package internal(set) var failed = 0
  package internal(set) var cancelled = 0

  package init() {}

  /// Adds another world's counts.
  package static func += (left: inout SimulationTally, right: SimulationTally) {
    for path in all { left[keyPath: path] += right[keyPath: path] }
  }

  /// Kinds that never happened.
  package var missing: [String] {
    SimulationTally.all.filter { self[keyPath: $0] == 0 }.map { "\($0)" }
  }

  private static var all: [WritableKeyPath<SimulationTally, Int>] {
    [
      \.coordinatorCrashes, \.workerCrashes, \.terminations, \.pauses, \.partitions,
      \.lostMessages, \.replays, \.commits, \.refutations, \.charges, \.repeatedResults,
      \.wrongStates, \.damagedMerges, \.blockedMerges, \.diedAfterPublishing, \.succeeded,
      \.failed, \.cancelled,
    ]
  }
}
