import ArgumentParser
import CoordinatorCore
import Jobs
import Wire

/// `nightshift fleet`.
struct FleetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fleet",
    abstract: "Show and steer the workers that the coordinator starts itself.",
    discussion: """
      A coordinator started with --fleet FILE asks engines for workers when there is work, and ends \
      them after it.

      Examples:
        nightshift fleet
        nightshift fleet scale spot --max 40
        nightshift fleet drain
      """,
    subcommands: [FleetStatusCommand.self, FleetScaleCommand.self, FleetDrainCommand.self],
    defaultSubcommand: FleetStatusCommand.self)

  /// Prints a state for people or programs.
  static func show(_ status: FleetStatus, as format: OutputFormat) throws {
    switch format {
    case .json: printLine(try jsonText(status))
    case .text: printLine(text(status))
    }
  }

  private static func text(_ status: FleetStatus) -> String {
    var table = TextTable(
      header: ["POOL", "ENGINE", "THREADS", "STARTING", "JOINED", "LEAVING", "MIN", "MAX", "PRICE"])
    var notes: [String] = []
    for pool in status.pools {
      table.append([
        pool.name + (pool.spot ? " (spot)" : ""), pool.engine, String(pool.threadsPerWorker),
        String(pool.starting), String(pool.joined), String(pool.leaving),
        String(pool.minReplicaCount), String(pool.maxReplicaCount),
        pool.pricePerHour == 0 ? "–" : "\(pool.pricePerHour) \(printable(status.currency))/h",
      ])
      if let reason = pool.stopped {
        notes.append("pool \(pool.name) is stopped: \(printable(reason))")
        notes.append("  mend that, then: nightshift fleet scale \(pool.name) --reopen")
      } else if let seconds = pool.pausedSeconds {
        let why = pool.pauseReason.map { ": " + printable($0) } ?? ""
        notes.append("pool \(pool.name) is asked again in \(Int(seconds.rounded(.up))) s\(why)")
        notes.append("  at once: nightshift fleet scale \(pool.name) --reopen")
      }
      if let reason = pool.waits {
        notes.append("pool \(pool.name): workers wait: \(printable(reason))")
      }
    }
    if status.isDraining {
      notes.append("all workers leave, and none is started: nightshift fleet drain --undo")
    }
    return ([table.text] + notes).joined(separator: "\n")
  }
}

/// `nightshift fleet status`, or without a word.
struct FleetStatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show the pools and their workers.",
    discussion: """
      Examples:
        nightshift fleet
        nightshift fleet status --output json
      """)

  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try FleetCommand.show(try await client.connect().fleet(.status), as: output.format)
  }
}

/// `nightshift fleet scale`.
struct FleetScaleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scale", abstract: "Change how many workers a pool keeps and has at most.",
    discussion: """
      Until the coordinator's next start, which reads the fleet file again. Workers beyond the most \
      finish what they have.

      Examples:
        nightshift fleet scale spot --max 40
        nightshift fleet scale here --min 2 --max 2
        nightshift fleet scale here --reopen    (its workers died, and the cause is mended)
      """)

  @Argument(help: "The pool's name.")
  var pool: String

  @Option(help: ArgumentHelp("Workers that stay although there is no work.", valueName: "count"))
  var min: Int?

  @Option(help: ArgumentHelp("Workers at most.", valueName: "count"))
  var max: Int?

  @Flag(help: "Ask for workers again at once, also where they died one after another.")
  var reopen = false

  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard min != nil || max != nil || reopen else {
      throw ValidationError("say --min, --max or --reopen")
    }
    for (name, count) in [("--min", min), ("--max", max)] {
      if let count, !(0...Limits.workers).contains(count) {
        throw ValidationError("\(name): from 0 to \(Limits.workers), not \(count)")
      }
    }
  }

  func run() async throws {
    let request = ScalingRequest.scale(pool: pool, least: min, most: max, reopens: reopen)
    try FleetCommand.show(try await client.connect().fleet(request), as: output.format)
  }
}

/// `nightshift fleet drain`.
struct FleetDrainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain", abstract: "Have all workers finish what they hold and leave.",
    discussion: """
      Jobs stay where they are and go on once the drain is undone, or other workers join.

      Examples:
        nightshift fleet drain
        nightshift fleet drain --undo
      """)

  @Flag(help: "Start workers again.")
  var undo = false

  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try FleetCommand.show(try await client.connect().fleet(.drain(!undo)), as: output.format)
  }
}
