/// A model as CatBoost saves it with `save_model(path, format="json")`.
///
/// What it predicts is what CatBoost 1.2.10 makes of the file: for classifiers probabilities, for
/// others what `predict` gives.
package struct CatBoostModel: Sendable {
  package let inputs: [ModelInput]
  package let trees: Trees
  package let objective: Objective
  /// The classes, if there is a probability for each; empty otherwise.
  package let classNames: [String]

  package enum Trees: Sendable {
    case oblivious(ObliviousEnsemble)
    /// Trees of any form; a raw score is scale · sum + bias.
    case general(TreeEnsemble, scale: Double, bias: [Double])
  }

  /// Reads a model.
  ///
  /// Nothing in the file is trusted: sizes are checked before memory is taken, and every index to be
  /// in range. Refused are models with features of text, of embeddings, and with statistics of
  /// categories (CTR).
  ///
  /// - Throws: `ModelError` naming the path and the byte.
  package init(_ document: Document) throws(ModelError) {
    let root = document.root
    let features = try CatBoostFeatures(try root.required("features_info"))
    let (scale, bias) = try Self.readScale(root)
    let used: Set<Int>
    let outputCount: Int
    if let field = try root.optional("oblivious_trees") {
      let ensemble = try CatBoostTrees.readOblivious(
        field, features: features, scale: scale, bias: bias)
      (used, outputCount) = (ensemble.usedFeatures, ensemble.outputCount)
      trees = .oblivious(ensemble)
    } else {
      let ensemble = try CatBoostTrees.readGeneral(try root.required("trees"), features: features)
      let biases = try Self.spread(bias, over: ensemble.outputCount, root)
      (used, outputCount) = (ensemble.usedFeatures, ensemble.outputCount)
      trees = .general(ensemble, scale: scale, bias: biases)
    }
    let information = try root.optional("model_info")
    objective = try CatBoostObjective.read(information, outputCount: outputCount)
    classNames = try CatBoostObjective.readClassNames(information, outputCount: outputCount)
    inputs = features.inputs.enumerated().map { index, input in
      ModelInput(name: input.name, kind: input.kind, isUsed: used.contains(index))
    }
  }

  /// Reads `[scale, [bias, …]]`, or `[scale, bias]` as before 1.0.
  private static func readScale(_ root: DocumentValue) throws(ModelError) -> (Double, [Double]) {
    guard let field = try root.optional("scale_and_bias") else { return (1, []) }
    if field.isNumbers {
      let numbers = try field.doubles(count: 2)
      return (numbers[0], [numbers[1]])
    }
    let parts = try field.elements()
    guard parts.count == 2 else { throw field.error("expected a scale and biases") }
    return (try parts[0].double(), try parts[1].doubles())
  }

  /// One bias for each output: none means zeros.
  static func spread(
    _ bias: [Double], over outputCount: Int, _ root: DocumentValue
  ) throws(ModelError) -> [Double] {
    if bias.isEmpty || bias == [0] { return Array(repeating: 0, count: outputCount) }
    guard bias.count == outputCount else {
      throw try root.required("scale_and_bias").error(
        "\(bias.count) biases for \(outputCount) outputs")
    }
    return bias
  }
}

/// What a model's predictions are made from its raw scores with.
enum CatBoostObjective {
  /// Reads the loss function's name out of the training parameters.
  static func read(
    _ information: DocumentValue?, outputCount: Int
  ) throws(ModelError) -> Objective {
    guard let parameters = try information?.optional("params"), parameters.kind == .object,
      let field = try parameters.optional("loss_function")?.optional("type")
    else { return .custom }
    let name = try field.string()
    switch name {
    case "Logloss", "CrossEntropy":
      guard outputCount == 1 else { throw field.error("\(name) has one output") }
      return Objective(name: name, link: .sigmoid(slope: 1))
    case "MultiClassOneVsAll", "MultiLogloss", "MultiCrossEntropy":
      return Objective(name: name, link: .sigmoid(slope: 1))
    case "MultiClass":
      return Objective(name: name, link: outputCount == 1 ? .sigmoid(slope: 1) : .softmax)
    case "Poisson", "Tweedie":
      return Objective(name: name, link: .exponential)
    case "RMSEWithUncertainty":
      throw field.error("models that predict their uncertainty are not read", code: .unsupported)
    default:
      return Objective(name: String(name.prefix(64)), link: .identity)
    }
  }

  /// Reads the names of the classes, where each has an output of its own.
  static func readClassNames(
    _ information: DocumentValue?, outputCount: Int
  ) throws(ModelError) -> [String] {
    guard outputCount > 1,
      let field = try information?.optional("class_params")?.optional("class_names"),
      field.count == outputCount
    else { return [] }
    let names: [String]
    if field.isNumbers {
      names = try field.doubles().map { number in
        Int(exactly: number).map(String.init) ?? "\(number)"
      }
    } else {
      names = try field.elements().map { (name) throws(ModelError) in try name.string() }
    }
    return Set(names).count == names.count ? names : []
  }
}
