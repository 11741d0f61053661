internal import CKernels
internal import Models

/// Cuts values off at `lower` and `upper`, of which one may be absent.
struct Clip: Operation {
  private let lower: Double
  private let upper: Double

  init(_ fields: inout StepFields) throws(ModelError) {
    lower = try fields.number("lower", default: -.infinity)
    upper = try fields.number("upper", default: .infinity)
    guard lower <= upper else { throw fields.value.error("lower is not below upper") }
  }

  var rawKind: ColumnKind { .number }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    try builder.follow(step) { _ in ChainStep(ns_feature_clip, a: lower, b: upper) }
  }
}

/// `method` `log`: ln(x + `offset`); `log1p`: ln(1 + x).
struct Logarithm: Operation {
  private let method: Method
  private let offset: Double

  enum Method: String, CaseIterable {
    case log, log1p
  }

  init(_ fields: inout StepFields) throws(ModelError) {
    method = try fields.word("method", default: .log)
    offset = try method == .log ? fields.finite("offset", default: 0) : 0
  }

  var rawKind: ColumnKind { .number }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    try builder.follow(step) { _ in
      method == .log ? ChainStep(ns_feature_log, a: offset) : ChainStep(ns_feature_log1p)
    }
  }
}

/// `method` `exponent`: x to the power of `exponent`; `yeo_johnson` and `box_cox`: the curves of
/// these names, with a `lambda` for each input that makes it most like a normal distribution.
///
/// I.-K. Yeo, R. A. Johnson, A new family of power transformations, 2000; G. E. P. Box, D. R. Cox,
/// An analysis of transformations, 1964. The result is not scaled: let a step `scale` follow.
struct Power: Operation {
  private let method: Method
  private let exponent: Double
  private let lambdas: [Double]?

  enum Method: String, CaseIterable {
    case exponent
    case yeoJohnson = "yeo_johnson"
    case boxCox = "box_cox"
  }

  init(_ fields: inout StepFields, inputCount: Int) throws(ModelError) {
    method = try fields.word("method", default: .exponent)
    guard method != .exponent else {
      _ = try fields.required("exponent")
      exponent = try fields.finite("exponent", default: 1)
      lambdas = []
      return
    }
    exponent = 1
    guard var fitted = try fields.fitted() else {
      lambdas = nil
      return
    }
    lambdas = try fitted.required("lambda").finiteNumbers(count: inputCount)
    try fitted.finish()
  }

  var isFitted: Bool { lambdas != nil }
  var rawKind: ColumnKind { .number }
  var gathering: Gathering? { method == .exponent ? nil : .quantiles }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    guard let lambdas else { return }
    try builder.follow(step) { index in
      switch method {
      case .exponent: ChainStep(ns_feature_power, a: exponent)
      case .yeoJohnson: ChainStep(ns_feature_yeo_johnson, a: lambdas[index])
      case .boxCox: ChainStep(ns_feature_box_cox, a: lambdas[index])
      }
    }
  }

  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue {
    var lambdas: [Double] = []
    for (index, column) in statistics.enumerated() {
      let values = column.weightedValues
      guard !values.isEmpty else {
        throw step.error("the input \(step.inputs[index]) has no value to fit to")
      }
      if method == .boxCox, values[0].value <= 0 {
        throw step.error("the input \(step.inputs[index]) has values that are not above 0")
      }
      let search = LambdaSearch(values: values, isBoxCox: method == .boxCox)
      lambdas.append(search.best())
    }
    return .object([("lambda", .numbers(lambdas))])
  }
}

/// Numbers become buckets: how many edges are at most the value (with `right`: below it).
///
/// `edges`: one list for all inputs, or one for each; ascending. Otherwise `buckets` of them are
/// fitted by `strategy`: `quantile` (about as many rows in each) or `uniform` (the same width).
/// Fitted: `edges`, a list for each input, without the outermost ones.
struct Bucketize: Operation {
  private let isRight: Bool
  private let bucketCount: Int
  private let strategy: Strategy
  private let edges: [[Double]]?

  enum Strategy: String, CaseIterable {
    case quantile, uniform
  }

  init(_ fields: inout StepFields, inputCount: Int) throws(ModelError) {
    isRight = try fields.flag("right", default: false)
    strategy = try fields.word("strategy", default: .quantile)
    if let given = try fields.optional("edges") {
      bucketCount = 0
      if given.isNumbers {
        let edges = try Self.edges(given)
        self.edges = Array(repeating: edges, count: inputCount)
      } else {
        edges = try given.list(count: inputCount).map { (value) throws(ModelError) in
          try Self.edges(value)
        }
      }
      return
    }
    bucketCount = try fields.required("buckets").integer(in: 2...65_536)
    guard var fitted = try fields.fitted() else {
      edges = nil
      return
    }
    edges = try fitted.required("edges").list(count: inputCount).map {
      (value) throws(ModelError) in try Self.edges(value)
    }
    try fitted.finish()
  }

  private static func edges(_ value: DocumentValue) throws(ModelError) -> [Double] {
    let edges = try value.doubles()
    guard zip(edges, edges.dropFirst()).allSatisfy({ $0 < $1 }), edges.allSatisfy({ !$0.isNaN })
    else { throw value.error("the edges do not ascend") }
    guard edges.count <= 1 << 20 else {
      throw value.error("\(edges.count) edges, the limit is \(1 << 20)", code: .limitExceeded)
    }
    return edges
  }

  var isFitted: Bool { edges != nil }
  var rawKind: ColumnKind { .number }

  var gathering: Gathering? {
    bucketCount == 0 ? nil : strategy == .quantile ? .quantiles : .moments
  }

  func emit(_ step: StepNames, into builder: inout ProgramBuilder) throws(ModelError) {
    guard let edges else { return }
    try builder.follow(step) { index in
      ChainStep(isRight ? ns_feature_bucket_right : ns_feature_bucket, table: edges[index])
    }
  }

  func fitted(
    from statistics: [ColumnStatistics], _ step: StepNames
  ) throws(ModelError) -> FittedValue {
    var lists: [FittedValue] = []
    for (index, column) in statistics.enumerated() {
      guard column.moments.count > 0 else {
        throw step.error("the input \(step.inputs[index]) has no value to fit to")
      }
      var edges: [Double] = []
      for bucket in 1..<bucketCount {
        let share = Double(bucket) / Double(bucketCount)
        let (low, high) = (column.moments.minimum, column.moments.maximum)
        let edge = strategy == .quantile ? column.quantile(share) : low + (high - low) * share
        // Equal edges would make buckets that are always empty.
        if let edge, edge > (edges.last ?? low) { edges.append(edge) }
      }
      lists.append(.numbers(edges))
    }
    return .object([("edges", .array(lists))])
  }
}

extension ProgramBuilder {
  /// Lets one step of arithmetic follow each input.
  mutating func follow(
    _ step: StepNames, _ makeStep: (Int) -> ChainStep
  ) throws(ModelError) {
    var made: [Chain] = []
    for (index, name) in step.inputs.enumerated() {
      made.append(try numbers(name, step).followed(by: makeStep(index)))
    }
    for (name, chain) in zip(step.outputs, made) { define(name, .number(chain)) }
  }
}
