import ArgumentParser
import Jobs
import Wire

/// `nightshift workers`.
///
/// It has no options of its own: they would take those of its subcommands that have the same name.
struct WorkersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workers",
    abstract: "List the workers that the coordinator knows, or give single ones tokens.",
    discussion: """
      Examples:
        nightshift workers
        nightshift workers --output json
        nightshift workers token add node7 --out node7.token
      """,
    subcommands: [ListWorkersCommand.self, WorkerTokenCommand.self],
    defaultSubcommand: ListWorkersCommand.self)
}

/// `nightshift workers list`, or without a word.
struct ListWorkersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the workers that the coordinator knows.",
    discussion: """
      Examples:
        nightshift workers
        nightshift workers --coordinator tcp://head:7070 --output json
      """)

  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions

  /// A worker as `--output json` prints it.
  struct Document: Encodable {
    let id: String
    let name: String
    let threadCount: Int
    let leaseCount: Int
    let recordCount: UInt64
    let byteCount: UInt64
    let processorSeconds: Double
    let joinedSecondsAgo: Double
    let seenSecondsAgo: Double
    let isDraining: Bool

    init(_ worker: WorkerSummary) {
      id = worker.id.description
      name = worker.name
      threadCount = Int(worker.threadCount)
      leaseCount = Int(worker.leaseCount)
      recordCount = worker.recordCount
      byteCount = worker.byteCount
      processorSeconds = Double(worker.processorMilliseconds) / 1e3
      joinedSecondsAgo = Double(worker.joinedMillisecondsAgo) / 1e3
      seenSecondsAgo = Double(worker.seenMillisecondsAgo) / 1e3
      isDraining = worker.isDraining
    }
  }

  func run() async throws {
    let coordinator = try client.connect()
    let workers = try await coordinator.workers()
    await client.warn(coordinator)
    switch output.format {
    case .json: printLine(try jsonText(["workers": workers.map(Document.init)]))
    case .text: printLine(workers.isEmpty ? "no workers" : Self.table(workers).text)
    }
  }

  static func table(_ workers: [WorkerSummary]) -> TextTable {
    var table = TextTable(
      header: ["WORKER", "THREADS", "LEASES", "RECORDS", "JOINED", "SEEN", "NAME"])
    for worker in workers {
      table.append([
        worker.id.description, String(worker.threadCount), String(worker.leaseCount),
        Figures.grouped(worker.recordCount), ago(worker.joinedMillisecondsAgo),
        ago(worker.seenMillisecondsAgo),
        worker.name + (worker.isDraining ? " (draining)" : ""),
      ])
    }
    return table
  }

  private static func ago(_ milliseconds: UInt64) -> String {
    Figures.clock(.milliseconds(Int64(clamping: milliseconds))) + " ago"
  }
}
