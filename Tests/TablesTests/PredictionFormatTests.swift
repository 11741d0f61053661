import Jobs
import Models
import Tables
import Testing

/// How predictions are written, without the record before them.
struct PredictionFormatTests {
  private static let label = ModelOutput(
    name: "label", kind: .label(["setosa", "a \"b\", c"]))
  private static let probabilities = ModelOutput(
    name: "probabilities", kind: .float32, width: 2, elementNames: ["setosa", "b,c"])
  private static let count = ModelOutput(name: "n", kind: .integer, width: 2)

  @Test func oneDoubleIsANumber() {
    let format = PredictionFormat(outputs: [ModelOutput(name: "prediction", kind: .float64)])
    #expect(json(format, [0.1]) == "0.1")
    #expect(csv(format, [0.1]) == ",0.1")
    #expect(header(format) == ",prediction")
  }

  @Test func floatsHaveTheDigitsOfFloats() {
    let format = PredictionFormat(
      outputs: [ModelOutput(name: "prediction", kind: .float32, width: 2)])
    #expect(json(format, [Double(Float(0.1)), 16_777_216]) == "[0.1,16777216.0]")
    #expect(header(format) == ",prediction_0,prediction_1")
  }

  @Test func severalOutputsAreAnObject() {
    let format = PredictionFormat(outputs: [Self.label, Self.probabilities, Self.count])
    #expect(
      json(format, [1, 0.25, 0.75, 3, -4])
        == #"{"label":"a \"b\", c","probabilities":{"setosa":0.25,"b,c":0.75},"n":[3,-4]}"#)
    #expect(csv(format, [1, 0.25, 0.75, 3, -4]) == #","a ""b"", c",0.25,0.75,3,-4"#)
    #expect(
      header(format)
        == #",label,probabilities_setosa,"probabilities_b,c",n_0,n_1"#)
  }

  @Test func missingLabelsAreNull() {
    let format = PredictionFormat(outputs: [Self.label])
    #expect(json(format, [.nan]) == "null")
    #expect(json(format, [2]) == "null")
    #expect(csv(format, [.nan]) == ",")
    #expect(json(format, [0]) == #""setosa""#)
  }

