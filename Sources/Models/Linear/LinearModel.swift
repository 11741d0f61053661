/// Weighted sums of the inputs, as a model file describes them.
package struct LinearModel: Sendable {
  package let featureCount: Int
  package let outputCount: Int
  /// The weight of feature f in output o is `coefficients[o * featureCount + f]`.
  package var coefficients: [Double]
  /// What each output's sum begins with.
  package var intercepts: [Double]
  /// In which type products and sums are rounded.
  package var arithmetic = TreeEnsemble.Arithmetic.float64
  /// Whether a missing value adds nothing; otherwise it makes the sum NaN.
  package var skipsMissing = false
  /// The mean of each feature in training, for explanations; zeros if not known.
  package var means: [Double]

  /// A model of zeros; the caller has checked that their number is bounded.
  package init(featureCount: Int, outputCount: Int) {
    self.featureCount = featureCount
    self.outputCount = outputCount
    coefficients = Array(repeating: 0, count: featureCount * outputCount)
    intercepts = Array(repeating: 0, count: outputCount)
    means = Array(repeating: 0, count: featureCount)
  }
}
