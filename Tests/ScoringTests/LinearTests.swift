import Models
import Scoring
import Testing

/// Equality with scikit-learn 1.9.1 of models written as plain JSON.
struct LinearTests {
  static let fixtures = GoldenFixture.all(in: "linear")

  @Test func allFixturesAreThere() {
    #expect(Self.fixtures.count == 9)
  }

  /// Within 1e-12 of each number, or of 1 where a sum has almost vanished.
  @Test(arguments: fixtures, [ScoreMode.raw, .transformed])
  func scoresAreWithinOneInTenToTheTwelfth(fixture: GoldenFixture, mode: ScoreMode) throws {
    let model = try Model(fixture.bytes())
    let expected = try fixture.expectation()
    let scores = try model.scores(expected, mode: mode)
    let wanted = mode == .raw ? expected.raw : expected.transformed
    #expect(scores.count == wanted.count && expected.rows.count >= 80)
    for (score, wanted) in zip(scores, wanted) {
      #expect(abs(score - wanted) <= 1e-12 * max(abs(wanted), 1))
    }
  }

  /// The parts add up to the raw score, and without them the mean row's score is left.
  @Test(arguments: ["linear", "ridge_two", "logistic_softmax", "pca_whiten"])
  func explanationsAddUp(name: String) throws {
    let model = try Model(GoldenFixture(folder: "linear", file: "\(name).json").bytes())
    let expected = try GoldenFixture(folder: "linear", file: "\(name).json").expectation()
    let count = expected.rows.count
    let features = try expected.features(for: model, stride: count)
    var raw = try model.scores(expected, mode: .raw)
    let inputCount = model.inputs.count
    let width = model.scorer.explanationWidth
    if case .label = model.outputs[0].kind {
      raw = raw.indices.filter { $0 % model.outputCount != 0 }.map { raw[$0] }
    }
    #expect(width == raw.count / count * (inputCount + 1))
    let parts = model.explanations(features, stride: count, rowCount: count)
    for (place, score) in raw.enumerated() {
      let sum = parts[place * (inputCount + 1)..<(place + 1) * (inputCount + 1)].reduce(0, +)
      #expect(abs(sum - score) <= 1e-11 * max(abs(score), 1))
    }
  }

  @Test func outputsAreDescribed() throws {
    let binary = try Model(GoldenFixture(folder: "linear", file: "logistic_binary.json").bytes())
    #expect(binary.outputs.map(\.name) == ["prediction", "probabilities"])
    #expect(binary.outputs[0].kind == .label(["0", "1"]))
    #expect(binary.outputs[1].elementNames == ["0", "1"])
    let two = try Model(GoldenFixture(folder: "linear", file: "ridge_two.json").bytes())
    #expect(two.outputs[0].elementNames == ["value", "root"])
    #expect(two.inputs[3].name == "column 3")
  }

  @Test func missingValuesGiveNaN() throws {
    for fixture in Self.fixtures {
      let model = try Model(fixture.bytes())
      var expected = try fixture.expectation()
      expected = Expectation(columns: expected.columns, rows: Array(expected.rows.prefix(3)))
      var scratch = ScoringScratch()
      var features = try expected.features(for: model, stride: 3)
      features[1] = .nan
      for mode in [ScoreMode.raw, .transformed] {
        let scores = model.scores(features, stride: 3, rowCount: 3, mode: mode, scratch: &scratch)
        for place in scores.indices {
          #expect(scores[place].isNaN == (place / model.outputCount == 1), "\(fixture.name)")
        }
      }
    }
  }

  /// One way to spell a model wrongly.
  static let refusals: [(text: String, words: [String])] = [
    (#"{"model":"tree"}"#, ["model at byte 9", "tree is none of linear"]),
    (#"{"model":3}"#, ["model at byte 9", "expected a string"]),
    (#"{"model":"linear"}"#, ["coefficients is missing"]),
    (#"{"model":"linear","coefficients":[]}"#, ["coefficients", "no numbers"]),
    (#"{"model":"linear","coefficients":[1,NaN]}"#, ["coefficients", "element 1", "finite"]),
    (
      #"{"model":"linear","coefficients":[[1,2],[3]]}"#,
      ["coefficients[1]", "1 elements instead of 2"]
    ),
    (#"{"model":"linear","coefficients":[1],"intercepts":[1,2]}"#, ["intercepts", "2 numbers"]),
    (#"{"model":"linear","coefficients":[1],"features":["a","b"]}"#, ["features", "2 names"]),
    (#"{"model":"linear","coefficients":[1,2],"features":["a","a"]}"#, ["features", "twice"]),
    (#"{"model":"linear","coefficients":[1],"link":"cube"}"#, ["link", "cube"]),
    (#"{"model":"logistic","coefficients":[1]}"#, ["classes is missing"]),
    (
      #"{"model":"logistic","coefficients":[1],"classes":[1,2,3]}"#, ["classes", "3 classes for 1"]
    ),
    (#"{"model":"logistic","coefficients":[1],"classes":["a","a"]}"#, ["classes", "twice"]),
    (
      #"{"model":"logistic","coefficients":[[1],[2],[3]],"classes":[1,2,3],"link":"sigmoid"}"#,
      ["link", "sigmoid is none"]
    ),
    (#"{"model":"kmeans","centers":[[1],["a"]]}"#, ["centers[1]", "only numbers"]),
    (#"{"model":"pca","components":[[1,2]],"mean":[1]}"#, ["mean", "1 elements instead of 2"]),
    (#"{"model":"pca","components":[[1,2]],"whiten":true}"#, ["explained_variance is missing"]),
    (
      #"{"model":"pca","components":[[1]],"whiten":true,"explained_variance":[0]}"#,
      ["explained_variance", "above zero"]
    ),
  ]

  @Test(arguments: refusals)
  func isRefusedWithItsPlace(text: String, words: [String]) throws {
    let error = try #require(throws: ModelError.self) { try Model(Array(text.utf8)) }
    for word in words { #expect(error.context.contains(word), "\(error.context)") }
  }
}

extension Model {
  /// Explanations of rows in an array.
  func explanations(_ features: [Double], stride: Int, rowCount: Int) -> [Double] {
    var output = Array(repeating: -1.0, count: rowCount * scorer.explanationWidth)
    var scratch = ScoringScratch()
    unsafe features.withUnsafeBufferPointer { features in
      unsafe output.withUnsafeMutableBufferPointer { output in
        unsafe scorer.explain(
          FeatureTile(numbers: features, stride: stride, rowCount: rowCount), into: output,
          scratch: &scratch)
      }
    }
    return output
  }
}
