import Features
import Models
import Scoring

extension FuzzTarget {
  /// Model files of all formats, bundles and preprocessing plans: what is read is scored.
  ///
  /// The formats are told by their content, as in a job; each has a name, and so a corpus, of its
  /// own.
  static let models =
    [
      "lightgbm", "xgboost-json", "xgboost-ubjson", "catboost", "onnx", "plain-model",
    ].map { name in FuzzTarget(name: name) { score($0) } } + [
      FuzzTarget(name: "archive", seeds: { archives }) { score(mended($0)) },
      FuzzTarget(name: "plan", seeds: { [unfitted] }, run: applyPlan),
      FuzzTarget(name: "fit-state", seeds: states, run: mergeState),
    ]

  private static func score(_ bytes: [UInt8]) {
    do throws(ModelError) {
      let model = try Model(bundle: bytes)
      score(model.scorer)
      do throws(ModelError) { _ = try model.explainedInputs() } catch { return }
      explain(model.scorer)
    } catch {
      require(
        !error.context.isEmpty && error.context.utf8.count < 16_384, "\(error.context.utf8.count)")
    }
  }

  private static let rowCount = 9
  private static let values: [Double] = [0, 1, -1, 3, 1e9, -1e300, .nan, .infinity, 0.5]
  private static let words = ["", "a", "1", "UA", "é", "a b a", "2024-02-29", "-", "x\n"]

  /// Calls a body with rows of odd values, as many as fit some megabytes.
  private static func withRows(_ inputs: [ModelInput], _ body: (FeatureTile) -> Void) {
    let inputCount = inputs.count
    guard inputCount <= 1 << 16 else { return }
    let numbers = (0..<inputCount * rowCount).map { values[($0 * 7 + $0 / rowCount) % 9] }
    let texts = words.map { Array($0.utf8) }
    unsafe texts.joined().withContiguous { bytes in
      var spans: [TextSpan] = unsafe []
      if inputs.contains(where: \.isText) {
        for index in 0..<inputCount * rowCount {
          let word = (index * 5 + index / rowCount) % 9
          let start = texts[..<word].reduce(0) { $0 + $1.count }
          unsafe spans.append(
            TextSpan(start: bytes.baseAddress.map { unsafe $0 + start }, count: texts[word].count))
        }
      }
      unsafe numbers.withUnsafeBufferPointer { numbers in
        unsafe spans.withUnsafeBufferPointer { spans in
          unsafe body(
            FeatureTile(numbers: numbers, texts: spans, stride: rowCount, rowCount: rowCount))
        }
      }
    }
  }

  private static func score(_ scorer: any Scorer) {
    let width = scorer.outputs.reduce(0) { $0 + $1.width }
    guard width <= 1 << 16 else { return }
    var scratch = ScoringScratch()
    var output = [Double](repeating: 0, count: width * rowCount)
    unsafe withRows(scorer.inputs) { tile in
      for mode in [ScoreMode.raw, .transformed] {
        unsafe output.withUnsafeMutableBufferPointer { output in
          unsafe scorer.score(tile, mode: mode, into: output, scratch: &scratch)
        }
      }
    }
  }

  private static func explain(_ scorer: any Scorer) {
    let width = scorer.explanationWidth
    guard (1...(1 << 12)).contains(width) else { return }
    var scratch = ScoringScratch()
    var output = [Double](repeating: 0, count: width * rowCount)
    unsafe withRows(scorer.inputs) { tile in
      unsafe output.withUnsafeMutableBufferPointer { output in
        unsafe scorer.explain(tile, into: output, scratch: &scratch)
      }
    }
  }

  // MARK: Archives

  /// Puts the checksums of an archive's headers right, so that what they hold is reached.
  private static func mended(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for start in stride(from: 0, to: max(0, bytes.count - 511), by: 512)
    where bytes[start + 257..<start + 262].elementsEqual("ustar".utf8) {
      for index in 148..<156 { bytes[start + index] = UInt8(ascii: " ") }
      let sum = bytes[start..<start + 512].reduce(0) { $0 + Int($1) }
      let digits = Array(String(sum, radix: 8).utf8)
      bytes.replaceSubrange(start + 148..<start + 148 + digits.count, with: digits)
    }
    return bytes
  }

