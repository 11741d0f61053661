internal import CKernels
package import Models
package import Scoring

/// A scorer that is given the columns of a table and makes the features of another one of them.
package struct PreprocessingScorer: Scorer {
  package let inputs: [ModelInput]
  private let scorer: any Scorer
  /// The same if it is given only what is not 0.
  private let sparseScorer: (any SparseScorer)?
  private let program: Program
  private let isa: ns_isa
  private let outputWidth: Int
  private let stepCount: Int

  /// Puts a fitted plan before a scorer.
  ///
  /// With `features` in the plan, they are the scorer's inputs in order; else each of its inputs is
  /// the column of its name, as the steps leave it or as it is in the table.
  ///
  /// - Parameters:
  ///   - plan: what to do.
  ///   - scorer: what wants the features.
  ///   - instructions: which kernels run; all give the same bits.
  /// - Throws: `ModelError` if the plan is not fitted, or its features are not the scorer's.
  package init(
    _ plan: PreprocessPlan, before scorer: any Scorer, instructions: InstructionSet = .best
  ) throws(ModelError) {
    var builder = try plan.builder()
    let features = try plan.features(for: scorer.inputs, &builder)
    let sparseScorer = scorer as? any SparseScorer
    program = try Program(builder, features: features, allowsSparse: sparseScorer != nil)
    self.sparseScorer = program.isSparse ? sparseScorer : nil
    inputs = program.inputs
    self.scorer = scorer
    isa = instructions.kernels
    outputWidth = scorer.outputs.reduce(0) { $0 + $1.width }
    stepCount = plan.steps.count
  }

  package var outputs: [ModelOutput] { scorer.outputs }

  package var summary: ScorerSummary {
    var summary = scorer.summary
    summary.sizes.insert(("steps", stepCount), at: 0)
    summary.sizes.insert(("features", program.featureCount), at: 1)
    summary.kernels.insert(
      "preprocess: \(program.instructionCount) passes over \(program.tileRowCount) rows each",
      at: 0)
    return summary
  }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let rowCount = unsafe tile.rowCount
    precondition(output.count >= rowCount * outputWidth)
    guard rowCount > 0 else { return }
    unsafe check(tile)
    if let sparseScorer {
      return unsafe score(tile, sparseScorer, mode: mode, into: output, scratch: &scratch)
    }
    unsafe forEachTile(of: tile, scratch: &scratch) { features, rows, scratch in
      let numbers = rows.lowerBound * outputWidth..<rows.upperBound * outputWidth
      unsafe scorer.score(
        features, mode: mode, into: UnsafeMutableBufferPointer(rebasing: output[numbers]),
        scratch: &scratch)
    }
  }

  /// Checks that a tile has all inputs.
  private func check(_ tile: FeatureTile) {
    let (rowCount, stride) = unsafe (tile.rowCount, tile.stride)
    let lastNumber = inputs.lastIndex { !$0.isText }
    let lastText = inputs.lastIndex { $0.isText }
    precondition(unsafe tile.numbers.count >= (lastNumber.map { $0 * stride + rowCount } ?? 0))
    precondition(unsafe tile.texts.count >= (lastText.map { $0 * stride + rowCount } ?? 0))
  }

  /// Scores with the features that are not 0.
  private func score(
    _ tile: FeatureTile, _ scorer: any SparseScorer, mode: ScoreMode,
    into output: UnsafeMutableBufferPointer<Double>, scratch: inout ScoringScratch
  ) {
    let outer = scratch.mark
    defer { scratch.release(to: outer) }
    var memory = unsafe program.reserve(&scratch)
    var entries = SparseEntries()
    for start in stride(from: 0, to: unsafe tile.rowCount, by: program.tileRowCount) {
      let count = min(program.tileRowCount, unsafe tile.rowCount - start)
      let inner = scratch.mark
      entries.removeAll()
      unsafe withUnsafeMutablePointer(to: &entries) { entries in
        unsafe program.run(
          tile, start: start, rowCount: count, memory: &memory, scratch: &scratch, isa: isa,
          entries: entries)
      }
      let numbers = start * outputWidth..<(start + count) * outputWidth
      unsafe entries.withRows(rowCount: count) { rows in
        unsafe scorer.score(
          rows, mode: mode, into: UnsafeMutableBufferPointer(rebasing: output[numbers]))
      }
      scratch.release(to: inner)
    }
  }

  /// Makes features, as many rows at a time as memory is meant for.
  private func forEachTile(
    of tile: FeatureTile, scratch: inout ScoringScratch,
    _ body: (FeatureTile, Range<Int>, inout ScoringScratch) -> Void
  ) {
    let rowCount = unsafe tile.rowCount
    let outer = scratch.mark
    defer { scratch.release(to: outer) }
    var memory = unsafe program.reserve(&scratch)
    var start = 0
    while start < rowCount {
      let count = min(program.tileRowCount, rowCount - start)
      let inner = scratch.mark
      unsafe program.run(
        tile, start: start, rowCount: count, memory: &memory, scratch: &scratch, isa: isa)
      let features = unsafe FeatureTile(
        numbers: UnsafeBufferPointer(
          start: memory.numbers, count: program.featureCount * program.tileRowCount),
        texts: UnsafeBufferPointer(memory.featureTexts), stride: program.tileRowCount,
        rowCount: count)
      unsafe body(features, start..<start + count, &scratch)
      scratch.release(to: inner)
      start += count
    }
  }
}

