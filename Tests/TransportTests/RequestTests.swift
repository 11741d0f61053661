import Synchronization
import Testing
import Transport

/// Requests and replies over the real library.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct RequestTests {
  @Test(arguments: ["tcp", "tls+tcp"])
  func bodiesOfEverySizeComeBackUnchanged(scheme: String) async throws {
    try await withServer(scheme, channel: .bulk) { server in
      try await withClient(of: server) { client in
        for count in [0, 1, 3, 4, 5, 1023, 65_536, Channel.bulk.bodyByteLimit] {
          let body = pattern(count)
          #expect(await reply(of: client, to: body) == body)
        }
      }
    }
  }

  @Test func concurrentRequestsEachGetTheirOwnReply() async throws {
    let handler: Server.Handler = { request in
      try? await Task.sleep(for: .milliseconds(Int(request[0]) % 7))
      return request.reversed()
    }
    try await withServer(contextCount: 16, handler: handler) { server in
      try await withClient(of: server, contextCount: 8) { client in
        try await withThrowingTaskGroup { group in
          for seed in 0..<300 {
            group.addTask {
              let body = pattern(50 + seed, seed: seed)
              let reply = try await client.request(body, timeout: .seconds(20))
              #expect(reply == body.reversed())
            }
          }
          try await group.waitForAll()
        }
      }
    }
  }

  @Test func resendIsOffOnSocketAndContexts() async throws {
    try await withServer { server in
      try await withClient(of: server, contextCount: 3) { client in
        let times = try client.resendTimes()
        #expect(times == [-1, -1, -1, -1])
      }
    }
  }

  @Test func slowServerSeesOneCopy() async throws {
    let seenCount = Mutex(0)
    let handler: Server.Handler = { request in
      seenCount.withLock { $0 += 1 }
      try? await Task.sleep(for: .milliseconds(1500))
      return request
    }
    try await withServer(handler: handler) { server in
      try await withClient(of: server) { client in
        #expect(await reply(of: client, to: [7]) == [7])
        #expect(seenCount.withLock { $0 } == 1)
      }
    }
  }

  @Test func serverThatVanishesIsAnErrorAtOnce() async throws {
    let hasArrived = Mutex(false)
    let server = try Server(
      address: Address("tcp://127.0.0.1:0"), channel: .control, tls: nil, insecure: false,
      contextCount: 1, connectionLimit: 4
    ) { request in
      hasArrived.withLock { $0 = true }
      try? await Task.sleep(for: .seconds(30))
      return request
    }
    let serving = Task { await server.run() }
    try await withClient(of: server) { client in
      async let code = failure(of: client, timeout: .seconds(20))
      #expect(await holds(within: .seconds(5)) { hasArrived.withLock { $0 } })
      let start = ContinuousClock.now
      #expect(await server.close(within: .seconds(5)))
      #expect(await code == .disconnected)
      #expect(start.duration(to: .now) < .seconds(2))
      // With nobody there a request waits for its own timeout and no longer.
      #expect(await failure(of: client, timeout: .milliseconds(300)) == .timedOut)
    }
    _ = await serving.value
  }

  @Test func contextIsUsableAfterTimeouts() async throws {
    let isSlow = Mutex(true)
    let handler: Server.Handler = { request in
      if isSlow.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(300)) }
      return request
    }
    try await withServer(handler: handler) { server in
      try await withClient(of: server, contextCount: 1) { client in
        for _ in 0..<5 {
          #expect(await failure(of: client, timeout: .milliseconds(50)) == .timedOut)
        }
        isSlow.withLock { $0 = false }
        // A late reply to an earlier request must not be taken for this one's.
        for seed in 0..<20 {
          let body = pattern(64, seed: seed)
          #expect(await reply(of: client, to: body) == body)
        }
      }
    }
  }

  @Test func clientReturnsToARestartedServer() async throws {
    var address = try Address("tcp://127.0.0.1:0")
    var client: Client?
    for round in 0..<3 {
      let server = try Server(
        address: address, channel: .control, tls: nil, insecure: false, contextCount: 2,
        connectionLimit: 4
      ) { $0 }
      address = server.boundAddress
      let serving = Task { await server.run() }
      let current =
        try client ?? Client(address: address, channel: .control, tls: nil, contextCount: 2)
      client = current
      let body = pattern(10, seed: round)
      // The first attempt may still go out on the old connection, as it breaks.
      #expect(await repeatedReply(of: current, to: body) == body)
      #expect(await server.close(within: .seconds(5)))
      _ = await serving.value
    }
    #expect(await client?.close(within: .seconds(5)) == true)
  }

  /// A dialer of libnng 1.5.2 can be stuck for good, as with a server that accepts and says nothing.
  @Test func silentClientDialsAnew() async throws {
    try await withServer { server in
      let client = try Client(
        address: server.boundAddress.withPort(1), channel: .control, tls: nil, contextCount: 1,
        redialAfter: .milliseconds(150))
      #expect(await failure(of: client, timeout: .milliseconds(200)) == .timedOut)
      #expect(await holds(within: .seconds(5)) { client.redialCount == 1 })
      #expect(await failure(of: client, timeout: .milliseconds(20)) == .timedOut)
      #expect(client.redialCount == 1)
      #expect(await client.close(within: .seconds(5)))
    }
  }

  @Test func tooLongRequestIsRefusedBeforeItIsSent() async throws {
    try await withServer { server in
      try await withClient(of: server) { client in
        let limit = Channel.control.bodyByteLimit
        let longest = pattern(limit)
        #expect(await reply(of: client, to: longest) == longest)
        let code = await failure(of: client, timeout: .seconds(5), body: pattern(limit + 1))
        #expect(code == .messageTooLarge)
      }
    }
  }

  @Test func tooLongReplyIsLostAndCounted() async throws {
    let handler: Server.Handler = { request in
      request == [1] ? pattern(Channel.control.bodyByteLimit + 1) : request
    }
    try await withServer(handler: handler) { server in
      try await withClient(of: server) { client in
        #expect(await failure(of: client, timeout: .milliseconds(300)) == .timedOut)
        #expect(await reply(of: client, to: [2]) == [2])
        #expect(server.statistics.lostReplyCount == 1)
      }
    }
  }
}
