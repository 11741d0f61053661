import CNNG
import Dispatch
import Synchronization

/// A reply socket with one listener, answering up to `contextCount` requests at once.
///
/// Around libnng 1.5.2 it keeps guard over what that version lacks: see `Server+Watchdog.swift`,
/// `Endpoint`, `Connection` and `Operation`, each with the fault that it answers.
package final class Server: Sendable {
  /// Answers one request.
  ///
  /// The bytes are as they came: any peer may have sent anything.
  package typealias Handler = @Sendable ([UInt8]) async -> [UInt8]

  /// Where the request came from that a handler answers.
  @TaskLocal static var origin: Origin?

  /// The intervals of the guards; tests shorten them.
  package struct Timing: Equatable, Sendable {
    /// Between two probes of the listener, and how long one may take.
    package var probeInterval = Duration.seconds(2)
    package var probeTimeout = Duration.milliseconds(1500)
    /// Missed probes in a row that make a listener deaf.
    package var missLimit = 2
    /// Between two looks at the connections of the process.
    package var reviewInterval = Duration.seconds(1)
    /// How long a connection may take to negotiate.
    package var negotiationTimeout = Duration.seconds(10)
    /// How long a peer may leave a reply unread; one that does is ended.
    package var replyTimeout = Duration.seconds(5)
    /// How long, where it has proved nothing yet or has many of them: an honest peer reads its one
    /// reply before it asks again.
    package var briefReplyTimeout = Duration.milliseconds(100)
    /// Between two tries of new certificates that could not be used.
    package var renewalRetryInterval = Duration.seconds(60)
    /// How long nng may take to close something before it is known to be stuck.
    package var closeTimeout = Duration.seconds(5)

    package init() {}
  }

  /// How `run` ended.
  package enum Ending: Equatable, Sendable {
    case closed
    /// nng's clean-up thread hangs, and with it every later closing in this process: connections
    /// that break are never freed again. Exit and start anew.
    case stuck
  }

  /// What became of certificates that changed while the server ran.
  package enum Notice: Equatable, Sendable {
    /// New connections meet the new ones.
    case renewed
    /// The new ones cannot be used, for this reason; the old ones are kept.
    case kept(String)
  }

  struct State {
    var listener: Endpoint?
    /// The certificates that the listener uses.
    var material: TLSMaterial?
    var hears: (@Sendable (Notice) -> Void)?
    var isClosing = false
    var isStuck = false
    /// New certificates wait for the next listener.
    var isRenewing = false
    var recreationCount = 0
    var renewalCount = 0
    var probeCount = 0
    var missedProbeCount = 0
    var pendingCount = 0
    var evictedCount = 0
    var lostReplyCount = 0
  }

  /// Where the server listens, with the port that the system chose if it was asked to.
  package let boundAddress: Address
  package let channel: Channel
  let tls: TLSIdentity?
  let timing: Timing
  /// The most connections that may be negotiating at once, and how many of them from one address.
  let pendingLimit: Int
  let pendingLimitOfAddress: Int
  let connectionLimit: Int
  let socket: Socket
  let state: Mutex<State>
  /// The thread on which endpoints are made and closed: libnng 1.5.2 frees too early where two
  /// threads do it (issues 1610, 1657 and 1658).
  let desk = DispatchQueue(label: "transport.server")
  private let handler: Handler
  private let contexts: [Context]
  private let closing = Latch()
  private let closed = Latch()

  /// Opens the socket and starts to listen; requests are answered once `run` is called.
  ///
  /// - Parameters:
  ///   - address: where; a port of 0 lets the system choose.
  ///   - channel: the limit of its frames.
  ///   - tls: required for `tls+tcp://` and refused for `tcp://`.
  ///   - insecure: allows a plain address that other machines can reach.
  ///   - contextCount: how many requests are handled at once.
  ///   - connectionLimit: the most connections; more are closed as they arrive.
  ///   - pendingLimit: the most connections that may be negotiating, half of them from one address;
  ///     the oldest go first.
  ///   - timing: the intervals of the guards.
  ///   - handler: answers requests, up to `contextCount` at once.
  /// - Throws: `TransportError`.
  package init(
    address: Address, channel: Channel, tls: TLSIdentity?, insecure: Bool, contextCount: Int,
    connectionLimit: Int, pendingLimit: Int = 256, timing: Timing = Timing(),
    handler: @escaping Handler
  ) throws(TransportError) {
    precondition(contextCount > 0 && connectionLimit > 0 && pendingLimit > 0)
    try address.check(tls: tls, insecure: insecure)
    _ = SpareDescriptor.process  // while there are descriptors
    socket = try Socket(.reply, pipeLimit: connectionLimit)
    var contexts: [Context] = []
    for _ in 0..<contextCount { contexts.append(try Context(on: socket.raw)) }
    self.contexts = contexts
    let material = try tls?.read()
    let listener = try Endpoint.listening(
      on: socket.raw, at: address, channel: channel, tls: material)
    boundAddress = address.withPort(try listener.boundPort())
    state = Mutex(State(listener: listener, material: material))
    self.channel = channel
    self.tls = tls
    self.timing = timing
    self.pendingLimit = pendingLimit
    pendingLimitOfAddress = max(1, pendingLimit / 2)
    self.connectionLimit = connectionLimit
    self.handler = handler
  }

  /// Answers requests and keeps guard until the server is closed or the task cancelled.
  ///
  /// - Returns: `stuck` where libnng can no longer be used in this process.
  @discardableResult
  package func run() async -> Ending {
    await withTaskCancellationHandler {
      await withTaskGroup { group in
        for context in contexts { group.addTask { await self.serve(context) } }
        group.addTask { await self.watchListener() }
        group.addTask { await self.watchConnections() }
        await closing.wait()
        group.cancelAll()
      }
    } onCancel: {
      beginClosing()
    }
    return state.withLock { $0.isStuck } ? .stuck : .closed
  }

  /// Has somebody told of each connection that ends, by its number, whatever ended it.
  ///
  /// Called on a thread of nng, which waits for it.
  package func hearLoss(_ hear: @escaping @Sendable (Int32) -> Void) {
    socket.pipes.hearsLoss = hear
  }

  /// Has somebody told of certificates that change.
  package func hearNotices(_ hear: @escaping @Sendable (Notice) -> Void) {
    state.withLock { $0.hears = hear }
  }

  /// Closes the server.
  ///
  /// - Returns: false where nng did not finish in time (issue 1813); it goes on in its own thread,
  ///   and the process should exit rather than listen again.
  @discardableResult
  package func close(within limit: Duration) async -> Bool {
    beginClosing()
    return await closed.wait(within: limit)
  }

  /// What the listener applies to its connections, read from nng; nil once it is closed.
  package var options: EndpointOptions? {
    // A listener that is closed this moment has no options to tell either.
    state.withLock { $0.listener }.flatMap { try? $0.options() }
  }

  func beginClosing() {
    let isFirst = state.withLock { state in
      defer { state.isClosing = true }
      return !state.isClosing
    }
    guard isFirst else { return }
    // Not on the desk: contexts close even where nng is stuck, and `run` has to end.
    DispatchQueue(label: "transport.contexts").async { [self] in
      for context in contexts { context.close() }
      closing.open()  // now, so that what a cancelled handler answers goes nowhere
      desk.async { [self] in
        socket.close()
        state.withLock { $0.listener = nil }
        closed.open()
      }
    }
  }

  private func serve(_ context: Context) async {
    while !state.withLock({ $0.isClosing }) {
      do throws(TransportError) {
        let message = try await context.receive()
        let origin = Origin(connection: message.connection, pipes: socket.pipes)
        guard !socket.pipes.isCondemned(origin.connection) else {
          // What it had sent before is thrown away, with no more work for it.
          state.withLock { $0.lostReplyCount += 1 }
          continue
        }
        let request = message.body
        let reply = await Self.$origin.withValue(origin) { await handler(request) }
        try await answer(reply, to: origin.connection, in: context)
      } catch {
        guard error.code != .closed else { return }
        state.withLock { $0.lostReplyCount += 1 }
      }
    }
  }

  /// Hands a reply to nng, which takes it at once unless an earlier one of the connection is unread.
  private func answer(
    _ reply: [UInt8], to connection: Int32, in context: Context
  ) async throws(TransportError) {
    guard reply.count <= channel.bodyByteLimit else {
      // The peer would drop the connection, and with it the requests of its neighbours.
      throw TransportError(code: .messageTooLarge, context: "reply of \(reply.count) bytes")
    }
    let pipes = socket.pipes
    let timeout =
      switch pipes.beginReply(to: connection, contextCount: contexts.count) {
      case .full: timing.replyTimeout
      case .brief: timing.briefReplyTimeout
      case .none: Duration.milliseconds(1)
      }
    defer { pipes.endReply(to: connection) }
    do throws(TransportError) {
      try await context.send(Message(reply), timeout: timeout)
    } catch {
      if error.code == .timedOut { pipes.condemn(connection) }
      throw error
    }
  }
}

