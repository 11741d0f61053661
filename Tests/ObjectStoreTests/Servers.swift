import Foundation
import Glibc
import ObjectStore
import TestSupport

typealias Servers = ObjectServers

/// The servers of this target's tests.
extension ObjectServers {
  static let shared: ObjectServers = {
    let servers = startForAllTests()
    do {
      for bucket in ["bucket", "faults", "many"] {
        _ = try Control.send("PUT", "/\(bucket)", port: servers.moto)
      }
    } catch {
      fatalError("no buckets for the tests: \(error)")
    }
    return servers
  }()

  // MARK: Stores

  func s3(_ port: Int, time: FakeTime = FakeTime(), limits: StoreLimits = .small) -> ObjectStore {
    ObjectStore(environment: time.environment(Self.s3Variables(port)), limits: limits)
  }

  func google(
    _ port: Int, time: FakeTime = FakeTime(), limits: StoreLimits = .small
  ) -> ObjectStore {
    ObjectStore(
      environment: time.environment(["STORAGE_EMULATOR_HOST": "127.0.0.1:\(port)"]),
      limits: limits)
  }
}

extension StoreLimits {
  /// Short, for tests.
  static var small: StoreLimits {
    var limits = StoreLimits.standard
    limits.connectTime = .seconds(2)
    limits.stallTime = .seconds(1)
    return limits
  }
}

/// Requests to the servers' own controls, past the code under test.
enum Control {
  struct Failure: Error {
    let what: String
  }

  /// Rules for a proxy, as JSON.
  static func rule(_ json: String, proxy port: Int) throws {
    let answer = try send("POST", "/__rules", body: Array("[\(json)]".utf8), port: port)
    guard answer.hasPrefix("HTTP/1.1 200") else { throw Failure(what: answer) }
  }

  struct Seen: Decodable {
    let line: String
    let headers: [String: String]
  }

  /// The requests that a proxy saw, in order.
  static func log(_ match: String, proxy port: Int) throws -> [Seen] {
    let escaped = match.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    let answer = try send("GET", "/__log?match=\(escaped)", port: port)
    return try JSONDecoder().decode([Seen].self, from: Data(bodyText(answer).utf8))
  }

  static func bodyText(_ answer: String) -> String {
    answer.firstRange(of: "\r\n\r\n").map { String(answer[$0.upperBound...]) } ?? ""
  }

  /// Sends a request and reads the answer to its end.
  static func send(
    _ method: String, _ target: String, body: [UInt8] = [], port: Int
  ) throws -> String {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = unsafe inet_addr("127.0.0.1")
    let status = unsafe withUnsafePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw Failure(what: "connect \(port): \(errno)") }
    let head =
      "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n"
      + "Content-Length: \(body.count)\r\nAuthorization: \(Servers.authorization)\r\n\r\n"
    let bytes = Array(head.utf8) + body
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes[sent...].withUnsafeBytes {
        unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw Failure(what: "send: \(errno)") }
      sent += count
    }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      answer += buffer[..<count]
    }
    return String(decoding: answer, as: UTF8.self)
  }
}
