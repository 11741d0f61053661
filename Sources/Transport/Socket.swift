import CNNG
import Synchronization

/// One nng socket and the record of its pipes.
///
/// nng cannot be used after `fork` (it stops the process): children are made by `posix_spawn`.
@safe final class Socket: Sendable {
  /// The two ends of the request–reply pattern.
  enum Role {
    case request
    case reply
  }

  let raw: nng_socket
  let pipes: Pipes
  private let observer: Unmanaged<Pipes>
  private let isClosed = Mutex(false)

  init(_ role: Role, pipeLimit: Int = .max) throws(TransportError) {
    var raw = nng_socket()
    let status =
      switch role {
      case .request: unsafe nng_req0_open(&raw)
      case .reply: unsafe nng_rep0_open(&raw)
      }
    try TransportError.check(status, "nng_open")
    self.raw = raw
    pipes = Pipes(limit: pipeLimit)
    do throws(TransportError) {
      unsafe observer = try pipes.observe(raw)
    } catch {
      _ = nng_close(raw)  // new and empty, so that nothing can fail
      throw error
    }
  }

  deinit { close() }

  /// Closes the socket once; blocks until nng has let go of every pipe.
  ///
  /// Contexts are closed before: with a receive in flight this can wait for ever in libnng 1.5.2
  /// (issue 1813). Connections are drained first, for the reason that `breakConnections` gives.
  func close() {
    let isFirst = isClosed.withLock { isClosed in
      defer { isClosed = true }
      return !isClosed
    }
    guard isFirst else { return }
    // With its contexts closed a socket falls silent by itself: what is under way gets there.
    if pipes.count > 0 { nng_msleep(20) }
    drain()
    _ = nng_close(raw)  // fails only where it is closed already
    unsafe observer.release()
  }

  /// Ends every connection from below, so that nng itself finds it broken.
  ///
  /// nng's own closing of a connection with traffic is unsafe in libnng 1.5.2: where it falls
  /// between the header and the body of a frame that comes in, the receive never ends, and the one
  /// thread that frees pipes, for every socket of the process, waits for it for ever (nng issue 616
  /// and pull request 1636). A receive that meets the end of its connection is over before nng
  /// closes; a send that failed could still be too early, so that only receiving is ended.
  ///
  /// A pipe without a descriptor is one whose end got lost the same way; nothing is in flight on
  /// it, so it can be closed.
  func breakConnections() {
    let links = pipes.links
    guard !links.isEmpty, let look = Connection.look() else { return }
    let connections = Dictionary(
      look.connections.map { ($0.link, $0) }, uniquingKeysWith: { first, _ in first })
    for (number, link) in links {
      if let connection = connections[link] {
        connection.endReceiving()
      } else {
        _ = nng_pipe_close(nng_pipe(id: UInt32(bitPattern: number)))  // or it is closed already
      }
    }
  }

  /// Breaks every connection and waits for nng to let go of them, 250 ms at most; blocks.
  ///
  /// A reply pipe whose next request nobody has taken is not receiving and does not notice; closing
  /// it is safe for the same reason.
  ///
  /// New ones are refused meanwhile and, unless `refusesAll` is reset, afterwards.
  func drain() {
    pipes.refusesAll = true
    let deadline = ContinuousClock.now + .milliseconds(250)
    var round = 0
    while pipes.count > 0, ContinuousClock.now < deadline {
      if round.isMultiple(of: 100) { breakConnections() }
      round += 1
      nng_msleep(1)
    }
  }

  /// Turns off nng's resending for this socket and for contexts made later.
  ///
  /// By default a request is sent again after 60 s and whenever its connection breaks.
  func disableResending() throws(TransportError) {
    let status = unsafe nng_socket_set_ms(raw, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)
    try TransportError.check(status, "nng_socket_set \(NNG_OPT_REQ_RESENDTIME)")
    guard try resendTime() == NNG_DURATION_INFINITE else {
      throw TransportError(code: .other(0), context: "a socket still resends by itself")
    }
  }

  /// The socket's resend time in milliseconds; −1 is never.
  func resendTime() throws(TransportError) -> Int32 {
    var time: nng_duration = 0
    let status = unsafe nng_socket_get_ms(raw, NNG_OPT_REQ_RESENDTIME, &time)
    try TransportError.check(status, "nng_socket_get \(NNG_OPT_REQ_RESENDTIME)")
    return time
  }

  /// How soon a dialer tries again: at random within a span that doubles from 100 ms to 2 s, or at
  /// once, every second time: libnng 1.5.2 takes its random number for a signed one.
  func limitRedialling() throws(TransportError) {
    for (name, value) in [(NNG_OPT_RECONNMINT, Int32(100)), (NNG_OPT_RECONNMAXT, 2000)] {
      let status = unsafe nng_socket_set_ms(raw, name, value)
      try TransportError.check(status, "nng_socket_set \(name)")
    }
  }
}
