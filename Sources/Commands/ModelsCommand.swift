import ArgumentParser
import Digests
import Features
import Foundation
import Models
import Scoring

/// `nightshift models`.
struct ModelsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "Look into models before a job uses them.",
    subcommands: [InspectCommand.self])
}

/// `nightshift models inspect`.
struct InspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show a model's inputs and outputs, what runs it, and about how fast.",
    discussion: """
      Examples:
        nightshift models inspect churn.txt
        nightshift models inspect pipeline.onnx --output json
      """)

  @Argument(help: "The model or bundle.", completion: .file())
  var model: String

  @Flag(
    name: .customLong("no-estimate"),
    help: "Leave the estimate of rows/s out, which takes a moment.")
  var hasNoEstimate = false

  @OptionGroup var output: OutputOptions

  /// A model as `--output json` prints it.
  struct Document: Encodable {
    let path: String
    let format: String
    let sha256: String
    let byteCount: Int
    let objective: String
    let inputs: [Input]
    let outputs: [Output]
    let sizes: [String: Int]
    let kernels: [String]
    let isExplained: Bool
    let loadSeconds: Double
    /// Of random rows on one thread of this machine, reading and writing not included.
    let rowsPerSecond: Double?

    struct Input: Encodable {
      let name: String
      let type: String
      let categoryCount: Int?
      let isUsed: Bool
    }

    struct Output: Encodable {
      let name: String
      let type: String
      let width: Int
      let elementNames: [String]?
    }
  }

  func run() async throws {
    let path = URL(fileURLWithPath: model).path
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandError("cannot read the model \(model)")
    }
    let bytes = Array(data)
    let clock = ContinuousClock()
    let started = clock.now
    let model: Model
    do {
      model = try Model(bundle: bytes)
    } catch {
      throw CommandError("\(self.model): \(error.context)")
    }
    let loadTime = clock.now - started
    let estimate = hasNoEstimate ? nil : ModelEstimate.rowsPerSecond(of: model)
    let document = Document(
      path: path, bytes: bytes, model: model, loadTime: loadTime, rowsPerSecond: estimate)
    switch output.format {
    case .json: printLine(try jsonText(document))
    case .text: printLine(document.text)
    }
  }
}

extension InspectCommand.Document {
  fileprivate init(
    path: String, bytes: [UInt8], model: Model, loadTime: Duration, rowsPerSecond: Double?
  ) {
    self.path = path
    format = model.format
    sha256 = SHA256.digest(of: bytes).description
    byteCount = bytes.count
    objective = model.objective
    inputs = model.inputs.map(Input.init)
    outputs = model.outputs.map(Output.init)
    let summary = model.scorer.summary
    sizes = Dictionary(
      summary.sizes.map { ($0.name, $0.count) }, uniquingKeysWith: { $0 + $1 })
    kernels = summary.kernels
    isExplained = model.scorer.explanationWidth > 0
    loadSeconds = loadTime / .seconds(1)
    self.rowsPerSecond = rowsPerSecond
  }

  /// As it is shown to people.
  fileprivate var text: String {
    var lines = [
      "model      \(printable(path))",
      "format     \(format), \(Figures.grouped(UInt64(byteCount))) bytes, "
        + "read in \(Figures.grouped(UInt64(loadSeconds * 1e3))) ms",
      "sha256     \(sha256)",
      "objective  \(printable(objective))",
      "size       "
        + sizes.sorted { $0.key < $1.key }
        .map { "\(Figures.grouped(UInt64($0.value))) \($0.key)" }.joined(separator: ", "),
    ]
    lines += kernels.map { "kernel     \($0)" }
    if let rowsPerSecond {
      lines.append(
        "estimate   \(Figures.grouped(UInt64(rowsPerSecond))) rows/s on one thread of this "
          + "machine, without reading and writing")
    }
    lines.append("explained  \(isExplained ? "yes: generateExplanation" : "no")")
    var inputTable = TextTable(header: ["INPUT", "TYPE", "USED"])
    for input in inputs {
      let count = input.categoryCount.map { " of \(Figures.grouped(UInt64($0))) categories" } ?? ""
      inputTable.append([input.name, input.type + count, input.isUsed ? "yes" : "no"])
    }
    var outputTable = TextTable(header: ["OUTPUT", "TYPE", "NUMBERS"])
    for output in outputs {
      let names = output.elementNames.map { ": " + $0.joined(separator: ", ") } ?? ""
      outputTable.append([output.name, output.type, String(output.width) + names])
    }
    return lines.joined(separator: "\n") + "\n\n" + inputTable.text + "\n\n" + outputTable.text
  }
}

extension InspectCommand.Document.Input {
  fileprivate init(_ input: ModelInput) {
    name = input.name
    isUsed = input.isUsed
    switch input.kind {
    case .numeric: (type, categoryCount) = ("number", nil)
    case .categorical(let table?): (type, categoryCount) = ("category", table.categories.count)
    case .categorical(nil): (type, categoryCount) = ("category code", nil)
    case .text: (type, categoryCount) = ("text", nil)
    }
  }
}

extension InspectCommand.Document.Output {
  fileprivate init(_ output: ModelOutput) {
    name = output.name
    width = output.width
    elementNames = output.elementNames.isEmpty ? nil : output.elementNames
    switch output.kind {
    case .float64: type = "double"
    case .float32: type = "float"
    case .integer: type = "integer"
    case .label(let texts): type = "label of \(texts.count)"
    }
  }
}
