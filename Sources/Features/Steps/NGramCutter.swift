internal import CKernels
internal import Models
internal import Scoring

/// How texts are cut into n-grams.
///
/// `analyzer`: `word` (words of at least `least_characters` letters, digits and low lines, 2 unless
/// said, joined by one space), `char` (characters, blanks in a row being one), or `char_wb` (those
/// of each word with a space around it). `ngrams`: fewest and most units of one, [1, 1] unless
/// said. `lowercase`: true unless said. These are scikit-learn's analyzers of the same names with
/// its standard token pattern.
struct NGramCutter: Equatable, Sendable {
  private let analyzer: Analyzer
  private let smallest: UInt32
  private let largest: UInt32
  private let isLower: Bool
  private let leastCount: UInt32

  enum Analyzer: String, CaseIterable {
    case word, char
    case charWithinWords = "char_wb"
  }

  init(_ fields: inout StepFields) throws(ModelError) {
    analyzer = try fields.word("analyzer", default: .word)
    isLower = try fields.flag("lowercase", default: true)
    leastCount = UInt32(try fields.integer("least_characters", in: 1...64, default: 2))
    guard let member = try fields.optional("ngrams") else {
      (smallest, largest) = (1, 1)
      return
    }
    let range = try member.integers(count: 2, in: 1...PlanLimits.ngramLength)
    guard range[0] <= range[1] else { throw member.error("the first is above the second") }
    (smallest, largest) = (UInt32(range[0]), UInt32(range[1]))
  }

  /// The n-grams of one text; valid until the memory is released.
  @unsafe struct Cuts {
    let bytes: UnsafePointer<UInt8>
    /// Pairs of begin and end among the bytes.
    let spans: UnsafePointer<UInt32>
    let count: Int
  }

  private var kind: ns_unit_kind {
    switch analyzer {
    case .word: ns_units_words
    case .char: ns_units_characters
    case .charWithinWords: ns_units_word_characters
    }
  }

  /// Cuts one text; memory comes from the scratch and stays reserved.
  func cut(
    _ start: UnsafePointer<UInt8>, count: Int, _ tables: UnsafePointer<ns_characters>,
    scratch: inout ScoringScratch
  ) -> Cuts {
    let room = 3 * count + 2
    let bytes = unsafe scratch.reserve(UInt8.self, count: room)
    let unitRoom = analyzer == .charWithinWords ? room : count + 2
    let starts = unsafe scratch.reserve(UInt32.self, count: unitRoom)
    let ends = unsafe scratch.reserve(UInt32.self, count: unitRoom)
    let unitCount = unsafe ns_text_units(
      tables, kind, isLower ? 1 : 0, leastCount, start, count, bytes, starts, ends)
    let spanRoom = 2 * unitCount * Int(largest - smallest + 1)
    let spans = unsafe scratch.reserve(UInt32.self, count: spanRoom)
    let spanCount = unsafe ns_text_ngrams(
      kind, smallest, largest, starts, ends, unitCount, spans)
    return unsafe Cuts(bytes: bytes, spans: spans, count: spanCount)
  }
}

/// What is made of the number of times that an n-gram occurs in a text.
struct CountWeights: Sendable {
  private let isBinary: Bool
  private let isSublinear: Bool
  private let norm: Norm

  enum Norm: String, CaseIterable {
    case l1, l2, none
  }

  /// Reads `binary` (any count is 1), `sublinear` (1 + ln of the count) and `norm` (`l2` unless
  /// said).
  init(_ fields: inout StepFields, hasSublinear: Bool) throws(ModelError) {
    isBinary = try fields.flag("binary", default: false)
    isSublinear = try hasSublinear ? fields.flag("sublinear", default: false) : false
    norm = try fields.word("norm", default: .l2)
  }

  /// Weighs the counts of one row.
  ///
  /// - Parameters:
  ///   - cells: the counts.
  ///   - touched: which of them, and where their weights go.
  ///   - factors: one for each column, or none.
  ///   - weights: room for one for each of `touched`.
  ///   - isa: which kernels run.
  func weigh(
    _ cells: UnsafePointer<ns_count_cell>, _ touched: UnsafeBufferPointer<UInt32>,
    factors: UnsafePointer<Double>?, into weights: UnsafeMutablePointer<Double>, isa: ns_isa
  ) {
    var sum = 0.0
    for index in touched.indices {
      let column = unsafe touched[index]
      var weight = Double(unsafe cells[Int(column)].sum)
      if isBinary { weight = 1 }
      unsafe weights[index] = weight
    }
    if isSublinear {
      // A count is at least 1 here: nothing is signed.
      var step = unsafe ns_feature_step(
        kind: ns_feature_log, table_count: 0, a: 0, b: 0, table: nil)
      unsafe ns_feature_chain(weights, weights, touched.count, &step, 1, isa)
      for index in touched.indices { unsafe weights[index] += 1 }
    }
    for index in touched.indices {
      let column = unsafe touched[index]
      if let factors = unsafe factors { unsafe weights[index] *= factors[Int(column)] }
      let weight = unsafe weights[index]
      sum += norm == .l1 ? abs(weight) : weight * weight
    }
    guard norm != .none, sum > 0 else { return }
    let divisor = norm == .l1 ? sum : sum.squareRoot()
    for index in touched.indices { unsafe weights[index] /= divisor }
  }
}
