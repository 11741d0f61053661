package import ArgumentParser
import Destinations
import Foundation
import Jobs

/// `nightshift run`.
package struct RunCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Score on this machine, with nothing to start first.",
    discussion: """
      Makes a folder prediction-<model>-<time> below --output, complete or not at all. Records \
      that cannot be read go to its error file, with file, offset, row and reason. After a crash \
      or Ctrl-C the same command goes on where it was; until then its state is in a \
      .nightshift-<job> folder below --output.

      Examples:
        nightshift run --model churn.txt --input data.csv --output scored/
        nightshift run --model churn.txt --input 'a/*.csv.gz' b/ --output scored/ \\
          --format csv --compression none --key-field id
        nightshift run --model churn.txt --input data.csv --output scored/ \\
          --error-threshold -1 --quiet --summary json
        nightshift run --model churn.txt --input s3://lake/events/ --output s3://lake/scored/ \\
          --errors s3://quarantine/churn/
      """)

  @OptionGroup(title: "Job") package var request: RequestOptions

  @Option(
    help: ArgumentHelp(
      "Worker processes; by default as many as there is work for, at most one per core.",
      valueName: "count"))
  var workers: Int?

  @Option(help: ArgumentHelp("Threads of each worker process.", valueName: "count"))
  var threads = 1

  @Option(
    help: ArgumentHelp(
      "Folder for the state while the job runs; by default below --output.", valueName: "folder"))
  var state: String?

  @Flag(help: "No bar and no lines in between.")
  var quiet = false

  @Option(help: "How to print the result: text for people, json for programs.")
  var summary = OutputFormat.text

  @Option(help: ArgumentHelp("Also log to standard error, from this level.", valueName: "level"))
  var logLevel: LogThreshold?

  package init() {}

  package func validate() throws {
    if let workers, !(1...1_000).contains(workers) {
      throw ValidationError("--workers: from 1 to 1000, not \(workers)")
    }
    guard (1...1_000).contains(threads) else {
      throw ValidationError("--threads: from 1 to 1000, not \(threads)")
    }
    do {
      _ = try request.request(in: "/")
    } catch {
      throw ValidationError(error.context)
    }
  }

  /// Where the state is kept unless the user says: below the output, or here where that is no
  /// folder of this machine.
  private static func stateParent(of request: JobRequest) -> String {
    let output = request.outputConfig.uri
    return Paths.scheme(of: output) == nil ? output : Paths.currentFolder
  }

  package func run() async throws {
    ProcessMemory.keepFreed()
    let request = try request.request(in: Paths.currentFolder)
    guard FileManager.default.isReadableFile(atPath: request.model) else {
      throw CommandError(
        "cannot read the model \(request.model): check --model")
    }
    let id = try RequestIdentity.job(for: request)
    let folder =
      state.map { Paths.absolute($0, in: Paths.currentFolder) }
      ?? "\(Self.stateParent(of: request))/.nightshift-\(id)"
    let run = EmbeddedRun(
      request: request, id: id, stateFolder: folder, workerCount: workers, threadCount: threads,
      isQuiet: quiet, logger: makeLogger(logLevel))
    switch try await run.run() {
    case .finished(let job):
      try JobWatch.report(job, as: summary)
      try JobOutcome(job).exit()
    case .interrupted(let number):
      Terminal.standardError.write(
        "\(Signals.name(number)): stopped before the end, nothing is published. What is scored "
          + "is kept in \(folder): the same command goes on with it\n")
      throw ExitCode(Signals.exitCode(number))
    }
  }
}
