import Compression
import Failpoints
import Features
import Jobs
import Models
import Scoring
import Tables

/// Turns tiles of records into lines of results and of errors; one for each scoring thread.
///
/// Holds all memory that scoring needs, so that nothing is allocated for a record.
@safe struct TileScorer: ~Copyable {
  let context: JobContext
  private let inputPath: String
  private var mode: ScoreMode
  /// Of the tile that was evaluated last: inputs × `RecordTile.recordLimit`, input after input.
  private(set) var features: [Double]
  /// The same for inputs that are text, valid while a tile is evaluated; empty if none is.
  private var texts: [TextSpan]
  /// Of that tile: records × outputs, record after record.
  private(set) var outputs: [Double]
  /// Of that tile: records × the numbers that explain one, if asked for.
  private var explanations: [Double]
  /// For each input the records whose field is no number: bit i % 64 of word i / 64.
  private var failures: [UInt64]
  /// Runs of neighbouring inputs that are numbers, with their columns.
  private let numericRuns: [(firstInput: Int, columns: [UInt32])]
  /// Records of that tile that are errors, or whose prediction is not all numbers.
  private var suspects = RecordSet()
  /// Tells which records are scored; nil for all.
  private var sieve: RecordSieve?
  private var scratch = ScoringScratch()
  private var rows: RowWriter
  /// Where results are columns, what writes them in place of `rows`.
  private var columns: ColumnarRowWriter?
  /// Where they are lines, what checks values whose types the job says.
  private var types: TypeCheck?
  /// Records of a tile that go to the results' columns.
  private var kept: [UInt16] = []
  private var unescaped = TextBuffer(capacity: 256)
  /// Under a job that fits a plan, what the block's records gave so far.
  private var fit: FitState?
  /// Whether the block under way has records that were gathered.
  private var hasLine = false
  /// Records of the next tile that are left out of it, and why.
  var leftOut: [Int: String] = [:]

  /// - Throws: `WorkerError` where there is no memory.
  init(context: JobContext, inputPath: String) throws(WorkerError) {
    self.context = context
    self.inputPath = inputPath
    mode = context.request.modelParameters.rawScore ? .raw : .transformed
    let inputCount = context.model.inputs.count
    features = Array(repeating: .nan, count: inputCount * RecordTile.recordLimit)
    let hasText = context.model.inputs.contains { $0.isText }
    unsafe texts = Array(
      repeating: .missing, count: hasText ? inputCount * RecordTile.recordLimit : 0)
    outputs = Array(
      repeating: 0, count: context.model.outputCount * RecordTile.recordLimit)
    explanations = Array(
      repeating: 0, count: context.prediction.explanationWidth * RecordTile.recordLimit)
    failures = Array(repeating: 0, count: inputCount * RecordSet.wordCount)
    numericRuns = Self.numericRuns(of: context)
    rows = context.output.writer()
    columns = try inMemory { () throws in
      try context.output.columnarWriter(sharing: context.numericInputs)
    }
    types = columns == nil ? context.typeCheck : nil
    kept.reserveCapacity(columns == nil ? 0 : RecordTile.recordLimit)
    fit = context.model.fitting?.emptyState
    sieve = context.filter.map { filter in
      RecordSieve(
        filter, nullWords: context.csv.nullWords,
        failuresAreNull: context.request.inputConfig.onParseError == .null)
    }
  }

  /// Scores one tile, appends its lines and counts them.
  ///
  /// `firstOrdinal` is that of the tile's first record within its block. `results` gets lines of
  /// the result file; `errors` lines of an error frame: ordinal, tab, JSON object.
  mutating func score(
    _ tile: borrowing RecordTile, firstOrdinal: UInt64, results: inout TextBuffer,
    errors: inout TextBuffer
  ) throws(WorkerError) -> RecordCounts {
    if fit != nil { return gather(tile, firstOrdinal: firstOrdinal, errors: &errors) }
    if sieve != nil {
      return try scoreSifted(tile, firstOrdinal: firstOrdinal, results: &results, errors: &errors)
    }
    evaluate(tile)
    var counts = RecordCounts()
    var first = 0
    while let record = suspects.first(from: first), record < tile.count {
      append(first..<record, of: tile, results: &results)
      counts.ok += UInt64(record - first)
      let isScored = append(
        record, of: tile, firstOrdinal: firstOrdinal, results: &results, errors: &errors)
      if isScored { counts.ok += 1 } else { counts.error += 1 }
      first = record + 1
    }
    append(first..<tile.count, of: tile, results: &results)
    counts.ok += UInt64(tile.count - first)
    try endTile(tile, results: &results)
    return counts
  }

