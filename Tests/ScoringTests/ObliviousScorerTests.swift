import Models
import Scoring
import Testing

/// Equality of all ways to score oblivious trees.
struct ObliviousScorerTests {
  /// Trees of at most 8 levels on each set of instructions against the loop over levels; with one
  /// deeper tree that loop is all there is.
  @Test(arguments: [1, 3], [0, 1, 6, 8, 9])
  func everyKernelGivesTheSameBits(outputCount: Int, deepest: Int) throws {
    var random = SplitMix(state: UInt64(10 * deepest + outputCount))
    let sample = ObliviousSample(outputCount: outputCount, deepest: deepest, using: &random)
    let wanted = try sample.bits(instructions: .best, goesByLevels: true, rowCount: 1_100)
    for instructions in InstructionSet.available {
      let scorer = try sample.scorer(instructions: instructions, goesByLevels: false)
      let prefix = deepest > 8 ? "oblivious: level by level" : "oblivious ranks (\(instructions))"
      #expect(scorer.summary.kernels[0].hasPrefix(prefix))
      for count in [0, 1, 511, 512, 513, 1_024, 1_100] {
        let bits = try sample.bits(
          instructions: instructions, goesByLevels: false, rowCount: count)
        #expect(bits == Array(wanted.prefix(count * outputCount)), "\(instructions), \(count) rows")
      }
    }
  }
}

/// Random trees over three numbers and two texts, and rows for them.
private struct ObliviousSample {
  private var ensemble: ObliviousEnsemble
  private let inputs: [ModelInput]
  private var numbers: [Double] = []
  private var words: [Int] = []
  private static let stride = 1_103
  private static let vocabulary = ["", "ab", "cde", "f g"].map { Array($0.utf8) }

  init(outputCount: Int, deepest: Int, using random: inout SplitMix) {
    ensemble = ObliviousEnsemble(featureCount: 5, outputCount: outputCount)
    inputs = (0..<5).map { index in
      ModelInput(name: "f\(index)", kind: index < 3 ? .numeric : .text, isUsed: true)
    }
    for tree in 0..<70 {
      let depth = tree == 40 ? deepest : Int.random(in: 0...min(deepest, 8), using: &random)
      ensemble.append(
        levels: (0..<depth).map { _ in Self.level(using: &random) },
        values: (0..<outputCount << depth).map { _ in Double.random(in: -1...1, using: &random) })
    }
    let special = [.nan, .infinity, -.infinity, -0.0, 0, 0.1, 1e-40, 1e300]
    for _ in 0..<5 * Self.stride {
      let isSpecial = Int.random(in: 0..<4, using: &random) == 0
      numbers.append(
        isSpecial
          ? special[Int.random(in: 0..<special.count, using: &random)]
          : Double(Int.random(in: -400...400, using: &random)) / 128)
      words.append(Int.random(in: 0..<Self.vocabulary.count, using: &random))
    }
  }

  private static func level(using random: inout SplitMix) -> ObliviousEnsemble.Level {
    let feature = Int.random(in: 0..<5, using: &random)
    if feature >= 3 {
      let word = vocabulary[Int.random(in: 0..<vocabulary.count, using: &random)]
      let hash = unsafe word.withUnsafeBytes { unsafe CityHash.hash64($0) }
      return ObliviousEnsemble.Level(
        feature: feature, question: .hash(UInt32(truncatingIfNeeded: hash)))
    }
    // Many borders of feature 1, few of the others; each feature has its own way with NaN.
    let limit = feature == 1 ? 400 : 5
    let border = Float(Int.random(in: -limit...limit, using: &random)) / 128
    return ObliviousEnsemble.Level(
      feature: feature, question: .above(border, ifMissing: feature == 2))
  }

  func scorer(
    instructions: InstructionSet, goesByLevels: Bool
  ) throws -> ObliviousScorer {
    try ObliviousScorer(
      ensemble, inputs: inputs, objective: .custom, instructions: instructions,
      goesByLevels: goesByLevels)
  }

  func bits(
    instructions: InstructionSet, goesByLevels: Bool, rowCount: Int
  ) throws -> [UInt64] {
    let scorer = try scorer(instructions: instructions, goesByLevels: goesByLevels)
    var output = Array(repeating: -1.0, count: rowCount * ensemble.outputCount)
    var scratch = ScoringScratch()
    let bytes = Array(Self.vocabulary.joined()) + [0]
    let starts = Self.vocabulary.indices.map { index in
      Self.vocabulary.prefix(index).reduce(0) { $0 + $1.count }
    }
    unsafe bytes.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return }
      let texts = unsafe words.map { word in
        unsafe TextSpan(start: base + starts[word], count: Self.vocabulary[word].count)
      }
      unsafe texts.withUnsafeBufferPointer { texts in
        unsafe numbers.withUnsafeBufferPointer { numbers in
          unsafe output.withUnsafeMutableBufferPointer { output in
            unsafe scorer.score(
              FeatureTile(
                numbers: numbers, texts: texts, stride: Self.stride, rowCount: rowCount),
              mode: .raw, into: output, scratch: &scratch)
          }
        }
      }
    }
    return output.map(\.bitPattern)
  }
}