  private static let linear = Array(
    #"{"model":"linear","features":["a","b"],"coefficients":[1,2],"intercept":0.5}"#.utf8)

  private static var archives: [[UInt8]] {
    [
      Archive.write([("model.json", linear), ("signature.json", Array("{}".utf8))]),
      Archive.write([("factors.json", Array(#"{"version":1}"#.utf8)), ("users.f32", [0, 0, 0, 0])]),
      Model.fittingFile(unfitted),
    ]
  }

  // MARK: Plans

  private static let unfitted = Array(
    #"""
    {"version":1,"steps":[{"op":"scale","inputs":["a"],"method":"robust"},
    {"op":"one_hot","inputs":["c"]},{"op":"impute","inputs":["b"],"strategy":"mean"},
    {"op":"tfidf","inputs":["t"],"outputs":["t_"]}]}
    """#.utf8)

  private static func applyPlan(_ bytes: [UInt8]) {
    do throws(ModelError) {
      let plan = try PreprocessPlan(bytes)
      if plan.isFitted {
        score(try PreprocessingScorer(plan, before: Wide(width: 40)))
      } else if let fitting = try Fitting.next(of: plan) {
        gather(fitting)
      }
    } catch {
      require(!error.context.isEmpty, "an error without words")
    }
  }

  private static func gather(_ fitting: Fitting) {
    var state = fitting.emptyState
    var scratch = ScoringScratch()
    unsafe withRows(fitting.inputs) { tile in
      unsafe state.update(tile, scratch: &scratch)
    }
    do throws(ModelError) {
      var total = fitting.emptyState
      try total.merge(encoded: state.encoded)
      require(total.encoded == state.encoded, "a state changes when it is written and read")
      _ = try total.finish()
    } catch {
      require(!error.context.isEmpty, "an error without words")
    }
  }

  /// What a worker says that it gathered, merged as often as may overflow something.
  private static func mergeState(_ bytes: [UInt8]) {
    guard let fitting = sampleFitting else { return }
    var state = fitting.emptyState
    do throws(ModelError) {
      for _ in 0..<4 { try state.merge(encoded: bytes) }
      _ = state.encoded
      _ = try state.finish()
    } catch {
      require(!error.context.isEmpty, "an error without words")
    }
  }

  private static let sampleFitting: Fitting? = {
    do throws(ModelError) {
      return try Fitting.next(of: PreprocessPlan(unfitted))
    } catch {
      fatalError("\(error)")
    }
  }()

  private static func states() -> [[UInt8]] {
    guard let fitting = sampleFitting else { return [] }
    var state = fitting.emptyState
    var scratch = ScoringScratch()
    unsafe withRows(fitting.inputs) { tile in
      unsafe state.update(tile, scratch: &scratch)
    }
    return [fitting.emptyState.encoded, state.encoded]
  }
}

/// A model of many features that gives their sum.
private struct Wide: Scorer {
  let width: Int

  var inputs: [ModelInput] {
    (0..<width).map { ModelInput(name: "f\($0)", kind: .numeric, isUsed: true) }
  }
  var outputs: [ModelOutput] { [ModelOutput(name: "sum", kind: .float64, width: 1)] }
  var summary: ScorerSummary { ScorerSummary(sizes: [], kernels: []) }

  func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    for row in 0..<(unsafe tile.rowCount) {
      unsafe output[row] = (0..<width).reduce(0) { sum, input in
        unsafe sum + tile.numbers[input * tile.stride + row]
      }
    }
  }
}

extension Sequence<UInt8> {
  /// Its bytes, one after the other in memory.
  fileprivate func withContiguous(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    unsafe Array(self).withUnsafeBufferPointer { unsafe body($0) }
  }
}
