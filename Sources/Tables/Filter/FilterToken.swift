/// One word, mark or value of a filter's text.
struct FilterToken: Hashable {
  let kind: Kind
  /// Where it begins, in characters from 1.
  let position: Int

  enum Kind: Hashable {
    /// A word without quotes: a keyword or a column.
    case word(String)
    /// A column's name in quotes.
    case name(String)
    case number(Double)
    case text(String)
    case mark(Mark)
    case end
  }

  enum Mark: String, Hashable, CaseIterable {
    case notEqual = "<>"
    case bangEqual = "!="
    case lessEqual = "<="
    case greaterEqual = ">="
    case doubleEqual = "=="
    case equal = "="
    case less = "<"
    case greater = ">"
    case open = "("
    case close = ")"
    case comma = ","
  }

  /// What it is, for a message.
  var description: String {
    switch kind {
    case .word(let word): "\"\(word)\""
    case .name: "a column"
    case .number: "a number"
    case .text: "a text"
    case .mark(let mark): "\"\(mark.rawValue)\""
    case .end: "the end"
    }
  }

  /// Whether it is a keyword, which may be written in any case.
  func isKeyword(_ keyword: String) -> Bool {
    if case .word(let word) = kind { word.uppercased() == keyword } else { false }
  }
}

/// Takes a filter's text apart.
struct FilterLexer {
  private let characters: [Unicode.Scalar]
  private var index = 0

  init(_ text: String) { characters = Array(text.unicodeScalars) }

  /// All tokens, the end last.
  static func tokens(of text: String) throws(TableError) -> [FilterToken] {
    var lexer = FilterLexer(text)
    var tokens: [FilterToken] = []
    repeat { tokens.append(try lexer.next()) } while tokens.last?.kind != .end
    return tokens
  }

  private var current: Unicode.Scalar? { index < characters.count ? characters[index] : nil }

  private mutating func next() throws(TableError) -> FilterToken {
    while let character = current, character.properties.isWhitespace { index += 1 }
    let position = index + 1
    guard let character = current else { return FilterToken(kind: .end, position: position) }
    let kind: FilterToken.Kind
    if character == "'" {
      kind = .text(try quoted(by: character, position))
    } else if character == "\"" {
      kind = .name(try quoted(by: character, position))
    } else if "0123456789.+-".unicodeScalars.contains(character) {
      kind = .number(try number(position))
    } else if Self.beginsWord(character) {
      kind = .word(word())
    } else if let mark = FilterToken.Mark.allCases.first(where: { begins($0.rawValue) }) {
      index += mark.rawValue.count
      kind = .mark(mark)
    } else {
      throw filterError(position, "a character that has no meaning here")
    }
    return FilterToken(kind: kind, position: position)
  }

  private func begins(_ mark: String) -> Bool {
    characters[index...].starts(with: mark.unicodeScalars)
  }

  private static func beginsWord(_ character: Unicode.Scalar) -> Bool {
    character == "_" || character.properties.isAlphabetic
  }

  private mutating func word() -> String {
    var word = ""
    while let character = current,
      Self.beginsWord(character) || "0123456789.$".unicodeScalars.contains(character)
    {
      word.unicodeScalars.append(character)
      index += 1
    }
    return word
  }

  /// What stands between quotes, which stand twice inside.
  private mutating func quoted(
    by quote: Unicode.Scalar, _ position: Int
  ) throws(TableError) -> String {
    var text = ""
    index += 1
    while let character = current {
      index += 1
      if character == quote {
        guard current == quote else { return text }
        index += 1
      }
      text.unicodeScalars.append(character)
    }
    throw filterError(position, "a quote that is not closed")
  }

  private mutating func number(_ position: Int) throws(TableError) -> Double {
    let begin = index
    if "+-".unicodeScalars.contains(characters[index]) { index += 1 }
    while let character = current {
      let isExponentSign =
        "+-".unicodeScalars.contains(character)
        && "eE".unicodeScalars.contains(characters[index - 1])
      guard isExponentSign || "0123456789.eE".unicodeScalars.contains(character) else { break }
      index += 1
    }
    let text = String(String.UnicodeScalarView(characters[begin..<index]))
    let digits = text.first == "+" ? String(text.dropFirst()) : text
    guard let value = tablesNumber(digits), value.isFinite, current.map(Self.beginsWord) != true
    else { throw filterError(position, "a number that cannot be read") }
    return value
  }

  /// Read as fields of tables are, so that equal digits are equal numbers.
  private func tablesNumber(_ digits: String) -> Double? { Tables.number(of: Array(digits.utf8)) }
}

/// An error of a filter, with its place in characters from 1.
func filterError(_ position: Int, _ what: String) -> TableError {
  TableError(code: .unsupported, context: "filter, at character \(position): \(what)")
}
