internal import Models

/// A scorer that can do without the features that are 0.
///
/// Made for linear models of hashed texts: of a quarter of a million features, a row has some
/// dozens.
package protocol SparseScorer: Scorer {
  /// Scores rows of which only some features are given, the others being 0.
  ///
  /// Gives the bits that `Scorer.score` gives for all features.
  ///
  /// - Parameters:
  ///   - rows: the features that are given.
  ///   - mode: raw sums or predictions.
  ///   - output: for each row the numbers of all outputs, row after row.
  func score(
    _ rows: SparseRows, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>)
}

/// Features of rows, but for those that are 0.
@unsafe package struct SparseRows {
  /// Where each row's features begin; one more for the end of the last.
  package let starts: UnsafeBufferPointer<Int>
  /// Which features: ascending in each row.
  package let columns: UnsafeBufferPointer<UInt32>
  package let values: UnsafeBufferPointer<Double>

  package init(
    starts: UnsafeBufferPointer<Int>, columns: UnsafeBufferPointer<UInt32>,
    values: UnsafeBufferPointer<Double>
  ) {
    precondition(columns.count == values.count && !starts.isEmpty)
    unsafe self.starts = starts
    unsafe self.columns = columns
    unsafe self.values = values
  }
}

extension LinearScorer: SparseScorer {
  package func score(
    _ rows: SparseRows, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>
  ) {
    let width = model.outputCount
    let rowCount = unsafe rows.starts.count - 1
    precondition(output.count >= rowCount * width)
    for row in 0..<rowCount {
      let range = unsafe rows.starts[row]..<rows.starts[row + 1]
      for index in 0..<width {
        unsafe output[row * width + index] = sum(rows, range, output: index)
      }
      guard mode == .transformed else { continue }
      let numbers = row * width..<(row + 1) * width
      unsafe objective.transform(UnsafeMutableBufferPointer(rebasing: output[numbers]))
    }
  }

  /// One output's sum for one row, in the order of the features.
  private func sum(_ rows: SparseRows, _ range: Range<Int>, output: Int) -> Double {
    let first = output * model.featureCount
    let isFloat = model.arithmetic == .float32
    // Adding the first zero is what makes a sum of -0 a plain 0 where all features are given.
    var sum = model.intercepts[output] + 0
    for place in range {
      let value = unsafe rows.values[place]
      if model.skipsMissing, value.isNaN { continue }
      let weight = model.coefficients[first + Int(unsafe rows.columns[place])]
      if isFloat {
        sum = Double(Float(sum) + Float(value) * Float(weight))
      } else {
        sum += value * weight
      }
    }
    return sum
  }
}
