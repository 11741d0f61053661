internal import CKernels
internal import Models

/// One function of one number, over any number of columns.
struct UnarySteps: GraphStep {
  let storage: CellStorage
  let operation: UnaryOperation
  /// Where each column comes from and goes.
  let pairs: [(from: Cell, to: Cell)]

  var reads: [Cell] { pairs.map(\.from) }
  var writes: [Cell] { pairs.map(\.to) }
  var name: String { "\(operation.name) of \(pairs.count) columns" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = pairs.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : UnarySteps(storage: storage, operation: operation, pairs: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    switch storage {
    case .float: unsafe run(frame, &scratch, Float.self)
    case .double: unsafe run(frame, &scratch, Double.self)
    case .integer: unsafe run(frame, &scratch, Int64.self)
    case .text, .code: preconditionFailure("not a number")
    }
  }

  private func run<Number: GraphNumber>(
    _ frame: GraphFrame, _ scratch: inout ScoringScratch, _ type: Number.Type
  ) {
    for pair in pairs {
      let (from, to) = unsafe (
        frame.values(pair.from, Number.self), frame.values(pair.to, Number.self)
      )
      unsafe apply(from, to, frame.rowCount, frame.isa)
    }
  }

  private func apply<Number: GraphNumber>(
    _ from: UnsafeMutablePointer<Number>, _ to: UnsafeMutablePointer<Number>, _ count: Int,
    _ isa: ns_isa
  ) {
    if let activation = operation.activation, Number.self == Float.self {
      unsafe UnsafeMutableRawPointer(from).withMemoryRebound(to: Float.self, capacity: count) {
        from in
        unsafe UnsafeMutableRawPointer(to).withMemoryRebound(to: Float.self, capacity: count) {
          to in
          unsafe ns_activate(
            isa, activation.kind, activation.first, activation.second, from, to, count)
        }
      }
      return
    }
    switch operation {
    case .negate: for row in 0..<count { unsafe to[row] = .graphSubtract(.zero, from[row]) }
    case .absolute:
      for row in 0..<count {
        let value = unsafe from[row]
        unsafe to[row] = value < .zero ? .graphSubtract(.zero, value) : .graphAdd(value, .zero)
      }
    case .squareRoot: unsafe map(from, to, count) { $0.squareRoot() }
    case .reciprocal: unsafe map(from, to, count) { 1 / $0 }
    case .floor: unsafe map(from, to, count) { $0.rounded(.down) }
    case .ceiling: unsafe map(from, to, count) { $0.rounded(.up) }
    case .round: unsafe map(from, to, count) { $0.rounded(.toNearestOrEven) }
    case .sign: unsafe map(from, to, count) { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }
    case .exponential: unsafe map(from, to, count, libraryExp)
    case .logarithm: unsafe map(from, to, count, libraryLog)
    case .sine: unsafe map(from, to, count, librarySin)
    case .cosine: unsafe map(from, to, count, libraryCos)
    case .tanh: unsafe map(from, to, count, libraryTanh)
    case .errorFunction: unsafe map(from, to, count, libraryErf)
    case .sigmoid: unsafe map(from, to, count) { 1 / (1 + libraryExp(-$0)) }
    case .relu: unsafe map(from, to, count) { $0 > 0 ? $0 : $0.isNaN ? $0 : 0 }
    case .leakyRelu(let slope): unsafe map(from, to, count) { $0 < 0 ? $0 * slope : $0 }
    case .elu(let alpha): unsafe map(from, to, count) { $0 < 0 ? alpha * libraryExpm1($0) : $0 }
    case .selu(let alpha, let gamma):
      unsafe map(from, to, count) { gamma * ($0 > 0 ? $0 : alpha * libraryExpm1($0)) }
    case .softplus:
      unsafe map(from, to, count) {
        $0 > 0 ? $0 + libraryLog1p(libraryExp(-$0)) : libraryLog1p(libraryExp($0))
      }
    case .softsign: unsafe map(from, to, count) { $0 / (1 + $0.magnitude) }
    case .hardSigmoid(let alpha, let beta):
      unsafe map(from, to, count) {
        let value = alpha * $0 + beta
        return value < 0 ? 0 : value > 1 ? 1 : value
      }
    case .gelu: unsafe map(from, to, count) { $0 / 2 * (1 + libraryErf($0 * 0.5.squareRoot())) }
    case .geluTanh:
      unsafe map(from, to, count) {
        let inner = 0.7978845608028654 * ($0 + 0.044715 * $0 * $0 * $0)
        return $0 / 2 * (1 + libraryTanh(inner))
      }
    case .clip(let least, let most):
      unsafe map(from, to, count) { $0 < least ? least : $0 > most ? most : $0 }
    case .oneClass: unsafe map(from, to, count) { $0 > 0 ? 1 : -1 }
    case .probit: unsafe map(from, to, count, probit)
    case .threshold(let limit): unsafe map(from, to, count) { $0 > limit ? 1 : 0 }
    }
  }

  @inline(__always)
  private func map<Number: GraphNumber>(
    _ from: UnsafeMutablePointer<Number>, _ to: UnsafeMutablePointer<Number>, _ count: Int,
    _ function: (Double) -> Double
  ) {
    for row in 0..<count { unsafe to[row] = Number(double: function(from[row].asDouble)) }
  }
}

/// A function of one number.
enum UnaryOperation: Equatable, Sendable {
  case negate, absolute, squareRoot, reciprocal, floor, ceiling, round, sign
  case exponential, logarithm, sine, cosine, tanh, errorFunction, sigmoid
  case relu
  case leakyRelu(Double)
  case elu(Double)
  case selu(alpha: Double, gamma: Double)
  case softplus, softsign
  case hardSigmoid(alpha: Double, beta: Double)
  case gelu, geluTanh
  /// The nearest number in a range.
  case clip(Double, Double)
  /// 1 above zero, else −1.
  case oneClass
  /// √2 · erf⁻¹(2x − 1), by the approximation that runtimes share.
  case probit
  /// 1 where the number is larger, else 0.
  case threshold(Double)

