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

  /// Sums of multiples stay within half a unit for each tree, and are the same everywhere.
  @Test(arguments: ["binary", "multiclass", "many_leaves", "missing_mixed", "categories_large"])
  func fastSumsKeepTheirBound(name: String) throws {
    let fixture = Fixture.named(name)
    let ensemble = try LightGBMModel(fixture.modelBytes()).ensemble
    let expected = try fixture.expectation()
    let rowCount = expected.rows.count
    let exact = try Model(fixture.modelBytes())
    let features = try expected.features(for: exact, stride: rowCount)
    var scratch = ScoringScratch()
    let wanted = exact.scores(
      features, stride: rowCount, rowCount: rowCount, mode: .raw, scratch: &scratch)
    // The unit's definition, with all trees on one output: no output's unit is larger.
    let largest = ensemble.trees.reduce(0.0) { sum, tree in
      sum + (ensemble.leafValues[tree.leaves].map(abs).max() ?? 0)
    }
    let bound = Double(ensemble.trees.count) * largest * 0x1p-30
    var bits: Set<[UInt64]> = []
    for instructions in InstructionSet.available {
      let scorer = try TreeScorer(
        ensemble, inputs: exact.inputs, objective: .custom, instructions: instructions,
        summation: .fast)
      #expect(scorer.summary.kernels[0].contains("fast sums"))
      let found = scorer.bits(features, stride: rowCount, rowCount: rowCount, &scratch)
      bits.insert(found)
      for (value, exact) in zip(found.map { Double(bitPattern: $0) }, wanted) {
        #expect(abs(value - exact) <= bound)
      }
      #expect(found != wanted.map(\.bitPattern))
    }
    #expect(bits.count == 1)
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
