package import Models

/// Projects rows on directions: Σ (x − mean) · component, added in the order of the inputs.
package struct ComponentScorer: Scorer {
  package let inputs: [ModelInput]
  package let outputs: [ModelOutput]
  private let model: ComponentModel

  /// Prepares directions.
  package init(_ model: ComponentModel, inputs: [ModelInput]) {
    precondition(inputs.count == model.mean.count)
    self.model = model
    self.inputs = inputs
    outputs = [ModelOutput(name: "prediction", kind: .float64, width: model.componentCount)]
  }

  package var summary: ScorerSummary {
    ScorerSummary(
      sizes: [("components", model.componentCount), ("parameters", model.components.count)],
      kernels: ["linear: one input at a time for all rows"])
  }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let rowCount = unsafe tile.rowCount
    let (width, featureCount) = (model.componentCount, model.mean.count)
    guard rowCount > 0 else { return }
    unsafe tile.requireNumbers(inputCount: inputs.count)
    precondition(output.count >= rowCount * width)
    for component in 0..<width {
      for row in 0..<rowCount { unsafe output[row * width + component] = 0 }
      for feature in 0..<featureCount {
        let weight = model.components[component * featureCount + feature]
        let mean = model.mean[feature]
        let first = unsafe feature * tile.stride
        for row in 0..<rowCount {
          unsafe output[row * width + component] += (tile.numbers[first + row] - mean) * weight
        }
      }
      for row in 0..<rowCount {
        unsafe output[row * width + component] /= model.scales[component]
      }
    }
  }

  package var explanationWidth: Int { model.componentCount * (model.mean.count + 1) }

  /// Explains rows: what each input adds to a projection; nothing is expected before.
  package func explain(
    _ tile: FeatureTile, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let rowCount = unsafe tile.rowCount
    let featureCount = model.mean.count
    guard rowCount > 0 else { return }
    unsafe tile.requireNumbers(inputCount: inputs.count)
    precondition(output.count >= rowCount * explanationWidth)
    for row in 0..<rowCount {
      for component in 0..<model.componentCount {
        let place = row * explanationWidth + component * (featureCount + 1)
        for feature in 0..<featureCount {
          let value = unsafe tile.numbers[feature * tile.stride + row] - model.mean[feature]
          unsafe output[place + feature] =
            value * model.components[component * featureCount + feature] / model.scales[component]
        }
        unsafe output[place + featureCount] = 0
      }
    }
  }
}
