package import Models

/// Adds to the scores of classes the class with the highest one.
///
/// The label comes from the raw scores; of equal ones the first counts.
package struct LabelScorer: Scorer {
  package let outputs: [ModelOutput]
  private let scorer: any Scorer
  private let objective: Objective
  private let width: Int

  /// Prepares a scorer of classes.
  ///
  /// - Parameters:
  ///   - scorer: gives one output with a raw score for each class.
  ///   - objective: what makes probabilities of raw scores.
  ///   - labels: the classes; empty if they are numbered from 0.
  ///   - probabilityName: what the scores are called beside the label.
  package init(
    _ scorer: any Scorer, objective: Objective, labels: [String] = [],
    probabilityName: String = "probabilities"
  ) {
    self.scorer = scorer
    self.objective = objective
    let scores = scorer.outputs[0]
    precondition(scorer.outputs.count == 1 && (labels.isEmpty || labels.count == scores.width))
    width = scores.width
    outputs = [
      ModelOutput(name: "prediction", kind: labels.isEmpty ? .integer : .label(labels)),
      ModelOutput(
        name: probabilityName, kind: scores.kind, width: width, elementNames: labels),
    ]
  }

  package var inputs: [ModelInput] { scorer.inputs }
  package var summary: ScorerSummary { scorer.summary }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let rowCount = unsafe tile.rowCount
    guard rowCount > 0 else { return }
    precondition(output.count >= rowCount * (width + 1))
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let count = rowCount * width
    let raw = unsafe UnsafeMutableBufferPointer(
      start: scratch.reserve(Double.self, count: count), count: count)
    unsafe scorer.score(tile, mode: .raw, into: raw, scratch: &scratch)
    for row in 0..<rowCount {
      unsafe output[row * (width + 1)] = label(raw, from: row * width)
      if mode == .transformed {
        unsafe objective.transform(
          UnsafeMutableBufferPointer(rebasing: raw[row * width..<(row + 1) * width]))
      }
      for index in 0..<width {
        unsafe output[row * (width + 1) + 1 + index] = raw[row * width + index]
      }
    }
  }

  /// The place of the first of the highest scores; NaN if a score is NaN.
  private func label(_ scores: UnsafeMutableBufferPointer<Double>, from start: Int) -> Double {
    var best = 0
    for index in 0..<width {
      if unsafe scores[start + index].isNaN { return .nan }
      if unsafe scores[start + index] > scores[start + best] { best = index }
    }
    return Double(best)
  }

  /// How many numbers explain the scores; the label is not explained.
  package var explanationWidth: Int { scorer.explanationWidth }

  package func explain(
    _ tile: FeatureTile, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    unsafe scorer.explain(tile, into: output, scratch: &scratch)
  }
}
