import Foundation
import Testing

/// `run` scores a table with a model of every family, from its file, as its library does.
@Suite struct ModelFamilyTests {
  private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appending(path: "../ScoringTests/Fixtures")

  struct Family: Sendable, CustomTestStringConvertible {
    /// Below the fixtures.
    let model: String
    let table: String
    /// Greatest relative difference.
    var bound = 0.0
    /// How many numbers of the library are texts in our output: the class, by its name.
    var textCount = 0
    var testDescription: String { model }
  }

  /// Predictions are printed with all their digits, so that equal numbers are read back equal; links
  /// go through functions of the C library, which may differ in the last bit.
  @Test(arguments: [
    Family(model: "categories_missing.model.txt", table: "codes.tsv", bound: 1e-14),
    Family(model: "multiclass.model.txt", table: "holes.tsv", bound: 1e-14),
    Family(model: "xgboost/frame_json.json", table: "xgboost/frame.tsv"),
    Family(model: "xgboost/softprob_ubj.ubj", table: "xgboost/any.tsv", bound: 3e-7),
    Family(model: "catboost/words.json", table: "catboost/words.tsv", bound: 1e-12),
    Family(model: "catboost/multiclass.json", table: "catboost/multiclass.tsv", bound: 1e-12),
    Family(
      model: "linear/logistic_softmax.json", table: "linear/iris.tsv", bound: 1e-12, textCount: 1),
    Family(model: "linear/kmeans.json", table: "linear/iris.tsv", bound: 1e-12),
    Family(model: "linear/pca.json", table: "linear/iris.tsv", bound: 1e-9),
  ])
  func predictionsAreThoseOfTheLibrary(family: Family) async throws {
    let sandbox = try Sandbox()
    let table = Self.fixtures.appending(path: family.table).path
    let name = String(family.model.split(separator: ".")[0])
    let expected = try Self.text("\(name).expected.txt").split(separator: "\n").dropFirst()
    let lines = try await run(
      family.model, table, ["--delimiter", "tab", "--error-threshold", "-1"], in: sandbox)
    #expect(lines.count == expected.count && expected.count > 20)
    for line in lines {
      let row = try #require(line.row)
      let wanted = Self.numbers(of: String(expected[expected.startIndex + row]))
      #expect(line.numbers.count == wanted.count - family.textCount, "row \(row)")
      for (value, expected) in zip(line.numbers, wanted.dropFirst(family.textCount)) {
        // XGBoost's are floats, written with the digits of floats.
        let found = family.model.hasPrefix("xgboost") ? Double(Float(value)) : value
        #expect(abs(found - expected) <= family.bound * max(1, abs(expected)), "row \(row)")
      }
    }
  }

  /// A graph of scikit-learn's: numbers and texts in, a label and named probabilities out.
  @Test func aPipelineIsScored() async throws {
    struct Expectation: Decodable {
      struct Column: Decodable {
        let name: String
        let values: [Field]
      }
      struct Output: Decodable {
        let name: String
        let values: [[Double?]]
      }
      enum Field: Decodable {
        case number(Double?)
        case text(String)

        init(from decoder: any Decoder) throws {
          let container = try decoder.singleValueContainer()
          if let text = try? container.decode(String.self) {
            self = .text(text)
          } else {
            self = .number(try? container.decode(Double.self))
          }
        }

        var csv: String {
          switch self {
          case .number(let number): number.map { "\($0)" } ?? ""
          case .text(let text): "\"" + text.replacing("\"", with: "\"\"") + "\""
          }
        }
      }
      let columns: [Column]
      let outputs: [Output]
    }
    let sandbox = try Sandbox()
    let expectation = try JSONDecoder().decode(
      Expectation.self, from: Data(Self.text("onnx/pipeline_logistic.json").utf8))
    var csv = "row," + expectation.columns.map(\.name).joined(separator: ",") + "\n"
    for row in expectation.columns[0].values.indices {
      csv +=
        "\(row)," + expectation.columns.map { $0.values[row].csv }.joined(separator: ",")
        + "\n"
    }
    let table = sandbox.path("table.csv")
    try Data(csv.utf8).write(to: URL(fileURLWithPath: table))
    let lines = try await run("onnx/pipeline_logistic.onnx", table, [], in: sandbox)
    #expect(lines.count == expectation.columns[0].values.count)
    for line in lines {
      let row = try #require(line.row)
      let wanted = expectation.outputs.flatMap { $0.values[row] }
      #expect(line.text.contains("{\"output_label\":") || line.text.contains("\"0\":"))
      #expect(line.numbers.count == wanted.count)
      for (value, expected) in zip(line.numbers, wanted) {
        #expect(abs(value - (expected ?? .nan)) <= 1e-5, "row \(row)")
      }
    }
  }

