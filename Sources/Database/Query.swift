/// A user's query, as a table in other statements.
package struct Query: Hashable, Sendable {
  /// Without the semicolon at its end.
  private let text: String

  /// Takes a query.
  ///
  /// It runs in read-only transactions, and by a protocol that refuses a second statement.
  ///
  /// - Parameter text: One SELECT, WITH, VALUES or TABLE.
  /// - Throws: `unsupported` for an empty one.
  package init(_ text: String) throws(DatabaseError) {
    var end = text.endIndex
    while end > text.startIndex {
      let last = text[text.index(before: end)]
      guard last.isWhitespace || last == ";" else { break }
      end = text.index(before: end)
    }
    guard end > text.startIndex else {
      throw DatabaseError(code: .unsupported, context: "the query is empty")
    }
    self.text = String(text[..<end])
  }

  /// The query as an item of a FROM list; the line ends keep a comment in it to itself.
  var asTable: String { "(\n\(text)\n) AS nightshift_query" }

  /// A column of it, as SQL.
  static func column(_ name: String) throws(DatabaseError) -> String {
    "nightshift_query." + (try SQL.quoted(name))
  }

  /// Finds out the columns.
  ///
  /// - Returns: Names and types in order, no name twice.
  /// - Throws: `unsupported` naming a column whose type is not read; what the server has against
  ///   the query.
  package func columns(_ connection: Connection) throws(DatabaseError) -> [QueryColumn] {
    let answer = try connection.execute("SELECT * FROM \(asTable) LIMIT 0")
    guard answer.columnCount > 0 else {
      throw DatabaseError(code: .unsupported, context: "the query has no columns")
    }
    var columns: [QueryColumn] = []
    var names: Set<String> = []
    for index in 0..<answer.columnCount {
      let name = answer.columnName(index)
      guard names.insert(name).inserted else {
        throw DatabaseError(
          code: .unsupported,
          context: "two columns of the query are named \(SQL.printable(name)): name them apart "
            + "with AS")
      }
      _ = try SQL.quoted(name)
      let oid = answer.columnType(index)
      guard let type = ValueType(oid: oid) else {
        let typeName = try Self.typeName(oid, connection)
        throw DatabaseError(
          code: .unsupported,
          context: "column \(SQL.printable(name)) of the query has the type \(typeName), which is "
            + "not read: cast it in the query, to text for instance")
      }
      columns.append(QueryColumn(name: name, type: type))
    }
    return columns
  }

  private static func typeName(
    _ oid: UInt32, _ connection: Connection
  ) throws(DatabaseError) -> String {
    let answer = try connection.execute("SELECT format_type($1::oid, NULL)", [String(oid)])
    return answer.rowCount == 1 ? answer.text(0, 0) ?? "\(oid)" : "\(oid)"
  }
}
