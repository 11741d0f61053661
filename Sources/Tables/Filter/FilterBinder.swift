import Jobs

/// Finds a filter's columns in a table and holds values against their types.
struct FilterBinder {
  private let columns: [String: Int]
  private let names: [String]
  private let types: [ColumnType]?
  private(set) var slots: [FilterSlot] = []

  /// Integers from here on are not all doubles.
  static let exactIntegerLimit = 9_007_199_254_740_992.0

  init(columns names: [String], types: [ColumnType]?) {
    self.names = names
    self.types = types
    columns = Dictionary(zip(names, names.indices)) { first, _ in first }
  }

  mutating func bind(_ expression: FilterExpression) throws(TableError) -> FilterCondition {
    switch expression {
    case .constant(let value): return .constant(value)
    case .truth(let column):
      if let type = try type(of: column), type != .boolean {
        throw filterError(
          column.position, "\"\(column.name)\" is not true or false; compare it with a value")
      }
      return try compare(column, .equal, .init(value: .truth(true), position: column.position))
    case .comparison(.column(let left), let comparison, .column(let right)):
      return try compare(left, comparison, right)
    case .comparison(.column(let left), let comparison, .literal(let right)):
      return try compare(left, comparison, right)
    case .comparison(.literal(let left), let comparison, .column(let right)):
      return try compare(right, comparison.swapped, left)
    case .comparison(.literal(let left), let comparison, .literal(let right)):
      return .constant(try Self.compare(left, comparison, right))
    case .member(let column, let values): return try member(column, values)
    case .like(let column, let pattern):
      let slot = try slot(column, type(of: column) ?? .text)
      guard slots[slot].kind == .text else { throw wrongValue(column, "LIKE", slot) }
      return .like(slot: slot, pattern)
    case .isNull(let column):
      return .isNull(slot: try slot(column, type(of: column) ?? .text))
    case .not(let inner): return .not(try bind(inner))
    case .all(let parts): return .all(try bind(parts))
    case .any(let parts): return .any(try bind(parts))
    }
  }

  private mutating func bind(
    _ parts: [FilterExpression]
  ) throws(TableError) -> [FilterCondition] {
    var bound: [FilterCondition] = []
    for part in parts { bound.append(try bind(part)) }
    return bound
  }

  // MARK: Columns

  private func index(of column: FilterExpression.Column) throws(TableError) -> Int {
    if let index = columns[column.name] { return index }
    let similar = names.first { $0.lowercased() == column.name.lowercased() }
    let hint = similar.map { "; there is \"\($0)\"" } ?? ""
    throw filterError(column.position, "the table has no column \"\(column.name)\"\(hint)")
  }

  /// The column's type; nil where nobody says.
  private func type(of column: FilterExpression.Column) throws(TableError) -> ColumnType? {
    try types?[index(of: column)]
  }

  private mutating func slot(
    _ column: FilterExpression.Column, _ type: ColumnType
  ) throws(TableError) -> Int {
    let kind: FilterSlot.Kind =
      switch type {
      case .boolean: .truth
      case .integer: .integer
      case .number: .number
      case .float: .float
      case .text, .binary: .text
      case .date: .date
      case .timestamp: .timestamp
      }
    let slot = FilterSlot(column: try index(of: column), kind: kind)
    if let known = slots.firstIndex(of: slot) { return known }
    slots.append(slot)
    return slots.count - 1
  }

  /// The slot of a column that is compared with a value.
  private mutating func slot(
    _ column: FilterExpression.Column, for value: FilterExpression.Literal.Value
  ) throws(TableError) -> Int {
    let type = try type(of: column)
    guard type != .binary else {
      throw filterError(column.position, "\"\(column.name)\" holds bytes, which are not compared")
    }
    switch value {
    case .number: return try slot(column, type ?? .number)
    case .text: return try slot(column, type ?? .text)
    case .truth: return try slot(column, type ?? .boolean)
    }
  }

  // MARK: Comparisons

  private mutating func compare(
    _ column: FilterExpression.Column, _ comparison: FilterExpression.Comparison,
    _ literal: FilterExpression.Literal
  ) throws(TableError) -> FilterCondition {
    let slot = try slot(column, for: literal.value)
    return switch try value(literal, for: slot, column) {
    case .number(let number): .number(slot: slot, comparison, number)
    case .integer(let integer): .integer(slot: slot, comparison, integer)
    case .text(let text): .text(slot: slot, comparison, text)
    }
  }

