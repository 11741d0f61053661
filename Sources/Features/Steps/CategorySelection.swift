internal import CKernels
internal import Models
internal import Scoring

/// Which of the categories that occur are kept: `max_categories` and `min_count`.
struct CategorySelection: Sendable {
  private let limit: Int
  private let leastCount: Int

  init(_ fields: inout StepFields) throws(ModelError) {
    limit = try fields.integer(
      "max_categories", in: 1...PlanLimits.categoryCount, default: PlanLimits.categoryCount)
    leastCount = try fields.integer("min_count", in: 1...Int.max >> 1, default: 1)
  }

  /// The categories that a step has, given as `categories` or in `fitted`; nil if they are to be
  /// found.
  static func sets(
    _ fields: inout StepFields, inputCount: Int
  ) throws(ModelError) -> [CategorySet]? {
    if let given = try fields.optional("categories") {
      return try sets(given, inputCount: inputCount)
    }
    guard var fitted = try fields.fitted() else { return nil }
    let sets = try sets(fitted.required("categories"), inputCount: inputCount)
    try fitted.finish()
    return sets
  }

  static func sets(
    _ value: DocumentValue, inputCount: Int
  ) throws(ModelError) -> [CategorySet] {
    try value.list(count: inputCount).map { (list) throws(ModelError) in try CategorySet(list) }
  }

  /// How columns of the table are read: as text, unless all categories are numbers.
  static func kind(_ sets: [CategorySet]?) -> ColumnKind {
    guard let sets, !sets.isEmpty, sets.allSatisfy({ !$0.isText }) else { return .text }
    return .number
  }

  /// The categories that are kept, ascending.
  func chosen(_ column: ColumnStatistics) -> [CategoryCount] {
    let frequent = column.categories.sorted.filter { $0.count >= Double(leastCount) }
    guard frequent.count > limit else { return frequent }
    // Of equally frequent ones, the first in order stay.
    let ranked = frequent.indices.sorted { one, other in
      frequent[one].count == frequent[other].count
        ? one < other : frequent[one].count > frequent[other].count
    }
    return ranked.prefix(limit).sorted().map { frequent[$0] }
  }

  func lists(of statistics: [ColumnStatistics]) -> [FittedValue] {
    statistics.map { column in .array(chosen(column).map(\.value)) }
  }
}

extension ProgramBuilder {
  /// The column of categories, which has to be of their kind.
  mutating func categories(
    _ name: String, _ set: CategorySet, _ step: StepNames
  ) throws(ModelError) -> ValueID {
    switch try column(name, rawKind: set.isText ? .text : .number) {
    case .text(let id):
      guard set.isText else {
        throw step.error("the input \(name) is text, its categories are numbers")
      }
      return id
    case .number(let chain):
      guard !set.isText || set.count == 0 else {
        throw step.error("the input \(name) is numbers, its categories are text")
      }
      return try compute(chain)
    }
  }

  /// Gives each category of each input a number.
  mutating func look(
    _ step: StepNames, _ sets: [CategorySet], unknown: (Int) -> Double, missing: (Int) -> Double,
    values: (Int) -> [Double]
  ) throws(ModelError) {
    var made: [ValueID] = []
    for (index, name) in step.inputs.enumerated() {
      let source = try categories(name, sets[index], step)
      let target = try makeValues(1)
      append(
        LookupInstruction(
          source: source, set: sets[index], target: target,
          values: [missing(index), unknown(index)] + values(index)))
      made.append(target)
    }
    for (name, id) in zip(step.outputs, made) { define(name, .number(Chain(id))) }
  }
}

extension CategorySet {
  /// Looks up a column of either kind.
  fileprivate func find(
    _ source: ValueID, _ frame: Frame, into codes: UnsafeMutablePointer<Int32>
  ) {
    if isText {
      unsafe find(frame.text(source), rowCount: frame.rowCount, into: codes)
    } else {
      unsafe find(frame.number(source), rowCount: frame.rowCount, into: codes)
    }
  }
}

/// A number for each category.
private struct LookupInstruction: Instruction {
  private var source: ValueID
  private let set: CategorySet
  private var target: ValueID
  /// For missing values, for unknown ones, for each category.
  private let values: [Double]

  init(source: ValueID, set: CategorySet, target: ValueID, values: [Double]) {
    self.source = source
    self.set = set
    self.target = target
    self.values = values
  }

  var sources: [ValueID] { [source] }
  var targets: [ValueID] { [target] }

  mutating func place(_ places: [Int32]) {
    source = places[Int(source)]
    target = places[Int(target)]
  }

  func run(_ frame: Frame, scratch: inout ScoringScratch) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let codes = unsafe scratch.reserve(Int32.self, count: frame.rowCount)
    unsafe set.find(source, frame, into: codes)
    let output = unsafe frame.target(target)
    unsafe values.withUnsafeBufferPointer { values in
      for row in 0..<(unsafe frame.rowCount) { unsafe output[row] = values[Int(codes[row]) + 2] }
    }
  }
}

/// A column for each category.
struct OneHotInstruction: Instruction {
  private var source: ValueID
  private let set: CategorySet
  private var columns: [ValueID]
  /// Of each code, from the missing one on, the column; -1 for none.
  private let columnOfCode: [Int32]

  init(
    source: ValueID, set: CategorySet, skipped: Int32, columns first: ValueID, width: Int,
    unknown: Int?, missing: Int?
  ) {
    self.source = source
    self.set = set
    columns = (0..<width).map { first + ValueID($0) }
    columnOfCode =
      [Int32(missing ?? -1), Int32(unknown ?? -1)]
      + (0..<set.count).map { max(Int32($0) - skipped, -1) }
  }

  var sources: [ValueID] { [source] }
  var targets: [ValueID] { columns }

  mutating func place(_ places: [Int32]) {
    source = places[Int(source)]
    columns.place(places)
  }

  func run(_ frame: Frame, scratch: inout ScoringScratch) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    unsafe frame.clear(columns)
    let codes = unsafe scratch.reserve(Int32.self, count: frame.rowCount)
    unsafe set.find(source, frame, into: codes)
    for row in 0..<(unsafe frame.rowCount) {
      let column = columnOfCode[Int(unsafe codes[row]) + 2]
      guard column >= 0, columns[Int(column)] >= 0 else { continue }
      unsafe frame.target(columns[Int(column)])[row] = 1
    }
  }
}
