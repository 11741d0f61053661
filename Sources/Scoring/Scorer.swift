package import Models

/// One way of turning inputs into outputs, row by row.
///
/// Immutable: any number of threads may score with it, each with a scratch of its own. A row's
/// outputs depend on nothing but the row: not on the rows beside it, their number, or the CPU.
package protocol Scorer: Sendable {
  /// What it wants to be given, in the order of its features.
  var inputs: [ModelInput] { get }

  /// What it gives for a row.
  var outputs: [ModelOutput] { get }

  /// How large it is and what runs it.
  var summary: ScorerSummary { get }

  /// Scores rows.
  ///
  /// - Parameters:
  ///   - tile: the values of all inputs; those that are not used may hold anything.
  ///   - mode: raw sums or predictions; the same outputs.
  ///   - output: for each row the numbers of all outputs, row after row.
  ///   - scratch: memory that may be used again for the next call, with any scorer.
  func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch)

  /// How many numbers explain a row: for each number of the outputs one for each input, and one
  /// more for what a row gets before anything is known of it. 0 if rows cannot be explained.
  var explanationWidth: Int { get }

  /// Makes what explaining needs, which may take time.
  ///
  /// - Throws: `ModelError` if the model cannot be explained.
  func prepareToExplain() throws(ModelError)

  /// Explains rows by what each input contributes to the raw scores.
  ///
  /// - Parameters:
  ///   - tile: the values of all inputs.
  ///   - output: `explanationWidth` numbers for each row, row after row: the contributions to the
  ///     first number of the outputs, in the order of the inputs, then its expected value; then
  ///     those to the second. They add up to the raw score.
  ///   - scratch: memory that may be used again.
  func explain(
    _ tile: FeatureTile, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch)
}

extension Scorer {
  package var explanationWidth: Int { 0 }

  package func prepareToExplain() throws(ModelError) {}

  package func explain(
    _ tile: FeatureTile, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    preconditionFailure("this scorer explains nothing")
  }
}

/// What a scorer is made of, for people.
package struct ScorerSummary: Equatable, Sendable {
  /// Trees, leaves, layers, parameters and the like, each with its number.
  package var sizes: [(name: String, count: Int)]

  /// What runs it and why, one line for each step.
  package var kernels: [String]

  package init(sizes: [(name: String, count: Int)], kernels: [String]) {
    self.sizes = sizes
    self.kernels = kernels
  }

  /// The number of a size, 0 if it has none of that name.
  package subscript(name: String) -> Int { sizes.first { $0.name == name }?.count ?? 0 }

  package static func == (one: ScorerSummary, other: ScorerSummary) -> Bool {
    one.kernels == other.kernels && one.sizes.elementsEqual(other.sizes) { $0 == $1 }
  }
}

/// What scores are wanted.
package enum ScoreMode: Sendable {
  /// What comes before the last function: sums over trees, log-odds.
  case raw
  /// Predictions as the library's `predict` (or `predict_proba`) gives them.
  case transformed
}

/// The values of all inputs of a scorer for some rows, input after input.
@unsafe package struct FeatureTile {
  /// The value of input i in row r is `numbers[i * stride + r]`: NaN if it is missing, the code of
  /// a category; anything for an input that is text.
  package let numbers: UnsafeBufferPointer<Double>
  /// The text of input i in row r is `texts[i * stride + r]`; empty if no input is text.
  package let texts: UnsafeBufferPointer<TextSpan>
  /// From one input to the next, at least `rowCount`.
  package let stride: Int
  /// How many rows; any number, 0 included.
  package let rowCount: Int

  package init(
    numbers: UnsafeBufferPointer<Double>,
    texts: UnsafeBufferPointer<TextSpan> = unsafe UnsafeBufferPointer(start: nil, count: 0),
    stride: Int, rowCount: Int
  ) {
    precondition(stride >= rowCount)
    unsafe self.numbers = numbers
    unsafe self.texts = texts
    unsafe self.stride = stride
    unsafe self.rowCount = rowCount
  }
}

/// A text that somebody else keeps, in UTF-8; missing where it has no start.
@unsafe package struct TextSpan {
  package var start: UnsafePointer<UInt8>?
  package var count: Int

  package init(start: UnsafePointer<UInt8>?, count: Int) {
    unsafe self.start = start
    unsafe self.count = count
  }

  /// A text that is not there.
  package static var missing: TextSpan { unsafe TextSpan(start: nil, count: 0) }
}
