import Foundation
import Glibc
import Jobs
import Synchronization
import Testing
import Wire

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
    // And the client's token opens no fleet plane.
    let client = try Program(
      [
        "worker", "--join", fleet.address, "--token-file",
        "\(fleet.sandbox.state)/client.token",
      ], in: fleet.sandbox)
    #expect(await client.wait(.seconds(20)) == 1)
    #expect(client.errors.contains("token"), "\(client.errors)")
  }

  /// Strangers who ask on and on, on both listeners, and never read what they are answered.
  @Test func unreadRepliesHoldNobodyUp() async throws {
    let fleet = try await TestFleet(rowCount: 10, badRows: [])
    let isOver = Flag()
    defer { isOver.value.store(true, ordering: .relaxed) }
    // Garbage: what is answered to it is longer, so that it fills what is between here and there.
    let frame: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 6, 0x80, 0, 0, 1, 0xff, 0xff]
    let areFull = [Flag(), Flag()]
    for (port, isFull) in zip(fleet.ports, areFull) {
      Thread.detachNewThread {
        while !isOver.value.load(ordering: .relaxed) {
          askWithoutReading(frame, port, isOver, isFull)
        }
      }
    }
    #expect(
      await waitUntil(.seconds(40)) {
        areFull.allSatisfy { $0.value.load(ordering: .relaxed) }
      })
    for _ in 0..<5 {
      let begin = ContinuousClock.now
      let worker = try ScriptedWorker(of: fleet)
      try await worker.join()
      let bulk = try await worker.askBulk(
        .getModel(ContentDigest(words: .zero), offset: 0, byteCount: 1))
      #expect(bulk.refusal != nil)
      let time = begin.duration(to: .now)
      print("joined among peers that never read in", time)
      #expect(time < .seconds(3))
      await worker.close()
    }
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

/// A word that threads share.
private final class Flag: Sendable {
  let value = Atomic(false)
}

/// Sends a request again and again over a connection of its own, until that ends or it is over.
///
/// Says so where no more can be sent for a while, or the connection is ended.
private func askWithoutReading(_ frame: [UInt8], _ port: Int, _ isOver: Flag, _ isFull: Flag) {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var least: Int32 = 1
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &least, socklen_t(MemoryLayout<Int32>.size))
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = in_port_t(port).bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  let status = withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  guard status == 0 else { return _ = usleep(10_000) }
  let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
  let many = (0..<100).flatMap { _ in frame }
  var rest = [0, 0x53, 0x50, 0, 0, 0x30, 0, 0] + frame
  var last = ContinuousClock.now
  while !isOver.value.load(ordering: .relaxed) {
    let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, flags) }
    if count > 0 { last = .now }
    let isGone = count < 0 && errno != EAGAIN
    if isGone || last.duration(to: .now) > .milliseconds(500) {
      isFull.value.store(true, ordering: .relaxed)
    }
    if isGone { return }
    if count < 0 { usleep(1_000) }
    rest.removeFirst(max(0, count))
    if rest.isEmpty { rest = many }
  }
}
