import ArgumentParser
import Coordinator
import Destinations
import Foundation
import Glibc
import Jobs
import Logging
import Transport
import Worker
import WorkerCore

/// `nightshift worker`.
struct WorkerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Take leases from a coordinator and score them.",
    discussion: """
      Leaves when the coordinator has no more work for it, after the idle time-out, on SIGTERM \
      (it hands back what is unfinished, within 25 seconds), or when the coordinator has been \
      silent for eleven minutes. The exit code is 1 where it was refused or lost the coordinator.

      Examples:
        nightshift worker --join tcp://127.0.0.1:7070
        nightshift worker --join tls+tcp://coordinator:7070 --token-file fleet.token \\
          --tls-ca ca.pem --tls-cert worker.pem --tls-key worker.key --idle-timeout 60
      """)

  @Option(help: ArgumentHelp("The coordinator's address.", valueName: "address"))
  var join = environment("NIGHTSHIFT_COORDINATOR") ?? "tcp://127.0.0.1:7070"

  @Option(help: ArgumentHelp("Scoring threads; by default one per core.", valueName: "count"))
  var threads: Int?

  @Option(
    help: ArgumentHelp("The folder with fleet.token (or NIGHTSHIFT_STATE).", valueName: "folder"))
  var state = StateFolder.standard

  @Option(
    help: ArgumentHelp(
      "The fleet token, or this worker's own, if not in the state folder.", valueName: "file"))
  var tokenFile: String?

  @Option(help: ArgumentHelp("Where results wait to be taken.", valueName: "folder"))
  var scratch: String?

  @Option(
    help: ArgumentHelp("Leave after so long without work; never by default.", valueName: "seconds"))
  var idleTimeout: Double?

  @Option(help: ArgumentHelp("A name for people; by default host:process.", valueName: "text"))
  var name: String?

  @Option(
    help: ArgumentHelp(
      "Memory, above that of the model, in which records that ended a worker are scored again.",
      valueName: "MiB"))
  var suspectMemory: UInt64 = 512

  @Flag(help: "Exit at once when standard input closes.")
  var exitWithParent = false

  @Flag(help: .hidden)
  var joinFromParent = false

  @Option(help: .hidden)
  var spool: String?

  @Flag(help: "Take all input from the coordinator, never from this machine's disks.")
  var fetchInput = false

  @OptionGroup(title: "TLS") var tls: TLSOptions

  @Option(help: ArgumentHelp("Log to standard error, from this level.", valueName: "level"))
  var logLevel = LogThreshold.info

  func validate() throws {
    if !joinFromParent {
      _ = try parsedAddress(join)
      try tls.check(for: join)
    }
    if let threads, !(1...1_000).contains(threads) {
      throw ValidationError("--threads: from 1 to 1000, not \(threads)")
    }
    if !(16...(1 << 20)).contains(suspectMemory) {
      throw ValidationError("--suspect-memory: from 16 to 1048576, not \(suspectMemory)")
    }
    if let idleTimeout, !(idleTimeout > 0 && idleTimeout < 1e9) {
      throw ValidationError("--idle-timeout: a positive number of seconds, not \(idleTimeout)")
    }
  }

  func run() async throws {
    ProcessMemory.keepFreed()
    let signals = Signals.catchTermination()
    let logger = makeLogger(logLevel)
    let address = joinFromParent ? Self.firstLineOfInput() : join
    if exitWithParent { Self.exitWhenInputCloses() }
    let worker = try Worker(try options(joining: address), logger: logger)
    Task {
      var isStopping = false
      for await number in signals {
        if isStopping { _exit(Signals.exitCode(number)) }
        isStopping = true
        await worker.terminate()
      }
    }
    let exit = await worker.run()
    await worker.close()
    if exitWithParent, case .unfit(let reason) = exit {
      Terminal.standardError.write("\(Self.unfitMark)\(reason)\n")
      throw ExitCode(Self.unfitCode)
    }
    if let reason = Self.failure(exit, address) { throw CommandError(reason) }
    logger.info("worker ends: \(exit)")
  }

  /// How a worker under `run` ends where it would be of no use to start it again.
  static let unfitCode: Int32 = 75
  /// What its last line begins with then.
  static let unfitMark = "unfit: "

  /// Why an end of the worker is an error, if it is.
  static func failure(_ exit: WorkerExit, _ address: String) -> String? {
    switch exit {
    case .drained, .idle, .terminated: nil
    case .deadMan:
      "the coordinator at \(address) was silent for \(Figures.words(Limits.deadManTime)): "
        + "check that it runs and that this machine can reach it"
    case .stuck:
      "a record keeps a thread of this worker from coming back: start the worker again (its job "
        + "goes on elsewhere, and leaves the record out in the end)"
    case .unfit(let reason): "this machine cannot score: \(reason)"
    case .refused(let reason): "the coordinator at \(address) refused this worker: \(reason)"
    }
  }

  private func options(joining address: String) throws -> WorkerOptions {
    let file = tokenFile ?? "\(state)/\(Tokens.fleetFile)"
    let token: JoinToken
    do {
      token = try JoinToken(path: Paths.absolute(file, in: Paths.currentFolder))
    } catch {
      throw CommandError(
        "\(error.context); a worker needs the fleet token of the coordinator, or one of its own: "
          + "copy it here and name it with --token-file")
    }
    var options = WorkerOptions(
      join: try parsedAddress(address), token: token.secret,
      threadCount: threads ?? ProcessInfo.processInfo.activeProcessorCount,
      scratchFolder: try scratchFolder(),
      name: name ?? Self.name(ofProcess: getpid()))
    options.tokenName = token.name
    options.host = Self.hostName()
    options.suspectByteCount = suspectMemory << 20
    options.tls = tls.identity
    options.insecure = tls.insecure
    options.alwaysFetchesInput = fetchInput
    options.spoolFolder = spool
    options.timing.idleTimeout = idleTimeout.map { .seconds($0) }
    return options
  }

  /// What a worker process of this machine is called unless it is given a name.
  static func name(ofProcess process: pid_t) -> String { "\(hostName()):\(process)" }

  /// Without asking a name server, as Foundation does.
  private static func hostName() -> String {
    var bytes = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&bytes, bytes.count - 1) == 0 else { return "host" }
    return String(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  private func scratchFolder() throws(CommandError) -> String {
    let folder = scratch ?? "\(environment("TMPDIR") ?? "/tmp")/nightshift-\(getuid())"
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw CommandError(
        "cannot make the folder \(folder): \(error.localizedDescription); choose another --scratch")
    }
    return folder
  }

  /// The address that the parent sends once it listens; ends the process where the parent ends
  /// before.
  private static func firstLineOfInput() -> String {
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while true {
      let count = unsafe read(0, &byte, 1)
      if count == 0 || (count < 0 && errno != EINTR) { _exit(0) }
      guard count == 1 else { continue }
      if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
      line.append(byte)
    }
  }

  /// The parent holds the other end of the pipe and writes nothing more: it closes when the parent
  /// ends, however that happens.
  private static func exitWhenInputCloses() {
    Thread.detachNewThread {
      var byte: UInt8 = 0
      while true {
        let count = unsafe read(0, &byte, 1)
        if count == 0 || (count < 0 && errno != EINTR) { _exit(0) }
      }
    }
  }
}
