/// How often what happened in a simulated world.
package struct SimulationTally: Hashable, Sendable {
  /// Faults that struck, by `FaultKind.rawValue`.
  package internal(set) var faults = Array(repeating: 0, count: FaultKind.allCases.count)
  /// Worlds in which each kind struck.
  package internal(set) var worlds = Array(repeating: 0, count: FaultKind.allCases.count)
  /// What happened, by `Happening.rawValue`.
  package internal(set) var happenings = Array(
    repeating: 0, count: Happening.allCases.count)

  /// What faults and ordinary life come to.
  package enum Happening: Int, CaseIterable, Sendable {
    case coordinatorCrashes, workerCrashes, lostMessages
    case commits, refutations, charges, repeatedResults, wrongStates, mergedAhead
    case damagedMerges, blockedMerges, supersededMerges, diedWhilePublishing
    case succeeded, failed, cancelled
  }

  package init() {}

  package subscript(_ kind: FaultKind) -> Int { faults[kind.rawValue] }

  package subscript(_ happening: Happening) -> Int { happenings[happening.rawValue] }

  /// Adds another world's counts.
  package static func += (left: inout SimulationTally, right: SimulationTally) {
    for index in left.faults.indices {
      left.faults[index] += right.faults[index]
      left.worlds[index] += right.worlds[index]
    }
    for index in left.happenings.indices { left.happenings[index] += right.happenings[index] }
  }

  /// Kinds that never happened.
  package var missing: [String] {
    FaultKind.allCases.filter { self[$0] == 0 }.map(\.name)
      + Happening.allCases.filter { self[$0] == 0 }.map { "\($0)" }
  }
}
