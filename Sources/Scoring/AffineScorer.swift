package import Models

/// Scales and shifts another scorer's raw scores, and then makes predictions of them.
package struct AffineScorer: Scorer {
  package let outputs: [ModelOutput]
  private let scorer: any Scorer
  private let scale: Double
  private let bias: [Double]
  private let objective: Objective

  /// Prepares a scorer of raw scores.
  ///
  /// - Parameters:
  ///   - scorer: has one output.
  ///   - scale: for all numbers of the output.
  ///   - bias: one for each number of the output.
  ///   - objective: what makes predictions of the result.
  ///   - elementNames: a name for each number of the output, or none.
  package init(
    _ scorer: any Scorer, scale: Double, bias: [Double], objective: Objective,
    elementNames: [String] = []
  ) {
    let output = scorer.outputs[0]
    precondition(scorer.outputs.count == 1 && output.width == bias.count)
    self.scorer = scorer
    self.scale = scale
    self.bias = bias
    self.objective = objective
    outputs = [
      ModelOutput(
        name: output.name, kind: output.kind, width: output.width, elementNames: elementNames)
    ]
  }

  package var inputs: [ModelInput] { scorer.inputs }
  package var summary: ScorerSummary { scorer.summary }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    unsafe scorer.score(tile, mode: .raw, into: output, scratch: &scratch)
    let width = bias.count
    for row in unsafe 0..<tile.rowCount {
      let scores = unsafe UnsafeMutableBufferPointer(
        rebasing: output[row * width..<(row + 1) * width])
      unsafe Affine.apply(scale, bias, to: scores)
      if mode == .transformed { unsafe objective.transform(scores) }
    }
  }

  package var explanationWidth: Int { scorer.explanationWidth }

  package func explain(
    _ tile: FeatureTile, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    unsafe scorer.explain(tile, into: output, scratch: &scratch)
    let width = explanationWidth / bias.count
    guard width > 0 else { return }
    for row in unsafe 0..<tile.rowCount {
      for index in bias.indices {
        let first = row * explanationWidth + index * width
        for place in first..<first + width { unsafe output[place] *= scale }
        unsafe output[first + width - 1] += bias[index]
      }
    }
  }
}
