import Foundation
import Glibc
import ObjectStore
import Synchronization

extension FuzzTarget {
  /// What stores answer: XML by itself, and whole HTTP answers to a client of each kind.
  static let answers = [
    FuzzTarget(name: "xml") { bytes in
      var reader = XMLReader(bytes)
      var depth = 0
      do throws(ObjectError) {
        while let event = try reader.next() {
          if case .open = event { depth += 1 } else { depth -= 1 }
          require((0...64).contains(depth), "elements \(depth) deep")
        }
        require(depth == 0, "elements without an end")
      } catch {
        require(error.code == .malformed, "\(error)")
      }
      _ = errorCode(in: bytes)
    },
    FuzzTarget(name: "http-s3") { answer($0, "s3") },
    FuzzTarget(name: "http-google") { answer($0, "gs") },
    FuzzTarget(name: "http-plain") { answer($0, "http") },
  ]

  /// Asks a server that says what the input says, to each request the same.
  private static func answer(_ bytes: [UInt8], _ scheme: String) {
    var choices = Choices(bytes)
    let errand = choices.byte() % 4
    let server = AnsweringServer.shared
    server.set(Array(choices.rest))
    let place = scheme == "http" ? "127.0.0.1:\(server.port)" : "bucket"
    do throws(ObjectError) {
      let uri = try ObjectURI("\(scheme)://\(place)/folder/key")
      switch errand {
      case 0:
        var pages = server.store.pages(of: uri, stoppingAtSlash: true)
        while let page = try pages.next() { require(page.entries.count < 1 << 16, "a long page") }
      case 1: _ = try server.store.status(of: uri)
      case 2: _ = try server.store.contents(of: uri, byteLimit: 1 << 16)
      default: try range(of: uri, server.store)
      }
    } catch {
      require(!error.context.isEmpty, "an error without words")
    }
  }

  private static func range(of uri: ObjectURI, _ store: ObjectStore) throws(ObjectError) {
    var buffer = [UInt8](repeating: 0, count: 100)
    _ = try unsafe buffer.withUnsafeMutableBufferPointer { (buffer) throws(ObjectError) in
      try unsafe store.read(
        uri, version: .tag("a"), byteCount: 500, at: 300,
        into: UnsafeMutableRawBufferPointer(buffer))
    }
  }
}

/// A server on the loopback that gives each connection the same bytes, and a store that asks it.
final class AnsweringServer: Sendable {
  static let shared = AnsweringServer()

  let port: UInt16
  let store: ObjectStore
  private let answer = Mutex<[UInt8]>([])

  func set(_ bytes: [UInt8]) { answer.withLock { $0 = bytes } }

  private init() {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = unsafe inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = unsafe withUnsafeMutablePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(listener, address, length) + listen(listener, 64)
          + getsockname(listener, address, &length)
      }
    }
    guard listener >= 0, status == 0 else { fatalError("no listener: \(errno)") }
    port = UInt16(bigEndian: address.sin_port)
    store = Self.store(port)
    Thread.detachNewThread { [self] in
      while true {
        let connection = accept(listener, nil, nil)
        if connection >= 0 { serve(connection) }
      }
    }
  }

  /// Tries nothing again: each look at its clock is an hour after the last.
  private static func store(_ port: UInt16) -> ObjectStore {
    let clock = HourClock()
    let variables = [
      "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1",
      "AWS_ENDPOINT_URL": "http://127.0.0.1:\(port)", "AWS_EC2_METADATA_DISABLED": "true",
      "STORAGE_EMULATOR_HOST": "127.0.0.1:\(port)", "no_proxy": "*",
    ]
    var limits = StoreLimits.standard
    limits.connectTime = .seconds(1)
    limits.stallTime = .seconds(1)
    let environment = StoreEnvironment(
      variables: variables, uptime: { clock.next() }, pause: { _ in }, fraction: { 0 })
    return ObjectStore(environment: environment, limits: limits)
  }

  /// Answers one connection.
  fileprivate func serve(_ connection: Int32) {
    var request = [UInt8](repeating: 0, count: 8_192)
    _ = unsafe recv(connection, &request, request.count, 0)
    let bytes = answer.withLock(\.self)
    _ = unsafe send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    shutdown(connection, Int32(SHUT_WR))
    close(connection)
  }
}

/// A clock that goes on by an hour whenever it is looked at.
private final class HourClock: Sendable {
  private let hours = Mutex<Int64>(0)

  func next() -> Duration {
    hours.withLock { hours in
      hours += 1
      return .seconds(hours * 3_600)
    }
  }
}
