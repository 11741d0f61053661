import CNNG
import Dispatch
import Synchronization

/// What a server has seen of its connections.
package struct ServerStatistics: Equatable, Sendable {
  /// Negotiated connections that are open.
  package var openPipeCount: Int
  /// Connections that were closed because of the connection limit.
  package var refusedCount: Int
  /// Connections that have not negotiated, at the last look.
  package var pendingCount: Int
  /// Connections that were ended because they did not negotiate in time or were too many.
  package var evictedCount: Int
  /// Replies that could not be sent: too long, or left unread by the peer.
  package var lostReplyCount: Int
  /// Probes of the listener that are over, and those of them that nobody heard.
  package var probeCount: Int
  package var missedProbeCount: Int
  /// How many times a deaf listener was replaced.
  package var recreationCount: Int
  /// How many times new certificates were taken up.
  package var renewalCount: Int
}

extension Server {
  package var statistics: ServerStatistics {
    let pipes = socket.pipes
    return state.withLock { state in
      ServerStatistics(
        openPipeCount: pipes.count, refusedCount: pipes.refusedCount,
        pendingCount: state.pendingCount, evictedCount: state.evictedCount,
        lostReplyCount: state.lostReplyCount, probeCount: state.probeCount,
        missedProbeCount: state.missedProbeCount,
        recreationCount: state.recreationCount, renewalCount: state.renewalCount)
    }
  }

  /// Replaces a listener that has gone deaf.
  ///
  /// A listener of libnng 1.5.2 stops accepting for good when a write during the negotiation meets
  /// a broken pipe (nng issue 1518), while open pipes work on. This process does not let it hear of
  /// any (sockets.c in CPosix); should there be another way, replacing the listener helps. A probe
  /// dials in; the listener hears it when nng reports a new pipe. A round trip would prove less: busy
  /// handlers would make a good listener look deaf. Replacing the listener closes the pipes of the
  /// old one; their dialers return by themselves and the requests in flight fail as
  /// `disconnected`. Connections that had negotiated with a deaf listener cost their descriptors:
  /// nng never lets go of them.
  func watchListener() async {
    var missCount = 0
    // A certificate that cannot dial its own server says nothing about the listener.
    var isProven = tls == nil
    let probes = DispatchQueue(label: "transport.probe")
    var renewal = Renewal()
    repeat {
      guard await takeUpNewCertificates(&renewal) else { return }
      let material = state.withLock { $0.material }
      // With a certificate that has ended a probe is refused, and tells nothing: replacing the
      // listener would cost connections that stand and could not be made again.
      if let material, (try? material.check()) == nil {
        missCount = 0
        continue
      }
      let probe = await probes.run { Probe(self.boundAddress, material) }
      socket.pipes.isProbed = true
      let isHeard = await hears(probe)
      isProven = isProven || isHeard || probe.hasConnected
      if isHeard { await settle(probe) }
      guard await finishes(on: probes, { probe.close() }) else { return }
      socket.pipes.isProbed = false
      missCount = isHeard || !isProven ? 0 : missCount + 1
      state.withLock { state in
        state.probeCount += 1
        if !isHeard { state.missedProbeCount += 1 }
      }
      guard missCount >= timing.missLimit || state.withLock({ $0.listener == nil }) else {
        continue
      }
      missCount = 0
      guard await finishes(on: desk, { self.recreateListener() }) else { return }
    } while await pause(timing.probeInterval)
  }

  /// The share of the process's descriptors from which on they are running out: then fewer strangers
  /// are kept, because a connection that finds none left waits for all that come after it.
  private static let fullShare = 0.8

