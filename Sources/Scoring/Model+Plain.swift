package import Models

extension Model {
  /// Reads a linear model, a k-means clustering or a PCA that its user wrote; see `PlainModel`.
  ///
  /// - Throws: `ModelError` naming the path and the byte.
  package init(plain document: Document) throws(ModelError) {
    let model = try PlainModel(document)
    let scorer: any Scorer
    switch model.content {
    case .linear(let linear):
      let output = ModelOutput(
        name: "prediction", kind: .float64, width: linear.outputCount, elementNames: model.names)
      scorer = LinearScorer(
        linear, inputs: model.inputs, objective: model.objective, output: output)
    case .classes(let linear):
      scorer = LabelScorer(
        LinearScorer(linear, inputs: model.inputs, objective: model.objective),
        objective: model.objective, labels: model.names)
    case .clusters(let clusters):
      scorer = ClusterScorer(clusters, inputs: model.inputs)
    case .components(let components):
      scorer = ComponentScorer(components, inputs: model.inputs)
    }
    self.init(format: .plainJSON, scorer: scorer, objective: model.objective.name)
  }
}
