import Models
import Scoring
import Testing

/// Equality of all ways to score trees, on real models.
struct InstructionTests {
  /// Models of every kind of split, on each set of instructions that this CPU has.
  @Test(arguments: Fixture.all)
  func everyKernelGivesTheSameBits(fixture: Fixture) throws {
    let model = try LightGBMModel(fixture.modelBytes())
    let expected = try fixture.expectation()
    let rows = (0..<1_100).map { expected.rows[$0 % expected.rows.count] }
    let many = Expectation(columns: expected.columns, rows: rows)
    let walking = try TreeScorer(
      model.ensemble, inputs: model.inputs, objective: model.objective, walks: true)
    var scratch = ScoringScratch()
    let features = try many.features(
      for: Model(lightGBM: fixture.modelBytes()), stride: rows.count)
    let wanted = walking.bits(features, stride: rows.count, rowCount: rows.count, &scratch)
    for instructions in InstructionSet.available {
      let scorer = try TreeScorer(
        model.ensemble, inputs: model.inputs, objective: model.objective,
        instructions: instructions)
      let isLinear = model.ensemble.trees.contains { $0.firstLinearLeaf != nil }
      #expect(scorer.summary.kernels[0].hasPrefix(isLinear ? "walk" : "ranks"))
      for count in [0, 1, 511, 512, 513, 1_024, 1_100] {
        let bits = scorer.bits(features, stride: rows.count, rowCount: count, &scratch)
        #expect(
          bits == Array(wanted.prefix(count * model.ensemble.outputCount)),
          "\(instructions), \(count) rows")
      }
    }
  }

  @Test func theBestInstructionsAreAvailable() {
    #expect(InstructionSet.available.first == .portable)
    #expect(InstructionSet.available.contains(.best))
  }
}

extension Scorer {
  /// The raw scores' bits, the sign of NaN left out.
  fileprivate func bits(
    _ features: [Double], stride: Int, rowCount: Int, _ scratch: inout ScoringScratch
  ) -> [UInt64] {
    var output = Array(repeating: -1.0, count: rowCount * outputs[0].width)
    unsafe features.withUnsafeBufferPointer { features in
      unsafe output.withUnsafeMutableBufferPointer { output in
        unsafe score(
          FeatureTile(numbers: features, stride: stride, rowCount: rowCount), mode: .raw,
          into: output, scratch: &scratch)
      }
    }
    return output.map { $0.isNaN ? Double.nan.bitPattern : $0.bitPattern }
  }
}