  /// Scores the records of a tile that the filter keeps.
  private mutating func scoreSifted(
    _ tile: borrowing RecordTile, firstOrdinal: UInt64, results: inout TextBuffer,
    errors: inout TextBuffer
  ) throws(WorkerError) -> RecordCounts {
    var counts = RecordCounts()
    counts.filtered = UInt64(sieve?.sift(tile) ?? 0)
    guard let (kept, failed) = sieve.map({ ($0.kept, $0.failed) }), counts.filtered < tile.count
    else { return counts }
    evaluate(tile)
    var first = 0
    for record in 0..<tile.count {
      let isKept = kept.contains(record)
      if isKept && !suspects.contains(record) { continue }
      let run = first..<record
      first = record + 1
      append(run, of: tile, results: &results)
      counts.ok += UInt64(run.count)
      if isKept {
        let isScored = append(
          record, of: tile, firstOrdinal: firstOrdinal, results: &results, errors: &errors)
        if isScored { counts.ok += 1 } else { counts.error += 1 }
      } else if failed.contains(record) {
        let reason = sieve?.reason(of: record) ?? ""
        append(.filter(reason), of: record, in: tile, firstOrdinal: firstOrdinal, to: &errors)
        counts.error += 1
      }
    }
    append(first..<tile.count, of: tile, results: &results)
    counts.ok += UInt64(tile.count - first)
    try endTile(tile, results: &results)
    return counts
  }

  /// Where results are columns, appends the tile's records to them that `append` kept.
  mutating func endTile(
    _ tile: borrowing RecordTile, results: inout TextBuffer
  ) throws(WorkerError) {
    guard !kept.isEmpty else { return }
    defer { kept.removeAll(keepingCapacity: true) }
    try inMemory { () throws in
      try unsafe kept.withUnsafeBufferPointer { kept in
        try unsafe outputs.withUnsafeBufferPointer { outputs in
          try unsafe explanations.withUnsafeBufferPointer { explanations in
            try unsafe features.withUnsafeBufferPointer { features in
              try unsafe columns?.append(
                kept, of: tile, features: features, predictions: outputs,
                explanations: explanations, to: &results)
            }
          }
        }
      }
    }
  }

  /// Ends a block: finishes its columns, or, under a job that fits a plan, appends what its records
  /// gave as one line.
  mutating func endBlock(results: inout TextBuffer) throws(WorkerError) {
    try inMemory { () throws in try columns?.endBlock(to: &results) }
    guard let state = fit else { return }
    results.append(state.encoded)
    results.append(UInt8(ascii: "\n"))
    fit = state.fitting.emptyState
    hasLine = false
  }

  /// Adds a tile's records to what is known of the block, but for those that are errors.
  private mutating func gather(
    _ tile: borrowing RecordTile, firstOrdinal: UInt64, errors: inout TextBuffer
  ) -> RecordCounts {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    readFeatures(tile)
    let leftOutCount = sieve?.sift(tile) ?? 0
    var counts = RecordCounts()
    var first = 0
    for record in 0..<tile.count {
      let problem = problem(of: record, sifted: tile)
      guard problem != nil || sieve?.kept.contains(record) == false else { continue }
      if let problem {
        append(problem, of: record, in: tile, firstOrdinal: firstOrdinal, to: &errors)
        counts.error += 1
      }
      gather(first..<record)
      first = record + 1
    }
    gather(first..<tile.count)
    counts.filtered = UInt64(tile.count) - counts.error
    // The block's one line stands for its first record that can be read.
    if !hasLine, counts.filtered > leftOutCount {
      counts.ok = 1
      counts.filtered -= 1
      hasLine = true
    }
    return counts
  }

