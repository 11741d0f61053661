internal import CKernels
internal import Models
internal import Scoring

/// N-grams of texts hashed into `buckets` columns, `<output>_0` and so on: scikit-learn's
/// `HashingVectorizer`.
///
/// For analyzers see `NGramCutter`, for weights `CountWeights`; `signed` is true unless said. A
/// missing text has no n-grams.
struct HashText: Operation {
  private let cutter: NGramCutter
  private let weights: CountWeights
  private let bucketCount: Int
  private let isSigned: Bool

  init(_ fields: inout StepFields) throws(ModelError) {
    cutter = try NGramCutter(&fields)
    weights = try CountWeights(&fields, hasSublinear: false)
    bucketCount = try fields.required("buckets").integer(in: 1...PlanLimits.featureCount)
    isSigned = try fields.flag("signed", default: true)
  }

  var rawKind: ColumnKind { .text }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    var made: [ProgramBuilder.Block] = []
    for (index, name) in step.inputs.enumerated() {
      let source = try builder.text(name, step)
      let first = try builder.makeValues(bucketCount)
      builder.append(
        NGramInstruction(
          source: source, columns: (0..<bucketCount).map { first + ValueID($0) }, cutter: cutter,
          weights: weights, terms: nil, factors: [], isSigned: isSigned,
          firstCell: builder.makeCells(bucketCount)))
      made.append(
        ProgramBuilder.Block(
          prefix: step.outputs[index], first: first, count: bucketCount
        ) { Int($0) })
    }
    for block in made { builder.define(block) }
  }
}

/// N-grams of texts that are in a list of terms, each a column `<output>_<term>`, by how often they
/// occur times how rare they are: scikit-learn's `TfidfVectorizer`.
///
/// For analyzers see `NGramCutter`, for weights `CountWeights`. The rarity is 1 + ln((1 + rows) /
/// (1 + rows with the term)), or with `smooth` false 1 + ln(rows / rows with the term), or 1 with
/// `idf` false. Fitting keeps the terms in at least `min_rows` rows, in at most `max_share` of all,
/// and of these the `max_terms` that occur most. Fitted: `terms` in ascending order and `idf`, a
/// list of each for each input.
struct TermWeights: Operation {
  private let cutter: NGramCutter
  private let weights: CountWeights
  private let hasRarity: Bool
  private let isSmooth: Bool
  private let leastRowCount: Int
  private let mostShare: Double
  private let termLimit: Int
  private let lists: [(terms: TermList, factors: [Double])]?

  init(_ fields: inout StepFields, inputCount: Int) throws(ModelError) {
    cutter = try NGramCutter(&fields)
    weights = try CountWeights(&fields, hasSublinear: true)
    hasRarity = try fields.flag("idf", default: true)
    isSmooth = try fields.flag("smooth", default: true)
    leastRowCount = try fields.integer("min_rows", in: 1...Int.max >> 1, default: 1)
    mostShare = try fields.finite("max_share", default: 1)
    termLimit = try fields.integer(
      "max_terms", in: 1...PlanLimits.featureCount, default: PlanLimits.featureCount)
    guard var fitted = try fields.fitted() else {
      lists = nil
      return
    }
    let terms = try fitted.required("terms").list(count: inputCount)
    let factors = try fitted.required("idf").list(count: inputCount)
    try fitted.finish()
    var lists: [(TermList, [Double])] = []
    for (list, numbers) in zip(terms, factors) {
      lists.append((try Self.terms(list), try numbers.finiteNumbers(count: list.count)))
    }
    self.lists = lists
  }

  private static func terms(_ list: DocumentValue) throws(ModelError) -> TermList {
    guard list.kind == .array, !list.isNumbers || list.count == 0 else {
      throw list.error("expected an array of terms")
    }
    guard list.count <= PlanLimits.featureCount else {
      throw list.error(
        "\(list.count) terms, the limit is \(PlanLimits.featureCount)", code: .limitExceeded)
    }
    let texts = list.count == 0 ? [] : try list.elements()
    let bytes = try texts.map { (text) throws(ModelError) in try text.stringBytes() }
    guard let terms = TermList(bytes) else { throw list.error("a term stands there twice") }
    return terms
  }

