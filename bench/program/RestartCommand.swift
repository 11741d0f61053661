import ArgumentParser
import Coordinator
import Foundation
import Jobs
import Leasing
import Logging
import Transport
import Wire

/// `nightshift-bench restart`.
struct RestartCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restart",
    abstract: "A start with many committed shards in the journal, up to the first grant.",
    discussion: """
      The job has one shard more than are committed; the time ends when a worker is given that one. \
      Without --recovery-window no living worker is waited for, which shows what the work costs; \
      with it, the window of a real restart is in the time.
      """)

  @Option(help: "Committed shards in the journal.")
  var shards = 100_000

  @Flag(help: "Wait for living workers of the last life, as a real restart does.")
  var recoveryWindow = false

  @Option(help: "Where the state folder is made.")
  var folder: String?

  private struct Result: Encodable {
    let committedShards: Int
    let recoveryWindowSeconds: Double
    let servingSeconds: Double
    let firstGrantSeconds: Double
    let firstGrantShard: Int
    let processorSeconds: Double
    let journalBytes: Int
    let peakBytes: Int
  }

  func run() async throws {
    let state = try BenchmarkState(
      shardCount: shards + 1, committedShardCount: shards, below: folder)
    defer { try? state.remove() }  // what stays is in the system's place for such files
    let journal = "\(state.folder)/journal.sqlite"
    let byteCount = try FileManager.default.attributesOfItem(atPath: journal)[.size] as? Int
    var options = CoordinatorOptions(
      stateFolder: state.folder, listen: try Address("tcp://127.0.0.1:0"))
    if !recoveryWindow { options.recoveryWindow = .zero }
    let (used, clock) = (processorSeconds(), ContinuousClock())
    let started = clock.now
    let service = try await CoordinatorService(options, logger: quietLogger())
    let serving = Task { try await service.run() }
    let servingTime = clock.now - started
    let client = try Client(
      address: service.address, channel: .control, tls: nil, contextCount: 1)
    let worker = NoOpWorker(sharing: client, token: service.coordinator.tokens.fleet)
    try await worker.hello()
    let grant = try await worker.firstGrant()
    let grantTime = clock.now - started
    try report(
      Result(
        committedShards: shards, recoveryWindowSeconds: options.recoveryWindow.inSeconds,
        servingSeconds: servingTime.inSeconds, firstGrantSeconds: grantTime.inSeconds,
        firstGrantShard: grant.grant.lease.shard.index,
        processorSeconds: processorSeconds() - used, journalBytes: byteCount ?? 0,
        peakBytes: peakByteCount()))
    await client.close(within: .seconds(1))
    service.stop()
    try await serving.value
  }
}

/// A logger that keeps errors only.
func quietLogger() -> Logger {
  var logger = Logger(label: "nightshift-bench") { StreamLogHandler.standardError(label: $0) }
  logger.logLevel = .error
  return logger
}
