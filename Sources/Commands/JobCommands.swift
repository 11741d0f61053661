import ArgumentParser
import Jobs
import Wire

/// A job by its id or the beginning of it.
struct JobArgument: ParsableArguments {
  @Argument(help: "The job's id, or enough of its beginning to be unique.")
  var job: String

  func validate() throws {
    do {
      _ = try JobNames.check(job)
    } catch {
      throw ValidationError(error.context)
    }
  }
}

/// `nightshift list`.
struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List jobs.",
    discussion: """
      Examples:
        nightshift list
        nightshift list --job-state running --job-state paused
        nightshift list --output json
      """)

  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions

  @Option(
    help: ArgumentHelp("Only jobs in this state, such as running; may be repeated."),
    transform: Self.state)
  var jobState: [JobState] = []

  static func state(_ text: String) throws -> JobState {
    let wanted = text.uppercased().replacing("-", with: "_")
    if let state = JobState(rawValue: wanted) { return state }
    let known = JobState.allCases.map { $0.rawValue.lowercased() }.joined(separator: ", ")
    throw ValidationError("\"\(printable(text))\" is no state of a job; use one of \(known)")
  }

  func run() async throws {
    let jobs = try await client.connect().allJobs(states: jobState)
    switch output.format {
    case .json: printLine(try jsonText(["jobs": jobs.map(JobDocument.init)]))
    case .text: printLine(jobs.isEmpty ? "no jobs" : Self.table(jobs).text)
    }
  }

  static func table(_ jobs: [JobSummary]) -> TextTable {
    var table = TextTable(
      header: ["JOB", "STATE", "DONE", "RECORDS", "ERRORS", "CREATED", "NAME"])
    for job in jobs {
      table.append([
        job.id.description, job.state.rawValue,
        "\(Int(ProgressSnapshot(job).fraction * 100)) %", Figures.grouped(job.counts.total),
        Figures.grouped(job.counts.error), Figures.time(unixNanoseconds: job.createdNanoseconds),
        job.displayName,
      ])
    }
    return table
  }
}

/// `nightshift describe`.
struct DescribeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Show one job.",
    discussion: """
      Examples:
        nightshift describe 3f9a
        nightshift describe 3f9a --output json
      """)

  @OptionGroup var argument: JobArgument
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let coordinator = try client.connect()
    let (job, details) = try await coordinator.describe(
      try await coordinator.resolve(argument.job))
    await client.warn(coordinator)
    switch output.format {
    case .json: printLine(try describedText(job, details: details))
    case .text:
      printLine(description(of: job))
      if let cost = try costLine(details) { printLine(cost) }
    }
  }
}

/// `nightshift cancel`.
struct CancelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel", abstract: "End a job; nothing is published.",
    discussion: """
      A job that is just being published may still succeed.

      Example:
        nightshift cancel 3f9a
      """)

  @OptionGroup var argument: JobArgument
  @OptionGroup var client: ClientOptions

  func run() async throws {
    let client = try client.connect()
    let id = try await client.resolve(argument.job)
    try await client.cancel(id)
    printLine("\(id): cancelled")
  }
}

/// `nightshift pause`.
struct PauseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pause", abstract: "Give out no more of a job's work until it is resumed.",
    discussion: """
      What is being scored is finished and kept.

      Example:
        nightshift pause 3f9a
      """)

  @OptionGroup var argument: JobArgument
  @OptionGroup var client: ClientOptions

  func run() async throws {
    let client = try client.connect()
    let id = try await client.resolve(argument.job)
    try await client.pause(id)
    printLine("\(id): paused; continue it with `nightshift resume \(id)`")
  }
}

/// `nightshift resume`.
struct ResumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Continue a paused job.",
    discussion: """
      Example:
        nightshift resume 3f9a
      """)

  @OptionGroup var argument: JobArgument
  @OptionGroup var client: ClientOptions

  func run() async throws {
    let client = try client.connect()
    let id = try await client.resolve(argument.job)
    try await client.resume(id)
    printLine("\(id): resumed")
  }
}

/// `nightshift delete`.
struct DeleteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Forget a job that has ended.",
    discussion: """
      What it published stays.

      Example:
        nightshift delete 3f9a
      """)

  @OptionGroup var argument: JobArgument
  @OptionGroup var client: ClientOptions

  func run() async throws {
    let client = try client.connect()
    let id = try await client.resolve(argument.job)
    try await client.delete(id)
    printLine("\(id): deleted")
  }
}
