import Foundation
import Models
import Scoring
import Testing

/// Names of columns, values that are missing, and where errors say they are.
struct ONNXInputTests {
  @Test func columnsTakeGivenNames() throws {
    let model = try ONNXModel(ONNXFixture.bytes("op_gemm"))
    let plain = try GraphScorer(model)
    #expect(plain.inputs.map(\.name) == (0..<6).map { "x[\($0)]" })
    let names = ["a", "b", "c", "d", "e", "f"]
    #expect(try GraphScorer(model, columns: ["x": names]).inputs.map(\.name) == names)
    for wrong in [["x": ["a"]], ["z": names], ["x": ["a", "a", "c", "d", "e", "f"]]] {
      let error = try #require(throws: ModelError.self) { try GraphScorer(model, columns: wrong) }
      #expect(error.code == .columnsDiffer)
    }
  }

  @Test func namesSayHowManyColumnsThereAre() throws {
    let model = try ONNXModel(ONNXFixture.bytes("refused_width"))
    let scorer = try GraphScorer(model, columns: ["x": ["left", "right"]])
    #expect(scorer.inputs.map(\.name) == ["left", "right"])
    #expect(scorer.outputs == [ModelOutput(name: "y", kind: .float32, width: 2)])
  }

  @Test func outputsSayWhatTheyAre() throws {
    let scorer = try ONNXFixture(name: "skl_logistic_three").scorer()
    #expect(
      scorer.outputs == [
        ModelOutput(
          name: "output_label", kind: .label(["setosa", "versicolor", "virginica"])),
        ModelOutput(
          name: "output_probability", kind: .float32, width: 3,
          elementNames: ["setosa", "versicolor", "virginica"]),
      ])
    #expect(!scorer.summary.kernels.isEmpty && scorer.summary["nodes"] >= 3)
  }

  /// A whole number that is missing spoils its row; a text that is missing is the empty one.
  @Test func valuesMayBeMissing() throws {
    var scratch = ScoringScratch()
    let numbers = try ONNXFixture(name: "one_hot_numbers").scorer()
    let column = ONNXExpectation.Column(name: "x", values: [.number(2), .number(.nan), .number(5)])
    let scores = numbers.scores([column], rowCount: 3, scratch: &scratch)
    #expect(scores[..<3] == [0, 1, 0] && scores[6...] == [0, 0, 0])
    #expect(scores[3..<6].allSatisfy { $0.isNaN })
    let texts = try ONNXFixture(name: "labels_to_ints").scorer()
    let words = ONNXExpectation.Column(name: "t", values: [.text("green"), .number(.nan)])
    #expect(texts.scores([words], rowCount: 2, scratch: &scratch) == [3, -7])
  }

  /// A row needs no scratch of its own, and one scratch serves any graph.
  @Test func oneScratchServesAll() throws {
    var scratch = ScoringScratch()
    for name in ["pipeline_logistic", "skl_mlp_two", "trees_wide", "op_softmax"] {
      let fixture = ONNXFixture(name: name)
      let scorer = try fixture.scorer()
      let columns = try fixture.expectation().columns
      var fresh = ScoringScratch()
      let alone = scorer.scores(columns, rowCount: 40, scratch: &fresh)
      let shared = scorer.scores(columns, rowCount: 40, scratch: &scratch)
      #expect(alone.map(\.bitPattern) == shared.map(\.bitPattern))
    }
  }

  @Test(arguments: [
    (
      "trees_mixed", "BRANCH_LEQ", "BRANCH_XYZ",
      ["node 0 (ai.onnx.ml.TreeEnsembleRegressor)", "tree "]
    ),
    ("trees_mixed", "nodes_modes", "nodes_mode_", ["nodes_…"]),
    ("op_gemm", "Gemm", "Gems", ["node 0 (Gems)", "byte", "no such operator"]),
    ("op_softmax", "axis", "axle", ["nothing"]),
  ])
  func errorsNameThePlace(name: String, old: String, new: String, words: [String]) throws {
    var bytes = try ONNXFixture.bytes(name)
    let pattern = Array(old.utf8)
    let place = try #require(
      bytes.indices.first { bytes[$0...].starts(with: pattern) }, "nothing to spoil")
    bytes.replaceSubrange(place..<place + pattern.count, with: Array(new.utf8))
    guard words != ["nothing"] else {
      // An attribute that no operator knows is no error.
      _ = try GraphScorer(ONNXModel(bytes))
      return
    }
    let error = try #require(throws: ModelError.self) { try GraphScorer(ONNXModel(bytes)) }
    for word in words { #expect(error.context.contains(word), "\(error.context)") }
  }
}
