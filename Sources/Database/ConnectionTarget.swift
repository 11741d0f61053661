import CPQ

/// Where a PostgreSQL database is: a URI or keywords as libpq takes them, and our own words in it.
///
/// `description` is what may be shown: host, port and database, no user and no password.
@safe package struct ConnectionTarget: Sendable, CustomStringConvertible {
  /// What libpq is given; it may hold a password.
  let text: String
  /// The value of `table` in a URI, which is ours.
  package let table: String?
  package let description: String
  /// What the string says of the time to connect, in whole seconds.
  let connectSeconds: Int?

  /// Takes a connection string apart.
  ///
  /// - Parameter text: `postgresql://user@host:port/database?table=schema.name`, or
  ///   `host=… dbname=…`. What it leaves out comes from the usual environment variables, service
  ///   and password files.
  /// - Throws: `invalidTarget` without a word of the string, which may hold a password.
  package init(_ text: String) throws(DatabaseError) {
    var ownTable: String?
    self.text = try Self.removingTable(from: text, into: &ownTable)
    table = ownTable
    let settings = try Self.settings(of: self.text)
    description = Self.masked(settings)
    connectSeconds = settings["connect_timeout"].flatMap { Int($0) }
  }

  /// Whether a location is for this type: it begins as a URI of PostgreSQL.
  package static func isOne(_ text: String) -> Bool {
    text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
  }

  /// Takes `table=…` out of a URI's query: libpq refuses words it does not know.
  private static func removingTable(
    from text: String, into table: inout String?
  ) throws(DatabaseError) -> String {
    guard isOne(text), let mark = text.firstIndex(of: "?") else { return text }
    var kept: [Substring] = []
    for part in text[text.index(after: mark)...].split(separator: "&") {
      guard part.hasPrefix("table=") else {
        kept.append(part)
        continue
      }
      guard let value = decoded(part.dropFirst("table=".count)), table == nil else {
        throw DatabaseError(
          code: .invalidTarget,
          context: "table= in the connection string is there twice, or no "
            + "percent-encoded UTF-8")
      }
      table = value
    }
    return text[..<mark] + (kept.isEmpty ? "" : "?" + kept.joined(separator: "&"))
  }

  /// Undoes percent-encoding; `nil` where it is none.
  static func decoded(_ text: some StringProtocol) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2)
      guard digits.count == 2,
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16),
        value != 0
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  /// What libpq reads in the string, keyword by keyword.
  private static func settings(of text: String) throws(DatabaseError) -> [String: String] {
    var complaint: UnsafeMutablePointer<CChar>?
    guard !text.utf8.contains(0), let options = unsafe PQconninfoParse(text, &complaint) else {
      // The complaint quotes the string.
      unsafe PQfreemem(complaint)
      throw DatabaseError(
        code: .invalidTarget,
        context: "the connection string is not one: write postgresql://user@host:port/database or "
          + "host=… dbname=…, with special characters percent-encoded")
    }
    defer { unsafe PQconninfoFree(options) }
    var settings: [String: String] = [:]
    var place = unsafe options
    while let keyword = unsafe place.pointee.keyword {
      if let value = unsafe place.pointee.val {
        unsafe settings[String(cString: keyword)] = String(cString: value)
      }
      unsafe place += 1
    }
    return settings
  }

  private static func masked(_ settings: [String: String]) -> String {
    var text = "postgresql://"
    text += settings["host"] ?? settings["hostaddr"] ?? settings["service"] ?? ""
    if let port = settings["port"] { text += ":\(port)" }
    return text + "/" + (settings["dbname"].map(maskedName) ?? "")
  }

  /// A database's name; in its place libpq also takes whole connection strings.
  private static func maskedName(_ name: String) -> String {
    name.contains("=") || isOne(name) ? "…" : name
  }
}
