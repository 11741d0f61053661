import Features
import Models
import Scoring
import Testing

/// Linear models give the same bits whether they see the zeros of hashed texts or not.
struct SparseTests {
  @Test(arguments: [
    "hash_text_plain", "hash_text_bigrams", "hash_text_binary", "tfidf_plain", "tfidf_characters",
    "one_hot", "chain", "scale_standard",
  ])
  func zerosDoNotCount(name: String) throws {
    let content = try #require(FeatureCase.all.first { $0.name == name }).read()
    try compare(content.plan, width: content.width, table: content.apply)
  }

  /// Columns of both kinds, some of them used by other steps too.
  @Test func denseAndSparseColumnsMix() throws {
    let steps = #"""
      {"version":1,"steps":[
       {"op":"hash_text","inputs":["text"],"outputs":["h"],"buckets":32},
       {"op":"hash_text","inputs":["text"],"outputs":["g"],"buckets":16,"analyzer":"char"},
       {"op":"clip","inputs":["g_3"],"outputs":["low"],"upper":0.1}],
       "features":["low","h","n","g","h_2"]}
      """#
    var table = try #require(FeatureCase.all.first { $0.name == "tfidf_plain" }).read().apply
    table.columns["n"] = .numbers((0..<table.rowCount).map { $0 % 7 == 0 ? .nan : Double($0) })
    try compare(Array(steps.utf8), width: 51, table: table)
  }

  private func compare(_ document: [UInt8], width: Int, table: Table) throws {
    var model = LinearModel(featureCount: width, outputCount: 2)
    var generator = SplitMix(state: 3)
    for index in model.coefficients.indices {
      model.coefficients[index] = .random(in: -1...1, using: &generator)
    }
    model.intercepts = [0.25, -0.0]
    for skipsMissing in [false, true] {
      for arithmetic in [TreeEnsemble.Arithmetic.float64, .float32] {
        model.skipsMissing = skipsMissing
        model.arithmetic = arithmetic
        let inputs = (0..<width).map { ModelInput(name: "f\($0)", kind: .numeric) }
        let linear = LinearScorer(model, inputs: inputs, objective: .custom)
        let plan = try PreprocessPlan(document)
        let sparse = try PreprocessingScorer(plan, before: linear)
        let dense = try PreprocessingScorer(plan, before: DenseScorer(scorer: linear))
        let one = try outputs(sparse, width: 2, of: table)
        let other = try outputs(dense, width: 2, of: table)
        #expect(one.map(\.bitPattern) == other.map(\.bitPattern))
      }
    }
  }
}

/// Hides that a scorer can do without zeros.
private struct DenseScorer: Scorer {
  let scorer: LinearScorer

  var inputs: [ModelInput] { scorer.inputs }
  var outputs: [ModelOutput] { scorer.outputs }
  var summary: ScorerSummary { scorer.summary }

  func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    unsafe scorer.score(tile, mode: mode, into: output, scratch: &scratch)
  }
}
