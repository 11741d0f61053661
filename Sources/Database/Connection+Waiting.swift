import CPQ
import Glibc

/// Waiting for the socket, with an ear for who wants it to stop.
extension Connection {
  private static let sliceMilliseconds: Int32 = 50

  /// Waits until the socket is ready.
  ///
  /// - Returns: What it is ready for.
  @discardableResult
  func wait(
    for events: Int32, until deadline: ContinuousClock.Instant?, _ words: String
  ) throws(DatabaseError) -> Int32 {
    let descriptor = unsafe PQsocket(raw)
    guard descriptor >= 0 else { throw lost(words) }
    while true {
      var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
      let count = unsafe poll(&entry, 1, Self.sliceMilliseconds)
      if count > 0 { return Int32(entry.revents) }
      guard count == 0 || errno == EINTR else { throw lost(words) }
      guard patience.goesOn() else {
        cancel()
        throw DatabaseError(code: .cancelled, context: "\(target): stopped while \(words)")
      }
      if let deadline, ContinuousClock.now >= deadline {
        cancel()
        throw DatabaseError(
          code: .timedOut, context: "\(target): the server said nothing for too long while \(words)"
        )
      }
    }
  }

  /// When the server has to have said something.
  var silenceDeadline: ContinuousClock.Instant? {
    patience.silence.map { ContinuousClock.now + $0 }
  }

  /// Reads until a whole answer, or a state that has none, is there.
  func waitForAnswer(_ words: String) throws(DatabaseError) {
    while unsafe PQisBusy(raw) == 1 { try waitForBytes(words) }
  }

  /// Waits for bytes and takes them in.
  func waitForBytes(_ words: String) throws(DatabaseError) {
    try wait(for: POLLIN, until: silenceDeadline, words)
    // A failure is told by the answer that libpq makes of it.
    if unsafe PQconsumeInput(raw) == 0, unsafe PQisBusy(raw) == 1 { throw lost(words) }
  }

  /// Sends all that libpq holds back.
  func flush() throws(DatabaseError) {
    while true {
      let status = unsafe PQflush(raw)
      if status == 0 { return }
      guard status == 1 else { throw lost("sending") }
      // The server may have to be heard before it listens.
      let ready = try wait(for: POLLIN | POLLOUT, until: silenceDeadline, "sending")
      if ready & POLLIN != 0, unsafe PQconsumeInput(raw) == 0 { throw lost("sending") }
    }
  }

  /// Asks the server to give up the statement under way; the connection is of no more use.
  private func cancel() {
    guard unsafe PQstatus(raw) == CONNECTION_OK, let ticket = unsafe PQgetCancel(raw) else {
      return
    }
    defer { unsafe PQfreeCancel(ticket) }
    var complaint = [CChar](repeating: 0, count: 256)
    _ = unsafe PQcancel(ticket, &complaint, Int32(complaint.count))  // it may have ended just now
  }
}
