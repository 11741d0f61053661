/// Reads a filter by recursive descent.
///
///     filter    := and { OR and }
///     and       := not { AND not }
///     not       := NOT not | predicate
///     predicate := ( filter ) | operand [ comparison operand ] | column IS [NOT] NULL
///                | column [NOT] IN ( literal { , literal } )
///                | operand [NOT] BETWEEN operand AND operand
///                | column [NOT] LIKE text [ ESCAPE text ]
///     operand   := column | literal
///     literal   := number | 'text' | TRUE | FALSE | DATE 'text' | TIMESTAMP 'text'
struct FilterParser {
  private let tokens: [FilterToken]
  private var index = 0
  private var depth = 0

  /// Longest text of a filter, in bytes.
  static let byteLimit = 64 << 10
  /// Deepest nesting of parentheses and NOT: the parser's own stack bounds it.
  static let depthLimit = 64

  private static let keywords: Set<String> = [
    "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ESCAPE", "IS", "NULL", "TRUE", "FALSE",
  ]

  /// Reads a whole filter.
  ///
  /// - Throws: `TableError.unsupported` with the place and what was expected there.
  static func parse(_ text: String) throws(TableError) -> FilterExpression {
    guard text.utf8.count <= byteLimit else {
      throw filterError(1, "\(text.utf8.count) bytes of text, at most \(byteLimit) are allowed")
    }
    var parser = FilterParser(tokens: try FilterLexer.tokens(of: text))
    let expression = try parser.any()
    guard parser.token.kind == .end else { throw parser.expected("AND, OR or the end") }
    return expression
  }

  private init(tokens: [FilterToken]) { self.tokens = tokens }

  // The last token is the end, and nobody goes past it.
  private var token: FilterToken { tokens[index] }

  private mutating func take(_ keyword: String) -> Bool {
    guard token.isKeyword(keyword) else { return false }
    index += 1
    return true
  }

  private mutating func take(_ mark: FilterToken.Mark) -> Bool {
    guard token.kind == .mark(mark) else { return false }
    index += 1
    return true
  }

  private func expected(_ what: String) -> TableError {
    filterError(token.position, "\(token.description) where \(what) was expected")
  }

  // MARK: Connectives

  private mutating func any() throws(TableError) -> FilterExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else {
      throw filterError(token.position, "more than \(Self.depthLimit) levels of nesting")
    }
    var parts = [try all()]
    while take("OR") { parts.append(try all()) }
    return parts.count == 1 ? parts[0] : .any(parts)
  }

  private mutating func all() throws(TableError) -> FilterExpression {
    var parts = [try negation()]
    while take("AND") { parts.append(try negation()) }
    return parts.count == 1 ? parts[0] : .all(parts)
  }

  private mutating func negation() throws(TableError) -> FilterExpression {
    var isNegated = false
    while take("NOT") { isNegated.toggle() }
    let inner = try predicate()
    return isNegated ? .not(inner) : inner
  }

  // MARK: Predicates

  private mutating func predicate() throws(TableError) -> FilterExpression {
    if take(.open) {
      let inner = try any()
      guard take(.close) else { throw expected("AND, OR or \")\"") }
      return inner
    }
    let left = try operand()
    if let comparison = takeComparison() {
      return .comparison(left, comparison, try operand())
    }
    let isNegated = take("NOT")
    let found: FilterExpression?
    if take("BETWEEN") {
      found = try between(left)
    } else if case .column(let column) = left {
      found = try columnPredicate(column, isNegated: isNegated)
    } else if case .literal(let literal) = left, case .truth(let value) = literal.value {
      found = isNegated ? nil : .constant(value)
    } else {
      found = nil
    }
    guard let found else {
      throw expected(isNegated ? "IN, BETWEEN or LIKE" : "a comparison")
    }
    return isNegated ? .not(found) : found
  }

  private mutating func columnPredicate(
    _ column: FilterExpression.Column, isNegated: Bool
  ) throws(TableError) -> FilterExpression? {
    if take("IN") { return .member(column, of: try list()) }
    if take("LIKE") { return .like(column, pattern: try pattern()) }
    if isNegated { return nil }
    guard take("IS") else { return .truth(column) }
    let isPresent = take("NOT")
    guard take("NULL") else { throw expected("NULL") }
    return isPresent ? .not(.isNull(column)) : .isNull(column)
  }

  private mutating func between(
    _ value: FilterExpression.Operand
  ) throws(TableError) -> FilterExpression {
    let low = try operand()
    guard take("AND") else { throw expected("AND") }
    let high = try operand()
    return .all([.comparison(value, .greaterEqual, low), .comparison(value, .lessEqual, high)])
  }

  private mutating func list() throws(TableError) -> [FilterExpression.Literal] {
    guard take(.open) else { throw expected("\"(\"") }
    var values: [FilterExpression.Literal] = []
    repeat {
      guard case .literal(let value) = try operand() else { throw expected("a value") }
      values.append(value)
    } while take(.comma)
    guard take(.close) else { throw expected("\",\" or \")\"") }
    return values
  }

  private mutating func pattern() throws(TableError) -> LikePattern {
    let position = token.position
    guard case .text(let text) = token.kind else { throw expected("a text in '…'") }
    index += 1
    var escape: UInt8?
    if take("ESCAPE") {
      guard case .text(let mark) = token.kind, mark.utf8.count == 1 else {
        throw expected("one ASCII character in '…'")
      }
      index += 1
      escape = mark.utf8.first
    }
    guard let pattern = LikePattern(text, escape: escape) else {
      throw filterError(position, "a pattern whose escape stands before none of %, _ and itself")
    }
    return pattern
  }

  private mutating func takeComparison() -> FilterExpression.Comparison? {
    guard case .mark(let mark) = token.kind else { return nil }
    let comparison: FilterExpression.Comparison
    switch mark {
    case .equal, .doubleEqual: comparison = .equal
    case .notEqual, .bangEqual: comparison = .notEqual
    case .less: comparison = .less
    case .lessEqual: comparison = .lessEqual
    case .greater: comparison = .greater
    case .greaterEqual: comparison = .greaterEqual
    case .open, .close, .comma: return nil
    }
    index += 1
    return comparison
  }

  private mutating func operand() throws(TableError) -> FilterExpression.Operand {
    let token = token
    switch token.kind {
    case .number(let value):
      index += 1
      return .literal(.init(value: .number(value), position: token.position))
    case .text(let value):
      index += 1
      return .literal(.init(value: .text(value), position: token.position))
    case .name(let name):
      index += 1
      return .column(.init(name: name, position: token.position))
    case .word(let word): return try operand(word, token)
    case .mark, .end: throw expected("a column or a value")
    }
  }

  private mutating func operand(
    _ word: String, _ token: FilterToken
  ) throws(TableError) -> FilterExpression.Operand {
    let isTyped = token.isKeyword("DATE") || token.isKeyword("TIMESTAMP")
    if isTyped, case .text(let value) = tokens[index + 1].kind {
      index += 2
      return .literal(.init(value: .text(value), position: token.position))
    }
    if token.isKeyword("NULL") {
      throw filterError(token.position, "nothing equals NULL; write IS NULL or IS NOT NULL")
    }
    if token.isKeyword("TRUE") || token.isKeyword("FALSE") {
      index += 1
      return .literal(.init(value: .truth(token.isKeyword("TRUE")), position: token.position))
    }
    guard !Self.keywords.contains(word.uppercased()) else {
      throw expected("a column or a value (a column of that name needs \"…\")")
    }
    index += 1
    return .column(.init(name: word, position: token.position))
  }
}