  var isFitted: Bool { lists != nil }
  var rawKind: ColumnKind { .text }
  var gathering: Gathering? { .terms(cutter) }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    guard let lists else { return }
    var made: [ProgramBuilder.Block] = []
    for (index, name) in step.inputs.enumerated() {
      let source = try builder.text(name, step)
      let (terms, factors) = lists[index]
      let first = try builder.makeValues(terms.count)
      builder.append(
        NGramInstruction(
          source: source, columns: (0..<terms.count).map { first + ValueID($0) }, cutter: cutter,
          weights: weights, terms: terms, factors: factors, isSigned: false,
          firstCell: builder.makeCells(terms.count)))
      made.append(
        ProgramBuilder.Block(prefix: step.outputs[index], first: first, count: terms.count) {
          name in terms.find(Array(name.utf8)[...])
        })
    }
    for block in made { builder.define(block) }
  }

  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue {
    var (lists, factors): ([FittedValue], [FittedValue]) = ([], [])
    for column in statistics {
      let rowCount = Double(column.rowCount)
      var terms = column.categories.sorted.filter { term in
        term.count >= Double(leastRowCount) && term.count <= mostShare * rowCount
      }
      if terms.count > termLimit {
        let ranked = terms.indices.sorted { one, other in
          terms[one].occurrenceCount == terms[other].occurrenceCount
            ? one < other : terms[one].occurrenceCount > terms[other].occurrenceCount
        }
        terms = ranked.prefix(termLimit).sorted().map { terms[$0] }
      }
      lists.append(.array(terms.map(\.value)))
      factors.append(.numbers(terms.map { rarity($0.count, rowCount) }))
    }
    return .object([("terms", .array(lists)), ("idf", .array(factors))])
  }

  private func rarity(_ count: Double, _ rowCount: Double) -> Double {
    guard hasRarity else { return 1 }
    let ratio = isSmooth ? (1 + rowCount) / (1 + count) : rowCount / count
    return naturalLog(ratio) + 1
  }
}

/// Counts and weighs the n-grams of a column of texts.
private struct NGramInstruction: Instruction {
  private var source: ValueID
  private var columns: [ValueID]
  private let cutter: NGramCutter
  private let weights: CountWeights
  private let terms: TermList?
  private let factors: [Double]
  private let isSigned: Bool
  private let firstCell: Int
  private var isSparse = false

  init(
    source: ValueID, columns: [ValueID], cutter: NGramCutter, weights: CountWeights,
    terms: TermList?, factors: [Double], isSigned: Bool, firstCell: Int
  ) {
    self.source = source
    self.columns = columns
    self.cutter = cutter
    self.weights = weights
    self.terms = terms
    self.factors = factors
    self.isSigned = isSigned
    self.firstCell = firstCell
  }

  var sources: [ValueID] { [source] }
  var targets: [ValueID] { columns }

  mutating func place(_ places: [Int32]) {
    source = places[Int(source)]
    columns.place(places)
  }

  var canBeSparse: Bool { true }

  mutating func makeSparse() { isSparse = true }

  func run(_ frame: Frame, scratch: inout ScoringScratch) {
    if !isSparse { unsafe frame.clear(columns) }
    let texts = unsafe frame.text(source)
    unsafe CharacterTables.shared.withTables { tables in
      for row in 0..<(unsafe frame.rowCount) {
        guard let start = unsafe texts[row].start else { continue }
        let mark = scratch.mark
        let cuts = unsafe cutter.cut(
          start, count: texts[row].count, tables, scratch: &scratch)
        unsafe add(cuts, row: row, frame, scratch: &scratch)
        scratch.release(to: mark)
      }
    }
  }

  private func add(
    _ cuts: NGramCutter.Cuts, row: Int, _ frame: Frame, scratch: inout ScoringScratch
  ) {
    let room = min(columns.count, unsafe cuts.count)
    guard room > 0 else { return }
    let touched = unsafe scratch.reserve(UInt32.self, count: room)
    let values = unsafe scratch.reserve(Double.self, count: room)
    let cells = unsafe frame.cells + firstCell
    let stamp = unsafe frame.stamp &+ UInt32(row) &+ 1
    let count: Int
    if let terms {
      count = unsafe terms.withTerms { terms in
        unsafe ns_text_count(
          terms, UInt32(columns.count), 0, cuts.bytes, cuts.spans, cuts.count, stamp, cells,
          touched)
      }
    } else {
      count = unsafe ns_text_count(
        nil, UInt32(columns.count), isSigned ? 1 : 0, cuts.bytes, cuts.spans, cuts.count, stamp,
        cells, touched)
    }
    let list = unsafe UnsafeBufferPointer(start: touched, count: count)
    unsafe factors.withUnsafeBufferPointer { factors in
      unsafe weights.weigh(
        cells, list, factors: factors.isEmpty ? nil : factors.baseAddress, into: values,
        isa: frame.isa)
    }
    for index in list.indices {
      let column = columns[Int(unsafe list[index])]
      guard column >= 0 else { continue }
      if isSparse {
        unsafe frame.entries?.pointee.add(row: row, column: column, values[index])
      } else {
        unsafe frame.target(column)[row] = values[index]
      }
    }
  }
}

/// ln(x) of our own kernel, the same everywhere.
func naturalLog(_ number: Double) -> Double {
  var value = number
  var step = unsafe ns_feature_step(kind: ns_feature_log, table_count: 0, a: 0, b: 0, table: nil)
  var result = 0.0
  unsafe ns_feature_chain(&value, &result, 1, &step, 1, ns_isa_portable)
  return result
}
