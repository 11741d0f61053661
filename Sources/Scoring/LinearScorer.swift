package import Models

/// Scores rows with weighted sums of the inputs.
///
/// Sums run over the inputs in their order, each product rounded before it is added, so that the
/// bits do not depend on the CPU or on how rows are grouped.
package struct LinearScorer: Scorer {
  package let inputs: [ModelInput]
  package let outputs: [ModelOutput]
  package let objective: Objective
  let model: LinearModel

  /// Prepares a model.
  ///
  /// - Parameters:
  ///   - model: the weights.
  ///   - inputs: one for each feature.
  ///   - objective: what makes predictions of the sums.
  ///   - output: what the predictions are; nil for `prediction`.
  package init(
    _ model: LinearModel, inputs: [ModelInput], objective: Objective, output: ModelOutput? = nil
  ) {
    precondition(inputs.count == model.featureCount)
    precondition(output == nil || output?.width == model.outputCount)
    self.model = model
    self.inputs = inputs
    self.objective = objective
    let isFloat = model.arithmetic == .float32
    let prediction = ModelOutput(
      name: "prediction", kind: isFloat ? .float32 : .float64, width: model.outputCount)
    outputs = [output ?? prediction]
  }

  package var summary: ScorerSummary {
    ScorerSummary(
      sizes: [("parameters", model.coefficients.count + model.intercepts.count)],
      kernels: ["linear: one input at a time for all rows"])
  }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let width = model.outputCount
    let rowCount = unsafe tile.rowCount
    guard rowCount > 0 else { return }
    unsafe tile.requireNumbers(inputCount: inputs.count)
    precondition(output.count >= rowCount * width)
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let blockRowCount = 256
    let sums = unsafe scratch.reserve(Double.self, count: blockRowCount)
    for start in stride(from: 0, to: rowCount, by: blockRowCount) {
      let rows = start..<min(start + blockRowCount, rowCount)
      for index in 0..<width {
        unsafe add(tile, rows: rows, output: index, to: sums)
        for row in rows { unsafe output[row * width + index] = sums[row - start] }
      }
    }
    guard mode == .transformed else { return }
    for row in 0..<rowCount {
      unsafe objective.transform(
        UnsafeMutableBufferPointer(rebasing: output[row * width..<(row + 1) * width]))
    }
  }

  /// One output's sums for some rows.
  private func add(
    _ tile: FeatureTile, rows: Range<Int>, output: Int, to sums: UnsafeMutablePointer<Double>
  ) {
    unsafe sums.update(repeating: model.intercepts[output], count: rows.count)
    let first = output * model.featureCount
    for feature in 0..<model.featureCount {
      let weight = model.coefficients[first + feature]
      let start = unsafe feature * tile.stride + rows.lowerBound
      let values = unsafe UnsafeBufferPointer(
        rebasing: tile.numbers[start..<start + rows.count])
      switch (model.arithmetic, model.skipsMissing) {
      case (.float64, false):
        for row in values.indices { unsafe sums[row] += values[row] * weight }
      case (.float64, true):
        for row in values.indices where unsafe !values[row].isNaN {
          unsafe sums[row] += values[row] * weight
        }
      case (.float32, let skipsMissing):
        let weight = Float(weight)
        for row in values.indices where unsafe !(skipsMissing && values[row].isNaN) {
          let product = unsafe Float(values[row]) * weight
          unsafe sums[row] = Double(Float(sums[row]) + product)
        }
      }
    }
  }

  package var explanationWidth: Int { model.outputCount * (model.featureCount + 1) }

  /// Explains rows: weight · (value − mean) for each input, and the sum of a row of means.
  ///
  /// What is skipped as missing contributes nothing.
  package func explain(
    _ tile: FeatureTile, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let rowCount = unsafe tile.rowCount
    guard rowCount > 0 else { return }
    unsafe tile.requireNumbers(inputCount: inputs.count)
    precondition(output.count >= rowCount * explanationWidth)
    for index in 0..<model.outputCount {
      let first = index * model.featureCount
      var expected = model.intercepts[index]
      for feature in 0..<model.featureCount {
        expected += model.means[feature] * model.coefficients[first + feature]
      }
      for row in 0..<rowCount {
        let place = row * explanationWidth + index * (model.featureCount + 1)
        for feature in 0..<model.featureCount {
          let value = unsafe tile.numbers[feature * tile.stride + row]
          let isSkipped = model.skipsMissing && value.isNaN
          unsafe output[place + feature] =
            isSkipped ? 0 : (value - model.means[feature]) * model.coefficients[first + feature]
        }
        unsafe output[place + model.featureCount] = expected
      }
    }
  }
}

extension FeatureTile {
  /// Checks that the numbers of all inputs are there.
  func requireNumbers(inputCount: Int) {
    guard unsafe rowCount > 0, inputCount > 0 else { return }
    precondition(unsafe numbers.count >= (inputCount - 1) * stride + rowCount)
  }
}
