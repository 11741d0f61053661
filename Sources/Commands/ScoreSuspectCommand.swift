import ArgumentParser
import Worker

/// `nightshift score-suspect`: what a worker starts to score a suspect lease apart from itself.
struct ScoreSuspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: SuspectChild.command, abstract: "Score a suspect lease for a worker.",
    shouldDisplay: false)

  func run() throws { SuspectChild.run() }
}