  @Test func contributionsHaveTheNamesOfInputs() {
    let one = PredictionFormat(
      outputs: [ModelOutput(name: "prediction", kind: .float64)], explained: ["age", "in\"come"])
    #expect(one.explanationWidth == 3)
    #expect(
      explanation(one, [0.5, -0.25, 2])
        == #"{"baseline":2.0,"attributions":{"age":0.5,"in\"come":-0.25}}"#)
    #expect(csv(one, [1], explanation: [0.5, -0.25, 2]) == ",1.0,0.5,-0.25,2.0")
    #expect(
      header(one) == ",prediction,attribution_age,\"attribution_in\"\"come\",attribution_baseline")
    let two = PredictionFormat(
      outputs: [ModelOutput(name: "prediction", kind: .float64, width: 2)], explained: ["x"])
    #expect(
      explanation(two, [1, 2, 3, 4])
        == #"[{"baseline":2.0,"attributions":{"x":1.0}},{"baseline":4.0,"attributions":{"x":3.0}}]"#
    )
    #expect(
      header(two).hasSuffix(
        ",attribution_0_x,attribution_0_baseline,attribution_1_x,attribution_1_baseline"))
  }

  // MARK: What is written

  private func options(_ fields: [String]? = nil, topK: Int? = nil) -> JobRequest.OutputConfig {
    var options = JobRequest.OutputConfig(uri: "")
    options.outputFields = fields
    options.topK = topK
    return options
  }

  @Test func chosenOutputsKeepTheirNamesAndOrder() throws {
    let all = [Self.label, Self.probabilities, Self.count]
    let numbers = [1, 0.25, 0.75, 3, -4]
    let two = try PredictionFormat(outputs: all, options: options(["n", "label"]))
    #expect(json(two, numbers) == #"{"label":"a \"b\", c","n":[3,-4]}"#)
    #expect(csv(two, numbers) == #","a ""b"", c",3,-4"#)
    #expect(header(two) == ",label,n_0,n_1")
    #expect(two.width == 5)
    let one = try PredictionFormat(outputs: all, options: options(["label"]))
    #expect(json(one, numbers) == #"{"label":"a \"b\", c"}"#)
    let plain = try PredictionFormat(outputs: all, options: options())
    #expect(json(plain, numbers) == json(PredictionFormat(outputs: all), numbers))
  }

  @Test func unknownOutputsAreRefusedWithTheKnownOnes() {
    let error = #expect(throws: TableError.self) {
      try PredictionFormat(outputs: [Self.label, Self.count], options: options(["label", "m"]))
    }
    #expect(error?.context == "outputFields names the output m; the model's outputs are label, n")
    #expect(throws: TableError.self) {
      try PredictionFormat(outputs: [Self.label], options: options([]))
    }
    let ranked = #expect(throws: TableError.self) {
      try PredictionFormat(outputs: [Self.label, Self.count], options: options(topK: 2))
    }
    #expect(ranked?.context.hasPrefix("topK: no output") == true)
  }

  @Test func bestClassesAreNamedAndRanked() throws {
    let all = [Self.label, Self.probabilities]
    let named = try PredictionFormat(outputs: all, options: options(topK: 9))
    #expect(
      json(named, [0, 0.25, 0.75])
        == #"{"label":"setosa","probabilities":{"classes":["b,c","setosa"],"scores":[0.75,0.25]}}"#)
    #expect(csv(named, [0, 0.25, 0.75]) == #",setosa,"b,c",0.75,setosa,0.25"#)
    #expect(
      header(named)
        == ",label,probabilities_class_1,probabilities_score_1,probabilities_class_2"
        + ",probabilities_score_2")
    let plain = ModelOutput(name: "prediction", kind: .float64, width: 4)
    let best = try PredictionFormat(outputs: [plain], options: options(topK: 3))
    #expect(
      json(best, [0.25, 0.125, 0.25, 0.375])
        == #"{"classes":[3,0,2],"scores":[0.375,0.25,0.25]}"#)
    #expect(csv(best, [0.5, 0.5, 0, 0]) == ",0,0.5,1,0.5,2,0.0")
    #expect(json(best, [.nan, 0.5, .nan, .nan]) == #"{"classes":[1],"scores":[0.5]}"#)
    #expect(csv(best, [.nan, 0.5, .nan, .nan]) == ",1,0.5,,,,")
  }

  @Test func classesAreNamedByTheLabelsBesideThem() throws {
    let scores = ModelOutput(name: "scores", kind: .float64, width: 2)
    let format = try PredictionFormat(
      outputs: [Self.label, scores], options: options(["scores"], topK: 1))
    #expect(
      json(format, [0, 0.25, 0.75]) == #"{"scores":{"classes":["a \"b\", c"],"scores":[0.75]}}"#)
  }

  private func json(_ format: PredictionFormat, _ numbers: [Double]) -> String {
    written { text in
      unsafe numbers.withUnsafeBufferPointer { unsafe format.appendJSON($0, to: &text) }
    }
  }

  private func explanation(_ format: PredictionFormat, _ numbers: [Double]) -> String {
    written { text in
      unsafe numbers.withUnsafeBufferPointer { unsafe format.appendExplanation($0, to: &text) }
    }
  }

  private func csv(
    _ format: PredictionFormat, _ numbers: [Double], explanation: [Double] = []
  ) -> String {
    written { text in
      unsafe numbers.withUnsafeBufferPointer { numbers in
        unsafe explanation.withUnsafeBufferPointer { explanation in
          unsafe format.appendCSV(
            numbers, explanation: explanation, delimiter: UInt8(ascii: ","), to: &text)
        }
      }
    }
  }

  private func header(_ format: PredictionFormat) -> String {
    written { format.appendCSVHeader(delimiter: UInt8(ascii: ","), to: &$0) }
  }

  private func written(_ write: (inout TextBuffer) -> Void) -> String {
    var text = TextBuffer()
    write(&text)
    return String(decoding: text.copy(), as: UTF8.self)
  }
}
