/// A SQLite file and perhaps a table in it: `sqlite:///path/file.db?table=name`.
package struct SQLiteTarget: Hashable, Sendable, CustomStringConvertible {
  /// Absolute.
  package let path: String
  package let table: String?

  /// Whether a location is for this type.
  package static func isOne(_ text: String) -> Bool { text.hasPrefix("sqlite:") }

  /// Reads a URI.
  ///
  /// - Throws: `invalidTarget` with what to write.
  package init(_ text: String) throws(DatabaseError) {
    let refusal = DatabaseError(
      code: .invalidTarget,
      context: "\(SQL.printable(text)) is no SQLite file: write sqlite:///path/file.db, with "
        + "special characters percent-encoded, perhaps with ?table=name")
    guard text.hasPrefix("sqlite:///") else { throw refusal }
    let parts = text.dropFirst("sqlite://".count).split(
      separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    guard let path = ConnectionTarget.decoded(parts[0]), path.count > 1 else { throw refusal }
    self.path = path
    guard parts.count == 2 else {
      table = nil
      return
    }
    guard parts[1].hasPrefix("table="), !parts[1].contains("&"),
      let table = ConnectionTarget.decoded(parts[1].dropFirst("table=".count))
    else { throw refusal }
    self.table = table
  }

  package var description: String { "sqlite://\(path)" }
}
