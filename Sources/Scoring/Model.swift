package import Models

/// A model of any kind, ready to score rows.
///
/// Immutable: any number of threads may score with it, each with a scratch of its own.
package struct Model: Sendable {
  /// What the file is, such as `LightGBM text`.
  package let format: String

  /// What scores its rows.
  package let scorer: any Scorer

  /// The library's name of what it was trained for; `custom` if it has none.
  package let objective: String

  /// What it wants to be given, in the order of its features.
  package var inputs: [ModelInput] { scorer.inputs }

  /// What it gives for a row.
  package var outputs: [ModelOutput] { scorer.outputs }

  /// How many numbers it gives for a row.
  package var outputCount: Int { outputs.reduce(0) { $0 + $1.width } }

  /// Reads a model in any format that can be told from its first bytes.
  ///
  /// - Throws: `ModelError` naming the place in the file.
  package init(_ bytes: [UInt8]) throws(ModelError) {
    try self.init(lightGBM: bytes)
  }

  /// Reads a model as LightGBM 2 to 4 save it.
  ///
  /// - Parameters:
  ///   - bytes: the whole text.
  ///   - categoryColumns: see `LightGBMModel`.
  /// - Throws: `ModelError` naming the line, tree and key.
  package init(lightGBM bytes: [UInt8], categoryColumns: [String]? = nil) throws(ModelError) {
    let model = try LightGBMModel(bytes, categoryColumns: categoryColumns)
    format = "LightGBM text"
    objective = model.objective.name
    let iterationCount = model.ensemble.trees.count / model.ensemble.outputCount
    scorer = try TreeScorer(
      model.ensemble, inputs: model.inputs, objective: model.objective,
      divisor: model.isAverage ? Double(iterationCount) : 1)
  }

  /// The names of the inputs that contributions to a score are given for.
  ///
  /// - Throws: `ModelError` if rows cannot be explained.
  package func explainedInputs() throws(ModelError) -> [String] {
    guard scorer.explanationWidth > 0 else {
      throw ModelError(
        code: .unsupported,
        context: """
          generateExplanation: \(format) models of this kind are not explained; trees whose file \
          has the training rows of each node, and linear models, are
          """)
    }
    try scorer.prepareToExplain()
    return inputs.map(\.name)
  }

  /// Scores rows; see `Scorer.score`.
  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    unsafe scorer.score(tile, mode: mode, into: output, scratch: &scratch)
  }
}
