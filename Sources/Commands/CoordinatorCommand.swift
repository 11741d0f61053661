import ArgumentParser
import Coordinator
import Destinations
import Foundation
import Glibc
import Logging
import ObjectStore
import Transport

/// `nightshift coordinator`.
struct CoordinatorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coordinator", abstract: "Plan jobs, lease their work, merge and publish.",
    discussion: """
      Keeps everything in its state folder and goes on from there after a crash. Prints one line \
      when it is ready, with its address and the files of its two tokens: client.token lets \
      commands in, fleet.token workers. SIGTERM ends it within five seconds.

      Examples:
        nightshift coordinator --state /var/lib/nightshift
        nightshift coordinator --state /var/lib/nightshift --fleet fleet.yaml
        nightshift coordinator --state /var/lib/nightshift --listen tls+tcp://0.0.0.0:7070 \\
          --tls-ca ca.pem --tls-cert coordinator.pem --tls-key coordinator.key
      """)

  @Option(
    help: ArgumentHelp(
      "Folder of the journal, the spool and the tokens (or NIGHTSHIFT_STATE).",
      valueName: "folder"))
  var state = StateFolder.standard

  @Option(
    help: ArgumentHelp("Where to listen; port 0 takes any free one.", valueName: "address"))
  var listen = "tcp://127.0.0.1:7070"

  @Option(
    help: ArgumentHelp(
      "Start workers as this file says when there is work, and end them after it.",
      valueName: "file"))
  var fleet: String?

  @Option(
    help: ArgumentHelp(
      "End after so long without a job or a worker, for coordinators that a timer starts.",
      valueName: "seconds"))
  var exitWhenIdle: Double?

  @OptionGroup(title: "TLS") var tls: TLSOptions
  @OptionGroup var output: OutputOptions

  @Option(help: ArgumentHelp("Log to standard error, from this level.", valueName: "level"))
  var logLevel = LogThreshold.info

  @Option(
    help: ArgumentHelp(
      "How long a silent worker keeps its leases.", valueName: "seconds", visibility: .hidden))
  var leaseDuration: Double?

  @Option(
    help: ArgumentHelp(
      "Between two heartbeats of a worker.", valueName: "seconds", visibility: .hidden))
  var heartbeatInterval: Double?

  @Option(
    help: ArgumentHelp(
      "Without the coordinator for so long, workers end themselves.", valueName: "seconds",
      visibility: .hidden))
  var deadManTime: Double?

  @Option(
    help: ArgumentHelp(
      "Failures of a shard before it is scored in a process apart.", valueName: "count",
      visibility: .hidden))
  var chargeLimit: Int?

  @Option(
    help: ArgumentHelp(
      "Records at work for so long (at most 1024 of them) are stuck, and their lease is over.",
      valueName: "seconds"))
  var stallTime: Double?

  func validate() throws {
    if let stallTime, !(stallTime > 0 && stallTime < 1e6) {
      throw ValidationError("--stall-time: a positive number of seconds, not \(stallTime)")
    }
    if let exitWhenIdle, !(exitWhenIdle > 0 && exitWhenIdle < 1e9) {
      throw ValidationError("--exit-when-idle: a positive number of seconds, not \(exitWhenIdle)")
    }
    let address = try parsedAddress(listen)
    try tls.check(for: listen)
    guard address.usesTLS || address.isLoopback || tls.insecure else {
      throw ValidationError(
        "\(listen) can be reached by other machines without any protection: use tls+tcp:// with "
          + "certificates, or say --insecure")
    }
  }

  /// What `--output json` prints when the coordinator is ready.
  struct Ready: Encodable {
    let ready = true
    let address: String
    let stateFolder: String
    let clientTokenFile: String
    let fleetTokenFile: String
    let processID: Int32

    /// As people read it.
    var text: String {
      "ready: \(address), client token \(clientTokenFile), fleet token \(fleetTokenFile)"
    }

    private enum CodingKeys: CodingKey {
      case ready, address, stateFolder, clientTokenFile, fleetTokenFile, processID
    }
  }

  func run() async throws {
    ProcessMemory.keepFreed()
    ProcessMemory.shareHeapsWithArrow()
    raiseDescriptorLimit()
    let signals = Signals.catchTermination()
    let folder = Paths.absolute(state, in: Paths.currentFolder)
    let service = try await open(folder)
    let logger = makeLogger(logLevel)
    StoreNotices.process.hear { logger.warning("\($0)") }
    try announce(service.address, folder)
    Task {
      var isStopping = false
      for await number in signals {
        if isStopping { _exit(Signals.exitCode(number)) }
        isStopping = true
        StoreEnding.process.begin(grace: .seconds(2))
        service.stop()
      }
    }
    let idleTime = exitWhenIdle.map { Duration.seconds($0) }
    let watch = idleTime.map { limit in
      Task { await Self.stopWhenIdle(service, limit, logger) }
    }
    defer { watch?.cancel() }
    try await service.run()
  }

  /// Stops a coordinator that has had nothing to do for `limit`.
  private static func stopWhenIdle(
    _ service: CoordinatorService, _ limit: Duration, _ logger: Logger
  ) async {
    var idleSince = ContinuousClock.now
    while !Task.isCancelled {
      try? await Task.sleep(for: min(.seconds(1), limit))  // cancelled: the loop ends
      if await !service.isIdle { idleSince = .now }
      guard ContinuousClock.now - idleSince >= limit else { continue }
      logger.info("idle for \(Figures.words(limit)): the coordinator ends")
      return service.stop()
    }
  }

  private func open(_ folder: String) async throws -> CoordinatorService {
    try makeFolder(folder, "state folder")
    var options = CoordinatorOptions(stateFolder: folder, listen: try parsedAddress(listen))
    options.tls = tls.identity
    options.insecure = tls.insecure
    if let fleet {
      let logs = "\(folder)/worker-logs"
      options.fleet = try FleetFile.read(fleet, logFolder: logs)
      try makeFolder(logs, "folder of the workers' logs")
    }
    if let leaseDuration { options.leaseDuration = .seconds(leaseDuration) }
    if let heartbeatInterval {
      options.heartbeatInterval = .seconds(heartbeatInterval)
      options.recoveryWindow = .seconds(heartbeatInterval * 1.5 + 1)
    }
    if let deadManTime { options.deadManTime = .seconds(deadManTime) }
    if let stallTime { options.stallTime = .seconds(stallTime) }
    if let chargeLimit { options.chargeLimit = max(0, chargeLimit) }
    do {
      return try await CoordinatorService(options, logger: makeLogger(logLevel))
    } catch {
      throw CommandError("cannot start on \(listen) with the state folder \(folder): \(error)")
    }
  }

  private func makeFolder(_ folder: String, _ name: String) throws(CommandError) {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw CommandError(
        "cannot make the \(name) \(folder): \(error.localizedDescription); choose another --state")
    }
  }

  private func announce(_ address: Address, _ folder: String) throws {
    let ready = Ready(
      address: address.description, stateFolder: folder,
      clientTokenFile: "\(folder)/\(Tokens.clientFile)",
      fleetTokenFile: "\(folder)/\(Tokens.fleetFile)", processID: getpid())
    switch output.format {
    case .text: printLine(ready.text)
    case .json: printLine(try jsonText(ready))
    }
  }
}
