import Foundation
import ObjectStore

/// The object stores of `Tests/Fixtures/object_servers.py`, once for all tests of this process.
struct StoreServers: Decodable, Sendable {
  let moto: Int
  let motoProxy: Int
  let rclone: Int
  let google: Int

  static let shared: StoreServers = start()
  private static let input = Pipe()  // open until the process ends; the servers end with it

  private static func start() -> StoreServers {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/object_servers.py").standardized.path
    let process = Process()
    let output = Pipe()
    let python = ProcessInfo.processInfo.environment["NIGHTSHIFT_TEST_PYTHON"] ?? "python3"
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [python, script]
    process.standardInput = input
    process.standardOutput = output
    do {
      try process.run()
      var line = Data()
      while let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty,
        byte != Data("\n".utf8)
      {
        line += byte
      }
      let servers = try JSONDecoder().decode(StoreServers.self, from: line)
      let store = servers.s3(servers.moto)
      _ = try run(
        "curl", "-s", "-X", "PUT", "-H", "Authorization: \(authorization)",
        "http://127.0.0.1:\(servers.moto)/bucket")
      try store.put([], to: ObjectURI("s3://bucket/ready"))
      return servers
    } catch {
      fatalError("\(script) does not start (\(error)); are its Python packages installed?")
    }
  }

  /// moto looks at no more of it than the key.
  private static let authorization =
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/s3/aws4_request, "
    + "SignedHeaders=host, Signature=0"

  private func environment(_ variables: [String: String]) -> StoreEnvironment {
    StoreEnvironment(variables: variables, pause: { _ in systemPause(.milliseconds(1)) })
  }

  func s3(_ port: Int) -> ObjectStore {
    ObjectStore(
      environment: environment([
        "AWS_ENDPOINT_URL": "http://127.0.0.1:\(port)", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "AWS_REGION": "us-east-1",
      ]))
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
