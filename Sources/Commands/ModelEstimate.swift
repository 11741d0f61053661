import Models
import Scoring

/// A short measurement of how fast a model is here.
enum ModelEstimate {
  /// Rows of a tile, as workers have them.
  private static let rowCount = 1_024
  private static let duration = Duration.milliseconds(200)

  /// Scores random rows for a moment; only the best of the tiles counts, as others use the machine
  /// too.
  static func rowsPerSecond(of model: Model) -> Double? {
    var random = SplitMix(state: 1)
    let numbers = model.inputs.flatMap { input in
      (0..<rowCount).map { _ in value(of: input, &random) }
    }
    let words = (0..<256).map { "word \($0) of some text" }
    var outputs = Array(repeating: 0.0, count: rowCount * model.outputCount)
    var scratch = ScoringScratch()
    let clock = ContinuousClock()
    let started = clock.now
    var best: Duration?
    unsafe withTexts(
      words, inputCount: model.inputs.contains { $0.isText } ? model.inputs.count : 0
    ) { texts in
      unsafe numbers.withUnsafeBufferPointer { numbers in
        unsafe outputs.withUnsafeMutableBufferPointer { outputs in
          let tile = unsafe FeatureTile(
            numbers: numbers, texts: texts, stride: rowCount, rowCount: rowCount)
          repeat {
            let begin = clock.now
            unsafe model.score(tile, mode: .transformed, into: outputs, scratch: &scratch)
            let time = clock.now - begin
            best = min(best ?? time, time)
          } while clock.now - started < duration
        }
      }
    }
    guard let best, best > .zero else { return nil }
    return Double(rowCount) / (best / .seconds(1))
  }

  private static func value(of input: ModelInput, _ random: inout SplitMix) -> Double {
    let uniform = Double(random.next() >> 11) * 0x1p-53
    switch input.kind {
    case .categorical(let table?): return (uniform * Double(table.categories.count)).rounded(.down)
    case .categorical(nil): return (uniform * 32).rounded(.down)
    // Spread over all sizes, as thresholds may be anywhere.
    case .numeric, .text: return (uniform - 0.5) * Double(1 << (random.next() % 12))
    }
  }

  /// Texts of a tile: the words in turn.
  private static func withTexts(
    _ words: [String], inputCount: Int, _ body: (UnsafeBufferPointer<TextSpan>) -> Void
  ) {
    let bytes = Array(words.joined().utf8)
    let lengths = words.map(\.utf8.count)
    unsafe bytes.withUnsafeBufferPointer { bytes in
      var spans: [TextSpan] = unsafe []
      var start = 0
      for index in 0..<inputCount * rowCount {
        let length = lengths[index % lengths.count]
        if index % lengths.count == 0 { start = 0 }
        unsafe spans.append(
          TextSpan(start: bytes.baseAddress.map { unsafe $0 + start }, count: length))
        start += length
      }
      unsafe spans.withUnsafeBufferPointer { unsafe body($0) }
    }
  }

  /// SplitMix64 (Steele, Lea, Flood 2014): the same rows every time.
  private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
      return mixed ^ (mixed >> 31)
    }
  }
}
