/// A filter whose columns and values are known to go together.
///
/// Columns are slots: places in `RecordFilter.slots`.
indirect enum FilterCondition: Hashable, Sendable {
  typealias Comparison = FilterExpression.Comparison

  case constant(Bool)
  case number(slot: Int, Comparison, Double)
  case numberPair(Int, Comparison, Int)
  case numberMember(slot: Int, of: [Double])
  /// Moments and truths.
  case integer(slot: Int, Comparison, Int64)
  case integerPair(Int, Comparison, Int)
  case integerMember(slot: Int, of: [Int64])
  /// Texts are compared byte by byte, which for UTF-8 is by Unicode scalar.
  case text(slot: Int, Comparison, [UInt8])
  case textPair(Int, Comparison, Int)
  /// The texts ascend.
  case textMember(slot: Int, of: [[UInt8]])
  case like(slot: Int, LikePattern)
  case isNull(slot: Int)
  case not(FilterCondition)
  case all([FilterCondition])
  case any([FilterCondition])
}

/// One column as a filter reads it.
struct FilterSlot: Hashable, Sendable {
  let column: Int
  let kind: Kind

  enum Kind: Hashable, Sendable {
    /// Doubles; compared with each other they may be too large to be exact integers.
    case number
    case integer
    /// Numbers that are rounded to 32 bits before they are compared.
    case float
    case text
    case date
    case timestamp
    case truth
  }

  /// Whether its values are read as numbers, rather than from text.
  var isNumber: Bool {
    switch kind {
    case .number, .integer, .float: true
    case .text, .date, .timestamp, .truth: false
    }
  }

  /// What a value of it is, for a message.
  var valueName: String {
    switch kind {
    case .number, .float: "a number"
    case .integer: "an integer"
    case .text: "a text"
    case .date: "a date"
    case .timestamp: "a timestamp"
    case .truth: "true or false"
    }
  }
}

extension FilterSlot.Kind {
  /// The number as it is compared.
  @inline(__always)
  func rounded(_ number: Double) -> Double { self == .float ? Double(Float(number)) : number }
}
