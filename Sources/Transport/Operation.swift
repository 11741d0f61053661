import CNNG
import Synchronization

/// One asynchronous nng operation at a time, as `async` calls.
///
/// The C callback holds one reference to `Slot`, taken in `init` and released in `deinit`, after
/// `nng_aio_free` has waited for a callback that may still be running. The callback never owns the
/// operation itself, or freeing could happen inside the callback and wait for itself.
///
/// Operations end by their own timeout. `stop` is for closing only: aborting races with starting
/// in libnng 1.5.2 (issues 1236 and 2208).
@safe final class Operation: @unchecked Sendable {  // the handle never changes; slot has a lock
  private let handle: OpaquePointer
  private let slot: Unmanaged<Slot>

  /// The waiting caller, under a lock.
  private final class Slot: Sendable {
    struct State {
      var waiter: CheckedContinuation<Void, Never>?
      var isStopped = false
    }
    let state = Mutex(State())
  }

  init() throws(TransportError) {
    let slot = unsafe Unmanaged.passRetained(Slot())
    var handle: OpaquePointer?
    let status = unsafe nng_aio_alloc(
      &handle, { unsafe Operation.finish($0) }, slot.toOpaque())
    guard status == 0, let handle = unsafe handle else {
      unsafe slot.release()
      throw TransportError(status: status, "nng_aio_alloc")
    }
    unsafe self.handle = handle
    unsafe self.slot = slot
  }

  deinit {
    unsafe nng_aio_free(handle)
    unsafe slot.release()
  }

  /// Sends a message in a context.
  ///
  /// - Throws: `TransportError`; the message is freed either way.
  func send(
    _ message: consuming Message, in context: nng_ctx, timeout: Duration?
  ) async throws(TransportError) {
    unsafe nng_aio_set_msg(handle, message.release())
    let status = unsafe await perform(timeout: timeout) { unsafe nng_ctx_send(context, $0) }
    guard status != 0 else { return }
    if let unsent = unsafe nng_aio_get_msg(handle) {
      unsafe nng_aio_set_msg(handle, nil)
      unsafe nng_msg_free(unsent)
    }
    throw TransportError(status: status, "nng_ctx_send")
  }

  /// Receives the next message of a context.
  func receive(in context: nng_ctx, timeout: Duration?) async throws(TransportError) -> Message {
    let status = unsafe await perform(timeout: timeout) { unsafe nng_ctx_recv(context, $0) }
    try TransportError.check(status, "nng_ctx_recv")
    guard let raw = unsafe nng_aio_get_msg(handle) else {
      throw TransportError(code: .other(0), context: "nng_ctx_recv gave no message")
    }
    unsafe nng_aio_set_msg(handle, nil)
    return unsafe Message(adopting: raw)
  }

  /// Ends what is in flight and refuses what comes later; blocks until the callback has run.
  func stop() {
    unsafe slot.takeUnretainedValue().state.withLock { $0.isStopped = true }
    unsafe nng_aio_stop(handle)
  }

  /// Starts an operation and waits for its callback.
  ///
  /// The start happens under the lock, because a stopped nng operation that is started never calls
  /// back, and then nobody would resume the caller.
  private func perform(timeout: Duration?, _ start: (OpaquePointer) -> Void) async -> Int32 {
    unsafe nng_aio_set_timeout(handle, timeout?.milliseconds ?? NNG_DURATION_INFINITE)
    let slot = unsafe self.slot.takeUnretainedValue()
    var wasStarted = true
    await withCheckedContinuation { continuation in
      wasStarted = slot.state.withLock { state in
        guard !state.isStopped else { return false }
        state.waiter = continuation
        unsafe start(handle)
        return true
      }
      if !wasStarted { continuation.resume() }
    }
    return wasStarted ? unsafe nng_aio_result(handle) : Int32(NNG_ECLOSED.rawValue)
  }

  private static func finish(_ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    let slot = unsafe Unmanaged<Slot>.fromOpaque(context).takeUnretainedValue()
    let waiter = slot.state.withLock { state in
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }
}

extension Duration {
  /// Whole milliseconds for nng, rounded up, at least 1: 0 would mean "do not wait".
  var milliseconds: nng_duration {
    let (seconds, attoseconds) = components
    guard seconds < 2_000_000 else { return 2_000_000_000 }
    let fraction = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    return nng_duration(max(1, seconds * 1000 + fraction))
  }
}
