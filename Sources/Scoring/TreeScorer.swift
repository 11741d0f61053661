package import Models
internal import Synchronization

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
  private let instructions: InstructionSet
  private let summation: TreeEnsemble.Summation
  /// Predictions, not raw scores, are divided by it.
  private let divisor: Double
  private let forest: Forest
  /// Made when it is first asked for; nil if the trees do not say enough to be explained.
  private let explanations: Explanations?

  /// How the trees are scored.
  private enum Forest: Sendable {
    case ranks(RankForest)
    case walk(WalkForest)
  }

  /// Prepares the trees of a model.
  ///
  /// - Parameters:
  ///   - ensemble: the trees.
  ///   - inputs: one for each feature of the ensemble.
  ///   - objective: what makes predictions of the sums.
  ///   - divisor: what sums are divided by before the link; 1 for sums, the number of iterations
  ///     for means.
  ///   - instructions: what kernels may use.
  ///   - summation: how leaves are added where all nodes are evaluated.
  ///   - walks: whether rows walk from node to node even where all nodes could be evaluated.
  /// - Throws: `ModelError` if it is too large.
  package init(
    _ ensemble: TreeEnsemble, inputs: [ModelInput], objective: Objective, divisor: Double = 1,
    instructions: InstructionSet = .best, summation: TreeEnsemble.Summation = .exact,
    walks: Bool = false
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
    self.summation = summation
    if !walks,
      let ranks = try RankForest(
        ensemble, instructions: instructions, summation: summation)
    {
      forest = .ranks(ranks)
    } else {
      forest = .walk(try WalkForest(ensemble))
    }
    self.instructions = instructions
    explanations =
      TreeExplainer.explains(ensemble)
      ? Explanations(ensemble: ensemble, instructions: instructions) : nil
  }

  package var summary: ScorerSummary {
    ScorerSummary(
      sizes: [("trees", treeCount), ("leaves", leafCount)],
      kernels: [kernel])
  }

  private var kernel: String {
    switch forest {
    case .ranks(let ranks):
      """
      ranks (\(instructions)): every node for \(RankForest.rowCount) rows at once, \
      \(ranks.columnCount) byte columns of \(ranks.thresholdCount) thresholds and \
      \(ranks.setColumnCount) bit columns of sets; \(summation) sums
      """
    case .walk:
      "walk: 8 rows at a time from node to node, because a tree is large or has linear leaves"
    }
  }

  private var tileRowCount: Int {
    switch forest {
    case .ranks: RankForest.rowCount
    case .walk(let walk): walk.tileRowCount
    }
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
    let tileRowCount = tileRowCount
    let sums = unsafe scratch.reserve(Double.self, count: outputCount * tileRowCount)
    var start = 0
    while start < rowCount {
      let count = min(tileRowCount, rowCount - start)
      for index in 0..<outputCount {
        unsafe (sums + index * tileRowCount).update(repeating: base[index], count: tileRowCount)
      }
      switch forest {
      case .ranks(let ranks):
        unsafe ranks.add(
          features: features + start, stride: stride,
          availableCount: min(
            tile.numbers.count - (inputs.count - 1) * stride - start, stride - start),
          to: sums, outputCount: outputCount, scratch: &scratch)
      case .walk(let walk):
        unsafe walk.add(
          features: features + start, stride: stride, rowCount: count, to: sums,
          scratch: &scratch)
      }
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
    if outputCount == 1, let target = output.baseAddress {
      unsafe target.update(from: sums, count: rowCount)
    } else {
      unsafe transpose(sums, stride: stride, into: output)
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

  private func transpose(
    _ sums: UnsafePointer<Double>, stride: Int, into output: UnsafeMutableBufferPointer<Double>
  ) {
    for index in 0..<outputCount {
      for row in 0..<output.count / outputCount {
        unsafe output[row * outputCount + index] = sums[index * stride + row]
      }
    }
  }

  // MARK: Explanations

  package var explanationWidth: Int { explanations == nil ? 0 : outputCount * (inputs.count + 1) }

  package func prepareToExplain() throws(ModelError) {
    _ = try explanations?.explainer()
  }

  package func explain(
    _ tile: FeatureTile, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    guard let explanations else { preconditionFailure("these trees are not explained") }
    // What cannot be prepared was refused before; a caller who did not ask gets no numbers.
    guard let explainer = try? explanations.explainer() else {
      return unsafe output.update(repeating: .nan)
    }
    unsafe explainer.explain(tile, into: output, scratch: &scratch)
  }

  /// An explainer that is made once, when somebody wants it: it takes as much memory as the trees.
  private final class Explanations: Sendable {
    private let ensemble: TreeEnsemble
    private let instructions: InstructionSet
    private let made = Mutex<TreeExplainer?>(nil)

    init(ensemble: TreeEnsemble, instructions: InstructionSet) {
      self.ensemble = ensemble
      self.instructions = instructions
    }

    func explainer() throws(ModelError) -> TreeExplainer {
      try made.withLock { (made: inout TreeExplainer?) throws(ModelError) -> TreeExplainer in
        if let made { return made }
        let new = try TreeExplainer(ensemble, instructions: instructions)
        made = new
        return new
      }
    }
  }
}
