package import Models

/// Tells for each row the nearest of some centers, and how far it is from each.
///
/// The distance is √Σ(x − c)², added in the order of the inputs; of equal ones the first counts.
/// scikit-learn takes x² − 2xc + c² instead, which loses digits where a row is close to a center.
package struct ClusterScorer: Scorer {
  package let inputs: [ModelInput]
  package let outputs: [ModelOutput]
  private let model: ClusterModel

  /// Prepares centers of clusters.
  package init(_ model: ClusterModel, inputs: [ModelInput]) {
    precondition(inputs.count == model.featureCount)
    self.model = model
    self.inputs = inputs
    outputs = [
      ModelOutput(name: "prediction", kind: .integer),
      ModelOutput(name: "distances", kind: .float64, width: model.clusterCount),
    ]
  }

  package var summary: ScorerSummary {
    ScorerSummary(
      sizes: [("clusters", model.clusterCount), ("parameters", model.centers.count)],
      kernels: ["distances: one input at a time for all rows"])
  }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let rowCount = unsafe tile.rowCount
    let width = model.clusterCount + 1
    guard rowCount > 0 else { return }
    unsafe tile.requireNumbers(inputCount: inputs.count)
    precondition(output.count >= rowCount * width)
    for cluster in 0..<model.clusterCount {
      for row in 0..<rowCount { unsafe output[row * width + 1 + cluster] = 0 }
      for feature in 0..<model.featureCount {
        let center = model.centers[cluster * model.featureCount + feature]
        let first = unsafe feature * tile.stride
        for row in 0..<rowCount {
          let difference = unsafe tile.numbers[first + row] - center
          unsafe output[row * width + 1 + cluster] += difference * difference
        }
      }
    }
    for row in 0..<rowCount {
      let first = row * width + 1
      var nearest = 0
      for cluster in 0..<model.clusterCount {
        unsafe output[first + cluster] = output[first + cluster].squareRoot()
        if unsafe output[first + cluster] < output[first + nearest] { nearest = cluster }
      }
      // A missing value makes all distances NaN.
      unsafe output[first - 1] = output[first].isNaN ? .nan : Double(nearest)
    }
  }
}
