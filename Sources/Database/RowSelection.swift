/// The rows of a query in one range of the key, in the order of the key.
package struct RowSelection: Sendable {
  private let query: Query
  private let key: String
  private let columns: [QueryColumn]
  private let byteLimit: Int

  /// Chooses columns.
  ///
  /// - Parameters:
  ///   - query: The query.
  ///   - key: The integer column it is split by.
  ///   - columns: What is read of it, in this order.
  ///   - byteLimit: A row whose texts have more bytes is not sent: only its key is, marked.
  package init(query: Query, key: String, columns: [QueryColumn], byteLimit: Int) {
    self.query = query
    self.key = key
    self.columns = columns
    self.byteLimit = byteLimit
  }

  /// Fields of each row: the key as int8, whether it is too long as bool, then the columns.
  package var fieldCount: Int { columns.count + 2 }

  /// The COPY that reads the rows.
  ///
  /// - Parameter keys: The first and the last key.
  /// - Returns: SQL for a `CopyReader`.
  /// - Throws: `invalidTarget` for an impossible column name.
  package func statement(keys: ClosedRange<Int64>) throws(DatabaseError) -> String {
    let key = try Query.column(key)
    var sizes: [String] = []
    var values: [String] = []
    for column in columns {
      let name = try Query.column(column.name)
      guard let size = column.type.sizeExpression(name) else {
        values.append(name)
        continue
      }
      sizes.append("coalesce(\(size), 0)::bigint")
      values.append("CASE WHEN \(size) <= \(byteLimit) THEN \(name) END")
    }
    let isTooLong = sizes.isEmpty ? "false" : "\(sizes.joined(separator: " + ")) > \(byteLimit)"
    let list = (["\(key)::bigint", isTooLong] + values).joined(separator: ", ")
    return """
      COPY (SELECT \(list) FROM \(query.asTable) WHERE \(key) >= \(keys.lowerBound) \
      AND \(key) <= \(keys.upperBound) ORDER BY \(key)) TO STDOUT (FORMAT binary)
      """
  }
}
