import Synchronization
import Testing
import Transport

/// Closing with work in flight: libnng 1.5.2 can wait for ever there (nng issue 1813).
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ClosingTests {
  @Test(arguments: ["tcp", "tls+tcp"])
  func closeIsBoundedWithReceivesInFlight(scheme: String) async throws {
    let handler: Server.Handler = { request in
      try? await Task.sleep(for: .milliseconds(20))
      return request
    }
    try await withServer(scheme, contextCount: 8, connectionLimit: 500, handler: handler) {
      server in
      for round in 0..<(scheme == "tcp" ? 200 : 40) {
        let client = try Client(
          address: server.boundAddress, channel: .control,
          tls: scheme == "tcp" ? nil : Certificates.shared.worker, contextCount: 4)
        await withTaskGroup { group in
          for _ in 0..<6 {
            group.addTask {
              let code = await failure(of: client, timeout: .seconds(10))
              #expect(code == nil || code == .closed, "\(String(describing: code))")
            }
          }
          // From before the connection stands to after the replies are in.
          try? await Task.sleep(for: .microseconds(round * 211 % 30_000))
          #expect(await client.close(within: .seconds(5)), "round \(round)")
        }
        #expect(await failure(of: client, timeout: .seconds(1)) == .closed)
      }
    }
  }

  @Test func serverCloseIsBoundedUnderLoad() async throws {
    for round in 0..<30 {
      let server = try Server(
        address: Address("tcp://127.0.0.1:0"), channel: .control, tls: nil, insecure: false,
        contextCount: 4, connectionLimit: 8
      ) { $0 }
      let serving = Task { await server.run() }
      let client = try Client(
        address: server.boundAddress, channel: .control, tls: nil, contextCount: 4)
      await withTaskGroup { group in
        for _ in 0..<4 {
          group.addTask { while await failure(of: client, timeout: .milliseconds(200)) == nil {} }
        }
        try? await Task.sleep(for: .milliseconds(round % 10))
        #expect(await server.close(within: .seconds(5)))
      }
      await serving.value
      #expect(await client.close(within: .seconds(5)))
    }
  }

  @Test func cancelledRunClosesTheServer() async throws {
    let server = try Server(
      address: Address("tcp://127.0.0.1:0"), channel: .control, tls: nil, insecure: false,
      contextCount: 2, connectionLimit: 8
    ) { $0 }
    let serving = Task { await server.run() }
    try await withClient(of: server) { client in
      #expect(await reply(of: client, to: [1]) == [1])
      serving.cancel()
      await serving.value
      #expect(await server.close(within: .seconds(5)))
      #expect(server.options == nil)
      #expect(await failure(of: client, timeout: .milliseconds(100)) != nil)
    }
  }
}
