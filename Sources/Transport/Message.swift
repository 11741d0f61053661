import CNNG

/// One nng message and its bytes.
///
/// This value owns the message until `release` gives it away; bytes are copied once each way.
/// Bodies are only ever set at the allocation: `nng_msg_insert` corrupts the heap for some sizes
/// in libnng 1.5.2 (issues 1541 and 1808).
@safe struct Message: ~Copyable {
  private let raw: OpaquePointer

  /// Copies a body into a new message.
  ///
  /// - Throws: `TransportError` where there is no memory for it.
  init(_ body: [UInt8]) throws(TransportError) {
    var raw: OpaquePointer?
    try TransportError.check(unsafe nng_msg_alloc(&raw, body.count), "nng_msg_alloc")
    guard let raw = unsafe raw else {
      throw TransportError(code: .other(0), context: "nng_msg_alloc gave no message")
    }
    unsafe self.raw = raw
    guard let target = unsafe nng_msg_body(raw), !body.isEmpty else { return }
    unsafe body.withUnsafeBytes { bytes in
      unsafe UnsafeMutableRawBufferPointer(start: target, count: bytes.count)
        .copyMemory(from: bytes)
    }
  }

  /// Takes over a message that nng handed out.
  init(adopting raw: OpaquePointer) {
    unsafe self.raw = raw
  }

  deinit { unsafe nng_msg_free(raw) }

  /// A copy of the body.
  var body: [UInt8] {
    let count = unsafe nng_msg_len(raw)
    guard count > 0, let source = unsafe nng_msg_body(raw) else { return [] }
    return unsafe [UInt8](UnsafeRawBufferPointer(start: source, count: count))
  }

  /// nng's number of the connection by which the message came.
  var connection: Int32 { unsafe nng_pipe_id(nng_msg_get_pipe(raw)) }

  /// Gives the message away: from here its new owner frees it.
  consuming func release() -> OpaquePointer {
    let raw = unsafe raw
    discard self
    return unsafe raw
  }
}
