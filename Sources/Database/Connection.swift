import CPQ
import Glibc

/// How long a connection waits, and who can stop it.
package struct ConnectionPatience: Sendable {
  /// For the connection to be made, unless the connection string says.
  package var connecting: Duration
  /// For the next sign of life while a statement runs; `nil` for ever.
  package var silence: Duration?
  /// Asked every 50 ms while something is waited for: false stops the statement.
  package var goesOn: @Sendable () -> Bool

  package init(
    connecting: Duration = .seconds(15), silence: Duration? = nil,
    goesOn: @escaping @Sendable () -> Bool = { true }
  ) {
    self.connecting = connecting
    self.silence = silence
    self.goesOn = goesOn
  }
}

/// One connection to a PostgreSQL server, for one thread at a time.
///
/// Calls block the thread, but never longer than `ConnectionPatience` says. Each statement goes by
/// the extended protocol, in which the server refuses more than one statement in a text.
@safe package final class Connection {
  let raw: OpaquePointer
  let target: ConnectionTarget
  let patience: ConnectionPatience

  /// Connects.
  ///
  /// - Parameters:
  ///   - target: Where to.
  ///   - patience: How long to wait.
  /// - Throws: `unreachable`, `refused`, `missing`, `timedOut` or `cancelled`.
  package init(
    _ target: ConnectionTarget, patience: ConnectionPatience = ConnectionPatience()
  ) throws(DatabaseError) {
    self.target = target
    self.patience = patience
    guard let raw = unsafe Self.start(target) else {
      throw DatabaseError(code: .other, context: "\(target): no memory to connect")
    }
    unsafe self.raw = raw
    unsafe PQsetNoticeProcessor(raw, { _, _ in }, nil)  // else they go to the standard error
    try finishConnecting()
    guard unsafe PQsetnonblocking(raw, 1) == 0 else { throw lost("connecting") }
    try settle()
  }

  deinit { unsafe PQfinish(raw) }

  /// Our wishes before and after what the string says, which is expanded in the middle: the last
  /// word counts.
  private static func start(_ target: ConnectionTarget) -> OpaquePointer? {
    let settings = [
      ("fallback_application_name", "nightshift"), ("keepalives_idle", "30"),
      ("keepalives_interval", "10"), ("keepalives_count", "3"), ("tcp_user_timeout", "60000"),
      ("dbname", target.text), ("client_encoding", "UTF8"),
    ]
    let words = unsafe settings.map { unsafe (strdup($0.0), strdup($0.1)) }
    defer {
      for place in unsafe words.indices {
        unsafe free(words[place].0)
        unsafe free(words[place].1)
      }
    }
    let keywords = unsafe words.map { unsafe UnsafePointer<CChar>($0.0) } + [nil]
    let values = unsafe words.map { unsafe UnsafePointer<CChar>($0.1) } + [nil]
    return unsafe PQconnectStartParams(keywords, values, 1)
  }

  private func finishConnecting() throws(DatabaseError) {
    let limit = target.connectSeconds.flatMap { $0 > 0 ? Duration.seconds($0) : nil }
    let deadline = ContinuousClock.now + (limit ?? patience.connecting)
    var status = PGRES_POLLING_WRITING
    while unsafe PQstatus(raw) != CONNECTION_BAD {
      switch status {
      case PGRES_POLLING_OK: return
      case PGRES_POLLING_READING: try wait(for: POLLIN, until: deadline, "connecting")
      case PGRES_POLLING_WRITING: try wait(for: POLLOUT, until: deadline, "connecting")
      default: throw connectingFailed()
      }
      status = unsafe PQconnectPoll(raw)
    }
    throw connectingFailed()
  }

  /// libpq's own words name the host and the user, never the password.
  private func connectingFailed() -> DatabaseError {
    let words = unsafe String(cString: PQerrorMessage(raw))
    let text = words.split(separator: "\n").map { SQL.onOneLine(String($0)) }
      .joined(separator: "; ")
    let code: DatabaseError.Code =
      if text.contains("does not exist") {
        .missing
      } else if text.contains("authentication") || text.contains("password")
        || text.contains("pg_hba.conf") || text.contains("permission denied for database")
      {
        .refused
      } else {
        .unreachable
      }
    return DatabaseError(code: code, context: "\(target): \(text)")
  }

  /// Makes the session the same whatever the server's and the user's settings.
  private func settle() throws(DatabaseError) {
    let settings = [
      ("TimeZone", "UTC"), ("DateStyle", "ISO, YMD"), ("IntervalStyle", "postgres"),
      ("extra_float_digits", "1"), ("bytea_output", "hex"), ("standard_conforming_strings", "on"),
    ]
    // One statement, because each costs a way to the server and back.
    let calls = settings.map { "set_config('\($0.0)', '\($0.1)', false)" }
    try execute("SELECT " + calls.joined(separator: ", "))
  }

  // MARK: Statements

  /// Runs one statement to its end.
  ///
  /// - Parameters:
  ///   - sql: One statement; values in it are `$1` and so on.
  ///   - values: Text for each of them, or `nil` for NULL.
  /// - Returns: Its rows, if it has any.
  /// - Throws: What the server says; a connection that was lost is `unreachable`.
  @discardableResult
  package func execute(
    _ sql: String, _ values: [String?] = []
  ) throws(DatabaseError) -> QueryAnswer {
    try send(sql, values)
    let answer = try takeAnswer("statement")
    switch answer.status {
    case PGRES_TUPLES_OK, PGRES_COMMAND_OK: break
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
      throw DatabaseError(code: .unsupported, context: "\(target): a COPY where none is expected")
    default:
      let error = answer.error("\(target)")
      try drain()
      throw error
    }
    try drain()
    return answer
  }

  func send(_ sql: String, _ values: [String?]) throws(DatabaseError) {
    guard !sql.utf8.contains(0), values.allSatisfy({ $0?.utf8.contains(0) != true }) else {
      throw DatabaseError(code: .unsupported, context: "\(target): a NUL in a statement")
    }
    let texts = unsafe values.map { value in unsafe value.flatMap { unsafe strdup($0) } }
    defer { for place in unsafe texts.indices { unsafe free(texts[place]) } }
    let pointers = unsafe texts.map { unsafe UnsafePointer<CChar>($0) }
    let isSent = unsafe PQsendQueryParams(
      raw, sql, Int32(values.count), nil, pointers, nil, nil, 0)
    guard isSent == 1 else { throw lost("sending") }
    try flush()
  }

  /// Waits for the next answer, which has to be there.
  func takeAnswer(_ words: String) throws(DatabaseError) -> QueryAnswer {
    try waitForAnswer(words)
    guard let answer = unsafe PQgetResult(raw) else { throw lost(words) }
    return unsafe QueryAnswer(answer)
  }

  /// Takes what is left of a statement's answers.
  func drain() throws(DatabaseError) {
    while true {
      try waitForAnswer("statement")
      guard let answer = unsafe PQgetResult(raw) else { return }
      unsafe PQclear(answer)
      guard unsafe PQstatus(raw) == CONNECTION_OK else { return }
    }
  }

  /// What a failed call of libpq means.
  func lost(_ words: String) -> DatabaseError {
    DatabaseError(code: .unreachable, context: "\(target): the connection was lost while \(words)")
  }
}
