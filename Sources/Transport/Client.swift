import CNNG
import Dispatch
import Synchronization

/// A request socket with one dialer, up to `contextCount` requests at once.
///
/// One dialer, because with several nng may send a repeated request to another server. It connects
/// in the background and returns by itself after a loss.
package final class Client: Sendable {
  private struct State {
    var dialer: Endpoint
    var isClosing = false
    var isStuck = false
    var redialCount = 0
    /// The last moment at which the connection was known good, or was made anew.
    var lastSign: ContinuousClock.Instant
  }

  package let address: Address
  package let channel: Channel
  let tls: TLSIdentity?
  /// Without any reply for this long, a timeout makes the client dial anew.
  private let redialAfter: Duration
  private let socket: Socket
  private let contexts: [Context]
  private let pool: ContextPool
  private let state: Mutex<State>
  /// The thread on which the dialer is made and closed (nng issues 1610, 1657 and 1658).
  private let desk = DispatchQueue(label: "transport.client")
  private let closed = Latch()

  /// Opens the socket and starts to dial in the background.
  ///
  /// - Parameters:
  ///   - address: the server's.
  ///   - channel: the limit of its frames; the same at both ends.
  ///   - tls: required for `tls+tcp://` and refused for `tcp://`.
  ///   - insecure: allows a plain address on another machine.
  ///   - contextCount: how many requests may be in flight; more wait for their turn.
  ///   - redialAfter: see `request`.
  /// - Throws: `TransportError`; not for a server that does not answer yet.
  package init(
    address: Address, channel: Channel, tls: TLSIdentity?, insecure: Bool = false,
    contextCount: Int, redialAfter: Duration = .seconds(10)
  ) throws(TransportError) {
    precondition(contextCount > 0)
    guard address.port != 0 else {
      throw TransportError(code: .refusedAddress, context: "\(address) has no port to dial")
    }
    try address.check(tls: tls, insecure: insecure)
    socket = try Socket(.request)
    try socket.disableResending()
    try socket.limitRedialling()
    var contexts: [Context] = []
    for _ in 0..<contextCount {
      let context = try Context(on: socket.raw)
      try context.disableResending()
      contexts.append(context)
    }
    self.contexts = contexts
    pool = ContextPool(contexts)
    let dialer = try Endpoint.dialing(
      on: socket.raw, to: address, channel: channel, tls: try tls?.read())
    state = Mutex(State(dialer: dialer, lastSign: .now))
    self.address = address
    self.channel = channel
    self.tls = tls
    self.redialAfter = redialAfter
  }

  /// Sends one request and waits for its reply: one attempt, see `Retry` for more.
  ///
  /// A timeout when nothing at all has come back for `redialAfter` makes the client dial anew: in
  /// libnng 1.5.2 a TLS handshake never times out, a dialer that was reset at a bad moment never
  /// tries again (nng issue 1518), and a connection to a machine that vanished lives on for minutes.
  ///
  /// - Parameters:
  ///   - body: at most `channel.bodyByteLimit` bytes.
  ///   - timeout: for the turn, the connection, the request and the reply together. A cancelled
  ///     task's request still runs until then.
  /// - Returns: the body of the reply.
  /// - Throws: `TransportError`: `timedOut`, `disconnected` (the request may or may not have been
  ///   carried out), `closed`, `messageTooLarge`.
  package func request(
    _ body: [UInt8], timeout: Duration
  ) async throws(TransportError) -> [UInt8] {
    guard body.count <= channel.bodyByteLimit else {
      throw TransportError(
        code: .messageTooLarge,
        context: "request of \(body.count) bytes, at most \(channel.bodyByteLimit)")
    }
    let deadline = ContinuousClock.now + timeout
    guard let context = await pool.take() else {
      let reason = state.withLock { $0.isStuck } ? "libnng hangs; start anew" : "closed before"
      throw TransportError(code: .closed, context: "request to \(address): \(reason)")
    }
    defer { pool.put(context) }
    do throws(TransportError) {
      let reply = try await context.exchange(body, until: deadline)
      state.withLock { $0.lastSign = .now }
      return reply
    } catch {
      if error.code == .timedOut { redialIfSilent() }
      throw TransportError(code: error.code, context: "request to \(address): \(error.context)")
    }
  }

  /// Closes the client; requests in flight fail as `closed`.
  ///
  /// - Returns: false where nng did not finish in time (issue 1813); it goes on in its own thread.
  @discardableResult
  package func close(within limit: Duration) async -> Bool {
    let isFirst = state.withLock { state in
      defer { state.isClosing = true }
      return !state.isClosing
    }
    if isFirst {
      pool.close()
      desk.async { [self] in
        for context in contexts { context.close() }
        socket.close()
        closed.open()
      }
    }
    return await closed.wait(within: limit)
  }

  /// How many times the client dialled anew because nothing came back.
  package var redialCount: Int { state.withLock { $0.redialCount } }

  /// What the dialer applies to its connections, read from nng.
  ///
  /// - Throws: `TransportError` once the client is closed.
  package func options() throws(TransportError) -> EndpointOptions {
    try state.withLock { $0.dialer }.options()
  }

  /// nng's resend times in milliseconds, of the socket and of each context: −1 is never.
  ///
  /// - Throws: `TransportError` once the client is closed.
  package func resendTimes() throws(TransportError) -> [Int32] {
    var times = [try socket.resendTime()]
    for context in contexts { times.append(try context.resendTime()) }
    return times
  }

  private func redialIfSilent() {
    let isSilent = state.withLock { state in
      guard !state.isClosing, state.lastSign.duration(to: .now) >= redialAfter else { return false }
      state.lastSign = .now
      return true
    }
    guard isSilent else { return }
    let done = Latch()
    desk.async { [self] in
      redial()
      done.open()
    }
    Task { [self] in
      guard await !RunningTime.wait(for: done, within: .seconds(5)) else { return }
      // See `Socket.breakConnections`: without its clean-up thread nng cannot dial again.
      state.withLock { $0.isStuck = true }
      pool.close()
    }
  }

  /// Breaks a connection that stands, which makes the dialer dial again, or else replaces the
  /// dialer; blocks, on `desk` alone.
  private func redial() {
    guard !state.withLock({ $0.isClosing }) else { return }
    guard socket.pipes.count == 0 else {
      state.withLock { $0.redialCount += 1 }
      return socket.breakConnections()
    }
    // The files as they are now: our certificate may have ended, and been renewed.
    guard let dialer = try? remade() else { return }  // the next timeout tries again
    state.withLock { state in
      state.dialer = dialer
      state.redialCount += 1
    }
  }
}

extension Client {
  /// Closes the dialer and makes another.
  private func remade() throws(TransportError) -> Endpoint {
    let material = try tls?.read()
    state.withLock { $0.dialer }.close()
    return try Endpoint.dialing(on: socket.raw, to: address, channel: channel, tls: material)
  }
}

extension Endpoint {
  /// Makes a dialer, configures it and starts it in the background.
  static func dialing(
    on socket: nng_socket, to address: Address, channel: Channel, tls: TLSMaterial?
  ) throws(TransportError) -> Endpoint {
    let dialer = try Endpoint.dialer(on: socket, to: address)
    do throws(TransportError) {
      let name = tls?.identity.serverName ?? address.host
      try dialer.configure(channel: channel, tls: tls, verification: .full(serverName: name))
      try dialer.start()
    } catch {
      dialer.close()
      throw TransportError(code: error.code, context: "dial \(address): \(error.context)")
    }
    return dialer
  }
}
