import ArgumentParser

/// `nightshift verify`.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check published predictions against their receipt.",
    discussion: """
      Needs no coordinator. Reads every file, and the inputs where they are still there, and \
      compares digests and counts. The exit code is 1 where anything differs. Objects of a store \
      are copied to a temporary folder (TMPDIR) to be read.

      Examples:
        nightshift verify scored/prediction-churn-2026-03-01T06:00:00.000Z
        nightshift verify scored/prediction-*/ --output json
        nightshift verify s3://bucket/scored/prediction-churn-2026-03-01T06:00:00.000Z
      """)

  @Argument(help: "The published folder, or prefix of an object store.") var folder: String

  @Flag(help: "Do not read the inputs again.")
  var skipInputs = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let folder = Publication.place(folder)
    let finding = Publication.verify(folder: folder, readsInputs: !skipInputs)
    switch output.format {
    case .json: printLine(try jsonText(finding))
    case .text: printLine(Self.text(finding))
    }
    guard finding.problems.isEmpty else { throw ExitCode.failure }
  }

  static func text(_ finding: Publication.Finding) -> String {
    guard finding.problems.isEmpty else {
      let lines = finding.problems.map { "\n  " + printable($0) }.joined()
      return "\(finding.folder) is not what its receipt says:\(lines)"
    }
    let records = Figures.counted(finding.recordCount, "record")
    let files = Figures.counted(UInt64(finding.fileCount), "file")
    let inputs = Figures.counted(UInt64(finding.inputsChecked), "input")
    let missing =
      finding.inputsMissing > 0 ? " (\(finding.inputsMissing) no longer there)" : ""
    return "\(finding.folder): \(files), \(records), \(inputs) read again\(missing): "
      + "all as the receipt says"
  }
}
