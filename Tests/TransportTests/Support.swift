import Foundation
import Glibc
import Synchronization
import Testing
import Transport

/// A number that closures share.
final class Counter: Sendable {
  let value = Mutex(0)
}

/// Waits until a condition holds, looking every 10 ms.
///
/// - Returns: false where it did not hold within the limit.
func holds(within limit: Duration, _ condition: () -> Bool) async -> Bool {
  let deadline = ContinuousClock.now + limit
  while !condition() {
    guard ContinuousClock.now < deadline else { return false }
    try? await Task.sleep(for: .milliseconds(10))
  }
  return true
}

/// Runs a body beside a server on loopback and closes the server afterwards.
///
/// Its peers are known, unless it is said that its handler recognizes them.
func withServer(
  _ scheme: String = "tcp", channel: Channel = .control, tls: TLSIdentity? = nil,
  contextCount: Int = 4, connectionLimit: Int = 64, pendingLimit: Int = 64,
  timing: Server.Timing = Server.Timing(), recognizesAll: Bool = true,
  handler: @escaping Server.Handler = { $0 },
  _ body: (Server) async throws -> Void
) async throws {
  let identity = scheme == "tcp" ? nil : tls ?? Certificates.shared.coordinator
  let server = try Server(
    address: Address("\(scheme)://127.0.0.1:0"), channel: channel, tls: identity, insecure: false,
    contextCount: contextCount, connectionLimit: connectionLimit, pendingLimit: pendingLimit,
    timing: timing
  ) { request in
    if recognizesAll { Server.recognizePeer() }
    return await handler(request)
  }
  let serving = Task { await server.run() }
  do {
    try await body(server)
  } catch {
    await server.close(within: .seconds(5))
    throw error
  }
  #expect(await server.close(within: .seconds(5)))
  _ = await serving.value
}

/// Makes a client of a server, runs a body with it and closes it.
func withClient<Result>(
  of server: Server, tls: TLSIdentity? = nil, contextCount: Int = 4,
  _ body: (Client) async throws -> Result
) async throws -> Result {
  let identity = server.boundAddress.usesTLS ? tls ?? Certificates.shared.worker : nil
  let client = try Client(
    address: server.boundAddress, channel: server.channel, tls: identity,
    contextCount: contextCount)
  do {
    let result = try await body(client)
    #expect(await client.close(within: .seconds(5)))
    return result
  } catch {
    await client.close(within: .seconds(5))
    throw error
  }
}

extension Server.Timing {
  /// Intervals for tests of the guards themselves.
  static var quick: Server.Timing {
    var timing = Server.Timing()
    timing.probeInterval = .milliseconds(150)
    timing.probeTimeout = .milliseconds(400)
    timing.reviewInterval = .milliseconds(50)
    timing.negotiationTimeout = .milliseconds(500)
    return timing
  }
}

/// The code that a request fails with, or nil where it succeeds.
func failure(
  of client: Client, timeout: Duration, body: [UInt8] = [1]
) async -> TransportError.Code? {
  do throws(TransportError) {
    _ = try await client.request(body, timeout: timeout)
    return nil
  } catch {
    return error.code
  }
}

/// The reply to a request, or nil and a recorded issue where it fails.
func reply(of client: Client, to body: [UInt8]) async -> [UInt8]? {
  do throws(TransportError) {
    return try await client.request(body, timeout: .seconds(30))
  } catch {
    Issue.record(error)
    return nil
  }
}

/// The reply to a request that may be repeated, as callers repeat theirs.
func repeatedReply(of client: Client, to body: [UInt8]) async -> [UInt8]? {
  var generator = SystemRandomNumberGenerator()
  do throws(TransportError) {
    return try await Retry().run(
      using: &generator, sleep: { (try? await Task.sleep(for: $0)) != nil }
    ) { _ throws(TransportError) in try await client.request(body, timeout: .seconds(2)) }
  } catch {
    Issue.record(error)
    return nil
  }
}

