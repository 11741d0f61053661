import Synchronization
import Testing
import Transport

/// Closing with work in flight: libnng 1.5.2 can wait for ever there (nng issue 1813).
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ClosingTests {
  /// In a process of its own, because libnng 1.5.2 does hang now and then, for every socket of its
  /// process: the promise is that closing returns, and says so.
  @Test func closeIsBoundedWithReceivesInFlight() async {
    await #expect(processExitsWith: .success) {
      let server = try Server(
        address: Address("tcp://127.0.0.1:0"), channel: .control, tls: nil, insecure: false,
        contextCount: 8, connectionLimit: 500
      ) { request in
        try? await Task.sleep(for: .milliseconds(20))
        return request
      }
      Task { await server.run() }
      for round in 0..<100 {
        let client = try Client(
          address: server.boundAddress, channel: .control, tls: nil, contextCount: 4)
        let isClosed = await withTaskGroup { group in
          for _ in 0..<6 { group.addTask { _ = await failure(of: client, timeout: .seconds(3)) } }
          // From before the connection stands to after the replies are in.
          try? await Task.sleep(for: .microseconds(round * 211 % 30_000))
          return await closesInTime { await client.close(within: .seconds(2)) }
        }
        if !isClosed { break }
        let code = await failure(of: client, timeout: .seconds(1))
        precondition(code == .closed)
      }
    }
  }

  @Test func closeIsBoundedUnderLoad() async {
    await #expect(processExitsWith: .success) {
      for round in 0..<20 {
        let server = try Server(
          address: Address("tcp://127.0.0.1:0"), channel: .control, tls: nil, insecure: false,
          contextCount: 4, connectionLimit: 8
        ) { $0 }
        let serving = Task { await server.run() }
        let client = try Client(
          address: server.boundAddress, channel: .control, tls: nil, contextCount: 4)
        let isClosed = await withTaskGroup { group in
          for _ in 0..<4 {
            group.addTask { while await failure(of: client, timeout: .milliseconds(200)) == nil {} }
          }
          try? await Task.sleep(for: .milliseconds(round % 10))
          return await closesInTime { await server.close(within: .seconds(2)) }
        }
        _ = await serving.value
        let isClientClosed = await closesInTime { await client.close(within: .seconds(2)) }
        if !isClosed || !isClientClosed { break }
      }
    }
  }

  /// nng that hangs while it closes cannot be mended; the process has to know.
  @Test func hangingCloseEndsTheRunAsStuck() async throws {
    var timing = Server.Timing()
    timing.closeTimeout = .zero
    let server = try Server(
      address: Address("tcp://127.0.0.1:0"), channel: .control, tls: nil, insecure: false,
      contextCount: 2, connectionLimit: 8, timing: timing
    ) { $0 }
    #expect(await server.run() == .stuck)
    #expect(await server.close(within: .seconds(5)))
  }

  /// A thread that is kept from running is not taken for one that hangs.
  @Test(arguments: [
    // runnable, ran, waited (ns), is starved
    (false, UInt64(50), UInt64(0), false),
    (true, 50, 0, false),
    // Runnable all the time, and did not run.
    (true, 10, 0, true),
    // It ran, after it had waited for more than half of the time.
    (false, 50, 60_000_000, true),
    (false, 50, 40_000_000, false),
  ])
  func starvedThreadsAreTold(
    isRunnable: Bool, ran: UInt64, waited: UInt64, isStarved: Bool
  ) {
    let before = NngThread(isRunnable: false, ran: 10, waited: 5)
    let now = NngThread(isRunnable: isRunnable, ran: ran, waited: 5 + waited)
    #expect(now.isStarved(since: before, for: .milliseconds(100)) == isStarved)
  }

  @Test func theThreadsOfNngAreFound() async throws {
    try await withServer { server in
      let threads = NngThread.all()
      #expect(threads.count >= 4)
      try await withClient(of: server) { client in
        #expect(await reply(of: client, to: [1]) == [1])
      }
      let later = NngThread.all()
      #expect(
        later.contains { number, thread in threads[number] != nil && thread != threads[number] })
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
      #expect(await serving.value == .closed)
      #expect(await server.close(within: .seconds(5)))
      #expect(server.options == nil)
      #expect(await failure(of: client, timeout: .milliseconds(100)) != nil)
    }
  }
}

/// What a close that may take two seconds answers; traps where it took longer than promised.
private func closesInTime(_ close: () async -> Bool) async -> Bool {
  let start = ContinuousClock.now
  let isClosed = await close()
  precondition(start.duration(to: .now) < .seconds(4))
  return isClosed
}
