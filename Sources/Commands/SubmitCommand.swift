package import ArgumentParser
package import Jobs
import Wire

/// `nightshift submit`.
package struct SubmitCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "submit", abstract: "Hand a job to the coordinator.",
    discussion: """
      Prints the job's id once its inputs are listed and its model is read, however long that \
      takes. Options change what the job file says; without a file they are the whole job. \
      Relative paths in a file begin in the file's folder, those in options here.

      Examples:
        nightshift submit job.yaml
        nightshift submit job.yaml --wait
        nightshift submit job.yaml --until-zero --deadline 2h
        nightshift submit job.yaml --output other/ --error-threshold -1
        nightshift submit --model churn.txt --input 'data/*.csv' --output scored/

      A job file:
        displayName: churn
        model: churn.txt
        inputConfig:
          uris: [data/*.csv]
        outputConfig:
          uri: scored/
          predictionsFormat: jsonl
      """)

  @Argument(help: "The job file, YAML or JSON.")
  var file: String?

  @OptionGroup(title: "Job") var request: RequestOptions
  @Option(
    help: ArgumentHelp(
      "When the job has to have ended: 90m, 2h, or a time such as 2026-03-01T06:00:00Z; the fleet starts workers accordingly.",
      valueName: "time"))
  var deadline: String?

  @Option(
    help: ArgumentHelp(
      "Money that the fleet's workers may cost; beyond it the job is paused.", valueName: "amount"))
  var budget: Double?

  @OptionGroup(title: "Coordinator") var client: ClientOptions

  @Flag(help: "Show progress until the job has ended; the exit code is the job's.")
  var wait = false

  @Flag(
    help: "Like --wait, and until nothing is left of the workers that the coordinator started.")
  var untilZero = false

  @Flag(help: "No bar and no lines in between.")
  var quiet = false

  @Option(help: "How to print the answer: text for people, json for programs.")
  var summary = OutputFormat.text

  /// The request that file and options make together.
  package func jobRequest(in folder: String) throws(CommandError) -> JobRequest {
    var draft = try file.map { file throws(CommandError) in try JobFile.read(file) } ?? JobDraft()
    request.apply(to: &draft, in: folder)
    if let deadline { draft.deadline(deadline, "--deadline") }
    if let budget { draft.budget(budget, "--budget") }
    guard let file else { return try RequestOptions.finished(draft) }
    return try draft.finished(from: file)
  }

  package init() {}

  package func run() async throws {
    let request = try jobRequest(in: Paths.currentFolder)
    let client = try client.connect()
    if untilZero { _ = try await client.fleet(.status) }  // an error where there is no fleet
    _ = try await client.ping()  // so that a submission waits for its plan, not for nobody
    let id = RequestIdentity.randomJob()
    try await client.submit(id, request, isQuiet: quiet)
    guard wait || untilZero else {
      switch summary {
      case .text: return printLine(id.description)
      case .json: return printLine(try jsonText(["id": id.description]))
      }
    }
    Terminal.standardError.write("submitted job \(id)\n")
    let job = try await JobWatch.follow(id, through: client, isQuiet: quiet)
    if untilZero {
      let seconds = try await JobWatch.waitForZero(after: id, through: client)
      Terminal.standardError.write(
        "nothing of the fleet is left, \(Figures.fixed(seconds, places: 1)) s after the job's end\n"
      )
    }
    try JobWatch.report(job, as: summary)
    try JobOutcome(job).exit()
  }
}