  /// Contributions stand beside predictions, and add up to the raw score.
  @Test func predictionsAreExplained() async throws {
    let sandbox = try Sandbox()
    let table = Self.fixtures.appending(path: "holes.tsv").path
    let lines = try await run(
      "regression.model.txt", table, ["--delimiter", "tab", "--explain"], in: sandbox)
    let wanted = try Self.text("regression.contributions.txt").split(separator: "\n").dropFirst()
      .map { $0.split(separator: " ").compactMap { Double($0) } }
    #expect(lines.count >= wanted.count && wanted.count == 90)
    for line in lines {
      let row = try #require(line.row)
      guard row < wanted.count else { continue }
      let parts = line.text.components(separatedBy: ",\"explanation\":")
      #expect(parts.count == 2)
      let found = PredictionLine.numbers(in: parts[1])
      let prediction = PredictionLine.numbers(in: parts[0])
      // The baseline is written first, LightGBM has it last.
      #expect(
        zip(found, wanted[row].suffix(1) + wanted[row].dropLast()).allSatisfy {
          abs($0 - $1) <= 1e-9 * max(1, abs($1))
        })
      #expect(abs(found.reduce(0, +) - prediction[0]) <= 1e-9 * max(1, abs(prediction[0])))
    }
  }

  @Test func whatCannotBeExplainedIsRefused() async throws {
    let sandbox = try Sandbox()
    let table = Self.fixtures.appending(path: "linear/iris.tsv").path
    let program = try Program(
      [
        "run", "--model", Self.fixtures.appending(path: "linear/kmeans.json").path,
        "--input", table, "--output", sandbox.path("out"), "--delimiter", "tab", "--explain",
      ], in: sandbox)
    #expect(await program.wait() == 1)
    #expect(program.errors.contains("generateExplanation"))
  }

  /// Runs the program and reads its results; which row a line is of follows from the order, as no
  /// record may be an error.
  private func run(
    _ model: String, _ table: String, _ options: [String], in sandbox: Sandbox
  ) async throws -> [PredictionLine] {
    let output = sandbox.path("out")
    let program = try Program(
      [
        "run", "--model", Self.fixtures.appending(path: model).path, "--input", table, "--output",
        output, "--compression", "none",
      ] + options, in: sandbox)
    let status = await program.wait()
    #expect(status == 0, "\(program.errors)")
    let files = try FileManager.default.subpathsOfDirectory(atPath: output)
      .filter { $0.contains("prediction.results-") }.sorted()
    return try files.flatMap { file in
      try String(contentsOfFile: "\(output)/\(file)", encoding: .utf8).split(separator: "\n")
    }.enumerated().map { PredictionLine(String($1), row: $0) }
  }

  private static func text(_ name: String) throws -> String {
    try String(contentsOf: fixtures.appending(path: name), encoding: .utf8)
  }

  /// The predictions of a line: after a semicolon in the newer fixtures, the second half in others.
  private static func numbers(of line: String) -> [Double] {
    let parts = line.split(separator: ";")
    let numbers = parts[parts.count - 1].split(separator: " ").map { Double($0) ?? .nan }
    return parts.count > 1 ? numbers : Array(numbers.suffix(numbers.count / 2))
  }
}

/// A line of results.
private struct PredictionLine {
  /// The prediction and what follows it.
  let text: String
  let row: Int?

  init(_ line: String, row: Int) {
    text = line.components(separatedBy: "\"prediction\":").dropFirst().joined()
    self.row = row
  }

  var numbers: [Double] { Self.numbers(in: text) }

  /// All numbers outside of quotes, in their order.
  static func numbers(in text: String) -> [Double] {
    let bare = text.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset.isMultiple(of: 2) }.map { String($0.element) }.joined(separator: " ")
    return bare.split { !"+-.0123456789eE".contains($0) }.compactMap { Double($0) }
  }
}
