import ArgumentParser
import Scoring

/// `nightshift-bench peak`.
struct PeakCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "peak",
    abstract: "The rate of fused multiply-adds of one core, in registers alone.")

  @Option(help: "How often it is measured; the best counts.")
  var runs = 5

  @Flag(help: "One JSON object; the default, and the only form.")
  var json = false

  private struct Result: Encodable {
    let gflops: Double
    let instructions: String
    /// So that nothing is left out.
    let checksum: Float
  }

  func run() throws {
    let rounds: UInt64 = 20_000_000
    var best = Double.infinity
    var checksum: Float = 0
    for _ in 0..<max(runs, 1) {
      let started = processorSeconds()
      checksum += PeakRate.run(rounds: rounds)
      best = min(best, processorSeconds() - started)
    }
    try report(
      Result(
        gflops: PeakRate.operationCount(rounds: rounds) / best / 1e9,
        instructions: InstructionSet.best.rawValue, checksum: checksum))
  }
}
