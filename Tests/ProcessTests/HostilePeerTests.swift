import Foundation
import Glibc
import Testing

/// Peers that send garbage, or more than they may, change nothing for the others.
@Suite struct HostilePeerTests {
  @Test func garbageAndOversizedFramesChangeNothing() async throws {
    let fleet = try await TestFleet()
    let expected = try await fleet.undisturbed()
    let worker = try fleet.startWorker()
    let submit = try fleet.submit()
    var generator = TestGenerator(state: 7)
    let hello: [UInt8] = [0, 0x53, 0x50, 0, 0, 0x30, 0, 0]
    for port in fleet.ports {
      for length in [UInt64.max, 1 << 63, 6 << 20, 70_000, 3, 0] {
        let header = (0..<8).map { UInt8(truncatingIfNeeded: length >> UInt64(56 - 8 * $0)) }
        try sendOnce(hello + header + [1, 2, 3], to: port)
      }
      for count in [1, 8, 100, 5_000] {
        let garbage = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try sendOnce(garbage, to: port)
        // A well-formed frame of the right size whose content is garbage.
        let body = [0x80, 0, 0, 1] + garbage
        let length = (0..<8).map {
          UInt8(truncatingIfNeeded: UInt64(body.count) >> UInt64(56 - 8 * $0))
        }
        try sendOnce(hello + length + body, to: port)
      }
      try sendOnce(Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8), to: port)
    }
    #expect(await submit.wait() == 2, "\(submit.errors)")
    #expect(try fleet.published() == expected)
    #expect(fleet.coordinator.process.isRunning)
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }

  @Test func aWrongTokenIsRefused() async throws {
    let fleet = try await TestFleet()
    let token = fleet.sandbox.path("wrong.token")
    try String(repeating: "ab", count: 32).write(toFile: token, atomically: true, encoding: .utf8)
    let worker = try Program(
      ["worker", "--join", fleet.address, "--token-file", token], in: fleet.sandbox)
    #expect(await worker.wait(.seconds(20)) == 1)
    #expect(worker.errors.contains("token"), "\(worker.errors)")
    let list = try Program(
      ["list", "--coordinator", fleet.address, "--token-file", token], in: fleet.sandbox)
    #expect(await list.wait(.seconds(20)) == 1)
    #expect(list.errors.contains("token"), "\(list.errors)")
    // The planes' tokens are of two kinds: a worker's token opens no client plane.
    let crossed = try Program(
      [
        "list", "--coordinator", fleet.address, "--token-file",
        "\(fleet.sandbox.state)/fleet.token",
      ], in: fleet.sandbox)
    #expect(await crossed.wait(.seconds(20)) == 1)
  }

  /// Sends bytes over a connection of their own and closes it.
  private func sendOnce(_ bytes: [UInt8], to port: Int) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw TestFailure("connect to \(port)") }
    _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }
}
