package import Models
package import Scoring

/// What has to be gathered from a table so that steps of a plan can be applied.
///
/// Steps whose inputs other unfitted steps make have to wait: fitting goes over the table once for
/// each level of them. Immutable; any number of threads may gather with it.
package struct Fitting: Sendable {
  package let plan: PreprocessPlan
  /// The columns to be read, targets among them.
  package let inputs: [ModelInput]
  /// Which steps are fitted now.
  let steps: [Int]
  let columns: [GatheredColumn]
  let program: Program

  /// One input of one step.
  struct GatheredColumn: Sendable {
    let step: Int
    let gathering: Gathering
    let isText: Bool
    /// Places among the program's features.
    let feature: Int
    let targetFeature: Int?
  }

  /// Finds out what can be fitted next.
  ///
  /// Not a failable initialiser: Swift 6.3.1 miscompiles those that throw a typed error.
  ///
  /// - Returns: nil if all of the plan is fitted.
  /// - Throws: `ModelError` if a step has inputs that it cannot have.
  package static func next(of plan: PreprocessPlan) throws(ModelError) -> Fitting? {
    plan.isFitted ? nil : try Fitting(plan)
  }

  /// A plan with steps that are not fitted.
  private init(_ plan: PreprocessPlan) throws(ModelError) {
    var collector = Collector(plan)
    for (index, step) in plan.steps.enumerated() { try collector.take(step, index: index) }
    guard !collector.steps.isEmpty else {
      throw ModelError(code: .malformed, context: "steps: none of them can be fitted")
    }
    self.plan = plan
    steps = collector.steps
    columns = collector.columns
    program = try Program(collector.builder, features: collector.features)
    inputs = program.inputs
  }

  /// What nothing is known to.
  package var emptyState: FitState { FitState(self) }

  /// Goes through the steps in order.
  private struct Collector {
    var builder: ProgramBuilder
    var features: [Program.Feature] = []
    var columns: [GatheredColumn] = []
    var steps: [Int] = []
    /// What unfitted steps will make, also as the begin of names.
    private var waiting: Set<String> = []

    init(_ plan: PreprocessPlan) { builder = ProgramBuilder(kinds: plan.kinds) }

    mutating func take(_ step: PreprocessPlan.Step, index: Int) throws(ModelError) {
      let names = step.names
      if names.inputs.contains(where: isWaiting) {
        waiting.formUnion(names.outputs)
        return
      }
      guard !step.operation.isFitted else {
        try step.operation.emit(names, into: &builder)
        waiting.subtract(names.outputs)
        return
      }
      guard let gathering = step.operation.gathering else { return }
      steps.append(index)
      for input in names.inputs {
        try gather(input, gathering, rawKind: step.operation.rawKind, names, step: index)
      }
      waiting.formUnion(names.outputs)
    }

    private func isWaiting(_ name: String) -> Bool {
      if waiting.contains(name) { return true }
      return name.indices.contains { name[$0] == "_" && waiting.contains(String(name[..<$0])) }
    }

    private mutating func gather(
      _ input: String, _ gathering: Gathering, rawKind: ColumnKind, _ names: StepNames, step: Int
    ) throws(ModelError) {
      let column = try builder.column(input, rawKind: rawKind)
      var targetFeature: Int?
      if case .target(let target) = gathering {
        let chain = try builder.numbers(target, names)
        features.append(.number(chain))
        targetFeature = features.count - 1
      }
      switch (column, gathering) {
      case (.text, .moments), (.text, .quantiles):
        throw names.error("the input \(input) is text, but has to be numbers")
      case (.number, .terms):
        throw names.error("the input \(input) is numbers, but has to be text")
      case (.text(let id), _): features.append(.text(id))
      case (.number(let chain), _): features.append(.number(chain))
      }
      columns.append(
        GatheredColumn(
          step: step, gathering: gathering, isText: column.isText, feature: features.count - 1,
          targetFeature: targetFeature))
    }
  }
}

