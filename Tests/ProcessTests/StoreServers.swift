import Foundation
import TestSupport
import Testing

/// Object stores and what is in them, until they are forgotten.
final class StoreServers: Sendable {
  /// A store as the program and this class reach it.
  enum Kind: String, CaseIterable, Sendable {
    case moto, google, web, rclone
  }

  /// Those that tests share which need none of their own.
  static let shared: StoreServers = {
    do { return try StoreServers() } catch { fatalError("object_servers.py: \(error)") }
  }()

  private let input = Pipe()
  private let ports: ObjectServers

  /// Starts them.
  ///
  /// - Parameter folder: What rclone's bucket has, which this class cannot put there.
  /// - Throws: What the script printed in place of its ports.
  init(holding folder: String? = nil) throws {
    ports = try ObjectServers.start(until: input, holding: folder)
    _ = try curl(["-X", "PUT", "http://127.0.0.1:\(ports.moto)/bucket"])
  }

  deinit {
    try? input.fileHandleForWriting.close()  // where it is closed, the servers are gone already
  }

  /// The variables that lead to S3 at a port.
  static func variables(_ port: Int) -> [String: String] { ObjectServers.s3Variables(port) }

  /// Those, and what leads to Google's emulator.
  private func variables(_ port: Int) -> [String: String] {
    Self.variables(port).merging(["STORAGE_EMULATOR_HOST": "127.0.0.1:\(ports.google)"]) { $1 }
  }

  /// moto.
  var variables: [String: String] { variables(ports.moto) }
  /// moto behind the proxy that breaks things and keeps a log.
  var brokenVariables: [String: String] { variables(ports.motoProxy) }
  /// rclone, which knows no conditions.
  var unconditionalVariables: [String: String] { variables(ports.rclone) }

  private func url(_ key: String) -> String { "http://127.0.0.1:\(ports.moto)/bucket/\(key)" }

  private func googleURL(_ key: String) -> String {
    let escaped = key.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? key
    return "http://127.0.0.1:\(ports.google)/storage/v1/b/bucket/o/\(escaped)"
  }

  /// Where anybody may read one of moto's objects.
  func address(of key: String) -> String { url(key) }

  /// What the program calls an object.
  func uri(_ key: String, in kind: Kind) -> String {
    switch kind {
    case .moto, .rclone: "s3://bucket/\(key)"
    case .google: "gs://bucket/\(key)"
    case .web: "http://127.0.0.1:\(ports.files)/plain/\(key)"
    }
  }

  func put(_ path: String, at key: String, in kind: Kind = .moto) throws {
    let octets = ["-H", "Content-Type: application/octet-stream", "--data-binary", "@\(path)"]
    switch kind {
    case .moto: _ = try curl(["-X", "PUT", "-H", "x-amz-acl: public-read", "-T", path, url(key)])
    case .google:
      let place = "http://127.0.0.1:\(ports.google)/upload/storage/v1/b/bucket/o?uploadType=media"
      _ = try curl(octets + ["\(place)&name=\(key)"])
    case .web: _ = try curl(octets + [uri(key, in: .web)])
    case .rclone: throw TestFailure("rclone has what it was started with")
    }
  }

  func get(_ key: String, in kind: Kind = .moto) throws -> Data {
    try curl([kind == .google ? googleURL(key) + "?alt=media" : url(key)])
  }

  func keys(below prefix: String, in kind: Kind = .moto) throws -> [String] {
    if kind == .google {
      struct Listing: Decodable {
        struct Item: Decodable { let name: String }
        let items: [Item]?
      }
      let place = "http://127.0.0.1:\(ports.google)/storage/v1/b/bucket/o?prefix=\(prefix)"
      return try JSONDecoder().decode(Listing.self, from: curl([place])).items?.map(\.name) ?? []
    }
    return try tags("Key", url("?list-type=2&prefix=\(prefix)"))
  }

  /// Keys of moto's uploads that are neither complete nor aborted.
  func uploads(below prefix: String) throws -> [String] {
    try tags("Key", url("?uploads")).filter { $0.hasPrefix(prefix) }
  }

  private func tags(_ name: String, _ url: String) throws -> [String] {
    String(decoding: try curl([url]), as: UTF8.self).split(separator: "<\(name)>").dropFirst()
      .map { String($0.prefix { $0 != "<" }) }
  }

  /// Has the proxy before moto break something.
  func rule(_ json: String) throws {
    _ = try curl(["-d", "[\(json)]", "http://127.0.0.1:\(ports.motoProxy)/__rules"])
  }

  /// A request that the proxy before moto saw.
  private struct Seen: Decodable {
    let line: String
    let headers: [String: String]
  }

  private func seen(_ match: String) throws -> [Seen] {
    let escaped = match.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    let log = try curl(["http://127.0.0.1:\(ports.motoProxy)/__log?match=\(escaped)"])
    return try JSONDecoder().decode([Seen].self, from: log)
  }

  /// The ranges of the requests that the proxy before moto saw; nil where one asked for all.
  func ranges(_ match: String) throws -> [String?] {
    try seen(match).map { $0.headers["range"] }
  }

  /// Methods and targets of the requests that the proxy before moto saw, in their order.
  func lines(_ match: String) throws -> [String] { try seen(match).map(\.line) }

  /// moto looks at no more of the authorization than the key.
  private func curl(_ arguments: [String]) throws -> Data {
    let authorization = "Authorization: \(ObjectServers.authorization)"
    return try answer(of: ["curl", "-sf", "-H", authorization] + arguments)
  }
}

/// Runs a command that has to succeed, and answers what it prints.
func answer(of command: [String]) throws -> Data {
  let (process, output) = (Process(), Pipe())
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = command
  process.standardOutput = output
  try process.run()
  let data = try output.fileHandleForReading.readToEnd() ?? Data()
  process.waitUntilExit()
  try #require(process.terminationStatus == 0, "\(command)")
  return data
}
