internal import CKernels
internal import Models
internal import Scoring

/// Replaces missing values.
///
/// `strategy`: `mean`, `median`, `most_frequent` (of equally frequent ones the smallest), or
/// `constant` with `value`. With `indicator`, a column `<output>_missing` says 1 where a value was
/// missing, else 0. Fitted: `values`, one for each input.
struct Impute: Operation {
  private let strategy: Strategy
  private let hasIndicator: Bool
  private let fills: Fills?

  enum Strategy: String, CaseIterable {
    case mean, median
    case mostFrequent = "most_frequent"
    case constant
  }

  private enum Fills {
    case numbers([Double])
    case texts([ArraySlice<UInt8>])
  }

  init(_ fields: inout StepFields, inputCount: Int) throws(ModelError) {
    strategy = try fields.word("strategy")
    hasIndicator = try fields.flag("indicator", default: false)
    if strategy == .constant {
      let value = try fields.required("value")
      if value.kind == .string {
        fills = .texts(Array(repeating: try value.stringBytes(), count: inputCount))
      } else {
        fills = .numbers(Array(repeating: try value.double(), count: inputCount))
      }
      return
    }
    guard var fitted = try fields.fitted() else {
      fills = nil
      return
    }
    let values = try fitted.required("values")
    if values.isNumbers {
      fills = .numbers(try values.finiteNumbers(count: inputCount))
    } else {
      fills = .texts(
        try values.list(count: inputCount).map { (value) throws(ModelError) in
          try value.stringBytes()
        })
    }
    try fitted.finish()
  }

  var isFitted: Bool { fills != nil }

  var rawKind: ColumnKind {
    if case .texts = fills { .text } else { .number }
  }

  var gathering: Gathering? {
    switch strategy {
    case .mean: .moments
    case .median: .quantiles
    case .mostFrequent: .categories
    case .constant: nil
    }
  }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    var made: [(name: String, column: ProgramBuilder.Column)] = []
    for (index, name) in step.inputs.enumerated() {
      let output = step.outputs[index]
      switch (try builder.column(name, rawKind: rawKind), fills) {
      case (.number(let chain), .numbers(let values)?):
        made.append(
          (output, .number(chain.followed(by: ChainStep(ns_feature_fill, a: values[index])))))
        guard hasIndicator else { continue }
        made.append(
          ("\(output)_missing", .number(chain.followed(by: ChainStep(ns_feature_is_missing)))))
      case (.text(let source), .texts(let values)?):
        let target = try builder.makeValues(1, isText: true)
        let indicator = hasIndicator ? try builder.makeValues(1) : nil
        builder.append(
          FillText(source: source, fill: Array(values[index]), target: target, flag: indicator))
        made.append((output, .text(target)))
        if let indicator { made.append(("\(output)_missing", .number(Chain(indicator)))) }
      case (.number, _): throw step.error("the input \(name) is numbers, the value is text")
      case (.text, _): throw step.error("the input \(name) is text, the value is a number")
      }
    }
    for (name, column) in made { builder.define(name, column) }
  }

  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue {
    var values: [FittedValue] = []
    for (index, column) in statistics.enumerated() {
      guard let value = value(of: column) else {
        throw step.error("the input \(step.inputs[index]) has no value to fit to")
      }
      values.append(value)
    }
    return .object([("values", .array(values))])
  }

  private func value(of column: ColumnStatistics) -> FittedValue? {
    switch strategy {
    case .mean: column.moments.count > 0 ? .number(column.moments.mean) : nil
    case .median: column.quantile(0.5).map { .number($0) }
    case .mostFrequent: column.categories.mostFrequent?.value
    case .constant: nil
    }
  }
}

/// Replaces missing texts.
private struct FillText: Instruction {
  private var source: ValueID
  private let fill: [UInt8]
  private var target: ValueID
  private var flag: ValueID?

  init(source: ValueID, fill: [UInt8], target: ValueID, flag: ValueID?) {
    self.source = source
    self.fill = fill
    self.target = target
    self.flag = flag
  }

  var sources: [ValueID] { [source] }
  var targets: [ValueID] { [target] + (flag.map { [$0] } ?? []) }

  mutating func place(_ places: [Int32]) {
    source = places[Int(source)]
    target = places[Int(target)]
    flag = flag.map { places[Int($0)] }
  }

  func run(_ frame: Frame, scratch: inout ScoringScratch) {
    let texts = unsafe frame.text(source)
    if target >= 0 {
      let copy = unsafe scratch.reserve(UInt8.self, count: fill.count)
      for (index, byte) in fill.enumerated() { unsafe copy[index] = byte }
      let span = unsafe TextSpan(start: copy, count: fill.count)
      let filled = unsafe frame.textTarget(target)
      for row in 0..<(unsafe frame.rowCount) {
        unsafe filled[row] = texts[row].start == nil ? span : texts[row]
      }
    }
    guard let flag, flag >= 0 else { return }
    let flags = unsafe frame.target(flag)
    for row in 0..<(unsafe frame.rowCount) { unsafe flags[row] = texts[row].start == nil ? 1 : 0 }
  }
}
