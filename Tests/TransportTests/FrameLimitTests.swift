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
      #expect(await reply(of: client, to: body) == body)
    }
    // Room for allocator noise and for tests of other modules that run beside this one.
    #expect(try residentByteCount() - before < 512 << 20)
  }
}
