extension Model {
  /// Makes a model of another one that something stands before, or around.
  package init(_ model: Model, scoredBy scorer: any Scorer) {
    format = model.format
    objective = model.objective
    self.scorer = scorer
  }

  /// Makes a model of a scorer that no model file is behind.
  package init(format: String, scorer: any Scorer) {
    self.format = format
    objective = "none"
    self.scorer = scorer
  }
}
