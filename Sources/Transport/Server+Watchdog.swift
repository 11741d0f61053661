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
  /// Probes of the listener that nobody heard.
  package var missedProbeCount: Int
  /// How many times a deaf listener was replaced.
  package var recreationCount: Int
}

extension Server {
  package var statistics: ServerStatistics {
    let pipes = socket.pipes
    return state.withLock { state in
      ServerStatistics(
        openPipeCount: pipes.count, refusedCount: pipes.refusedCount,
        pendingCount: state.pendingCount, evictedCount: state.evictedCount,
        lostReplyCount: state.lostReplyCount, missedProbeCount: state.missedProbeCount,
        recreationCount: state.recreationCount)
    }
  }

  /// Replaces a listener that has gone deaf.
  ///
  /// A listener of libnng 1.5.2 stops accepting for good when a write during the negotiation meets
  /// a peer that has closed and reset the connection (nng issue 1518), while open pipes work on; TLS
  /// does not protect from it, for the handshake writes before it knows the peer. A probe dials in; the listener hears it when nng reports a new pipe. A round trip would prove less: busy
  /// handlers would make a good listener look deaf. Replacing the listener closes the pipes of the
  /// old one; their dialers return by themselves and the requests in flight fail as
  /// `disconnected`.
  func watchListener() async {
    var missCount = 0
    // A certificate that cannot dial its own server says nothing about the listener.
    var isProven = tls == nil
    let probes = DispatchQueue(label: "transport.probe")
    repeat {
      let isHeard = await probes.run { self.probe() }
      isProven = isProven || isHeard
      missCount = isHeard || !isProven ? 0 : missCount + 1
      if !isHeard { state.withLock { $0.missedProbeCount += 1 } }
      if missCount >= timing.missLimit || !state.withLock({ $0.listener != nil }) {
        missCount = 0
        await desk.run { self.recreateListener() }
      }
    } while await pause(timing.probeInterval)
  }

  /// Ends connections that do not negotiate, and has the system watch over those that did.
  ///
  /// A TLS handshake never times out in libnng 1.5.2. Closing the listener would free such
  /// connections too, but with every good one; ending just their descriptors is enough.
  func watchConnections() async {
    var pending = PendingConnections(limit: pendingLimit, timeout: timing.negotiationTimeout)
    var watched: Set<Peer> = []
    let start = ContinuousClock.now
    while await pause(timing.reviewInterval) {
      // Read in this order a connection that negotiates meanwhile counts as negotiated.
      let connections = Connection.accepted(on: boundAddress.port)
      let negotiated = socket.pipes.peers
      let overdue = pending.review(
        connected: Set(connections.map(\.peer)), negotiated: negotiated,
        now: start.duration(to: .now))
      for connection in connections {
        if overdue.contains(connection.peer) { connection.shutDown() }
        guard negotiated.contains(connection.peer) else { continue }
        if !watched.contains(connection.peer) { connection.detectVanishedPeer() }
      }
      watched = negotiated
      let pendingCount = pending.count
      state.withLock { state in
        state.pendingCount = pendingCount
        state.evictedCount += overdue.count
      }
    }
  }

  /// Waits between two rounds of a watch; false ends it.
  private func pause(_ interval: Duration) async -> Bool {
    guard (try? await Task.sleep(for: interval)) != nil else { return false }  // cancelled
    return !state.withLock { $0.isClosing }
  }

  /// Dials the server once and tells whether its listener reported a pipe; blocks.
  ///
  /// A probe that cannot be made, for want of memory or descriptors, counts as heard: it says
  /// nothing about the listener.
  private func probe() -> Bool {
    let arrivalCount = socket.pipes.arrivalCount
    guard let caller = try? Socket(.request) else { return true }
    defer { caller.close() }
    guard let dialer = try? Endpoint.dialer(on: caller.raw, to: boundAddress.seenFromHere),
      (try? dialer.configure(channel: .control, tls: tls, verification: .none)) != nil,
      (try? dialer.start()) != nil
    else { return true }
    let deadline = ContinuousClock.now + timing.probeTimeout
    while ContinuousClock.now < deadline {
      if socket.pipes.arrivalCount > arrivalCount { return true }
      nng_msleep(2)
    }
    return false
  }

  /// Closes the listener and makes another on the same port; blocks, on `desk` alone.
  private func recreateListener() {
    let old: Endpoint?? = state.withLock { state in
      guard !state.isClosing else { return nil }
      defer { state.listener = nil }
      return state.listener
    }
    guard let old else { return }
    old?.close()
    let new = try? Endpoint.listening(
      on: socket.raw, at: boundAddress, channel: channel, tls: tls)
    guard let new else { return }  // the next round of the watch tries again
    state.withLock { state in
      state.listener = new
      state.recreationCount += 1
    }
  }
}
