package import Models

extension Model {
  /// Reads a model as LightGBM 2 to 4 save it.
  ///
  /// - Parameters:
  ///   - bytes: the whole text.
  ///   - categoryColumns: see `LightGBMModel`.
  ///   - summation: how leaves are added.
  /// - Throws: `ModelError` naming the line, tree and key.
  package init(
    lightGBM bytes: [UInt8], categoryColumns: [String]? = nil,
    summation: TreeEnsemble.Summation = .exact
  ) throws(ModelError) {
    let model = try LightGBMModel(bytes, categoryColumns: categoryColumns)
    let iterationCount = model.ensemble.trees.count / model.ensemble.outputCount
    let scorer = try TreeScorer(
      model.ensemble, inputs: model.inputs, objective: model.objective,
      divisor: model.isAverage ? Double(iterationCount) : 1, summation: summation)
    self.init(format: .lightGBM, scorer: scorer, objective: model.objective.name)
  }

  /// Reads a model as XGBoost 1.6 to 3 save it, as JSON or UBJSON.
  ///
  /// - Throws: `ModelError` naming the path and the byte.
  package init(
    xgboost document: Document, summation: TreeEnsemble.Summation = .exact
  ) throws(ModelError) {
    let model = try XGBoostModel(document)
    var scorer: any Scorer
    switch model.booster {
    case .trees(let ensemble):
      scorer = try TreeScorer(
        ensemble, inputs: model.inputs, objective: model.objective, summation: summation)
    case .linear(let linear):
      scorer = LinearScorer(linear, inputs: model.inputs, objective: model.objective)
    }
    if model.predictsClass { scorer = LabelScorer(scorer, objective: model.objective) }
    self.init(
      format: document.encoding == .json ? .xgboostJSON : .xgboostUBJSON, scorer: scorer,
      objective: model.objective.name)
  }

  /// Reads a model as CatBoost saves it as JSON.
  ///
  /// - Throws: `ModelError` naming the path and the byte.
  package init(catboost document: Document) throws(ModelError) {
    let model = try CatBoostModel(document)
    let scorer: any Scorer
    switch model.trees {
    case .oblivious(let ensemble):
      scorer = try ObliviousScorer(
        ensemble, inputs: model.inputs, objective: model.objective, classNames: model.classNames)
    case .general(let ensemble, let scale, let bias):
      let sums = try TreeScorer(ensemble, inputs: model.inputs, objective: .custom)
      scorer = AffineScorer(
        sums, scale: scale, bias: bias, objective: model.objective, elementNames: model.classNames)
    }
    self.init(format: .catboostJSON, scorer: scorer, objective: model.objective.name)
  }
}