  private mutating func gather(_ records: Range<Int>) {
    guard !records.isEmpty else { return }
    unsafe features.withUnsafeBufferPointer { features in
      unsafe texts.withUnsafeBufferPointer { texts in
        let rows = unsafe FeatureTile(
          numbers: UnsafeBufferPointer(rebasing: features.dropFirst(records.lowerBound)),
          texts: UnsafeBufferPointer(rebasing: texts.dropFirst(records.lowerBound)),
          stride: RecordTile.recordLimit, rowCount: records.count)
        unsafe fit?.update(rows, scratch: &scratch)
      }
    }
  }

  /// Reads the features of a tile's records and scores them, but writes nothing.
  mutating func evaluate(_ tile: borrowing RecordTile) {
    let mark = scratch.mark
    readFeatures(tile)
    scoreFeatures(rowCount: tile.count)
    scratch.release(to: mark)
    findSuspects(tile)
    columns?.read(tile)
    if let failures = columns?.failures { suspects.formUnion(failures) }
    guard types?.run(tile) ?? 0 > 0, let types else { return }
    guard context.takesWrongValuesAsNull else { return suspects.formUnion(types.failures) }
    types.removeFailures(from: tile)
  }

  /// Looks at whole tiles, so that a record without a problem costs next to nothing.
  private mutating func findSuspects(_ tile: borrowing RecordTile) {
    suspects.removeAll()
    suspects.insertErrors(of: tile)
    for input in context.model.inputs.indices {
      suspects.formUnion(words: failures[Self.words(ofInput: input)])
    }
    unsafe outputs.withUnsafeBufferPointer { outputs in
      unsafe suspects.insertNotFinite(
        outputs, width: context.prediction.width, count: tile.count)
    }
  }

  /// Scores a tile once more, without the last function.
  mutating func rawScores(_ tile: borrowing RecordTile) -> [Double] {
    let predictions = outputs
    let wanted = mode
    mode = .raw
    evaluate(tile)
    mode = wanted
    defer { outputs = predictions }
    return outputs
  }

  /// Appends the line of one record of the tile that was evaluated last; where results are columns,
  /// keeps the record for the tile's end.
  ///
  /// - Returns: Whether it has a prediction and went to the results.
  mutating func append(
    _ record: Int, of tile: borrowing RecordTile, firstOrdinal: UInt64,
    results: inout TextBuffer, errors: inout TextBuffer
  ) -> Bool {
    if suspects.contains(record), let problem = problem(of: record, in: tile) {
      append(problem, of: record, in: tile, firstOrdinal: firstOrdinal, to: &errors)
      return false
    }
    append(record..<record + 1, of: tile, results: &results)
    return true
  }

  /// Appends neighbouring records without a problem.
  private mutating func append(
    _ records: Range<Int>, of tile: borrowing RecordTile, results: inout TextBuffer
  ) {
    guard columns == nil else {
      kept.append(contentsOf: records.lazy.map { UInt16($0) })
      return
    }
    unsafe outputs.withUnsafeBufferPointer { outputs in
      unsafe explanations.withUnsafeBufferPointer { explanations in
        unsafe rows.append(
          records, of: tile, predictions: outputs, explanations: explanations, to: &results)
      }
    }
  }

  // MARK: Features

  private mutating func readFeatures(_ tile: borrowing RecordTile) {
    if let failpoint = RecordFailpoint.current, failpoint.wantsRecords {
      for record in 0..<tile.count where tile.error(of: record) == nil {
        unsafe failpoint.pass(tile.text(of: record))
      }
    }
    defer { forgetLeftOut() }
    for index in failures.indices { failures[index] = 0 }
    defer { if context.takesWrongValuesAsNull { forgetFailures() } }
    for run in numericRuns { readNumbers(tile, columns: run.columns, firstInput: run.firstInput) }
    for (index, input) in context.model.inputs.enumerated() where input.isUsed {
      let column = context.mapping.columnIndices[index]
      switch input.kind {
      case .numeric, .categorical(nil): break
      case .categorical(let table?): readCodes(tile, column: column, input: index, table)
      case .text: readTexts(tile, column: column, input: index)
      }
    }
  }

