import CPosix
import Foundation
import Glibc
import Synchronization
import Testing
import Transport

/// The guards around the listener, each with the fault of libnng 1.5.2 that it answers.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ListenerTests {
  @Test func productionIntervalsArePinned() {
    let timing = Server.Timing()
    #expect(timing.probeInterval == .seconds(2))
    #expect(timing.missLimit == 2)
    #expect(timing.negotiationTimeout == .seconds(10))
    #expect(timing.replyTimeout == .seconds(5))
    #expect(timing.briefReplyTimeout == .milliseconds(100))
  }

  /// Connections that end and reset before a write to them neither deafen the listener, as they do
  /// where libnng hears of broken pipes, nor leave a socket.
  @Test(arguments: ["tcp", "tls+tcp"])
  func resetsDeafenNobody(scheme: String) async throws {
    let opening = scheme == "tcp" ? [] : try recordedTLSOpening()
    var timing = Server.Timing.quick
    timing.probeTimeout = .seconds(2)  // a busy machine is not what this is about
    let before = try closedSockets()
    try await withServer(scheme, timing: timing) { server in
      try await withClient(of: server) { established in
        #expect(await reply(of: established, to: [1]) == [1])
        let end = ContinuousClock.now + .seconds(5)
        _ = await storm(server, opening) { ContinuousClock.now > end }
        try await withClient(of: server) { newcomer in
          #expect(await repeatedReply(of: newcomer, to: [2]) == [2])
        }
        #expect(await reply(of: established, to: [3]) == [3])
        #expect(established.redialCount == 0)
        #expect(server.statistics.recreationCount == 0)
        let lost = try await lostSockets(besides: before)
        #expect(lost == [], "the server has port \(server.boundAddress.port)")
      }
    }
  }

  /// The same where libnng hears of broken pipes: the listener never accepts again.
  @Test(arguments: ["tcp", "tls+tcp"])
  func deafListenerIsReplacedAndClientsReturn(scheme: String) async throws {
    ns_tell_failed_sends(1)
    defer { ns_tell_failed_sends(0) }
    // Over TLS the first write answers the client's first message.
    let opening = scheme == "tcp" ? [] : try recordedTLSOpening()
    let isHeld = Mutex(true)
    let handler: Server.Handler = { request in
      while request == [0], isHeld.withLock({ $0 }), !Task.isCancelled {
        try? await Task.sleep(for: .milliseconds(10))
      }
      return request
    }
    try await withServer(scheme, timing: .quick, handler: handler) { server in
      try await withClient(of: server) { established in
        #expect(await reply(of: established, to: [1]) == [1])
        async let inFlight = failure(of: established, timeout: .seconds(60), body: [0])
        let start = ContinuousClock.now
        let isReplaced = await storm(server, opening) {
          server.statistics.recreationCount > 0
        }
        #expect(isReplaced, "the fault was not provoked, or not noticed")
        try await withClient(of: server) { newcomer in
          #expect(await repeatedReply(of: newcomer, to: [2]) == [2])
        }
        #expect(start.duration(to: .now) < .seconds(40))
        isHeld.withLock { $0 = false }
        // Its connection went with the old listener, and with resending on the request would have
        // been repeated. The dialer has come back by itself.
        let code = await inFlight
        #expect(code == .disconnected)
        #expect(await repeatedReply(of: established, to: [3]) == [3])
        #expect(established.redialCount == 0)
      }
    }
  }

  /// The same with the times of production: from the fault to an answer for a newcomer.
  @Test func deafListenerIsHealedInTenSeconds() async throws {
    ns_tell_failed_sends(1)
    defer { ns_tell_failed_sends(0) }
    try await withServer { server in
      var isReplaced = false
      var deaf = ContinuousClock.now
      // Until one storm is followed by silence; one that the listener survives proves nothing.
      let end = ContinuousClock.now + .seconds(30)
      while ContinuousClock.now < end {
        deaf = .now
        for _ in 0..<200 {
          guard let connection = try? RawConnection(port: server.boundAddress.port) else {
            continue
          }
          connection.finishAndReset()
        }
        let isDeaf = try await withClient(of: server) { client in
          await failure(of: client, timeout: .seconds(1)) != nil
        }
        if isDeaf { break }
      }
      isReplaced = await holds(within: .seconds(15)) { server.statistics.recreationCount > 0 }
      #expect(isReplaced, "the fault was not provoked, or not noticed")
      try await withClient(of: server) { newcomer in
        #expect(await repeatedReply(of: newcomer, to: [2]) == [2])
      }
      let time = deaf.duration(to: .now)
      print("a deaf listener was healed in", time)
      #expect(time < .seconds(10))
    }
  }

  @Test(arguments: ["tcp", "tls+tcp"])
  func soundListenerIsLeftAlone(scheme: String) async throws {
    let isBusy = Mutex(true)
    let handler: Server.Handler = { request in
      while isBusy.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(10)) }
      return request
    }
    var timing = Server.Timing.quick
    timing.probeTimeout = .seconds(2)  // a busy machine is not what this is about
    try await withServer(scheme, contextCount: 1, timing: timing, handler: handler) { server in
      try await withClient(of: server) { client in
        // The only handler is busy for many probes; that says nothing about the listener.
        async let answer = reply(of: client, to: [5])
        try await Task.sleep(for: .milliseconds(1200))
        #expect(server.statistics.recreationCount == 0)
        isBusy.withLock { $0 = false }
        #expect(await answer == [5])
      }
    }
  }

  /// A TLS handshake has no timeout.
  @Test func silentTLSConnectionsAreEndedAndOthersJoin() async throws {
    var timing = Server.Timing.quick
    timing.probeTimeout = .seconds(2)  // a busy machine is not what this is about
    try await withServer("tls+tcp", timing: timing) { server in
      try await withClient(of: server) { established in
        #expect(await reply(of: established, to: [1]) == [1])
        let silent = try (0..<30).map { _ in try RawConnection(port: server.boundAddress.port) }
        #expect(await holds(within: .seconds(2)) { server.statistics.pendingCount == 30 })
        let start = ContinuousClock.now
        // Its own connection may be pushed out with the silent ones; then it comes back.
        try await withClient(of: server) { newcomer in
          #expect(await repeatedReply(of: newcomer, to: [2]) == [2])
        }
        #expect(start.duration(to: .now) < .seconds(5))
        #expect(await holds(within: .seconds(3)) { silent.allSatisfy(\.hasEnded) })
        #expect(await holds(within: .seconds(2)) { server.statistics.pendingCount == 0 })
        #expect(await holds(within: .seconds(2)) { server.statistics.evictedCount >= 30 })
        #expect(server.statistics.recreationCount == 0)
        #expect(await reply(of: established, to: [3]) == [3])
        #expect(established.redialCount == 0)
      }
    }
  }

  @Test func tooManySilentConnectionsPushOutTheOldest() async throws {
    var timing = Server.Timing.quick
    timing.negotiationTimeout = .seconds(60)
    try await withServer("tls+tcp", pendingLimit: 20, timing: timing) { server in
      let first = try (0..<10).map { _ in try RawConnection(port: server.boundAddress.port) }
      #expect(await holds(within: .seconds(2)) { server.statistics.pendingCount == 10 })
      let second = try (0..<10).map { _ in try RawConnection(port: server.boundAddress.port) }
      #expect(await holds(within: .seconds(3)) { first.allSatisfy(\.hasEnded) })
      #expect(second.allSatisfy { !$0.hasEnded })
      // The server's own probe may be among those that have not negotiated yet.
      #expect(
        await holds(within: .seconds(3)) { (10...12).contains(server.statistics.evictedCount) })
    }
  }

  /// A probe's dialer that dials again while it is closed would leave its socket for ever.
  @Test func probesLeaveNoSockets() async throws {
    var timing = Server.Timing.quick
    timing.probeInterval = .milliseconds(1)
    // Several at a time, and more than there are cores, so that they meet each other's pauses.
    let serverCount = 16
    let probedCount = Counter()
    let checkedCount = Counter()
    let before = try closedSockets()
    try await withThrowingTaskGroup { [timing] group in
      for _ in 0..<serverCount {
        group.addTask {
          try await withServer(timing: timing) { server in
            #expect(await holds(within: .seconds(30)) { server.statistics.probeCount >= 60 })
            probedCount.value.withLock { $0 += 1 }
            // What closing leaves is another matter.
            _ = await holds(within: .seconds(60)) { checkedCount.value.withLock { $0 == 1 } }
          }
        }
      }
      _ = await holds(within: .seconds(40)) { probedCount.value.withLock { $0 == serverCount } }
      let lost = try await lostSockets(besides: before)
      checkedCount.value.withLock { $0 = 1 }
      #expect(lost == [])
      try await group.waitForAll()
    }
  }

  @Test func connectionsAboveTheLimitAreRefused() async throws {
    var timing = Server.Timing()
    timing.probeInterval = .seconds(60)  // while a probe is on its way there is one place more
    try await withServer(connectionLimit: 3, timing: timing) { server in
      let honest = try (0..<3).map { _ in
        try Client(
          address: server.boundAddress, channel: .control, tls: nil, contextCount: 1)
      }
      for client in honest { #expect(await reply(of: client, to: [1]) == [1]) }
      #expect(await holds(within: .seconds(10)) { server.statistics.probeCount == 1 })
      #expect(await holds(within: .seconds(2)) { server.statistics.openPipeCount == 3 })
      try await withClient(of: server) { fourth in
        #expect(await failure(of: fourth, timeout: .milliseconds(600)) != nil)
        #expect(await holds(within: .seconds(2)) { server.statistics.refusedCount > 0 })
        #expect(await holds(within: .seconds(2)) { server.statistics.openPipeCount == 3 })
        #expect(await honest[0].close(within: .seconds(5)))
        #expect(await reply(of: fourth, to: [4]) == [4])
      }
      for client in honest { #expect(await client.close(within: .seconds(5))) }
    }
  }

  /// Peers that greet and then prove nothing make room for those that do.
  @Test func strangersMakeRoom() async throws {
    var timing = Server.Timing.quick
    timing.probeInterval = .seconds(60)
    timing.negotiationTimeout = .milliseconds(300)
    let handler: Server.Handler = { request in
      if request == [7] { Server.recognizePeer() }
      return request
    }
    try await withServer(
      connectionLimit: 20, timing: timing, recognizesAll: false, handler: handler
    ) { server in
      let known = try (0..<4).map { _ in
        try Client(address: server.boundAddress, channel: .control, tls: nil, contextCount: 1)
      }
      for client in known { #expect(await reply(of: client, to: [7]) == [7]) }
      let strangers = try (0..<16).map { _ in
        let connection = try RawConnection(port: server.boundAddress.port)
        connection.send(requestHello)
        return connection
      }
      // Down to half of the limit, and none of those that proved something.
      #expect(
        await holds(within: .seconds(10)) {
          server.statistics.evictedCount >= 10 && server.statistics.openPipeCount <= 10
        })
      #expect(server.statistics.openPipeCount >= 9)
      for client in known {
        #expect(await reply(of: client, to: [7]) == [7])
        #expect(client.redialCount == 0)
      }
      try await withClient(of: server) { newcomer in
        #expect(await reply(of: newcomer, to: [7]) == [7])
      }
      for client in known { #expect(await client.close(within: .seconds(5))) }
      withExtendedLifetime(strangers) {}
    }
  }

  @Test func fullServerIsNotTakenForADeafOne() async throws {
    try await withServer(connectionLimit: 1, timing: .quick) { server in
      try await withClient(of: server) { client in
        #expect(await repeatedReply(of: client, to: [1]) == [1])
        try await Task.sleep(for: .milliseconds(1200))
        #expect(server.statistics.recreationCount == 0)
        #expect(await repeatedReply(of: client, to: [2]) == [2])
      }
    }
  }

  /// A peer that does not read its replies may not hold the contexts for ever.
  @Test func unreadRepliesAreLostInTime() async throws {
    var timing = Server.Timing.quick
    timing.replyTimeout = .milliseconds(200)
    let large = pattern(Channel.bulk.bodyByteLimit)
    let handler: Server.Handler = { request in request.count == 1 ? request : large }
    try await withServer(
      channel: .bulk, contextCount: 1, timing: timing, recognizesAll: false, handler: handler
    ) { server in
      let connection = try RawConnection(port: server.boundAddress.port)
      connection.send(requestHello)
      for number in 1...4 {
        connection.send(frameHeader(6) + [0x80, 0, 0, UInt8(number), 7, 7])
      }
      try await withClient(of: server) { client in
        #expect(await holds(within: .seconds(5)) { server.statistics.lostReplyCount == 3 })
        #expect(await reply(of: client, to: [9]) == [9])
      }
    }
  }

  /// A peer that takes more connections than it may have is a stranger on its oldest.
  @Test func connectionsOfOnePeerAreLimited() async throws {
    var timing = Server.Timing.quick
    timing.probeInterval = .seconds(60)
    timing.negotiationTimeout = .milliseconds(300)
    let handler: Server.Handler = { request in
      Server.recognizePeer(UInt64(request[0]))
      return request
    }
    try await withServer(
      connectionLimit: 12, timing: timing, recognizesAll: false, handler: handler
    ) { server in
      let honest = try Client(
        address: server.boundAddress, channel: .control, tls: nil, contextCount: 1)
      #expect(await reply(of: honest, to: [1]) == [1])
      let many = try (0..<11).map { _ in
        let connection = try RawConnection(port: server.boundAddress.port)
        connection.send(requestHello + frameHeader(5) + [0x80, 0, 0, 1, 2])
        return connection
      }
      #expect(
        await holds(within: .seconds(5)) {
          server.statistics.evictedCount >= 6 && server.statistics.openPipeCount <= 6
        })
      try await Task.sleep(for: .milliseconds(500))
      #expect(server.statistics.openPipeCount >= 5)
      withExtendedLifetime(many) {}
      #expect(await reply(of: honest, to: [1]) == [1])
      #expect(honest.redialCount == 0)
      #expect(await honest.close(within: .seconds(5)))
    }
  }

  /// Who asks on and on and reads nothing is ended, known or not, and holds nobody up.
  @Test(arguments: [true, false])
  func aPeerThatNeverReadsIsEnded(isKnown: Bool) async throws {
    let large = pattern(60_000)
    let handler: Server.Handler = { request in
      if request == [7] || isKnown { Server.recognizePeer(request == [7] ? 1 : 2) }
      return request == [7] ? request : large
    }
    var timing = Server.Timing.quick
    timing.probeInterval = .seconds(60)
    timing.replyTimeout = .seconds(2)
    try await withServer(
      contextCount: 12, timing: timing, recognizesAll: false, handler: handler
    ) { server in
      let greedy = try (0..<4).map { _ in
        try RawConnection(port: server.boundAddress.port, receiveByteCount: 1)
      }
      let goneCount = Counter()
      for connection in greedy {
        connection.send(requestHello)
        Thread.detachNewThread {
          let request = frameHeader(6) + [0x80, 0, 0, 1, 1, 1]
          if connection.sendUntilTheEnd(request, within: .seconds(20)) {
            goneCount.value.withLock { $0 += 1 }
          }
        }
      }
      try await withClient(of: server) { client in
        for _ in 0..<5 {
          let start = ContinuousClock.now
          #expect(await reply(of: client, to: [7]) == [7])
          #expect(start.duration(to: .now) < .seconds(1))
        }
        #expect(await holds(within: .seconds(15)) { goneCount.value.withLock { $0 == 4 } })
        #expect(await reply(of: client, to: [7]) == [7])
        #expect(client.redialCount == 0)
        #expect(await holds(within: .seconds(2)) { server.statistics.openPipeCount == 1 })
      }
    }
  }

  @Test func vanishedPeersAreGivenUpSoon() async throws {
    try await withServer(timing: .quick) { server in
      try await withClient(of: server) { client in
        #expect(await reply(of: client, to: [1]) == [1])
        let port = server.boundAddress.port
        // The server's own probe may be connected beside the client.
        #expect(
          await holds(within: .seconds(5)) {
            let seconds = keepaliveSeconds(ofPort: port)
            return !seconds.isEmpty && seconds.allSatisfy { $0 == 15 }
          })
      }
    }
  }

  /// Sends batches of connections that end and reset until a condition holds, 30 s at most.
  private func storm(
    _ server: Server, _ opening: [UInt8], until condition: () -> Bool
  ) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < deadline {
      for step in 0..<(opening.isEmpty ? 100 : 25) {
        // Refused for the moment in which the listener is replaced.
        guard let connection = try? RawConnection(port: server.boundAddress.port) else { continue }
        connection.send(opening)
        // Over TLS somewhere in the few milliseconds of the handshake's arithmetic; over TCP at
        // once and without a pause, so that the connection is dead before it is accepted.
        if !opening.isEmpty { usleep(UInt32(step) * 100) }
        connection.finishAndReset()
        if !opening.isEmpty { usleep(300) }
      }
      if await holds(within: .milliseconds(600), condition) { return true }
    }
    return false
  }
}

