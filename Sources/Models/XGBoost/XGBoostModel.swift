/// A model as XGBoost 1.6 to 3 save it, as JSON or UBJSON.
///
/// What it predicts is what `Booster.predict` of XGBoost 3.2.0 makes of the file: all trees count,
/// whatever the attribute `best_iteration` says.
package struct XGBoostModel: Sendable {
  package let inputs: [ModelInput]
  package let booster: Booster
  package let objective: Objective

  /// Whether `predict` gives the number of the likeliest class instead of probabilities.
  package let predictsClass: Bool

  package enum Booster: Sendable {
    case trees(TreeEnsemble)
    case linear(LinearModel)
  }

  /// Reads a model.
  ///
  /// Nothing in the file is trusted: sizes are checked before memory is taken, links are checked to
  /// form trees, and every index to be in range.
  ///
  /// - Throws: `ModelError` naming the path and the byte.
  package init(_ document: Document) throws(ModelError) {
    let root = document.root
    try Self.checkVersion(root)
    let learner = try root.required("learner")
    let header = try XGBoostHeader(learner)
    objective = header.objective.objective
    predictsClass = header.objective.predictsClass
    let gradientBooster = try learner.required("gradient_booster")
    let name = try gradientBooster.required("name")
    switch try name.string() {
    case "gbtree":
      let trees = try XGBoostTrees(gradientBooster, weights: nil, header: header)
      booster = .trees(trees.ensemble)
      inputs = try trees.inputs(header)
    case "dart":
      let trees = try XGBoostTrees(
        try gradientBooster.required("gbtree"),
        weights: try gradientBooster.required("weight_drop").floats(), header: header)
      booster = .trees(trees.ensemble)
      inputs = try trees.inputs(header)
    case "gblinear":
      booster = .linear(try Self.readLinear(gradientBooster, header: header))
      inputs = header.featureNames.map { ModelInput(name: $0, kind: .numeric) }
    case let other:
      throw name.error("the booster \(other.prefix(64)) is not known", code: .unsupported)
    }
  }

  /// Reads a model in one of the two encodings.
  package init(_ bytes: [UInt8], encoding: Document.Encoding) throws(ModelError) {
    try self.init(try Document(bytes, encoding: encoding))
  }

  private static func checkVersion(_ root: DocumentValue) throws(ModelError) {
    let field = try root.required("version")
    let version = try field.integers(in: 0...Int(Int32.max))
    guard version.count == 3 else { throw field.error("expected three numbers") }
    guard 1...3 ~= version[0] else {
      throw field.error(
        "XGBoost \(version[0]).\(version[1]) is none of 1.6 to 3", code: .unsupported)
    }
  }

  /// Reads the weights of gblinear.
  ///
  /// Sums are floats and begin with the bias plus the base score of the first output, for all
  /// outputs; missing values add nothing: `PredictBatchInternal` and `Pred` of XGBoost 3.2.0,
  /// src/gbm/gblinear.cc.
  private static func readLinear(
    _ booster: DocumentValue, header: XGBoostHeader
  ) throws(ModelError) -> LinearModel {
    let model = try booster.required("model")
    let rounds = try model.optional("boosted_rounds")?.integer(in: 0...Int(Int32.max)) ?? 0
    let (featureCount, outputCount) = (header.featureNames.count, header.outputCount)
    let weights = try model.required("weights").floats(count: (featureCount + 1) * outputCount)
    let base = try header.margins(isFitted: rounds > 0)[0]
    var linear = LinearModel(featureCount: featureCount, outputCount: outputCount)
    linear.arithmetic = .float32
    linear.skipsMissing = true
    for output in 0..<outputCount {
      linear.intercepts[output] = Double(weights[featureCount * outputCount + output] + base)
      for feature in 0..<featureCount {
        linear.coefficients[output * featureCount + feature] =
          Double(weights[feature * outputCount + output])
      }
    }
    return linear
  }
}
