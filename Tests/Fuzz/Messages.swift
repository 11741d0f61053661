import Simulation

extension FuzzTarget {
  /// Messages to the real cores, in any order, with everything that a simulated world checks.
  ///
  /// The input is a list of steps: what strangers and users say, what breaks, how much time passes.
  static let messages = FuzzTarget(name: "messages") { bytes in
    var sequence = MessageSequence(bytes)
    let violations = sequence.run()
    require(violations.isEmpty, violations.joined(separator: "\n"))
  }
}