/// The reply to a request that is repeated for half a minute: the listener may be replaced meanwhile,
/// more than once.
func eventualReply(of client: Client, to body: [UInt8]) async -> [UInt8]? {
  let end = ContinuousClock.now + .seconds(30)
  var last: TransportError?
  while ContinuousClock.now < end {
    do throws(TransportError) {
      return try await client.request(body, timeout: .seconds(2))
    } catch {
      last = error
      try? await Task.sleep(for: .milliseconds(50))
    }
  }
  Issue.record(last.map { "\($0)" } ?? "no reply")
  return nil
}

/// Bytes in a fixed order that differs with the seed.
func pattern(_ count: Int, seed: Int = 1) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 31) ^ ($0 >> 8) ^ seed) }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers in every run.
struct Noise: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// What a peer of a reply socket sends first: "SP", version 0, protocol 0x30 (REQ).
let requestHello: [UInt8] = [0, 0x53, 0x50, 0, 0, 0x30, 0, 0]

/// A frame's header: the length of what follows, big endian.
func frameHeader(_ count: UInt64) -> [UInt8] {
  (0..<8).map { UInt8(truncatingIfNeeded: count >> UInt64(56 - 8 * $0)) }
}

/// A TCP connection to loopback that speaks no protocol of its own.
final class RawConnection: Sendable {
  let descriptor: Int32

  /// Connects, with room for so many bytes that come in where that is said.
  init(port: UInt16, receiveByteCount: Int32? = nil) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var receiveByteCount {
      unsafe setsockopt(
        descriptor, SOL_SOCKET, SO_RCVBUF, &receiveByteCount,
        socklen_t(MemoryLayout<Int32>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var limit = timeval(tv_sec: 5, tv_usec: 0)
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = descriptor
    let status = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(descriptor, $0, size)
      }
    }
    unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    guard status == 0 else { throw TransportError(code: .connectionRefused, context: "\(errno)") }
  }

  deinit { close(descriptor) }

  func send(_ bytes: [UInt8]) {
    _ = unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// Sends again and again, reading nothing, until the connection is gone or the time is up.
  ///
  /// - Returns: Whether it is gone.
  func sendUntilTheEnd(_ bytes: [UInt8], within limit: Duration) -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
      let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
      let count = unsafe Glibc.send(descriptor, bytes, bytes.count, flags)
      if count < 0, errno != EAGAIN { return true }
      if count < 0 { usleep(1_000) }
    }
    return false
  }

  /// Reads until the peer closes; false where it has not within the receive limit of 5 s.
  func waitForEnd() -> Bool {
    var bytes = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
      if count == 0 || (count < 0 && errno == ECONNRESET) { return true }
      if count < 0 { return false }
    }
  }

  /// True where the peer has closed, without waiting for it.
  var hasEnded: Bool {
    var byte: UInt8 = 0
    let flags = Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)
    let count = unsafe recv(descriptor, &byte, 1, flags)
    return count == 0 || (count < 0 && errno == ECONNRESET)
  }

  /// Arranges that closing resets the connection, after its end has been announced.
  func finishAndReset() {
    shutdown(descriptor, Int32(SHUT_WR))
    var option = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }
}

/// Certificates made by the command that users run, once per test run.
final class Certificates: Sendable {
  static let shared = Certificates()

  let folder: String

  private init() {
    folder = FileManager.default.temporaryDirectory.path + "/nightshift-certs-\(getpid())"
    Self.make(in: folder, [])
    Self.make(in: folder + "/other", [])
    Self.make(in: folder + "/elsewhere", ["--days", "3"])
    for part in ["/expired", "/early"] {
      // Absent only where openssl failed, and then every TLS test says so.
      try? FileManager.default.createDirectory(
        atPath: folder + part, withIntermediateDirectories: true)
      for file in ["ca.key", "ca.pem"] {
        try? FileManager.default.copyItem(
          atPath: folder + "/" + file, toPath: folder + part + "/" + file)
      }
    }
    Self.make(in: folder + "/expired", ["--days", "-1"])
    Self.make(in: folder + "/early", ["--seconds", "90000:180000"])
    Self.makeNamesake(of: folder)
    atexit { try? FileManager.default.removeItem(atPath: Certificates.shared.folder) }
  }

