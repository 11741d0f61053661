import Foundation
import Glibc
import Jobs
import Testing
import Wire

/// Thousands of connections that say nothing, against a real coordinator.
@Suite(.serialized) struct SilentPeerTests {
  /// How far silent peers get before they fall silent.
  enum Silence: String, CaseIterable, Sendable {
    case tcp, afterTheGreeting, tls, inTheHandshake

    var scheme: String { self == .tcp || self == .afterTheGreeting ? "tcp" : "tls+tcp" }

    var firstBytes: [UInt8] {
      switch self {
      case .tcp, .tls: []
      case .afterTheGreeting: [0, 0x53, 0x50, 0, 0, 0x30, 0, 0]
      case .inTheHandshake: [22, 3, 1, 2, 0, 1, 0, 1]
      }
    }
  }

  private static let count = 5_000
  private static let certificates = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../cluster/certs").standardized.path

  /// Has a shell start the coordinator with 256 descriptors.
  private static let fewDescriptors = [
    "/bin/bash", "-c", "ulimit -n 256; exec \"$0\" \"$@\"",
  ]

  @Test(.timeLimit(.minutes(1)), arguments: Silence.allCases)
  func anHonestWorkerJoinsAmongSilentConnections(_ silence: Silence) async throws {
    raiseDescriptorLimit()
    let time = try await joinTime(among: Self.count, silence)
    #expect(time < .seconds(5))
  }

  /// With 256 descriptors, of which strangers take what they can get.
  @Test(.timeLimit(.minutes(1)), arguments: [Silence.tcp, .afterTheGreeting, .tls])
  func anHonestWorkerJoinsWhenDescriptorsRunOut(_ silence: Silence) async throws {
    let time = try await joinTime(among: 600, silence, launcher: Self.fewDescriptors)
    #expect(time < .seconds(30))
  }

  /// How long a worker takes to join a coordinator that so many silent connections reach before it;
  /// both have to end well afterwards.
  private func joinTime(
    among count: Int, _ silence: Silence, launcher: [String] = []
  ) async throws -> Duration {
    let sandbox = try Sandbox()
    let port = try TestFleet.freePorts()
    let address = "\(silence.scheme)://127.0.0.1:\(port)"
    let coordinator = try Program(
      ["coordinator", "--state", sandbox.state, "--listen", address]
        + options(silence, "coordinator", sandbox), in: sandbox, launcher: launcher)
    #expect(await waitUntil(.seconds(20)) { coordinator.output.contains("ready") })
    let crowd = try Crowd(to: UInt16(port), count: count)
    defer { crowd.close() }
    crowd.say(silence.firstBytes)
    let begin = ContinuousClock.now
    let worker = try Program(
      ["worker", "--join", address, "--state", sandbox.state, "--threads", "1"]
        + options(silence, "worker", sandbox), in: sandbox)
    let hasJoined = await waitUntil(.seconds(30)) { worker.errors.contains("joined") }
    let time = begin.duration(to: .now)
    print("\(silence): joined among \(crowd.openCount) of \(count) silent connections in", time)
    #expect(hasJoined, "\(worker.errors) \(coordinator.errors)")
    #expect(coordinator.process.isRunning)
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
    coordinator.signal(SIGTERM)
    #expect(await coordinator.wait(.seconds(20)) == 0, "\(coordinator.errors)")
    return time
  }

  /// Who is in stays in while descriptors run out: nothing of it is closed.
  @Test(.timeLimit(.minutes(1)))
  func whoIsInStaysInWhenDescriptorsRunOut() async throws {
    let fleet = try await TestFleet(
      rowCount: 10, badRows: [], launcher: Self.fewDescriptors)
    let worker = try ScriptedWorker(of: fleet)
    try await worker.join()
    let end = ContinuousClock.now + .seconds(8)
    let port = UInt16(fleet.ports[0])
    Thread.detachNewThread {
      let crowds = (0..<2).compactMap { _ in try? Crowd(to: port, count: 300) }
      while ContinuousClock.now < end { usleep(100_000) }
      for crowd in crowds { crowd.close() }
    }
    while ContinuousClock.now < end {
      // It waits for work, nearly all the time: a connection that is closed fails its request.
      guard case .wait = try await worker.ask(.acquire(leaseLimit: 1)) else {
        Issue.record("not told to wait")
        break
      }
    }
    let bulk = try await worker.askBulk(
      .getModel(ContentDigest(words: .zero), offset: 0, byteCount: 1))
    #expect(bulk.refusal != nil)
    #expect(fleet.coordinator.process.isRunning)
    await worker.close()
  }

  /// Certificates for one side, made once for both.
  private func options(_ silence: Silence, _ name: String, _ sandbox: Sandbox) throws -> [String] {
    guard silence.scheme != "tcp" else { return [] }
    let folder = sandbox.path("certificates")
    if !FileManager.default.fileExists(atPath: folder) {
      let command = Process()
      command.executableURL = URL(fileURLWithPath: Self.certificates)
      command.arguments = [folder]
      command.standardOutput = FileHandle.nullDevice
      try command.run()
      command.waitUntilExit()
      try #require(command.terminationStatus == 0)
    }
    return [
      "--tls-ca", "\(folder)/ca.pem", "--tls-cert", "\(folder)/\(name).pem", "--tls-key",
      "\(folder)/\(name).key",
    ]
  }

  private func raiseDescriptorLimit() {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}

/// Many connections to one port of loopback.
private final class Crowd {
  private var descriptors: [Int32] = []

  /// Connects, and waits until every connection stands, or for five seconds.
  init(to port: UInt16, count: Int) throws {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    for _ in 0..<count {
      let descriptor = socket(AF_INET, kind | Int32(SOCK_CLOEXEC.rawValue), 0)
      guard descriptor >= 0 else { throw TestFailure("descriptor \(descriptors.count): \(errno)") }
      descriptors.append(descriptor)
      _ = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    }
    let end = ContinuousClock.now + .seconds(5)
    while openCount < count, ContinuousClock.now < end { usleep(10_000) }
  }

  /// Connections that stand.
  var openCount: Int {
    var places = descriptors.map { pollfd(fd: $0, events: Int16(POLLOUT), revents: 0) }
    poll(&places, nfds_t(places.count), 0)
    return places.count { $0.revents & Int16(POLLOUT | POLLHUP | POLLERR) == Int16(POLLOUT) }
  }

  func say(_ bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    for descriptor in descriptors {
      _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
  }

  func close() {
    for descriptor in descriptors { Glibc.close(descriptor) }
    descriptors = []
  }
}
