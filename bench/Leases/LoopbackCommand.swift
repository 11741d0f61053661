import ArgumentParser
import Coordinator
import Foundation
import Jobs
import Transport

/// `nightshift-bench loopback`.
struct LoopbackCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loopback",
    abstract: "A real coordinator, and a process that takes and finishes leases over loopback.",
    discussion: """
      The coordinator journals every result, as always, with fsync. Results name empty partials. \
      The worker is another process, so that the coordinator's processor time and memory are its \
      own.
      """)

  @Option(help: "Shards of the job, 64 blocks each.")
  var shards = 1_000_000

  @Option(help: "Leases asked for in one message; 1 is without batching.")
  var leaseLimit = Limits.leasesPerGrant

  @Option(help: "Requests in flight at once.")
  var lanes = 8

  @Option(help: "Ends after so many seconds, if not all leases are finished before.")
  var seconds = 5.0

  @Option(help: "Where the state folder is made.")
  var folder: String?

  private struct Result: Encodable {
    let shards: Int
    let leaseLimit: Int
    let lanes: Int
    let worker: NoOpWorkerCommand.Result
    /// Grants and acknowledged results in a second.
    let operationsPerSecond: Double
    let coordinatorMicrosecondsPerLease: Double
    let coordinatorCores: Double
    let coordinatorPeakBytes: Int
    let coordinatorRestingBytes: Int
  }

  func run() async throws {
    let state = try BenchmarkState(shardCount: shards, committedShardCount: 0, below: folder)
    defer { try? state.remove() }  // what stays is in the system's place for such files
    var options = CoordinatorOptions(
      stateFolder: state.folder, listen: try Address("tcp://127.0.0.1:0"))
    options.acceptsEmptyPartials = true
    options.recoveryWindow = .zero
    let service = try await CoordinatorService(options, logger: quietLogger())
    let serving = Task { try await service.run() }
    let resting = peakByteCount()
    let used = processorSeconds()
    let worker = try await runWorker(service.address, state.folder)
    let processor = processorSeconds() - used
    service.stop()
    try await serving.value
    try report(
      Result(
        shards: shards, leaseLimit: leaseLimit, lanes: lanes, worker: worker,
        operationsPerSecond: Double(worker.grants + worker.acknowledged) / worker.elapsedSeconds,
        coordinatorMicrosecondsPerLease: 1e6 * processor / Double(max(1, worker.grants)),
        coordinatorCores: processor / worker.elapsedSeconds,
        coordinatorPeakBytes: peakByteCount(), coordinatorRestingBytes: resting))
  }

  private func runWorker(
    _ address: Address, _ stateFolder: String
  ) async throws -> NoOpWorkerCommand.Result {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [
      NoOpWorkerCommand.name, "--join", address.description,
      "--token-file", "\(stateFolder)/\(Tokens.fleetFile)", "--lease-limit", String(leaseLimit),
      "--lanes", String(lanes), "--seconds", String(seconds),
    ]
    let output = Pipe()
    process.standardOutput = output
    let ended = AsyncStream<Int32> { continuation in
      process.terminationHandler = {
        continuation.yield($0.terminationStatus)
        continuation.finish()
      }
    }
    try process.run()
    var status: Int32 = -1
    for await code in ended { status = code }
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    guard status == 0 else { throw BenchmarkError("the worker ended with exit code \(status)") }
    return try JSONDecoder().decode(NoOpWorkerCommand.Result.self, from: text)
  }
}

/// `nightshift-bench no-op-worker`, which `loopback` starts.
struct NoOpWorkerCommand: AsyncParsableCommand {
  static let name = "no-op-worker"
  static let configuration = CommandConfiguration(
    commandName: name, abstract: "The worker's side of `loopback`.", shouldDisplay: false)

  @Option var join: String
  @Option var tokenFile: String
  @Option var leaseLimit: Int
  @Option var lanes: Int
  @Option var seconds: Double

  struct Result: Codable {
    let elapsedSeconds: Double
    let grants: Int
    let acknowledged: Int
    let messages: Int
    let acquireP50Milliseconds: Double
    let acquireP99Milliseconds: Double
    let processorSeconds: Double
  }

  func run() async throws {
    let worker = try NoOpWorker(
      join: try Address(join), token: try Tokens.read(tokenFile), contextCount: lanes)
    try await worker.hello()
    let (used, clock) = (processorSeconds(), ContinuousClock())
    let started = clock.now
    let tally = try await worker.work(
      laneCount: lanes, leaseLimit: leaseLimit, limit: .seconds(seconds))
    let elapsed = clock.now - started
    await worker.close()
    let times = tally.acquireTimes.sorted()
    try report(
      Result(
        elapsedSeconds: elapsed.inSeconds, grants: tally.grantCount,
        acknowledged: tally.acknowledgedCount, messages: tally.messageCount,
        acquireP50Milliseconds: Self.percentile(50, of: times),
        acquireP99Milliseconds: Self.percentile(99, of: times),
        processorSeconds: processorSeconds() - used))
  }

  /// The smallest of the sorted times that as many per cent do not exceed, in milliseconds.
  private static func percentile(_ percent: Int, of sorted: [Duration]) -> Double {
    guard !sorted.isEmpty else { return 0 }
    return sorted[max(0, (sorted.count * percent + 99) / 100 - 1)].inSeconds * 1_000
  }
}
