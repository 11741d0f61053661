import CPQ

/// What the server answered to one statement.
@safe package struct QueryAnswer: ~Copyable {
  private let raw: OpaquePointer

  init(_ raw: OpaquePointer) {
    unsafe self.raw = raw
  }

  deinit { unsafe PQclear(raw) }

  package var rowCount: Int { Int(unsafe PQntuples(raw)) }

  package var columnCount: Int { Int(unsafe PQnfields(raw)) }

  /// Rows that an INSERT, UPDATE, DELETE or COPY touched.
  package var touchedRowCount: UInt64 {
    unsafe UInt64(String(cString: PQcmdTuples(raw))) ?? 0
  }

  /// A value as text, `nil` for NULL.
  package func text(_ row: Int, _ column: Int) -> String? {
    precondition(row >= 0 && row < rowCount && column >= 0 && column < columnCount)
    let (row, column) = (Int32(row), Int32(column))
    guard unsafe PQgetisnull(raw, row, column) == 0, let value = unsafe PQgetvalue(raw, row, column)
    else { return nil }
    return unsafe String(cString: value)
  }

  /// A value as a number; `nil` for NULL and for what is none.
  package func integer<Number: FixedWidthInteger>(_ row: Int, _ column: Int) -> Number? {
    text(row, column).flatMap { Number($0) }
  }

  func columnName(_ column: Int) -> String {
    unsafe PQfname(raw, Int32(column)).map { unsafe String(cString: $0) } ?? ""
  }

  func columnType(_ column: Int) -> UInt32 { unsafe PQftype(raw, Int32(column)) }

  var status: ExecStatusType { unsafe PQresultStatus(raw) }

  /// The error in the answer, as this module's type.
  func error(_ words: String) -> DatabaseError {
    guard let state = field("C") else {
      return DatabaseError(code: .unreachable, context: "\(words): the connection was lost")
    }
    let code = DatabaseError.Code(sqlState: state)
    return DatabaseError(
      code: code, sqlState: state, context: "\(words): \(reason(state, code)) (\(state))",
      copyLine: copyLine)
  }

  /// The server's words, unless it quotes values in them: those of its classes 22 and 23.
  private func reason(_ state: String, _ code: DatabaseError.Code) -> String {
    guard state.hasPrefix("22") || state.hasPrefix("23") else {
      let hint = field("H").map { "; \($0)" } ?? ""
      return SQL.onOneLine((field("M") ?? "no reason given") + hint)
    }
    var text = Self.words(state, code)
    if let column = field("c") ?? contextColumn { text += ", column \(SQL.printable(column))" }
    if let constraint = field("n") { text += ", constraint \(SQL.printable(constraint))" }
    return text
  }

  /// What the server has against a value, without the value.
  private static func words(_ state: String, _ code: DatabaseError.Code) -> String {
    switch state {
    case "22001": "a text is longer than the column takes"
    case "22003": "a number lies outside of what the column takes"
    case "22021": "a text has bytes that the database's encoding lacks, such as NUL"
    case "22P02", "22007", "22008": "a value is not of the column's type"
    case "23502": "there is no value where the column needs one (NOT NULL)"
    default: code == .conflict ? "a constraint stands against it" : "a value does not fit"
    }
  }

  /// `COPY table, line 7, column name: "…"` is how a COPY says where it was.
  private var copyLine: UInt64? {
    guard let text = field("W"), let mark = text.firstRange(of: ", line ") else { return nil }
    let digits = text[mark.upperBound...].prefix { $0.isNumber }
    return UInt64(digits)
  }

  private var contextColumn: String? {
    guard let text = field("W"), let mark = text.firstRange(of: ", column "),
      let end = text[mark.upperBound...].firstRange(of: ": ")
    else { return nil }
    return String(text[mark.upperBound..<end.lowerBound])
  }

  /// One field of the server's error; the letters are the protocol's.
  private func field(_ letter: Unicode.Scalar) -> String? {
    unsafe PQresultErrorField(raw, Int32(letter.value)).map { unsafe String(cString: $0) }
  }
}