  /// The kernel that computes it for floats, if one does.
  var activation: (kind: ns_activation, first: Float, second: Float)? {
    switch self {
    case .exponential: (ns_activation_exp, 0, 0)
    case .tanh: (ns_activation_tanh, 0, 0)
    case .errorFunction: (ns_activation_erf, 0, 0)
    case .sigmoid: (ns_activation_sigmoid, 0, 0)
    case .relu: (ns_activation_relu, 0, 0)
    case .leakyRelu(let slope): (ns_activation_leaky_relu, Float(slope), 0)
    case .gelu: (ns_activation_gelu, 0, 0)
    case .geluTanh: (ns_activation_gelu_tanh, 0, 0)
    case .clip(let least, let most): (ns_activation_clip, Float(least), Float(most))
    default: nil
    }
  }

  /// Its name, for people.
  var name: String { String(String(describing: self).prefix { $0 != "(" }) }
}

/// What one side of an operation of two numbers is.
enum Operand: Sendable {
  case cell(Cell)
  case constant(GraphColumn)

  var cell: Cell? {
    if case .cell(let cell) = self { cell } else { nil }
  }
}

/// A function of two numbers.
enum BinaryOperation: Equatable, Sendable {
  case add, subtract, multiply, divide, power, least, greatest, remainder, floorRemainder
  /// The first where it is not below zero, else the product of both.
  case parametricRelu

  /// Its name, for people.
  var name: String { String(describing: self) }
}

/// One function of two numbers, over any number of columns.
struct BinarySteps: GraphStep {
  let storage: CellStorage
  let operation: BinaryOperation
  let parts: [BinaryPart]

  var reads: [Cell] { parts.flatMap { [$0.one.cell, $0.other.cell].compactMap { $0 } } }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "\(operation.name) of \(parts.count) columns" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = parts.filter { isNeeded($0.to) }
    return kept.isEmpty ? nil : BinarySteps(storage: storage, operation: operation, parts: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    switch storage {
    case .float: unsafe run(frame, &scratch, Float.self)
    case .double: unsafe run(frame, &scratch, Double.self)
    case .integer: unsafe run(frame, &scratch, Int64.self)
    case .text, .code: preconditionFailure("not a number")
    }
  }

  private func run<Number: GraphNumber>(
    _ frame: GraphFrame, _ scratch: inout ScoringScratch, _ type: Number.Type
  ) {
    for part in parts {
      switch operation {
      case .add: unsafe apply(part, frame, type) { .graphAdd($0, $1) }
      case .subtract: unsafe apply(part, frame, type) { .graphSubtract($0, $1) }
      case .multiply: unsafe apply(part, frame, type) { .graphMultiply($0, $1) }
      case .divide: unsafe apply(part, frame, type) { .graphDivide($0, $1) }
      case .power: unsafe apply(part, frame, type) { .graphPower($0, $1) }
      case .least: unsafe apply(part, frame, type) { $0 < $1 || $0.isNotANumber ? $0 : $1 }
      case .greatest: unsafe apply(part, frame, type) { $0 > $1 || $0.isNotANumber ? $0 : $1 }
      case .remainder: unsafe apply(part, frame, type) { .graphRemainder($0, $1) }
      case .floorRemainder:
        unsafe apply(part, frame, type) {
          let rest = Number.graphRemainder($0, $1)
          let isWrong = (rest < .zero && $1 > .zero) || (rest > .zero && $1 < .zero)
          return isWrong ? .graphAdd(rest, $1) : rest
        }
      case .parametricRelu:
        unsafe apply(part, frame, type) { $0 < .zero ? .graphMultiply($0, $1) : $0 }
      }
    }
  }

