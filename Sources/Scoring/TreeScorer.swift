package import Models

/// Scores rows with an ensemble of trees.
///
/// Equal to the library that made the model: leaves are added in its order and type, and links go
/// through the same formulas in the same order.
package struct TreeScorer: Scorer {
  package let inputs: [ModelInput]
  package let outputs: [ModelOutput]
  package let objective: Objective
  private let treeCount: Int
  private let leafCount: Int
  private let outputCount: Int
  private let base: [Double]
  /// Predictions, not raw scores, are divided by it.
  private let divisor: Double
  private let forest: WalkForest

  /// Prepares the trees of a model.
  ///
  /// - Parameters:
  ///   - ensemble: the trees.
  ///   - inputs: one for each feature of the ensemble.
  ///   - objective: what makes predictions of the sums.
  ///   - divisor: what sums are divided by before the link; 1 for sums, the number of iterations
  ///     for means.
  /// - Throws: `ModelError` if it is too large.
  package init(
    _ ensemble: TreeEnsemble, inputs: [ModelInput], objective: Objective, divisor: Double = 1
  ) throws(ModelError) {
    precondition(inputs.count == ensemble.featureCount)
    self.inputs = inputs
    self.objective = objective
    self.divisor = divisor
    outputCount = ensemble.outputCount
    base = ensemble.base
    treeCount = ensemble.trees.count
    leafCount = ensemble.leafValues.count / ensemble.leafWidth
    outputs = [
      ModelOutput(
        name: "prediction", kind: ensemble.arithmetic == .float32 ? .float32 : .float64,
        width: ensemble.outputCount)
    ]
    forest = try WalkForest(ensemble.withNarrowLeaves)
  }

  package var summary: ScorerSummary {
    ScorerSummary(
      sizes: [("trees", treeCount), ("leaves", leafCount)],
      kernels: ["walk: 8 rows at a time from node to node"])
  }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let (stride, rowCount) = unsafe (tile.stride, tile.rowCount)
    guard rowCount > 0 else { return }
    precondition(unsafe tile.numbers.count >= (inputs.count - 1) * stride + rowCount)
    precondition(output.count >= rowCount * outputCount)
    guard let features = unsafe tile.numbers.baseAddress else { return }
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let tileRowCount = forest.tileRowCount
    let sums = unsafe scratch.reserve(Double.self, count: outputCount * tileRowCount)
    var start = 0
    while start < rowCount {
      let count = min(tileRowCount, rowCount - start)
      for index in 0..<outputCount {
        unsafe (sums + index * tileRowCount).update(repeating: base[index], count: tileRowCount)
      }
      unsafe forest.add(
        features: features + start, stride: stride, rowCount: count, to: sums, scratch: &scratch)
      let rows = start * outputCount..<(start + count) * outputCount
      unsafe finish(
        sums, stride: tileRowCount, mode: mode,
        into: UnsafeMutableBufferPointer(rebasing: output[rows]))
      start += count
    }
  }

  /// Puts one tile's sums in rows and applies the link.
  private func finish(
    _ sums: UnsafePointer<Double>, stride: Int, mode: ScoreMode,
    into output: UnsafeMutableBufferPointer<Double>
  ) {
    let rowCount = output.count / outputCount
    for index in 0..<outputCount {
      for row in 0..<rowCount {
        unsafe output[row * outputCount + index] = sums[index * stride + row]
      }
    }
    guard mode == .transformed else { return }
    if divisor != 1 {
      for index in output.indices { unsafe output[index] /= divisor }
    }
    for row in 0..<rowCount {
      let scores = row * outputCount..<(row + 1) * outputCount
      unsafe objective.transform(UnsafeMutableBufferPointer(rebasing: output[scores]))
    }
  }
}
