internal import CKernels
internal import Models
internal import Scoring

/// A column of 0 and 1 for each category, named `<output>_<category>`.
///
/// What is in no category gets zeros, unless `unknown` is `category`: then it has a column of its
/// own, `<output>_unknown`; likewise `missing` values and `<output>_missing`. Fitted or given:
/// `categories`, a list for each input, ascending; `max_categories` keeps the most frequent ones and
/// `min_count` those that occur as often. `drop_first` leaves the first column out.
struct OneHot: Operation {
  private let unknown: Treatment
  private let missing: Treatment
  private let dropsFirst: Bool
  private let selection: CategorySelection
  private let sets: [CategorySet]?

  enum Treatment: String, CaseIterable {
    case zeros, category
  }

  init(_ fields: inout StepFields, inputCount: Int) throws(ModelError) {
    unknown = try fields.word("unknown", default: .zeros)
    missing = try fields.word("missing", default: .zeros)
    dropsFirst = try fields.flag("drop_first", default: false)
    selection = try CategorySelection(&fields)
    sets = try CategorySelection.sets(&fields, inputCount: inputCount)
  }

  var isFitted: Bool { sets != nil }
  var rawKind: ColumnKind { CategorySelection.kind(sets) }
  var gathering: Gathering? { .categories }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    guard let sets else { return }
    var made: [ProgramBuilder.Block] = []
    for (index, name) in step.inputs.enumerated() {
      let set = sets[index]
      let source = try builder.categories(name, set, step)
      let skipped = dropsFirst && set.count > 0 ? 1 : 0
      let count = set.count - skipped
      let width =
        count + (unknown == .category ? 1 : 0) + (missing == .category ? 1 : 0)
      let first = try builder.makeValues(width)
      let unknownPlace = unknown == .category ? count : nil
      let missingPlace = missing == .category ? width - 1 : nil
      builder.append(
        OneHotInstruction(
          source: source, set: set, skipped: Int32(skipped), columns: first, width: width,
          unknown: unknownPlace, missing: missingPlace))
      made.append(
        ProgramBuilder.Block(prefix: step.outputs[index], first: first, count: width) { name in
          if let code = set.code(named: name), code >= skipped { return code - skipped }
          if name == "unknown" { return unknownPlace }
          return name == "missing" ? missingPlace : nil
        })
    }
    for block in made { builder.define(block) }
  }

  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue {
    .object([("categories", .array(selection.lists(of: statistics)))])
  }
}

/// Each category becomes its place in `categories`, a list for each input, fitted or given.
///
/// `unknown_value` and `missing_value` are what others become: missing unless said.
struct Ordinal: Operation {
  private let unknownValue: Double
  private let missingValue: Double
  private let selection: CategorySelection
  private let sets: [CategorySet]?

  init(_ fields: inout StepFields, inputCount: Int) throws(ModelError) {
    unknownValue = try fields.number("unknown_value", default: .nan)
    missingValue = try fields.number("missing_value", default: .nan)
    selection = try CategorySelection(&fields)
    sets = try CategorySelection.sets(&fields, inputCount: inputCount)
  }

  var isFitted: Bool { sets != nil }
  var rawKind: ColumnKind { CategorySelection.kind(sets) }
  var gathering: Gathering? { .categories }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    guard let sets else { return }
    try builder.look(
      step, sets, unknown: { _ in unknownValue }, missing: { _ in missingValue }
    ) { index in (0..<sets[index].count).map(Double.init) }
  }

  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue {
    .object([("categories", .array(selection.lists(of: statistics)))])
  }
}

/// Each category becomes its share of the rows that have one, or with `counts` their number.
///
/// What is in no category becomes 0; `missing_value` is what missing values become: missing unless
/// said. Fitted: `categories` and `values`, a list of each for each input.
struct Frequency: Operation {
  private let hasCounts: Bool
  private let missingValue: Double
  private let selection: CategorySelection
  private let map: CategoryMap?

  init(_ fields: inout StepFields, inputCount: Int) throws(ModelError) {
    hasCounts = try fields.flag("counts", default: false)
    missingValue = try fields.number("missing_value", default: .nan)
    selection = try CategorySelection(&fields)
    map = try CategoryMap(&fields, inputCount: inputCount, hasDefault: false)
  }

  var isFitted: Bool { map != nil }
  var rawKind: ColumnKind { CategorySelection.kind(map?.sets) }
  var gathering: Gathering? { .categories }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    guard let map else { return }
    try builder.look(step, map.sets, unknown: { _ in 0 }, missing: { _ in missingValue }) { index in
      map.values[index]
    }
  }

  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue {
    let values = statistics.map { column in
      let total = Double(column.categories.total)
      return FittedValue.numbers(
        selection.chosen(column).map { $0.count / (hasCounts ? 1 : total) })
    }
    return .object([
      ("categories", .array(selection.lists(of: statistics))), ("values", .array(values)),
    ])
  }
}

/// Each category becomes the mean of a `target` over its rows, drawn towards the mean of all by as
/// many rows of that mean as `smooth` says: (sum + smooth * mean) / (count + smooth).
///
/// What is in no category, or missing, becomes the mean of all. Rows without a target do not count.
/// Fitted: `categories`, `values` and `default`, one of each for each input.
struct TargetMean: Operation {
  private let target: String
  private let smooth: Double
  private let selection: CategorySelection
  private let map: CategoryMap?

  init(_ fields: inout StepFields, inputCount: Int) throws(ModelError) {
    target = try fields.required("target").string()
    smooth = try fields.finite("smooth", default: 0)
    guard smooth >= 0 else { throw fields.value.error("smooth is below 0") }
    selection = try CategorySelection(&fields)
    map = try CategoryMap(&fields, inputCount: inputCount, hasDefault: true)
  }

  var isFitted: Bool { map != nil }
  var rawKind: ColumnKind { CategorySelection.kind(map?.sets) }
  var gathering: Gathering? { .target(column: target) }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    guard let map else { return }
    try builder.look(
      step, map.sets, unknown: { map.defaults[$0] }, missing: { map.defaults[$0] }
    ) { index in map.values[index] }
  }

  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue {
    var (values, defaults): ([FittedValue], [Double]) = ([], [])
    for column in statistics {
      guard column.target.count > 0 else { throw step.error("no row has the target \(target)") }
      let mean = column.target.mean
      defaults.append(mean)
      values.append(
        .numbers(
          selection.chosen(column).map { category in
            (smooth * mean + category.targetSum) / (category.count + smooth)
          }))
    }
    return .object([
      ("categories", .array(selection.lists(of: statistics))), ("values", .array(values)),
      ("default", .numbers(defaults)),
    ])
  }
}

/// Fitted categories with a number for each.
private struct CategoryMap {
  let sets: [CategorySet]
  let values: [[Double]]
  let defaults: [Double]

  init?(
    _ fields: inout StepFields, inputCount: Int, hasDefault: Bool
  ) throws(ModelError) {
    guard var fitted = try fields.fitted() else { return nil }
    sets = try CategorySelection.sets(fitted.required("categories"), inputCount: inputCount)
    let lists = try fitted.required("values").list(count: inputCount)
    var values: [[Double]] = []
    for (index, list) in lists.enumerated() {
      values.append(try list.finiteNumbers(count: sets[index].count))
    }
    self.values = values
    defaults = hasDefault ? try fitted.required("default").finiteNumbers(count: inputCount) : []
    try fitted.finish()
  }
}