extension PreprocessPlan {
  /// A program with all steps.
  ///
  /// - Throws: `ModelError` if one of them is not fitted.
  func builder() throws(ModelError) -> ProgramBuilder {
    var builder = ProgramBuilder(kinds: kinds)
    for step in steps {
      guard step.operation.isFitted else {
        throw step.names.error("the step is not fitted", code: .unsupported)
      }
      try step.operation.emit(step.names, into: &builder)
    }
    return builder
  }

  /// What each input of a scorer is made of.
  func features(
    for inputs: [ModelInput], _ builder: inout ProgramBuilder
  ) throws(ModelError) -> [Program.Feature] {
    guard let names = features else {
      var features: [Program.Feature] = []
      for input in inputs {
        features.append(try Self.feature(builder.known(input.name), input, &builder))
      }
      return features
    }
    var columns: [ProgramBuilder.Column] = []
    for name in names { columns += try builder.features(name) }
    guard columns.count == inputs.count else {
      throw ModelError(
        code: .columnsDiffer,
        context: "features: \(columns.count) columns; the model has \(inputs.count) inputs")
    }
    var features: [Program.Feature] = []
    for (column, input) in zip(columns, inputs) {
      features.append(try Self.feature(column, input, &builder))
    }
    return features
  }

  /// One input, made of a column or read from the table.
  private static func feature(
    _ column: ProgramBuilder.Column?, _ input: ModelInput, _ builder: inout ProgramBuilder
  ) throws(ModelError) -> Program.Feature {
    switch (column, input.kind) {
    case (_, _) where !input.isUsed: return .unused
    case (nil, .text): return .text(try builder.raw(input.name, .text))
    case (nil, _): return .number(Chain(try builder.raw(input.name, input.kind)))
    case (.text(let id)?, .text): return .text(id)
    case (.text(let id)?, .categorical(let table?)):
      let target = try builder.makeValues(1)
      builder.append(CodeInstruction(source: id, table: table, target: target))
      return .number(Chain(target))
    case (.number(let chain)?, .numeric), (.number(let chain)?, .categorical(nil)):
      return .number(chain)
    case (.text?, _), (.number?, _):
      throw ModelError(
        code: .columnsDiffer,
        context: "the steps make \(column.isText ? "text" : "numbers") for the input \(input)")
    }
  }
}

extension ProgramBuilder.Column? {
  fileprivate var isText: Bool {
    if case .text = self { true } else { false }
  }
}

/// Codes of a model's own categories for texts that steps made.
private struct CodeInstruction: Instruction {
  private var source: ValueID
  private let table: CategoryTable
  private var target: ValueID

  init(source: ValueID, table: CategoryTable, target: ValueID) {
    self.source = source
    self.table = table
    self.target = target
  }

  var sources: [ValueID] { [source] }
  var targets: [ValueID] { [target] }

  mutating func place(_ places: [Int32]) {
    source = places[Int(source)]
    target = places[Int(target)]
  }

  func run(_ frame: Frame, scratch: inout ScoringScratch) {
    let (texts, codes) = unsafe (frame.text(source), frame.target(target))
    for row in 0..<(unsafe frame.rowCount) {
      let text = unsafe texts[row]
      unsafe codes[row] =
        text.start == nil
        ? .nan : table.code(for: UnsafeRawBufferPointer(start: text.start, count: text.count))
    }
  }
}
