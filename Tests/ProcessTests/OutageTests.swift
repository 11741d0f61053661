import Foundation
import Glibc
import Synchronization
import Testing

/// The coordinator is away while a worker needs bytes from it.
@Suite struct OutageTests {
  /// Every try fails at once, more often than a worker may give up after.
  @Test func aWorkerThatFetchesInputRidesOutAnOutage() async throws {
    let fleet = try await TestFleet(rowCount: 20_000)
    let expected = try await fleet.undisturbed()
    let worker = try fleet.startWorker(
      ["--fetch-input"], environment: ["NIGHTSHIFT_FAILPOINT": "worker.reading=stop@2"])
    let submit = try fleet.submit()
    #expect(await waitUntil(.seconds(30)) { isStopped(worker) })
    fleet.coordinator.signal(SIGKILL)
    #expect(await fleet.coordinator.wait(.seconds(10)) == 128 + SIGKILL)
    let peer = try BreakingPeer(port: fleet.ports[1])
    worker.signal(SIGCONT)
    // Seconds, unless libnng's dialer gets stuck (issue 1518): then it is replaced after 10 s.
    #expect(await waitUntil(.seconds(240)) { peer.brokenCount >= 12 }, "\(peer.brokenCount)")
    #expect(worker.process.isRunning)
    await peer.close()
    try await fleet.restartCoordinator()
    // `submit --wait` may have given up: it waits for a silent coordinator for ten seconds.
    let isPublished = await waitUntil(.seconds(40)) { (try? fleet.published()) != nil }
    #expect(isPublished, "\(submit.errors) \(fleet.coordinator.errors)")
    #expect(try fleet.published() == expected)
    for code in ["INPUT_UNREADABLE", "ENVIRONMENT", "handed back", ", attempt"] {
      #expect(!fleet.coordinator.errors.contains(code), "\(fleet.coordinator.errors)")
    }
    #expect(!worker.errors.contains("handed back"), "\(worker.errors)")
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }

  /// The wait may take eleven minutes: it must not keep a worker that is told to leave.
  @Test func sigtermEndsTheWaitForBytesAtOnce() async throws {
    let fleet = try await TestFleet()
    let worker = try fleet.startWorker(
      ["--fetch-input"], environment: ["NIGHTSHIFT_FAILPOINT": "worker.reading=stop"])
    let submit = try fleet.submit()
    #expect(await waitUntil(.seconds(30)) { isStopped(worker) })
    fleet.coordinator.signal(SIGKILL)
    #expect(await fleet.coordinator.wait(.seconds(10)) == 128 + SIGKILL)
    worker.signal(SIGCONT)
    try await Task.sleep(for: .seconds(1))
    #expect(isScoring(worker), "it waits for bytes")
    worker.signal(SIGTERM)
    #expect(await waitUntil(.seconds(3)) { !isScoring(worker) })
    #expect(worker.process.isRunning, "the hand-back is still to be heard")
    try await fleet.restartCoordinator()
    #expect(await worker.wait(.seconds(15)) == 0, "\(worker.errors)")
    #expect(submit.process.isRunning)
    #expect(!fleet.coordinator.errors.contains(", attempt"), "\(fleet.coordinator.errors)")
  }

  /// Whether a thread of the worker has a lease.
  private func isScoring(_ program: Program) -> Bool {
    let folder = "/proc/\(program.process.processIdentifier)/task"
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return threads.contains { thread in
      let name = try? String(contentsOfFile: "\(folder)/\(thread)/comm", encoding: .utf8)
      return name?.hasPrefix("scoring") ?? false
    }
  }

  private func isStopped(_ program: Program) -> Bool {
    let path = "/proc/\(program.process.processIdentifier)/stat"
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return text.contains(") T ")
  }
}

/// A listener that greets as nng's REP socket does and breaks each connection at its first request.
final class BreakingPeer: Sendable {
  private let listener: Int32
  private let count = Atomic<Int>(0)
  private let hasEnded = Atomic<Bool>(false)

  init(port: Int) throws {
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var yes: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0, listen(listener, 8) == 0 else { throw TestFailure("listen on \(port)") }
    Thread.detachNewThread { [self] in serve() }
  }

  /// Requests whose connection was broken.
  var brokenCount: Int { count.load(ordering: .relaxed) }

  /// Ends the listener; the port is free afterwards.
  func close() async {
    shutdown(listener, Int32(SHUT_RDWR))
    _ = await waitUntil(.seconds(5)) { hasEnded.load(ordering: .acquiring) }
  }

  private func serve() {
    while true {
      let connection = accept(listener, nil, nil)
      guard connection >= 0 else { break }
      let hello: [UInt8] = [0, 0x53, 0x50, 0, 0, 0x31, 0, 0]
      _ = hello.withUnsafeBytes {
        send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      // The peer's greeting has eight bytes; one more is a request.
      var received = 0
      var bytes = [UInt8](repeating: 0, count: 4_096)
      while received <= 8 {
        let added = recv(connection, &bytes, bytes.count, 0)
        guard added > 0 else { break }
        received += added
      }
      if received > 8 { count.add(1, ordering: .relaxed) }
      Glibc.close(connection)
    }
    Glibc.close(listener)
    hasEnded.store(true, ordering: .releasing)
  }
}
