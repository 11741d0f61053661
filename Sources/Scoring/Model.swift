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

  /// Puts a model together.
  package init(format: ModelFormat, scorer: any Scorer, objective: String) {
    self.format = format.name
    self.scorer = scorer
    self.objective = objective
  }

  /// Reads a model in any format that can be told from its first bytes or keys.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - summation: how leaves of LightGBM's and XGBoost's trees are added; others add exactly.
  /// - Throws: `ModelError` naming the place in the file.
  package init(
    _ bytes: [UInt8], summation: TreeEnsemble.Summation = .exact
  ) throws(ModelError) {
    switch try ModelFormat.encoding(of: bytes) {
    case .lightGBM: try self.init(lightGBM: bytes, summation: summation)
    case .json:
      try self.init(document: try Document(bytes, encoding: .json), summation: summation)
    case .ubjson:
      try self.init(document: try Document(bytes, encoding: .ubjson), summation: summation)
    case .onnx: try self.init(onnx: bytes)
    case .archive: try self.init(archive: bytes)
    }
  }

  /// Reads a model of a JSON or UBJSON document, whose keys tell its format.
  ///
  /// - Throws: `ModelError` naming the path in the document.
  package init(
    document: Document, summation: TreeEnsemble.Summation = .exact
  ) throws(ModelError) {
    switch try ModelFormat(document) {
    case .xgboostJSON, .xgboostUBJSON: try self.init(xgboost: document, summation: summation)
    case .catboostJSON: try self.init(catboost: document)
    case .plainJSON: try self.init(plain: document)
    case .lightGBM, .onnx, .factors: throw ModelFormat.unknown("a document")
    }
  }

  /// Reads an archive of factors.
  ///
  /// - Throws: `ModelError` naming the file in it.
  private init(archive bytes: [UInt8]) throws(ModelError) {
    guard FactorModel.isIn(try Archive(bytes)) else {
      throw ModelFormat.unknown("an archive without \(FactorModel.descriptionName)")
    }
    self.init(
      format: .factors, scorer: FactorScorer(try FactorModel(archive: bytes)),
      objective: "ranking")
  }

  /// Reads an ONNX graph.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - columns: for each input that is a tensor of several columns, their names in the table.
  /// - Throws: `ModelError` naming the node, or every operator that is not supported.
  package init(onnx bytes: [UInt8], columns: [String: [String]] = [:]) throws(ModelError) {
    let scorer = try GraphScorer(ONNXModel(bytes), columns: columns)
    self.init(format: .onnx, scorer: scorer, objective: "graph")
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
