extension Model {
  /// Makes a model of another one that something stands before, or around.
  package init(_ model: Model, scoredBy scorer: any Scorer) {
    format = model.format
    objective = model.objective
    self.scorer = scorer
  }
}