  var coordinator: TLSIdentity { identity("coordinator") }
  var worker: TLSIdentity { identity("worker") }

  /// A folder of its own with certificates, for tests that change them.
  func fresh(_ name: String, _ options: [String] = []) -> String {
    let path = "\(folder)/\(name)"
    Self.make(in: path, options)
    return path
  }

  /// An identity from one of the folders, trusting the authority of the same or another.
  func identity(
    _ name: String, from part: String = "", trusting authority: String = "",
    serverName: String? = nil
  ) -> TLSIdentity {
    TLSIdentity(
      caFile: "\(folder)\(authority)/ca.pem", certificateFile: "\(folder)\(part)/\(name).pem",
      keyFile: "\(folder)\(part)/\(name).key", serverName: serverName)
  }

  /// Another authority of the same name, whose key is not the first one's.
  private static func makeNamesake(of folder: String) {
    let script = """
      set -e; mkdir -p "$0/namesake"; cd "$0/namesake"
      name=$(openssl x509 -in ../ca.pem -noout -subject -nameopt multiline | sed -n 's/.*= //p')
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key \
        -subj "/CN=$name" -addext basicConstraints=critical,CA:TRUE -days 9 -out ca.pem 2>/dev/null
      """
    _ = status(of: ["-c", script, folder], program: "/bin/bash")
    make(in: folder + "/namesake", [])
  }

  /// How a command ends; -1 where it does not start.
  static func status(of arguments: [String], program: String? = nil) -> Int32 {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let process = Process()
    process.executableURL =
      program.map { URL(fileURLWithPath: $0) } ?? root.appendingPathComponent("cluster/certs")
    process.arguments = arguments
    process.standardOutput = FileHandle.nullDevice
    do {
      try process.run()
    } catch {
      Issue.record("\(arguments): \(error)")
      return -1
    }
    process.waitUntilExit()
    return process.terminationStatus
  }

  /// Runs `cluster/certs` for a folder.
  static func make(in folder: String, _ options: [String]) {
    let status = status(of: options + [folder])
    if status != 0 { Issue.record("cluster/certs \(options) ended with \(status)") }
  }
}

/// An `openssl s_client` whose standard input goes through TLS to a server.
final class RawTLSConnection {
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()

  init(port: UInt16, identity: TLSIdentity?) throws {
    process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    var arguments = ["s_client", "-quiet", "-connect", "127.0.0.1:\(port)"]
    if let identity {
      arguments += ["-cert", identity.certificateFile, "-key", identity.keyFile]
    }
    process.arguments = arguments
    process.standardInput = input
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  deinit { if process.isRunning { process.terminate() } }

  var hasEnded: Bool { !process.isRunning }

  func send(_ bytes: [UInt8]) {
    // The server may have closed already, which is what the test is about.
    try? input.fileHandleForWriting.write(contentsOf: bytes)
  }
}

/// An `openssl s_server`, which shows a certificate that our own server would not begin with.
final class RawTLSServer {
  let address: Address
  private let process = Process()

  init(_ identity: TLSIdentity) throws {
    // Free a moment ago; nobody else listens on loopback in between.
    let port = try RawListener().port
    address = try Address("tls+tcp://127.0.0.1:\(port)")
    process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    process.arguments = [
      "s_server", "-quiet", "-accept", "127.0.0.1:\(port)", "-cert", identity.certificateFile,
      "-key", identity.keyFile,
    ]
    process.standardInput = Pipe()
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    while process.isRunning, (try? RawConnection(port: port)) == nil { usleep(10_000) }
  }

  deinit { if process.isRunning { process.terminate() } }
}

/// The memory of this process that is in use, in bytes.
func residentByteCount() throws -> Int {
  let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
  return try #require(Int(text.split(separator: " ")[1])) * 4096
}

/// A listening socket that accepts and says nothing.
final class RawListener {
  let descriptor: Int32
  let port: UInt16

  init() throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = descriptor
    let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(descriptor, $0, size) + listen(descriptor, 16)
          + getsockname(descriptor, $0, &size)
      }
    }
    port = address.sin_port.bigEndian
    try #require(status == 0)
  }

  deinit { close(descriptor) }
}
