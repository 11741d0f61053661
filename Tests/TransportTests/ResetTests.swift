import Foundation
import Glibc
import Synchronization
import Testing
import Transport

/// Connections that are reset while both sides have much to say, as a network or a peer may do.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ResetTests {
  /// libnng 1.5.2 closes a connection as soon as a send on it fails, and hangs for the whole process
  /// where that falls between the header and the body of a frame that comes in: in a second or two
  /// of this, if it is told of such sends.
  ///
  /// In a process of its own, which would be of no use to other tests.
  @Test func resetsHangNobody() async {
    await #expect(processExitsWith: .success) { try await resetUnderLoad("tcp") }
  }

  @Test func resetsHangNobodyOverTLS() async {
    await #expect(processExitsWith: .success) { try await resetUnderLoad("tls+tcp") }
  }
}

/// Four seconds of requests on connections that live for milliseconds.
private func resetUnderLoad(_ scheme: String) async throws {
  let end = ContinuousClock.now + .seconds(4)
  let answerCount = Counter()
  var timing = Server.Timing.quick
  timing.closeTimeout = .seconds(5)
  timing.probeTimeout = .seconds(2)
  try await withServer(scheme, contextCount: 8, connectionLimit: 1_000, timing: timing) { server in
    let resetting = Task.detached {
      while ContinuousClock.now < end {
        for _ in 0..<3 { resetConnection(to: server.boundAddress.port) }
        try? await Task.sleep(for: .milliseconds(5))
      }
    }
    while ContinuousClock.now < end {
      try await withClient(of: server, contextCount: 8) { client in
        await withTaskGroup { group in
          for _ in 0..<8 { group.addTask { await ask(client, counting: answerCount) } }
        }
      }
    }
    await resetting.value
    try await withClient(of: server) { client in
      let answer = await repeatedReply(of: client, to: [2])
      precondition(answer == [2])
    }
    precondition(server.statistics.recreationCount == 0)
    let isClosed = await server.close(within: .seconds(5))
    precondition(isClosed, "libnng hangs")
  }
  precondition(answerCount.value.withLock { $0 } > 20, "nobody was answered")
}

/// Large requests, most of which are lost with their connection.
private func ask(_ client: Client, counting answers: Counter) async {
  for byteCount in [1, 60_000, 60_000, 60_000, 60_000] {
    let body = [UInt8](repeating: 1, count: byteCount)
    // Lost: the next one has a new connection.
    guard (try? await client.request(body, timeout: .seconds(2))) == body else { continue }
    answers.value.withLock { $0 += 1 }
  }
}

/// Resets some connection of this process to a port of it, as `ss -K` does from outside.
private func resetConnection(to port: UInt16) {
  let first = Int32.random(in: 0..<200)
  for number in 0..<200 {
    let descriptor = 3 + (first + Int32(number)) % 200
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getpeername(descriptor, $0, &size)
      }
    }
    guard status == 0, address.sin_port.bigEndian == port else { continue }
    var nobody = sockaddr()
    nobody.sa_family = sa_family_t(AF_UNSPEC)
    _ = unsafe connect(descriptor, &nobody, socklen_t(MemoryLayout<sockaddr>.size))
    return
  }
}