  private mutating func compare(
    _ left: FilterExpression.Column, _ comparison: FilterExpression.Comparison,
    _ right: FilterExpression.Column
  ) throws(TableError) -> FilterCondition {
    guard let leftType = try type(of: left), let rightType = try type(of: right) else {
      throw filterError(
        left.position,
        "two columns are compared whose types nobody knows; name them in inputConfig.schema")
    }
    let (one, other) = (try slot(left, leftType), try slot(right, rightType))
    let areBytes = leftType == .binary || rightType == .binary
    switch (slots[one].kind, slots[other].kind) {
    case (.text, .text) where !areBytes: return .textPair(one, comparison, other)
    case (.truth, .truth), (.date, .date), (.timestamp, .timestamp), (.date, .timestamp),
      (.timestamp, .date):
      return .integerPair(one, comparison, other)
    case _ where slots[one].isNumber && slots[other].isNumber:
      return .numberPair(one, comparison, other)
    default:
      throw filterError(
        left.position,
        "\"\(left.name)\" (\(leftType.rawValue)) is compared with \"\(right.name)\" "
          + "(\(rightType.rawValue))")
    }
  }

  private static func compare(
    _ left: FilterExpression.Literal, _ comparison: FilterExpression.Comparison,
    _ right: FilterExpression.Literal
  ) throws(TableError) -> Bool {
    switch (left.value, right.value) {
    case (.number(let left), .number(let right)): return comparison.holds(left, right)
    case (.truth(let left), .truth(let right)):
      return comparison.holds(left ? 1 : 0, right ? 1 : 0)
    case (.text(let left), .text(let right)):
      return comparison.holds(ByteText(Array(left.utf8)), ByteText(Array(right.utf8)))
    default: throw filterError(left.position, "two values of different types are compared")
    }
  }

  private mutating func member(
    _ column: FilterExpression.Column, _ literals: [FilterExpression.Literal]
  ) throws(TableError) -> FilterCondition {
    let slot = try slot(column, for: literals[0].value)
    var numbers: [Double] = []
    var integers: [Int64] = []
    var texts: [[UInt8]] = []
    for literal in literals {
      switch try value(literal, for: slot, column) {
      case .number(let number): numbers.append(number)
      case .integer(let integer): integers.append(integer)
      case .text(let text): texts.append(text)
      }
    }
    if slots[slot].isNumber { return .numberMember(slot: slot, of: numbers.sorted()) }
    guard slots[slot].kind == .text else {
      return .integerMember(slot: slot, of: integers.sorted())
    }
    texts.sort { $0.lexicographicallyPrecedes($1) }
    return .textMember(slot: slot, of: texts)
  }

  // MARK: Values

  private enum Value {
    case number(Double)
    case integer(Int64)
    case text([UInt8])
  }

  /// A literal as the slot's values are compared with it.
  private func value(
    _ literal: FilterExpression.Literal, for slot: Int, _ column: FilterExpression.Column
  ) throws(TableError) -> Value {
    let kind = slots[slot].kind
    switch (literal.value, kind) {
    case (.number(let number), .integer):
      guard abs(number) < Self.exactIntegerLimit else {
        throw filterError(
          literal.position,
          "integers beyond ±2^53 are not compared exactly; declare the column as text")
      }
      return .number(number)
    case (.number(let number), .number), (.number(let number), .float):
      return .number(kind.rounded(number))
    case (.text(let text), .text): return .text(Array(text.utf8))
    case (.truth(let truth), .truth): return .integer(truth ? 1 : 0)
    case (.text(let text), .date), (.text(let text), .timestamp):
      let moment = unsafe Array(text.utf8).withUnsafeBufferPointer {
        unsafe Moment.microseconds(of: $0, isDate: kind == .date)
      }
      guard let moment else { throw wrongValue(column, "this text", slot, literal.position) }
      return .integer(moment)
    case (.number, _): throw wrongValue(column, "a number", slot, literal.position)
    case (.text, _): throw wrongValue(column, "a text", slot, literal.position)
    case (.truth, _): throw wrongValue(column, "true or false", slot, literal.position)
    }
  }

  private func wrongValue(
    _ column: FilterExpression.Column, _ what: String, _ slot: Int, _ position: Int? = nil
  ) -> TableError {
    filterError(
      position ?? column.position,
      "\(what) does not go with \"\(column.name)\", which is \(slots[slot].valueName)")
  }
}

/// Text that is compared byte by byte.
struct ByteText: Comparable {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  static func < (left: ByteText, right: ByteText) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }
}