  /// Lets nothing of records that are left out come to the model: readers of columns give numbers
  /// of every record.
  private mutating func forgetLeftOut() {
    for record in leftOut.keys {
      for input in context.model.inputs.indices {
        features[input * RecordTile.recordLimit + record] = .nan
        failures[input * RecordSet.wordCount + record / 64] &= ~(1 << UInt64(record % 64))
        if unsafe texts.isEmpty { continue }
        unsafe texts[input * RecordTile.recordLimit + record] = .missing
      }
    }
  }

  private static func numericRuns(
    of context: JobContext
  ) -> [(firstInput: Int, columns: [UInt32])] {
    var runs: [(firstInput: Int, columns: [UInt32])] = []
    for (index, input) in context.model.inputs.enumerated() where input.isUsed {
      switch input.kind {
      case .categorical(.some), .text: continue
      case .numeric, .categorical(nil): break
      }
      if let last = runs.last, last.firstInput + last.columns.count == index {
        runs[runs.count - 1].columns.append(UInt32(context.mapping.columnIndices[index]))
      } else {
        runs.append((index, [UInt32(context.mapping.columnIndices[index])]))
      }
    }
    return runs
  }

  private static func words(ofInput input: Int) -> Range<Int> {
    input * RecordSet.wordCount..<(input + 1) * RecordSet.wordCount
  }

  private mutating func readNumbers(
    _ tile: borrowing RecordTile, columns: [UInt32], firstInput: Int
  ) {
    guard tile.isText else {
      for (place, column) in columns.enumerated() {
        copyNumbers(tile, column: Int(column), input: firstInput + place)
      }
      return
    }
    let (first, end) = (firstInput, firstInput + columns.count)
    unsafe features.withUnsafeMutableBufferPointer { features in
      unsafe failures.withUnsafeMutableBufferPointer { failures in
        _ = unsafe tile.readNumbers(
          columns: columns, nullWords: context.csv.nullWords,
          into: UnsafeMutableBufferPointer(
            rebasing: features[first * RecordTile.recordLimit..<end * RecordTile.recordLimit]),
          failures: UnsafeMutableBufferPointer(
            rebasing: failures[first * RecordSet.wordCount..<end * RecordSet.wordCount]))
      }
    }
  }

  /// Reads a column that may be typed.
  private mutating func copyNumbers(_ tile: borrowing RecordTile, column: Int, input: Int) {
    let start = input * RecordTile.recordLimit
    var failed = RecordSet()
    unsafe features.withUnsafeMutableBufferPointer { features in
      _ = unsafe tile.readNumbers(
        column: column, nullWords: context.csv.nullWords,
        into: UnsafeMutableBufferPointer(
          rebasing: features[start..<start + RecordTile.recordLimit]),
        failures: &failed)
    }
    failures.replaceSubrange(Self.words(ofInput: input), with: failed.words)
  }

  private mutating func readCodes(
    _ tile: borrowing RecordTile, column: Int, input: Int, _ table: CategoryTable
  ) {
    let start = input * RecordTile.recordLimit
    for record in 0..<tile.count {
      guard tile.error(of: record) == nil else {
        features[start + record] = .nan
        continue
      }
      let field = unsafe tile.field(record, column)
      features[start + record] = unsafe code(of: field, in: table)
    }
  }

  private mutating func readTexts(_ tile: borrowing RecordTile, column: Int, input: Int) {
    let start = input * RecordTile.recordLimit
    for record in 0..<tile.count {
      guard tile.error(of: record) == nil else {
        unsafe texts[start + record] = .missing
        continue
      }
      unsafe texts[start + record] = text(of: tile.field(record, column))
    }
  }

