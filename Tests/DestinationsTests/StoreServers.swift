import Foundation
import ObjectStore
import TestSupport

typealias StoreServers = ObjectServers

/// The object stores of this target's tests.
extension ObjectServers {
  static let shared: ObjectServers = {
    let servers = startForAllTests()
    do {
      _ = try run(
        "curl", "-s", "-X", "PUT", "-H", "Authorization: \(authorization)",
        "http://127.0.0.1:\(servers.moto)/bucket")
      try servers.s3(servers.moto).put([], to: ObjectURI("s3://bucket/ready"))
    } catch {
      fatalError("no bucket for the tests: \(error)")
    }
    return servers
  }()

  private func environment(_ variables: [String: String]) -> StoreEnvironment {
    StoreEnvironment(variables: variables, pause: { _ in systemPause(.milliseconds(1)) })
  }

  func s3(_ port: Int) -> ObjectStore {
    ObjectStore(
      environment: environment(Self.s3Variables(port)))
  }

  enum Kind: String, CaseIterable, Sendable {
    case moto
    case rclone
    case google

    var store: ObjectStore {
      let servers = StoreServers.shared
      return switch self {
      case .moto: servers.s3(servers.moto)
      case .rclone: servers.s3(servers.rclone)
      case .google:
        ObjectStore(
          environment: servers.environment([
            "STORAGE_EMULATOR_HOST": "127.0.0.1:\(servers.google)"
          ]))
      }
    }

    var scheme: String { self == .google ? "gs" : "s3" }
  }

  /// A store behind the proxy, which breaks what the rule says.
  func broken(by rule: String) throws -> ObjectStore {
    _ = try run("curl", "-s", "-d", "[\(rule)]", "http://127.0.0.1:\(motoProxy)/__rules")
    return s3(motoProxy)
  }
}

extension ObjectStore {
  /// All keys below a URI.
  func keys(below uri: ObjectURI) throws(ObjectError) -> [String] {
    var keys: [String] = []
    var pages = pages(of: uri)
    while let page = try pages.next() { keys += page.entries.map(\.uri.key) }
    return keys
  }
}
