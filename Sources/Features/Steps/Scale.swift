internal import CKernels
internal import Models

/// Shifts and scales columns, as scikit-learn's scalers do and in their order of operations.
///
/// `method`:
/// - `standard`: (x - mean) / standard deviation; `center` and `scale` may be switched off;
/// - `min_max`: to `range`, [0, 1] unless said; with `clip` never beyond;
/// - `robust`: (x - median) / distance of the `quantiles` (in percent, [25, 75] unless said);
/// - `max_abs`: x / largest magnitude.
///
/// What does not vary is divided by 1. Fitted: `center` and `scale`, or `minimum` and `maximum` for
/// `min_max`, one number for each input.
struct Scale: Operation {
  private let method: Method
  private let isCentered: Bool
  private let isScaled: Bool
  private let range: (low: Double, high: Double)
  private let isClipped: Bool
  private let quantiles: (low: Double, high: Double)
  /// Centre and scale, or minimum and maximum.
  private let numbers: (first: [Double], second: [Double])?

  enum Method: String, CaseIterable {
    case standard, robust
    case minMax = "min_max"
    case maxAbs = "max_abs"
  }

  init(_ fields: inout StepFields, inputCount: Int) throws(ModelError) {
    method = try fields.word("method")
    let canShift = method == .standard || method == .robust
    isCentered = try canShift ? fields.flag("center", default: true) : false
    isScaled = try canShift ? fields.flag("scale", default: true) : true
    isClipped = try method == .minMax ? fields.flag("clip", default: false) : false
    range = try method == .minMax ? Self.pair(&fields, "range", (0, 1)) : (0, 1)
    quantiles = try method == .robust ? Self.pair(&fields, "quantiles", (25, 75)) : (25, 75)
    guard quantiles.low >= 0, quantiles.high <= 100 else {
      throw fields.value.error("quantiles are from 0 to 100")
    }
    guard var fitted = try fields.fitted() else {
      numbers = nil
      return
    }
    let keys = method == .minMax ? ("minimum", "maximum") : ("center", "scale")
    numbers = (
      try fitted.required(keys.0).finiteNumbers(count: inputCount),
      try fitted.required(keys.1).finiteNumbers(count: inputCount)
    )
    try fitted.finish()
  }

  /// Two numbers, the first below the second.
  private static func pair(
    _ fields: inout StepFields, _ key: String, _ standard: (Double, Double)
  ) throws(ModelError) -> (low: Double, high: Double) {
    guard let member = try fields.optional(key) else { return standard }
    let numbers = try member.finiteNumbers(count: 2)
    guard numbers[0] < numbers[1] else { throw member.error("the first is not below the second") }
    return (numbers[0], numbers[1])
  }

  var isFitted: Bool { numbers != nil }
  var rawKind: ColumnKind { .number }
  var gathering: Gathering? { method == .robust ? .quantiles : .moments }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    guard let numbers else { return }
    var made: [Chain] = []
    for (index, name) in step.inputs.enumerated() {
      var chain = try builder.numbers(name, step)
      for step in steps(numbers.first[index], numbers.second[index]) {
        chain = chain.followed(by: step)
      }
      made.append(chain)
    }
    for (name, chain) in zip(step.outputs, made) { builder.define(name, .number(chain)) }
  }

  private func steps(_ first: Double, _ second: Double) -> [ChainStep] {
    guard method == .minMax else {
      return [ChainStep(ns_feature_standard, a: first, b: second == 0 ? 1 : second)]
    }
    let distance = second - first
    let scale = (range.high - range.low) / distance.orOne
    let linear = ChainStep(ns_feature_linear, a: scale, b: range.low - first * scale)
    guard isClipped else { return [linear] }
    return [linear, ChainStep(ns_feature_clip, a: range.low, b: range.high)]
  }

  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue {
    var (first, second): ([Double], [Double]) = ([], [])
    for (index, column) in statistics.enumerated() {
      guard column.moments.count > 0 else {
        throw step.error("the input \(step.inputs[index]) has no value to fit to")
      }
      let (one, other) = numbers(of: column)
      first.append(one)
      second.append(other)
    }
    let keys = method == .minMax ? ("minimum", "maximum") : ("center", "scale")
    return .object([(keys.0, .numbers(first)), (keys.1, .numbers(second))])
  }

  private func numbers(of column: ColumnStatistics) -> (Double, Double) {
    let moments = column.moments
    switch method {
    case .standard:
      return (isCentered ? moments.mean : 0, isScaled ? moments.standardScale : 1)
    case .minMax: return (moments.minimum, moments.maximum)
    case .maxAbs: return (0, max(abs(moments.minimum), abs(moments.maximum)).orOne)
    case .robust:
      let low = column.quantile(quantiles.low / 100) ?? 0
      let high = column.quantile(quantiles.high / 100) ?? 0
      return (
        isCentered ? column.quantile(0.5) ?? 0 : 0, isScaled ? (high - low).orOne : 1
      )
    }
  }
}

extension Double {
  /// 1 instead of what is nothing beside rounding errors, as scikit-learn's scalers have it.
  fileprivate var orOne: Double { self < 10 * Double.ulpOfOne ? 1 : self }
}