extension Endpoint {
  /// Makes a listener, configures and starts it.
  static func listening(
    on socket: nng_socket, at address: Address, channel: Channel, tls: TLSMaterial?,
    verification: TLSIdentity.Verification = .full(serverName: nil)
  ) throws(TransportError) -> Endpoint {
    let listener = try Endpoint.listener(on: socket, at: address)
    do throws(TransportError) {
      try listener.configure(channel: channel, tls: tls, verification: verification)
      try listener.start()
    } catch {
      listener.close()
      throw TransportError(code: error.code, context: "listen on \(address): \(error.context)")
    }
    return listener
  }
}

extension Address {
  /// Refuses what must not go over this address: plain text past this machine, or a mismatch of
  /// scheme and identity.
  func check(tls: TLSIdentity?, insecure: Bool) throws(TransportError) {
    guard usesTLS == (tls != nil) else {
      let reason = usesTLS ? "needs a TLS identity" : "has no use for a TLS identity"
      throw TransportError(code: .refusedAddress, context: "\(self) \(reason)")
    }
    guard usesTLS || isLoopback || insecure else {
      throw TransportError(
        code: .refusedAddress,
        context: "\(self) is plain and not loopback: use tls+tcp:// or say --insecure")
    }
    try tls?.check()
  }
}