  /// Ends connections that do not negotiate, and has the system watch over those that did.
  ///
  /// A TLS handshake never times out in libnng 1.5.2. Closing the listener would free such
  /// connections too, but with every good one; ending just their descriptors is enough.
  func watchConnections() async {
    var pending = PendingConnections(
      limit: pendingLimit, limitOfAddress: pendingLimitOfAddress,
      timeout: timing.negotiationTimeout)
    var watched: Set<Link> = []
    var lost: Set<Int32> = []
    let start = ContinuousClock.now
    var wasBlind = false
    while await pause(timing.reviewInterval) {
      // Without a descriptor for the look nothing is known, and nothing decided; what it will find
      // is that descriptors are running out.
      guard let look = Connection.look() else {
        wasBlind = true
        continue
      }
      // Read in this order a connection that negotiates meanwhile counts as negotiated.
      let connections = look.connections.filter { $0.link.own.port == boundAddress.port }
      let links = socket.pipes.links
      let connected = Set(connections.map(\.link))
      let negotiated = Set(links.values)
      let isShort = wasBlind || look.share > Self.fullShare
      wasBlind = false
      let overdue = pending.review(
        connected: connected, negotiated: negotiated, isShort: isShort,
        now: start.duration(to: .now))
      let strangers = socket.pipes.excessStrangers(
        among: isShort ? links.count : connectionLimit,
        olderThan: timing.negotiationTimeout
      ).union(socket.pipes.condemned)
      for connection in connections {
        if overdue.contains(connection.link) {
          connection.shutDown()
        } else if strangers.contains(connection.link) {
          connection.endForGood()  // never its sending: see `Socket.breakConnections`
        }
        guard negotiated.contains(connection.link) else { continue }
        if !watched.contains(connection.link) { connection.detectVanishedPeer() }
      }
      watched = negotiated
      lost = closeLostPipes(links.filter { !connected.contains($0.value) }, seenBefore: lost)
      let pendingCount = pending.count
      state.withLock { state in
        state.pendingCount = pendingCount
        state.evictedCount += overdue.count + strangers.count
      }
    }
  }

  /// Closes pipes that had no connection at two looks in a row: over TLS libnng 1.5.2 can lose the
  /// end of a connection, and the pipe would hold its place among the allowed for ever.
  private func closeLostPipes(_ links: [Int32: Link], seenBefore: Set<Int32>) -> Set<Int32> {
    for number in links.keys where seenBefore.contains(number) {
      _ = nng_pipe_close(nng_pipe(id: UInt32(bitPattern: number)))  // or it is closed already
    }
    return Set(links.keys)
  }

  /// Waits between two rounds of a watch; false ends it.
  private func pause(_ interval: Duration) async -> Bool {
    guard (try? await Task.sleep(for: interval)) != nil else { return false }  // cancelled
    return !state.withLock { $0.isClosing }
  }

  /// Tells whether the listener reports a pipe while a probe dials.
  ///
  /// A probe that cannot be made, for want of memory or descriptors, counts as heard: it says
  /// nothing about the listener.
  private func hears(_ probe: Probe) async -> Bool {
    let arrivalCount = socket.pipes.arrivalCount
    guard probe.dial() else { return true }
    let deadline = ContinuousClock.now + timing.probeTimeout
    while ContinuousClock.now < deadline, !state.withLock({ $0.isClosing }) {
      if socket.pipes.arrivalCount > arrivalCount { return true }
      // Cut short by cancellation, which ends the watch at its next pause.
      try? await Task.sleep(for: .milliseconds(5))
    }
    return state.withLock { $0.isClosing }
  }

  /// Waits until a probe's own end has negotiated too, for as long as a probe may take.
  ///
  /// Whoever else arrives counts as the probe, which must not be closed in the middle of it.
  private func settle(_ probe: Probe) async {
    let deadline = ContinuousClock.now + timing.probeTimeout
    while !probe.hasConnected, ContinuousClock.now < deadline,
      await pause(.milliseconds(1))
    {}
  }

  /// Runs something that makes nng close; false, and the end of the server, where it hangs.
  ///
  /// The thread that frees pipes is one for the whole process, so that a probe that cannot be
  /// closed means that nothing can; see `Socket.breakConnections`.
  private func finishes(
    on queue: DispatchQueue, _ body: @escaping @Sendable () -> Void
  ) async -> Bool {
    let done = Latch()
    queue.async {
      body()
      done.open()
    }
    if await RunningTime.wait(for: done, within: timing.closeTimeout) { return true }
    state.withLock { $0.isStuck = true }
    beginClosing()
    return false
  }