/// The sockets of this process that are closed by TCP, with their own ports.
private func closedSockets() throws -> [String: UInt16] {
  let files = FileManager.default
  var sockets: [String: UInt16] = [:]
  for name in try files.contentsOfDirectory(atPath: "/proc/self/fd") {
    var information = tcp_info()
    var size = socklen_t(MemoryLayout<tcp_info>.size)
    // One that is gone meanwhile is none.
    guard let descriptor = Int32(name),
      let link = try? files.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)"),
      unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &information, &size) == 0,
      Int(information.tcpi_state) == TCP_CLOSE
    else { continue }
    var address = sockaddr_in()
    size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &size)
      }
    }
    sockets[link] = address.sin_port.bigEndian
  }
  return sockets
}

/// The ports of sockets that stay although TCP has closed them: nobody lets go of them.
private func lostSockets(besides before: [String: UInt16]) async throws -> [UInt16] {
  var lost = try closedSockets().filter { before[$0.key] == nil }
  let end = ContinuousClock.now + .seconds(5)
  while ContinuousClock.now < end, !lost.isEmpty {
    try await Task.sleep(for: .milliseconds(20))
    let now = try closedSockets()
    lost = lost.filter { now[$0.key] != nil }
  }
  return lost.values.sorted()
}

/// The first bytes that a TLS client sends.
private func recordedTLSOpening() throws -> [UInt8] {
  let listener = try RawListener()
  let caller = try RawTLSConnection(port: listener.port, identity: nil)
  defer { withExtendedLifetime(caller) {} }
  let descriptor = accept(listener.descriptor, nil, nil)
  defer { close(descriptor) }
  var bytes = [UInt8](repeating: 0, count: 4096)
  let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
  try #require(count > 100)
  return Array(bytes.prefix(count))
}

/// `TCP_KEEPIDLE` of the connections that came in on a port of this process.
private func keepaliveSeconds(ofPort port: UInt16) -> [Int32] {
  (Int32(0)..<65_536).compactMap { descriptor in
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &size) + getpeername(descriptor, $0, &size)
          + getsockname(descriptor, $0, &size)
      }
    }
    guard status == 0, address.sin_port.bigEndian == port else { return nil }
    var seconds: Int32 = 0
    size = socklen_t(MemoryLayout<Int32>.size)
    unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, &seconds, &size)
    return seconds
  }
}
