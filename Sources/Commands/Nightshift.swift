package import ArgumentParser

/// The command line: parses, prints, and puts the modules together.
package struct Nightshift: AsyncParsableCommand {
  /// This release.
  package static let versionText = "0.1.0"

  package static let configuration = CommandConfiguration(
    commandName: "nightshift",
    abstract: "Scores large tables with a model, across processes and machines, exactly once.",
    discussion: """
      One machine, nothing to start first:
        nightshift run --model churn.txt --input 'data/*.csv' --output scored/

      A fleet:
        nightshift coordinator --state /var/lib/nightshift
        nightshift worker --join tcp://127.0.0.1:7070
        nightshift submit job.yaml --wait

      Exit codes: 0 succeeded, 1 failed, 2 partially succeeded (some records are in the error \
      file), 64 wrong usage.
      """,
    version: versionText,
    groupedSubcommands: [
      CommandGroup(name: "Scoring", subcommands: [RunCommand.self]),
      CommandGroup(name: "Fleet", subcommands: [CoordinatorCommand.self, WorkerCommand.self]),
      CommandGroup(
        name: "Jobs",
        subcommands: [
          SubmitCommand.self, ListCommand.self, DescribeCommand.self, LogsCommand.self,
          WatchCommand.self, CancelCommand.self, PauseCommand.self, ResumeCommand.self,
          DeleteCommand.self, WorkersCommand.self, FleetCommand.self,
        ]),
      CommandGroup(
        name: "Results", subcommands: [VerifyCommand.self, ReplayCommand.self]),
      CommandGroup(
        name: "Other",
        subcommands: [
          FeaturesCommand.self, ModelsCommand.self, SweepCommand.self, VersionCommand.self,
          ScoreSuspectCommand.self,
        ]),
    ])

  package init() {}
}

/// `nightshift version`.
struct VersionCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the version.",
    discussion: """
      Examples:
        nightshift version
        nightshift version --output json
      """)

  @OptionGroup var output: OutputOptions

  func run() async throws {
    switch output.format {
    case .text: printLine("nightshift \(Nightshift.versionText)")
    case .json: printLine(try jsonText(["version": Nightshift.versionText]))
    }
  }
}
