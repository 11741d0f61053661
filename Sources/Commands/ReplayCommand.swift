import ArgumentParser

/// `nightshift replay`.
struct ReplayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Score one record of published predictions again.",
    discussion: """
      Shows the record's way: its text in the input, what each field became, the score, the \
      published line and the one that scoring makes now. The exit code is 1 where the two lines \
      differ, or where the input or the model are not those of the receipt. Needs no coordinator. \
      Of the input the record's shard is read; of CSV all before it too where a field between \
      quotes lies across the shard's begin. Rows of a query cannot be replayed.

      Example:
        nightshift replay scored/prediction-churn-2026-03-01T06:00:00.000Z --row 41 \\
          --model churn.txt
      """)

  @Argument(help: "The published folder, or prefix of an object store.") var folder: String

  @Option(
    help: ArgumentHelp(
      "The record's number, from 0, over all inputs; errors count too.", valueName: "number"))
  var row: UInt64

  @Option(
    help: ArgumentHelp(
      "The model's file; the receipt has its name and SHA-256.", valueName: "file"))
  var model: String?

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let replay = try Publication.replay(
      folder: Publication.place(folder), row: row,
      model: model.map { Paths.absolute($0, in: Paths.currentFolder) })
    switch output.format {
    case .json: printLine(try jsonText(replay))
    case .text: printLine(Self.text(replay))
    }
    guard replay.isSame else { throw ExitCode.failure }
  }

  static func text(_ replay: Replay) -> String {
    let (input, published) = (replay.input, replay.published)
    var lines = [
      "record     row \(Figures.grouped(replay.row)) of all; row \(Figures.grouped(input.row)) of "
        + printable(input.path),
      "place      byte \(Figures.grouped(input.byteOffset)), shard \(input.shard), "
        + "block \(input.block)",
      "text       \(quoted(input.text))",
      "model      \(printable(replay.model.path)) (\(printable(replay.model.objective)))",
    ]
    if !replay.features.isEmpty { lines.append(table(replay.features)) }
    if !replay.rawScores.isEmpty {
      lines.append("raw score  \(numbers(replay.rawScores))")
      lines.append("prediction \(numbers(replay.prediction))")
    }
    if let published {
      lines.append("published  \(published.file), record \(Figures.grouped(published.record))")
      lines.append("  then     \(printable(published.line))")
      lines.append("  now      \(printable(replay.rescored))")
    }
    lines += replay.remarks.map { "remark     \(printable($0))" }
    lines.append(
      published == nil ? "left out" : replay.isSame ? "the same bytes" : "DIFFERENT")
    return lines.joined(separator: "\n")
  }

  private static func table(_ features: [Replay.Feature]) -> String {
    var table = TextTable(header: ["  INPUT", "COLUMN", "TEXT", "VALUE", "MEANING"])
    for feature in features {
      table.append([
        "  " + feature.input, feature.column, quoted(feature.text),
        feature.meaning == "unused" ? "" : number(feature.value),
        feature.category.map { "\(feature.meaning) \(quoted($0))" } ?? feature.meaning,
      ])
    }
    return table.text
  }

  private static func numbers(_ values: [Double?]) -> String {
    values.map(number).joined(separator: ", ")
  }

  private static func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "NaN" }

  /// Text on one line between quotes, line ends and the like as JSON writes them; long text cut.
  private static func quoted(_ text: String) -> String {
    let limit = 2_000
    let shown = String(text.prefix(limit))
    // A string that is UTF-8 can always be encoded.
    let json = (try? jsonText(shown)) ?? ""
    let rest = text.utf8.count - shown.utf8.count
    return printable(json) + (rest > 0 ? " and \(rest) bytes more" : "")
  }
}
