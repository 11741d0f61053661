import Features
import Models
import Scoring
import Testing

/// What plans do with names, with values of all kinds and with few or many rows.
struct ApplyTests {
  private func plan(_ steps: String, features: String? = nil) throws -> PreprocessPlan {
    let members = features.map { #","features":"# + $0 } ?? ""
    return try PreprocessPlan(Array((#"{"version":1,"steps":"# + steps + members + "}").utf8))
  }

  private func scorer(_ steps: String, _ names: [String]) throws -> PreprocessingScorer {
    try PreprocessingScorer(plan(steps), before: EchoScorer(names: names))
  }

  private func numbers(_ columns: [String: [Double]]) -> Table {
    Table(columns: columns.mapValues { .numbers($0) }, rowCount: columns.values.first?.count ?? 0)
  }

  private func texts(_ values: [String?]) -> Table {
    Table(columns: ["t": .texts(values.map { $0.map { Array($0.utf8) } })], rowCount: values.count)
  }

  @Test func columnsThatNobodyTouchesPassThrough() throws {
    let scorer = try scorer("[]", ["b", "a"])
    #expect(scorer.inputs.map(\.name) == ["b", "a"])
    let output = try outputs(scorer, width: 2, of: numbers(["a": [1, 2], "b": [3, .nan]]))
    #expect(output.map(\.bitPattern) == [3, 1, .nan, 2].map(\.bitPattern))
  }

  @Test func stepsWhoseResultsNobodyNeedsAreLeftOut() throws {
    let steps = #"[{"op":"clip","inputs":["a"],"upper":1},{"op":"log","inputs":["c"]}]"#
    #expect(try scorer(steps, ["a", "b"]).inputs.map(\.name) == ["a", "b"])
  }

  @Test func aStepReplacesItsInputUnlessItNamesAnOutput() throws {
    let steps = #"""
      [{"op":"clip","inputs":["a"],"outputs":["low"],"upper":0},
       {"op":"clip","inputs":["a"],"upper":5},
       {"op":"power","inputs":["a"],"exponent":2}]
      """#
    let output = try outputs(
      scorer(steps, ["low", "a"]), width: 2, of: numbers(["a": [-3, 3, 9]]))
    #expect(output == [-3, 9, 0, 9, 0, 25])
  }

  @Test func twoNamesMayStandForOneColumn() throws {
    let scorer = try PreprocessingScorer(
      plan("[]", features: #"["a","a","b"]"#), before: EchoScorer(width: 3))
    #expect(scorer.inputs.map(\.name) == ["a", "b"])
    #expect(try outputs(scorer, width: 3, of: numbers(["a": [1], "b": [2]])) == [1, 1, 2])
  }

  @Test func extremesGoThroughEveryCurve() throws {
    let tiny = Double.leastNonzeroMagnitude
    let values: [Double] = [.nan, .infinity, -.infinity, 0, -0.0, tiny, -tiny, 1e308, -1e308]
    let steps = #"""
      [{"op":"log","inputs":["a"],"outputs":["log"]},
       {"op":"clip","inputs":["a"],"outputs":["clip"],"lower":-2,"upper":2},
       {"op":"impute","strategy":"constant","value":7,"inputs":["a"],"outputs":["full"],
        "indicator":true},
       {"op":"bucketize","inputs":["a"],"outputs":["bucket"],"edges":[-1,0,1]},
       {"op":"log","method":"log1p","inputs":["a"],"outputs":["log1p"]}]
      """#
    let names = ["log", "clip", "full", "full_missing", "bucket", "log1p"]
    let output = try outputs(scorer(steps, names), width: 6, of: numbers(["a": values]))
    func column(_ index: Int) -> [Double] { values.indices.map { output[$0 * 6 + index] } }
    let smallest = -744.440_071_921_381_3  // ln of 2^-1074
    #expect(
      worst(
        column(0),
        [
          .nan, .infinity, .nan, -.infinity, -.infinity, smallest, .nan, 709.196_208_642_166_1,
          .nan,
        ]
      ).distance < 1e-15)
    #expect(worst(column(1), [.nan, 2, -2, 0, 0, tiny, -tiny, 2, -2]).distance == 0)
    #expect(column(2) == [7] + values.dropFirst())
    #expect(column(3) == [1, 0, 0, 0, 0, 0, 0, 0, 0])
    #expect(worst(column(4), [.nan, 3, 0, 2, 2, 2, 1, 3, 0]).distance == 0)
    #expect(
      worst(
        column(5),
        [.nan, .infinity, .nan, 0, 0, tiny, -tiny, 709.196_208_642_166_1, .nan]
      ).distance < 1e-15)
  }

  @Test func aTextIsCutByCharactersNotBytes() throws {
    let steps = #"""
      [{"op":"tfidf","inputs":["t"],"analyzer":"char","ngrams":[2,2],"idf":false,"norm":"none",
        "fitted":{"terms":[["日本","é大","aé"]],"idf":[[1,1,1]]}}]
      """#
    let scorer = try scorer(steps, ["t_日本", "t_é大", "t_aé"])
    let output = try outputs(scorer, width: 3, of: texts(["日本日本", "AÉ大", nil, ""]))
    #expect(output == [2, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0])
  }

  /// Bytes that are no UTF-8 are characters that are no part of a word.
  @Test func brokenTextIsTextStill() throws {
    let steps = #"""
      [{"op":"lowercase","inputs":["t"]},
       {"op":"hash_text","inputs":["t"],"buckets":16,"analyzer":"char_wb","ngrams":[1,3]}]
      """#
    let bytes: [[UInt8]] = [
      [0xff], [0xc3], [0xe6, 0x97], [0x41, 0xf0, 0x9d, 0x92], [0xed, 0xa0, 0x80], [0xc0, 0x80],
    ]
    let table = Table(columns: ["t": .texts(bytes)], rowCount: bytes.count)
    let output = try outputs(scorer(steps, (0..<16).map { "t_\($0)" }), width: 16, of: table)
    #expect(!output.contains { !$0.isFinite })
    #expect(output.contains { $0 != 0 })
  }

  @Test func longTextsAndWideBlocksStayApart() throws {
    let steps = #"[{"op":"hash_text","inputs":["t"],"buckets":262144,"norm":"none"}]"#
    let plan = try plan(steps, features: #"["t"]"#)
    let scorer = try PreprocessingScorer(plan, before: SumScorer(width: 262_144))
    let long = String(repeating: "word other ", count: 20_000)
    var rows: [String?] = Array(repeating: "one two three", count: 20)
    rows[3] = long
    rows[9] = nil
    let output = try outputs(scorer, width: 1, of: texts(rows))
    #expect(output[0] == output[19] && output[0] != 0)
    #expect(output[9] == 0)
    #expect(abs(output[3]) > abs(output[0]))
  }

  /// A model's own categories are looked up in the text that steps made.
  @Test func stepsMayMakeTheModelsCategories() throws {
    let table = CategoryTable([.text("a"), .text("b")])
    let echo = EchoScorer(inputs: [ModelInput(name: "t", kind: .categorical(table))])
    let scorer = try PreprocessingScorer(
      plan(#"[{"op":"lowercase","inputs":["t"]}]"#), before: echo)
    let output = try outputs(scorer, width: 1, of: texts(["B", "a", "C", nil]))
    #expect(worst(output, [1, 0, .nan, .nan]).distance == 0)
  }
}

/// Gives the weighted sum of its inputs.
private struct SumScorer: Scorer {
  let inputs: [ModelInput]

  init(width: Int) {
    inputs = (0..<width).map { ModelInput(name: "f\($0)", kind: .numeric) }
  }

  var outputs: [ModelOutput] { [ModelOutput(name: "sum", kind: .float64)] }
  var summary: ScorerSummary { ScorerSummary(sizes: [], kernels: ["sum"]) }

  func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    for row in 0..<(unsafe tile.rowCount) {
      var sum = 0.0
      for input in inputs.indices {
        unsafe sum += tile.numbers[input * tile.stride + row] * Double(input % 1_000 + 1)
      }
      unsafe output[row] = sum
    }
  }
}
