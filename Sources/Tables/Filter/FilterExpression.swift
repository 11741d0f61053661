/// A filter as it is written, before its columns are known.
indirect enum FilterExpression: Hashable {
  case constant(Bool)
  /// A column that is true or false of itself.
  case truth(Column)
  case comparison(Operand, Comparison, Operand)
  case member(Column, of: [Literal])
  case like(Column, pattern: LikePattern)
  case isNull(Column)
  case not(FilterExpression)
  case all([FilterExpression])
  case any([FilterExpression])

  /// How two values are compared.
  enum Comparison: Hashable, CaseIterable {
    case equal, notEqual, less, lessEqual, greater, greaterEqual

    /// The comparison with its sides swapped.
    var swapped: Comparison {
      switch self {
      case .equal, .notEqual: self
      case .less: .greater
      case .lessEqual: .greaterEqual
      case .greater: .less
      case .greaterEqual: .lessEqual
      }
    }

    /// Compares.
    @inline(__always)
    func holds<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
      switch self {
      case .equal: left == right
      case .notEqual: left != right
      case .less: left < right
      case .lessEqual: left <= right
      case .greater: left > right
      case .greaterEqual: left >= right
      }
    }
  }

  /// A column's name and its place in the text.
  struct Column: Hashable {
    let name: String
    let position: Int
  }

  /// A value and its place in the text.
  struct Literal: Hashable {
    let value: Value
    let position: Int

    enum Value: Hashable {
      case number(Double)
      case text(String)
      case truth(Bool)
    }
  }

  /// One side of a comparison.
  enum Operand: Hashable {
    case column(Column)
    case literal(Literal)
  }
}