  @inline(__always)
  private func apply<Number: GraphNumber>(
    _ part: BinaryPart, _ frame: GraphFrame, _ type: Number.Type,
    _ function: (Number, Number) -> Number
  ) {
    let to = unsafe frame.values(part.to, Number.self)
    let count = unsafe frame.rowCount
    switch (part.one, part.other) {
    case (.cell(let one), .cell(let other)):
      let (one, other) = unsafe (
        frame.values(one, Number.self), frame.values(other, Number.self)
      )
      for row in 0..<count { unsafe to[row] = function(one[row], other[row]) }
    case (.cell(let one), .constant(let other)):
      let one = unsafe frame.values(one, Number.self)
      let other = Number(constant: other)
      for row in 0..<count { unsafe to[row] = function(one[row], other) }
    case (.constant(let one), .cell(let other)):
      let one = Number(constant: one)
      let other = unsafe frame.values(other, Number.self)
      for row in 0..<count { unsafe to[row] = function(one, other[row]) }
    case (.constant(let one), .constant(let other)):
      let value = function(Number(constant: one), Number(constant: other))
      for row in 0..<count { unsafe to[row] = value }
    }
  }
}

/// One column of a function of two numbers.
struct BinaryPart: Sendable {
  let one: Operand
  let other: Operand
  let to: Cell
}

/// What a comparison is true for.
enum Comparison: String, Sendable {
  case equal, less, lessOrEqual, greater, greaterOrEqual
  case and, or, exclusiveOr
}

/// Comparisons of numbers, and of truth values, over any number of columns; 1 where true, else 0.
struct ComparisonSteps: GraphStep {
  let storage: CellStorage
  let comparison: Comparison
  let parts: [BinaryPart]

  var reads: [Cell] { parts.flatMap { [$0.one.cell, $0.other.cell].compactMap { $0 } } }
  var writes: [Cell] { parts.map(\.to) }
  var name: String { "\(comparison) of \(parts.count) columns" }

  func keeping(_ isNeeded: (Cell) -> Bool) -> (any GraphStep)? {
    let kept = parts.filter { isNeeded($0.to) }
    return kept.isEmpty
      ? nil : ComparisonSteps(storage: storage, comparison: comparison, parts: kept)
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    switch storage {
    case .float: unsafe run(frame, &scratch, Float.self)
    case .double: unsafe run(frame, &scratch, Double.self)
    case .integer: unsafe run(frame, &scratch, Int64.self)
    case .text, .code: preconditionFailure("not a number")
    }
  }

  private func run<Number: GraphNumber>(
    _ frame: GraphFrame, _ scratch: inout ScoringScratch, _ type: Number.Type
  ) {
    for part in parts {
      switch comparison {
      case .equal: unsafe apply(part, frame, type) { $0 == $1 }
      case .less: unsafe apply(part, frame, type) { $0 < $1 }
      case .lessOrEqual: unsafe apply(part, frame, type) { $0 <= $1 }
      case .greater: unsafe apply(part, frame, type) { $0 > $1 }
      case .greaterOrEqual: unsafe apply(part, frame, type) { $0 >= $1 }
      case .and: unsafe apply(part, frame, type) { $0 != .zero && $1 != .zero }
      case .or: unsafe apply(part, frame, type) { $0 != .zero || $1 != .zero }
      case .exclusiveOr: unsafe apply(part, frame, type) { ($0 != .zero) != ($1 != .zero) }
      }
    }
  }

  @inline(__always)
  private func apply<Number: GraphNumber>(
    _ part: BinaryPart, _ frame: GraphFrame, _ type: Number.Type,
    _ function: (Number, Number) -> Bool
  ) {
    let to = unsafe frame.integers(part.to)
    for row in 0..<(unsafe frame.rowCount) {
      let one: Number = unsafe value(part.one, row, frame)
      let other: Number = unsafe value(part.other, row, frame)
      unsafe to[row] = function(one, other) ? 1 : 0
    }
  }

  @inline(__always)
  private func value<Number: GraphNumber>(
    _ operand: Operand, _ row: Int, _ frame: GraphFrame
  ) -> Number {
    switch operand {
    case .cell(let cell): unsafe frame.values(cell, Number.self)[row]
    case .constant(let constant): Number(constant: constant)
    }
  }
}