extension ProgramBuilder.Column {
  var isText: Bool {
    if case .text = self { true } else { false }
  }
}

/// What is known so far of the values that steps are fitted to.
///
/// A value like a sum: what was gathered from parts of a table can be written down, sent, and merged
/// in the order of the parts. The same parts in the same order give the same bytes, whoever gathered
/// them.
package struct FitState: Sendable {
  package let fitting: Fitting
  /// One for each of the fitting's columns.
  var statistics: [ColumnStatistics]

  init(_ fitting: Fitting) {
    self.fitting = fitting
    statistics = fitting.columns.map { column in
      ColumnStatistics(isText: column.isText, hasSketch: column.gathering == .quantiles)
    }
  }

  /// Adds the rows of a tile of the fitting's inputs.
  package mutating func update(_ tile: FeatureTile, scratch: inout ScoringScratch) {
    let program = fitting.program
    let outer = scratch.mark
    defer { scratch.release(to: outer) }
    var memory = unsafe program.reserve(&scratch)
    var start = 0
    while start < (unsafe tile.rowCount) {
      let count = min(program.tileRowCount, unsafe tile.rowCount - start)
      let inner = scratch.mark
      unsafe program.run(
        tile, start: start, rowCount: count, memory: &memory, scratch: &scratch,
        isa: InstructionSet.best.kernels)
      for index in statistics.indices {
        unsafe update(index, memory, rowCount: count, scratch: &scratch)
      }
      scratch.release(to: inner)
      start += count
    }
  }

  private mutating func update(
    _ index: Int, _ memory: Program.Memory, rowCount: Int, scratch: inout ScoringScratch
  ) {
    let (column, stride) = (fitting.columns[index], fitting.program.tileRowCount)
    let numbers = unsafe UnsafeBufferPointer(
      start: memory.numbers + column.feature * stride, count: rowCount)
    let texts = unsafe UnsafeBufferPointer(
      rebasing: memory.featureTexts.dropFirst(column.feature * stride).prefix(rowCount))
    let targets = unsafe column.targetFeature.map { target in
      unsafe UnsafePointer(memory.numbers + target * stride)
    }
    switch column.gathering {
    case .moments, .quantiles: unsafe statistics[index].addNumbers(numbers)
    case .categories, .target:
      if column.isText {
        unsafe statistics[index].addCategories(texts, targets: targets)
      } else {
        unsafe statistics[index].addCategories(numbers, targets: targets)
      }
    case .terms(let cutter):
      unsafe statistics[index].addTerms(texts, cutter, scratch: &scratch)
    }
  }

  /// Adds what was gathered from rows that come after these.
  package mutating func merge(_ other: FitState) {
    precondition(statistics.count == other.statistics.count)
    for index in statistics.indices { statistics[index].merge(other.statistics[index]) }
  }

  /// The plan with what was found out in it.
  ///
  /// - Returns: a document; its plan may have steps that are not fitted yet.
  /// - Throws: `ModelError` if there was nothing to fit to, or more than can be counted.
  package func finish() throws(ModelError) -> [UInt8] {
    var values: [Int: FittedValue] = [:]
    for step in fitting.steps {
      let (names, operation) = (fitting.plan.steps[step].names, fitting.plan.steps[step].operation)
      var found: [ColumnStatistics] = []
      for (index, column) in fitting.columns.enumerated() where column.step == step {
        if statistics[index].categories.isOverLimit {
          throw names.error(
            "the input \(names.inputs[found.count]) has more than \(PlanLimits.categoryCount) "
              + "categories, or more than \(PlanLimits.categoryByteCount) bytes of them",
            code: .limitExceeded)
        }
        found.append(statistics[index])
      }
      values[step] = try operation.fitted(from: found, names)
    }
    return try fitting.plan.text(fitted: values)
  }
}
