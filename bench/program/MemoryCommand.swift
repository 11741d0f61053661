import ArgumentParser
import Simulation

/// `nightshift-bench memory`.
struct MemoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory",
    abstract: "The coordinator's core in memory: leases all of a job and takes all results.")

  @Option(help: "Shards of the job, 64 blocks each.")
  var shards = 1_000_000

  @Option(help: "Workers that ask in turn.")
  var workers = 16

  private struct Result: Encodable {
    let shards: Int
    let workers: Int
    let leases: Int
    let operationsPerSecond: Double
    let bytesPerShard: Double
    let peakBytes: Int
  }

  func run() throws {
    let benchmark = LeaseBenchmark(shardCount: shards, workerCount: workers)
    try report(
      Result(
        shards: shards, workers: workers, leases: benchmark.leaseCount,
        operationsPerSecond: benchmark.operationsPerSecond,
        bytesPerShard: benchmark.bytesPerShard, peakBytes: benchmark.peakByteCount))
  }
}
