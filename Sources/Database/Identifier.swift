/// Names and literals as SQL text.
package enum SQL {
  /// Longest name of PostgreSQL, in bytes; it cuts off what is longer without an error.
  package static let nameByteLimit = 63

  /// A name in quotes, whatever is in it.
  ///
  /// - Parameter name: A table, column or schema.
  /// - Returns: The name as SQL reads it back.
  /// - Throws: `invalidTarget` for an empty name, one with a NUL and one that is too long.
  package static func quoted(_ name: String) throws(DatabaseError) -> String {
    guard !name.isEmpty, !name.utf8.contains(0) else {
      throw DatabaseError(
        code: .invalidTarget, context: "a name for SQL is empty or has a NUL in it")
    }
    guard name.utf8.count <= nameByteLimit else {
      throw DatabaseError(
        code: .invalidTarget,
        context: "the name \(printable(name)) has \(name.utf8.count) bytes; SQL names have at "
          + "most \(nameByteLimit)")
    }
    return "\"" + name.replacing("\"", with: "\"\"") + "\""
  }

  /// Names in quotes with commas between them.
  package static func quoted(_ names: [String]) throws(DatabaseError) -> String {
    var quotedNames: [String] = []
    for name in names { quotedNames.append(try quoted(name)) }
    return quotedNames.joined(separator: ", ")
  }

  /// Text as a string literal that no setting of the server changes the meaning of.
  package static func literal(_ text: String) -> String {
    " E'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
  }

  /// A message with spaces for line ends and other control characters.
  static func onOneLine(_ text: String) -> String {
    let words = text.unicodeScalars.split { $0.value < 0x21 || $0.value == 0x7F }
    return words.map { String($0) }.joined(separator: " ")
  }

  /// A name for a message: control characters made visible.
  package static func printable(_ name: String) -> String {
    var text = "\""
    for scalar in name.unicodeScalars {
      text += scalar.value < 0x20 || scalar.value == 0x7F ? "\\u{\(scalar.value)}" : String(scalar)
    }
    return text + "\""
  }
}

/// A table by its name and perhaps its schema.
package struct TableName: Hashable, Sendable, CustomStringConvertible {
  package let schema: String?
  package let name: String

  package init(schema: String? = nil, name: String) {
    self.schema = schema
    self.name = name
  }

  /// Reads `table`, `schema.table`, or either part in double quotes with quotes in it doubled.
  ///
  /// Without quotes a name is taken letter by letter, capitals included.
  ///
  /// - Parameter text: What a user wrote.
  /// - Throws: `invalidTarget` naming the text.
  package init(parsing text: String) throws(DatabaseError) {
    var parts: [String] = []
    var rest = Substring(text)
    while true {
      parts.append(try Self.takePart(from: &rest, of: text))
      guard rest.popFirst() != nil else { break }  // the point
    }
    guard parts.count <= 2 else { throw Self.invalid(text) }
    name = parts[parts.count - 1]
    schema = parts.count == 2 ? parts[0] : nil
    _ = try quoted
  }

  private static func takePart(
    from rest: inout Substring, of text: String
  ) throws(DatabaseError) -> String {
    guard rest.first == "\"" else {
      let part = rest.prefix { $0 != "." }
      rest = rest[part.endIndex...]
      guard !part.isEmpty, !part.contains("\"") else { throw invalid(text) }
      return String(part)
    }
    var part = ""
    rest.removeFirst()
    while let character = rest.popFirst() {
      guard character == "\"" else {
        part.append(character)
        continue
      }
      if rest.first == "\"" {
        part.append("\"")
        rest.removeFirst()
        continue
      }
      guard rest.isEmpty || rest.first == "." else { throw invalid(text) }
      return part
    }
    throw invalid(text)
  }

  private static func invalid(_ text: String) -> DatabaseError {
    DatabaseError(
      code: .invalidTarget,
      context: "\(SQL.printable(text)) is no table: write table, schema.table, or "
        + "\"schema\".\"table\"")
  }

  /// The name as SQL reads it.
  package var quoted: String {
    get throws(DatabaseError) {
      let quotedName = try SQL.quoted(name)
      guard let schema else { return quotedName }
      return try SQL.quoted(schema) + "." + quotedName
    }
  }

  /// Another table beside this one.
  package func sibling(_ name: String) -> TableName { TableName(schema: schema, name: name) }

  /// For messages and receipts.
  package var description: String {
    let table = SQL.printable(name).dropFirst().dropLast()
    guard let schema else { return String(table) }
    return SQL.printable(schema).dropFirst().dropLast() + "." + table
  }
}
