import CNNG

/// One nng context: its own state machine on a shared socket, with one operation in flight.
///
/// On a REQ socket a receive starts only after the send has completed: both at once on one context
/// crash in libnng 1.5.2 (issue 1702). The owner of the context sees to it that one caller at a
/// time uses it.
final class Context: Sendable {
  private let raw: nng_ctx
  private let operation: Operation

  init(on socket: nng_socket) throws(TransportError) {
    var raw = nng_ctx()
    try TransportError.check(unsafe nng_ctx_open(&raw, socket), "nng_ctx_open")
    self.raw = raw
    operation = try Operation()
  }

  /// Waits for the next request; it has no timeout because an idle server is not at fault.
  func receive() async throws(TransportError) -> Message {
    try await operation.receive(in: raw, timeout: nil)
  }

  /// Hands a reply to nng.
  ///
  /// Success proves nothing: a reply to a peer that has gone is dropped.
  func send(_ message: consuming Message, timeout: Duration) async throws(TransportError) {
    try await operation.send(message, in: raw, timeout: timeout)
  }

  /// One request and its reply, both before `deadline`.
  func exchange(
    _ body: [UInt8], until deadline: ContinuousClock.Instant
  ) async throws(TransportError) -> [UInt8] {
    let request = try Message(body)
    try await operation.send(request, in: raw, timeout: ContinuousClock.now.duration(to: deadline))
    let reply = try await operation.receive(
      in: raw, timeout: ContinuousClock.now.duration(to: deadline))
    return reply.body
  }

  /// Turns off nng's own resending for this context and reads the setting back.
  func disableResending() throws(TransportError) {
    let status = unsafe nng_ctx_set_ms(raw, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)
    try TransportError.check(status, "nng_ctx_set \(NNG_OPT_REQ_RESENDTIME)")
    guard try resendTime() == NNG_DURATION_INFINITE else {
      throw TransportError(code: .other(0), context: "a context still resends by itself")
    }
  }

  /// The context's resend time in milliseconds; −1 is never.
  func resendTime() throws(TransportError) -> Int32 {
    var time: nng_duration = 0
    let status = unsafe nng_ctx_get_ms(raw, NNG_OPT_REQ_RESENDTIME, &time)
    try TransportError.check(status, "nng_ctx_get \(NNG_OPT_REQ_RESENDTIME)")
    return time
  }

  /// Ends the operation in flight, then the context; blocks until both are done.
  func close() {
    operation.stop()
    _ = nng_ctx_close(raw)  // its only error is that the socket closed it already
  }
}
