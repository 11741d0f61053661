import ArgumentParser
import Jobs
import Wire

/// `nightshift logs`.
struct LogsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs", abstract: "Print a job's log, of the coordinator and of all workers.",
    discussion: """
      Examples:
        nightshift logs 3f9a
        nightshift logs 3f9a --follow
        nightshift logs 3f9a --output json     (one object on each line)
      """)

  @OptionGroup var argument: JobArgument
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions

  @Flag(help: "Go on until the job has ended.")
  var follow = false

  func run() async throws {
    let client = try client.connect()
    let id = try await client.resolve(argument.job)
    var cursor: UInt64 = 0
    while true {
      let page = try await client.logs(of: id, after: cursor)
      if page.droppedCount > 0 {
        Terminal.standardError.write("\(page.droppedCount) older events were dropped\n")
      }
      for event in page.events { try printEvent(event) }
      cursor = page.nextCursor
      guard page.events.isEmpty else { continue }
      if !follow || page.isEnd { return }
      try await Task.sleep(for: .milliseconds(250))
    }
  }

  private func printEvent(_ event: JobEvent) throws {
    switch output.format {
    case .json: printLine(try jsonText(LogDocument(event)))
    case .text: printLine(logLine(event, on: .standardOutput))
    }
  }
}

/// A log event as `--output json` prints it.
struct LogDocument: Encodable {
  let time: String
  let level: String
  let source: String
  let message: String

  init(_ event: JobEvent) {
    time = Figures.time(unixNanoseconds: event.unixNanoseconds)
    level = event.level.name
    source = event.source
    message = event.message
  }
}

/// A log event as people read it.
func logLine(_ event: JobEvent, on terminal: Terminal) -> String {
  let name = event.level.name
  let padding = String(repeating: " ", count: max(0, 7 - name.count))
  let level =
    switch event.level {
    case .info: name
    case .warning: terminal.colour(.yellow, name)
    case .error: terminal.colour(.red, name)
    }
  let time = Figures.time(unixNanoseconds: event.unixNanoseconds)
  return "\(time)  \(level)\(padding)  \(printable(event.source))  \(printable(event.message))"
}

extension EventLevel {
  /// As users read it.
  var name: String {
    switch self {
    case .info: "INFO"
    case .warning: "WARNING"
    case .error: "ERROR"
    }
  }
}
