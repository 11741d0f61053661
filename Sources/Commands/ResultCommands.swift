import ArgumentParser
import Destinations
import Foundation

/// `nightshift verify`.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check published predictions against their receipt.",
    discussion: """
      Needs no coordinator. Reads every file, and the inputs where they are still there, and \
      compares digests and counts. The exit code is 1 where anything differs. Objects of a store \
      are copied to a temporary folder (TMPDIR) to be read.

      With --rescore a sample of the shards is scored again on this machine, from the inputs and \
      with the model that the receipt names, and compared with the output. The same folder, share \
      and seed give the same shards. Where some cannot be scored again, all else is still told, and \
      the exit code is 1 too.

      Examples:
        nightshift verify scored/prediction-churn-2026-03-01T06:00:00.000Z
        nightshift verify scored/prediction-*/ --output json
        nightshift verify scored/prediction-churn-2026-03-01T06:00:00.000Z --rescore 10%
        nightshift verify scored/prediction-churn-2026-03-01T06:00:00.000Z --shards 3,17 \\
          --model churn.txt --skip-inputs
        nightshift verify s3://bucket/scored/prediction-churn-2026-03-01T06:00:00.000Z
      """)

  @Argument(help: "The published folder, or prefix of an object store.") var folder: String

  @Flag(help: "Do not read the inputs again.")
  var skipInputs = false

  @Option(
    help: ArgumentHelp("Score so many of the shards again, one at least.", valueName: "percent"))
  var rescore: String?

  @Option(help: ArgumentHelp("Score these shards again, counted from 0.", valueName: "numbers"))
  var shards: String?

  @Option(help: ArgumentHelp("Another number draws other shards.", valueName: "number"))
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "The model's file, if it is not where the receipt says.", valueName: "file"))
  var model: String?

  @Option(
    help: ArgumentHelp(
      "Shards scored at the same time; by default one per core.", valueName: "count"))
  var threads: Int?

  @Flag(help: "No bar and no lines in between.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    _ = try choice()
    if let threads, !(1...1_000).contains(threads) {
      throw ValidationError("--threads: from 1 to 1000, not \(threads)")
    }
  }

  private func choice() throws -> RescoringOrder.Choice? {
    switch (rescore, shards) {
    case (nil, nil):
      guard model == nil else {
        throw ValidationError("--model is for --rescore and --shards: name one of them too")
      }
      return nil
    case (let percent?, nil):
      guard let share = ShardSample.share(percent) else {
        throw ValidationError(
          "--rescore: a percentage above 0 and at most 100, such as 10% or 0.5%, not \(percent)")
      }
      return .share(share, seed: seed)
    case (nil, let numbers?):
      guard let shards = ShardSample.shards(numbers) else {
        throw ValidationError("--shards: numbers such as 3,17, not \(numbers)")
      }
      return .shards(shards)
    case (_?, _?): throw ValidationError("--rescore and --shards: give one of them")
    }
  }

  private func order() throws -> RescoringOrder? {
    guard let choice = try choice() else { return nil }
    return RescoringOrder(
      choice: choice, model: model.map { Paths.absolute($0, in: Paths.currentFolder) },
      threadCount: threads ?? ProcessInfo.processInfo.activeProcessorCount, isQuiet: quiet)
  }

  func run() async throws {
    let finding = try await Publication.verify(
      folder: Publication.place(folder), readsInputs: !skipInputs, rescoring: try order())
    switch output.format {
    case .json: printLine(try jsonText(finding))
    case .text: printLine(Self.text(finding))
    }
    if let obstacle = finding.obstacle { throw CommandError(obstacle) }
    guard finding.problems.isEmpty else { throw ExitCode.failure }
  }

  static func text(_ finding: Publication.Finding) -> String {
    guard finding.problems.isEmpty else {
      let lines = finding.problems.map { "\n  " + printable($0) }
      let differences = (finding.rescored?.differences ?? []).map { difference in
        "\n  shard \(difference.shard), \(difference.file), record "
          + "\(Figures.grouped(difference.record))\n    then  \(printable(difference.published))"
          + "\n    now   \(printable(difference.rescored))"
      }
      let all = (lines + differences).joined()
      return "\(finding.folder) is not what its receipt says:\(all)"
    }
    let records = Figures.counted(finding.recordCount, "record")
    let files = Figures.counted(UInt64(finding.fileCount), "file")
    let inputs = Figures.counted(UInt64(finding.inputsChecked), "input")
    let missing =
      finding.inputsMissing > 0 ? " (\(finding.inputsMissing) no longer there)" : ""
    return "\(finding.folder): \(files), \(records), \(inputs) read again\(missing): "
      + "all as the receipt says" + rescored(finding.rescored)
  }

  private static func rescored(_ report: RescoringReport?) -> String {
    guard let report, report.notScored.isEmpty || report.recordCount > 0 else { return "" }
    let records = Figures.counted(report.recordCount, "record")
    let count = report.shards.count - report.notScored.count
    return "; \(count) of \(Figures.counted(UInt64(report.shardCount), "shard")) "
      + "scored again (\(records)): the same"
  }
}
