import ArgumentParser
import Coordinator
import Foundation
import Jobs
import Transport

/// `nightshift-bench loopback`.
struct LoopbackCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loopback",
    abstract: "A real coordinator, and workers that take and finish leases over loopback.",
    discussion: """
      The coordinator journals every result, as always, with fsync. Results name empty partials. \
      The workers are another process, so that the coordinator's processor time and memory are its \
      own.
      """)

  @Option(help: "Shards of the job, 64 blocks each.")
  var shards = 262_144

  @Option(help: "Leases asked for in one message; 1 is without batching.")
  var leaseLimit = Limits.leasesPerGrant

  @Option(help: "Workers, each with one request in flight, on one connection.")
  var workers = 8

  @Option(help: "How long a worker is at its leases, with a heartbeat every two seconds.")
  var leaseSeconds = 0.0

  @Option(help: "Connections that the workers share.")
  var connections = 1

  @Option(help: "Ends after so many seconds, if not all leases are finished before.")
  var seconds = 5.0

  @Option(help: "Where the state folder is made.")
  var folder: String?

  private struct Result: Encodable {
    let shards: Int
    let leaseLimit: Int
    let workers: Int
    let connections: Int
    let leaseSeconds: Double
    let fleet: NoOpWorkersCommand.Result
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
    let fleet = try await runWorkers(service.address, state.folder)
    let processor = processorSeconds() - used
    service.stop()
    try await serving.value
    try report(
      Result(
        shards: shards, leaseLimit: leaseLimit, workers: workers,
        connections: connections, leaseSeconds: leaseSeconds, fleet: fleet,
        operationsPerSecond: Double(fleet.grants + fleet.acknowledged) / fleet.elapsedSeconds,
        coordinatorMicrosecondsPerLease: 1e6 * processor / Double(max(1, fleet.grants)),
        coordinatorCores: processor / fleet.elapsedSeconds,
        coordinatorPeakBytes: peakByteCount(), coordinatorRestingBytes: resting))
  }

  private func runWorkers(
    _ address: Address, _ stateFolder: String
  ) async throws -> NoOpWorkersCommand.Result {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [
      NoOpWorkersCommand.name, "--join", address.description,
      "--token-file", "\(stateFolder)/\(Tokens.fleetFile)", "--lease-limit", String(leaseLimit),
      "--workers", String(workers), "--seconds", String(seconds),
      "--lease-seconds", String(leaseSeconds), "--connections", String(connections),
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
    guard status == 0 else { throw BenchmarkError("the workers ended with exit code \(status)") }
    return try JSONDecoder().decode(NoOpWorkersCommand.Result.self, from: text)
  }
}

/// `nightshift-bench no-op-workers`, which `loopback` starts.
struct NoOpWorkersCommand: AsyncParsableCommand {
  static let name = "no-op-workers"
  static let configuration = CommandConfiguration(
    commandName: name, abstract: "The workers' side of `loopback`.", shouldDisplay: false)

  @Option var join: String
  @Option var tokenFile: String
  @Option var leaseLimit: Int
  @Option var workers: Int
  @Option var seconds: Double
  @Option var leaseSeconds: Double
  @Option var connections: Int

  struct Result: Codable {
    let elapsedSeconds: Double
    let grants: Int
    let acknowledged: Int
    let messages: Int
    let acquireP50Milliseconds: Double
    let acquireP99Milliseconds: Double
    let heartbeatsPerSecond: Double
    let heartbeatP99Milliseconds: Double
    let processorSeconds: Double
  }

  func run() async throws {
    raiseDescriptorLimit()
    let count = min(connections, workers)
    let clients = try (0..<count).map { _ in
      try Client(
        address: try Address(join), channel: .control, tls: nil,
        contextCount: (workers + count - 1) / count)
    }
    let token = try Tokens.read(tokenFile)
    let fleet = (0..<workers).map { NoOpWorker(sharing: clients[$0 % count], token: token) }
    for worker in fleet { try await worker.hello() }
    let (used, clock) = (processorSeconds(), ContinuousClock())
    let started = clock.now
    let end = started + .seconds(seconds)
    let tally = try await withThrowingTaskGroup(of: NoOpWorker.Tally.self) { group in
      for worker in fleet {
        // Those that are at their leases for a while begin at different times.
        let delay = Duration.seconds(leaseSeconds * Double.random(in: 0...1))
        group.addTask {
          try await Task.sleep(for: delay)
          return try await worker.work(
            leaseLimit: leaseLimit, for: .seconds(leaseSeconds), until: end)
        }
      }
      var total = NoOpWorker.Tally()
      for try await tally in group { total.add(tally) }
      return total
    }
    let elapsed = clock.now - started
    for client in clients { await client.close(within: .seconds(1)) }
    let times = tally.acquireTimes.sorted()
    let heartbeatTimes = tally.heartbeatTimes.sorted()
    try report(
      Result(
        elapsedSeconds: elapsed.inSeconds, grants: tally.grantCount,
        acknowledged: tally.acknowledgedCount, messages: tally.messageCount,
        acquireP50Milliseconds: Self.percentile(50, of: times),
        acquireP99Milliseconds: Self.percentile(99, of: times),
        heartbeatsPerSecond: Double(heartbeatTimes.count) / elapsed.inSeconds,
        heartbeatP99Milliseconds: Self.percentile(99, of: heartbeatTimes),
        processorSeconds: processorSeconds() - used))
  }

  /// The smallest of the sorted times that as many per cent do not exceed, in milliseconds.
  private static func percentile(_ percent: Int, of sorted: [Duration]) -> Double {
    guard !sorted.isEmpty else { return 0 }
    return sorted[max(0, (sorted.count * percent + 99) / 100 - 1)].inSeconds * 1_000
  }
}