  /// New certificates that were seen, and what became of them.
  private struct Renewal {
    var candidate: TLSMaterial?
    /// What could not be used, for which reason, and when it was tried.
    var kept: TLSMaterial?
    var reason = ""
    var tried = ContinuousClock.now
  }

  /// Replaces the listener where its certificates have changed; false ends the watch.
  ///
  /// A configuration of nng is frozen once in use, and closing a listener closes its connections:
  /// their dialers come back by themselves. Files are taken up when two looks in a row find them the
  /// same, so that a certificate and a key that are written one after the other are not taken apart,
  /// and when a listener of its own has shown that they go together. What is refused is tried again
  /// later: its time may not have come yet, or memory and descriptors were short.
  private func takeUpNewCertificates(_ renewal: inout Renewal) async -> Bool {
    guard let tls, let material = try? tls.read(), material != state.withLock({ $0.material }),
      material != renewal.kept || renewal.tried.duration(to: .now) >= timing.renewalRetryInterval
    else { return true }
    guard renewal.candidate == material else {
      renewal.candidate = material
      return true
    }
    renewal.candidate = nil
    if let error = await problem(with: material) {
      if renewal.kept != material || renewal.reason != error.context {
        state.withLock { $0.hears }?(.kept(error.context))
      }
      (renewal.kept, renewal.reason, renewal.tried) = (material, error.context, .now)
      return true
    }
    renewal.kept = nil
    state.withLock { state in
      state.material = material
      state.isRenewing = true
    }
    return await finishes(on: desk, { self.recreateListener() })
  }

  private func problem(with material: TLSMaterial) async -> TransportError? {
    do throws(TransportError) {
      try material.check()
    } catch {
      return error
    }
    guard let error = await Trial.listen(material, within: timing.closeTimeout) else { return nil }
    let files = "\(material.identity.certificateFile) and \(material.identity.keyFile)"
    return TransportError(
      code: .tls,
      context: "\(files) do not go together, or with \(material.identity.caFile): "
        + error.context)
  }

  /// Closes the listener and makes another on the same port; blocks, on `desk` alone.
  private func recreateListener() {
    let old: Endpoint?? = state.withLock { state in
      guard !state.isClosing else { return nil }
      defer { state.listener = nil }
      return state.listener
    }
    guard let old else { return }
    socket.drain()
    old?.close()
    socket.pipes.refusesAll = false
    let material = state.withLock { $0.material }
    let new = try? Endpoint.listening(
      on: socket.raw, at: boundAddress, channel: channel, tls: material)
    guard let new else { return }  // the next round of the watch tries again
    let hears = state.withLock { state in
      state.listener = new
      defer { state.isRenewing = false }
      if state.isRenewing { state.renewalCount += 1 } else { state.recreationCount += 1 }
      return state.isRenewing ? state.hears : nil
    }
    hears?(.renewed)
  }
}

/// One dial from the server to itself.
private struct Probe: Sendable {
  let socket: Socket?
  private let dialer: Endpoint?

  /// Prepares a dial; nothing is sent yet.
  init(_ address: Address, _ tls: TLSMaterial?) {
    // Without a socket or dialer there is nothing to probe with: `dial` answers false.
    let socket = try? Socket(.request)
    self.socket = socket
    dialer = socket.flatMap { socket in
      guard let dialer = try? Endpoint.dialer(on: socket.raw, to: address.seenFromHere),
        (try? dialer.configure(channel: .control, tls: tls, verification: .none)) != nil
      else { return nil }
      return dialer
    }
  }

  /// True once this end of the dial has negotiated, whether or not the listener reported it.
  var hasConnected: Bool { socket.map { $0.pipes.arrivalCount > 0 } ?? false }

  /// Starts to dial in the background; false where that is not possible.
  func dial() -> Bool { dialer.map { (try? $0.start()) != nil } ?? false }

  /// Ends the dial; blocks.
  ///
  /// libnng 1.5.2 never lets go of a connection whose dialer is closed just when its negotiation ends.
  /// A dialer that loses its connection dials again, every second time at once (it takes a random
  /// number for a signed one): so it goes before its connection does. Nothing is on its way on that
  /// connection, so that nng may close it, see `Socket.breakConnections`.
  func close() {
    dialer?.close()
    socket?.close()
  }
}