  /// The text that a field stands for; null words outside of quotes are missing.
  private mutating func text(of field: RecordTile.Field) -> TextSpan {
    if unsafe field.isMissing(context.csv.nullWords) { return unsafe .missing }
    guard unsafe field.isEscaped else {
      return unsafe TextSpan(start: field.bytes.baseAddress, count: field.bytes.count)
    }
    let copy = unsafe scratch.reserve(UInt8.self, count: field.bytes.count)
    return unsafe TextSpan(start: copy, count: field.unescape(into: copy))
  }

  private mutating func code(of field: RecordTile.Field, in table: CategoryTable) -> Double {
    if unsafe field.isMissing(context.csv.nullWords) { return .nan }
    guard unsafe field.isEscaped else {
      return unsafe table.code(for: UnsafeRawBufferPointer(field.bytes))
    }
    unescaped.removeAll()
    unsafe unescaped.append(text: field)
    return unsafe unescaped.withUnsafeBytes { unsafe table.code(for: $0) }
  }

  private mutating func scoreFeatures(rowCount: Int) {
    unsafe features.withUnsafeBufferPointer { features in
      unsafe outputs.withUnsafeMutableBufferPointer { outputs in
        unsafe texts.withUnsafeBufferPointer { texts in
          let tile = unsafe FeatureTile(
            numbers: features, texts: texts, stride: RecordTile.recordLimit, rowCount: rowCount)
          unsafe context.model.score(tile, mode: mode, into: outputs, scratch: &scratch)
          guard !explanations.isEmpty else { return }
          unsafe explanations.withUnsafeMutableBufferPointer { explanations in
            unsafe context.model.scorer.explain(tile, into: explanations, scratch: &scratch)
          }
        }
      }
    }
  }

  /// What is no number is missing then.
  private mutating func forgetFailures() {
    for index in failures.indices { failures[index] = 0 }
  }

  // MARK: Errors

  /// Whether a record of the tile that was evaluated last has no number where an input needs one.
  func isNotANumber(_ record: Int, input: Int) -> Bool {
    failures[input * RecordSet.wordCount + record / 64] >> UInt64(record % 64) & 1 == 1
  }

  /// The problem of a record that the filter does not leave out; nil for others.
  private func problem(of record: Int, sifted tile: borrowing RecordTile) -> RecordProblem? {
    guard let sieve, !sieve.kept.contains(record) else { return problem(of: record, in: tile) }
    return sieve.failed.contains(record) ? .filter(sieve.reason(of: record)) : nil
  }

  private func problem(of record: Int, in tile: borrowing RecordTile) -> RecordProblem? {
    if let reason = leftOut[record] { return .isolated(reason) }
    if let error = tile.error(of: record) { return .record(error) }
    for index in context.model.inputs.indices where isNotANumber(record, input: index) {
      return .notANumber(column: context.model.inputs[index].name)
    }
    if let wrong = columns?.wrongColumn(of: record) {
      return .wrongType(column: wrong.name, type: wrong.type)
    }
    if !context.takesWrongValuesAsNull, let wrong = types?.wrongColumn(of: record) {
      return .wrongType(column: context.columns[wrong.column], type: wrong.type)
    }
    var start = record * context.prediction.width
    for output in context.model.outputs {
      let end = start + output.width
      // A label may be missing; a number has to be one.
      let mayBeMissing = output.isLabel || output.isOptional
      if !mayBeMissing, !outputs[start..<end].allSatisfy(\.isFinite) { return .notFinite }
      start = end
    }
    return nil
  }

  private func append(
    _ problem: RecordProblem, of record: Int, in tile: borrowing RecordTile, firstOrdinal: UInt64,
    to errors: inout TextBuffer
  ) {
    errors.append(
      problem, of: record, in: tile, ordinal: Int(firstOrdinal) + record, path: inputPath)
  }
}

/// Runs calls that fail only where there is no memory.
private func inMemory<Result: ~Copyable>(
  _ body: () throws -> Result
) throws(WorkerError) -> Result {
  do { return try body() } catch { throw WorkerError("results as columns: \(error)") }
}
