import Foundation
import Synchronization
import Testing
import Transport

/// Raw frames against a listener, past nng's own sender.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct FrameLimitTests {
  /// A frame as a hostile peer writes it.
  struct Frame: CustomTestStringConvertible, Sendable {
    var declaredByteCount: UInt64
    var body: [UInt8] = []
    /// True where the connection has to end.
    var endsConnection = true
    var testDescription: String { "declares \(declaredByteCount), sends \(body.count)" }

    static func table(for channel: Channel) -> [Frame] {
      let limit = UInt64(channel.frameByteLimit)
      return [
        Frame(declaredByteCount: .max, body: pattern(4096)),
        Frame(declaredByteCount: 1 << 63, body: pattern(4096)),
        Frame(declaredByteCount: (1 << 63) - 1, body: pattern(4096)),
        Frame(declaredByteCount: 1 << 33, body: pattern(4096)),
        Frame(declaredByteCount: limit + 1, body: pattern(4096)),
        Frame(declaredByteCount: 0),
        Frame(declaredByteCount: 3, body: [0x80, 0, 0]),
        // Without the mark of a request number: dropped, and the connection may go on.
        Frame(declaredByteCount: 4, body: [0, 0, 0, 1], endsConnection: false),
      ]
    }
  }

  @Test(arguments: Channel.allCases)
  func framesOutsideTheLimitEndTheirTCPConnection(channel: Channel) async throws {
    try await withServer(channel: channel) { server in
      let before = try residentByteCount()
      for frame in Frame.table(for: channel) {
        let connection = try RawConnection(port: server.boundAddress.port)
        connection.send(requestHello)
        connection.send(frameHeader(frame.declaredByteCount) + frame.body)
        if frame.endsConnection { #expect(connection.waitForEnd(), "\(frame)") }
      }
      try await expectUnharmed(server, residentByteCount: before)
    }
  }

  @Test(arguments: Channel.allCases)
  func framesOutsideTheLimitEndTheirTLSConnection(channel: Channel) async throws {
    try await withServer("tls+tcp", channel: channel) { server in
      let before = try residentByteCount()
      let frames = Frame.table(for: channel)
      // Side by side: each takes a process, and the library's pause after a failed negotiation.
      let connections = try frames.map { frame in
        let connection = try RawTLSConnection(
          port: server.boundAddress.port, identity: Certificates.shared.worker)
        connection.send(requestHello)
        connection.send(frameHeader(frame.declaredByteCount) + frame.body)
        return connection
      }
      for (frame, connection) in zip(frames, connections) where frame.endsConnection {
        #expect(await holds(within: .seconds(5)) { connection.hasEnded }, "\(frame)")
      }
      try await expectUnharmed(server, residentByteCount: before)
    }
  }

  /// Peers that say anything at all: other protocols, noise of any length, and then hang or go.
  @Test(arguments: ["tcp", "tls+tcp"])
  func anyFirstBytesChangeNothing(scheme: String) async throws {
    var timing = Server.Timing.quick
    timing.probeTimeout = .seconds(5)  // a busy machine is not what this is about
    var generator = Noise(state: 11)
    let openings: [[UInt8]] = [
      Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8), Array("SSH-2.0-x\r\n".utf8),
      [22, 3, 1, 0, 5, 1, 0, 0, 1, 3], [22, 3, 1, 255, 255], [21, 3, 3, 0, 2, 2, 40],
      [0, 0x53, 0x50, 0, 0, 0x31, 0, 0], [0, 0x53, 0x50, 1, 0, 0x30, 0, 0], requestHello,
    ]
    try await withServer(scheme, connectionLimit: 3_000, timing: timing) { server in
      let before = try residentByteCount()
      try await withClient(of: server) { established in
        #expect(await reply(of: established, to: [1]) == [1])
        for number in 0..<80 {
          // Refused for the moment in which a listener that went deaf is replaced.
          guard let peer = try? RawConnection(port: server.boundAddress.port) else { continue }
          let length = Int.random(in: 0...300, using: &generator)
          let noise = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
          let opening = number % 3 == 0 ? openings[number / 3 % openings.count] : []
          peer.send(opening + noise)
          if number % 7 == 0 { peer.finishAndReset() }
        }
        #expect(await eventualReply(of: established, to: [2]) == [2])
      }
      try await expectUnharmed(server, residentByteCount: before)
      #expect(await holds(within: .seconds(20)) { server.statistics.openPipeCount <= 2 })
    }
  }

  @Test func garbageReachesTheHandlerAsBytes() async throws {
    let seen = Mutex<[[UInt8]]>([])
    let handler: Server.Handler = { request in
      seen.withLock { $0.append(request) }
      return request
    }
    try await withServer(handler: handler) { server in
      let garbage = pattern(999, seed: 77)
      let connection = try RawConnection(port: server.boundAddress.port)
      connection.send(requestHello)
      connection.send(frameHeader(1003) + [0x80, 0, 0, 1] + garbage)
      #expect(await holds(within: .seconds(5)) { seen.withLock { $0 } == [garbage] })
      try await withClient(of: server) { client in
        #expect(await reply(of: client, to: [1, 2]) == [1, 2])
      }
    }
  }

  @Test(arguments: ["tcp", "tls+tcp"], Channel.allCases)
  func limitsAndKeepaliveAreReadBack(scheme: String, channel: Channel) async throws {
    try await withServer(scheme, channel: channel) { server in
      let limit = channel == .control ? 65_536 : 5_242_880
      let wanted = EndpointOptions(frameByteLimit: limit, keepsAlive: true, delays: false)
      #expect(server.options == wanted)
      try await withClient(of: server) { client in
        let options = try client.options()
        #expect(options == wanted)
      }
    }
  }

  /// An honest client is served, and no declared length was ever made real.
  private func expectUnharmed(_ server: Server, residentByteCount before: Int) async throws {
    try await withClient(of: server) { client in
      let body = pattern(1000, seed: 3)
      #expect(await eventualReply(of: client, to: body) == body)
    }
    // Room for allocator noise and for tests of other modules that run beside this one.
    #expect(try residentByteCount() - before < 512 << 20)
  }
}
