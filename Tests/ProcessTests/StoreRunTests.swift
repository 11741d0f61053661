import Foundation
import Testing

/// `run` reads inputs from stores and databases, and publishes to them, as it does with files.
@Suite struct StoreRunTests {
  private static let model = fixture("../../bench/models/flights.txt")

  @Test(arguments: ["csv/flights.csv", "csv/seekable.csv.zst", "parquet/zstd.parquet"])
  func objectsGiveWhatFilesGive(input: String) async throws {
    let sandbox = try Sandbox()
    let (table, servers) = (sandbox.path("table"), try ObjectServers(in: sandbox))
    try await script("format_matrix.py", ["make", table], in: sandbox)
    let arguments = ["--format", "csv", "--key-field", "id", "--compression", "none"]
    let local = try await score("\(table)/\(input)", sandbox.path("out"), arguments, in: sandbox)
    let expected = try Data(contentsOf: URL(fileURLWithPath: local + "/" + Self.resultName))
    #expect(expected.count > 3_000 * 10)

    let key = "in/" + input.replacing("/", with: "-")
    try servers.put("\(table)/\(input)", at: key)
    let published = try await score(
      "s3://bucket/\(key)", "s3://bucket/out", arguments, environment: servers.variables,
      in: sandbox)
    #expect(published.hasPrefix("s3://bucket/out/prediction-flights-"))
    let prefix = String(published.dropFirst("s3://bucket/".count))
    #expect(try servers.get("\(prefix)/\(Self.resultName)") == expected)
    #expect(try servers.get("\(prefix)/_SUCCESS").count > 64)
    #expect(try servers.get("\(prefix)/manifest.json").count > 100)
    // What is left below the output is what was published.
    let keys = try servers.keys(below: "out/")
    #expect(keys.count == 6 && keys.allSatisfy { $0.hasPrefix(prefix) }, "\(keys)")

    let web = try await score(
      servers.address(of: key), sandbox.path("web"), arguments, in: sandbox)
    let fromWeb = try Data(contentsOf: URL(fileURLWithPath: web + "/" + Self.resultName))
    #expect(fromWeb == expected)
  }

  @Test func queriesAndTablesGiveWhatFilesGive() async throws {
    struct Entry: Decodable {
      let name: String
      let sql: String?
    }
    let sandbox = try Sandbox()
    let (table, server) = (sandbox.path("table"), try DatabaseServer(in: sandbox))
    try await script("format_matrix.py", ["make", table], in: sandbox)
    let data = try Data(contentsOf: URL(fileURLWithPath: table + "/matrix.json"))
    let entries = try JSONDecoder().decode([Entry].self, from: data)
    let sql = try #require(entries.compactMap(\.sql).first)
    try server.run("-f", "\(table)/\(sql)")
    let arguments = ["--format", "csv", "--key-field", "id", "--compression", "none"]
    let local = try await score(
      "\(table)/csv/flights.csv", sandbox.path("out"), arguments, in: sandbox)
    let expected = try String(contentsOfFile: local + "/" + Self.resultName, encoding: .utf8)

    let asked = try await score(
      server.uri, sandbox.path("asked"),
      arguments + ["--query", "SELECT * FROM flights", "--split-column", "id"], in: sandbox)
    #expect(try String(contentsOfFile: asked + "/" + Self.resultName, encoding: .utf8) == expected)

    _ = try await score(
      "\(table)/csv/flights.csv", server.uri,
      ["--key-field", "id", "--table", "scores", "--state", sandbox.path("state")], in: sandbox)
    let rows = try server.run(
      "-At", "-F", ",", "-c", "SELECT key, prediction FROM scores ORDER BY key")
    let lines = expected.split(separator: "\n").dropFirst()
    #expect(rows.split(separator: "\n").count == 3_000)
    for (row, line) in zip(rows.split(separator: "\n"), lines) {
      let (found, wanted) = (row.split(separator: ","), line.split(separator: ","))
      #expect(found[0] == wanted[0] && Double(found[1]) == Double(wanted[1]), "\(line)")
    }
  }

  private static let resultName = "prediction.results-00000-of-00001.csv"

  /// Scores an input, and answers where the output was published.
  private func score(
    _ input: String, _ output: String, _ arguments: [String],
    environment: [String: String] = [:], in sandbox: Sandbox
  ) async throws -> String {
    struct Summary: Decodable {
      struct Output: Decodable {
        let outputDirectory: String
      }
      let output: Output
      enum CodingKeys: String, CodingKey {
        case output = "outputInfo"
      }
    }
    let run = try Program(
      ["run", "--model", Self.model, "--input", input, "--output", output, "--quiet"]
        + ["--summary", "json", "--state", sandbox.path("state-\(sandbox.nextNumber())")]
        + arguments, in: sandbox, environment: environment)
    #expect(await run.wait() == 0, "\(input): \(run.errors)")
    return try JSONDecoder().decode(Summary.self, from: Data(run.output.utf8)).output
      .outputDirectory
  }
}

/// The object stores of `object_servers.py`, until they are forgotten.
final class ObjectServers {
  private struct Ports: Decodable {
    let moto: Int
    let motoProxy: Int
  }

  private let process = Process()
  private let input = Pipe()
  private let port: Int
  private let proxyPort: Int

  init(in sandbox: Sandbox) throws {
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", fixture("../Fixtures/object_servers.py")]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    var line = Data()
    while let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty,
      byte != Data("\n".utf8)
    {
      line += byte
    }
    let ports = try JSONDecoder().decode(Ports.self, from: line)
    (port, proxyPort) = (ports.moto, ports.motoProxy)
    _ = try shell(["-X", "PUT", url("")])
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  var variables: [String: String] { Self.variables(port: port) }

  /// Leads to the proxy that breaks what the rules say.
  var faultyVariables: [String: String] { Self.variables(port: proxyPort) }

  /// Gives the proxy a rule, as JSON.
  func breakRequests(_ rule: String) throws {
    _ = try shell(["-X", "POST", "-d", "[\(rule)]", "http://127.0.0.1:\(proxyPort)/__rules"])
  }

  static func variables(port: Int) -> [String: String] {
    [
      "AWS_ENDPOINT_URL": "http://127.0.0.1:\(port)", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
      "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
      "AWS_REGION": "us-east-1",
    ]
  }

  private func url(_ key: String) -> String { "http://127.0.0.1:\(port)/bucket/\(key)" }

  /// Where anybody may read an object.
  func address(of key: String) -> String { url(key) }

  func put(_ path: String, at key: String) throws {
    _ = try shell(["-X", "PUT", "-H", "x-amz-acl: public-read", "-T", path, url(key)])
  }

  func get(_ key: String) throws -> Data { try shell([url(key)]) }

  func keys(below prefix: String) throws -> [String] {
    let listing = try shell([url("?list-type=2&prefix=\(prefix)")])
    return String(decoding: listing, as: UTF8.self).split(separator: "<Key>").dropFirst()
      .map { String($0.prefix { $0 != "<" }) }
  }

  /// moto looks at no more of the authorization than the key.
  private func shell(_ arguments: [String]) throws -> Data {
    let authorization =
      "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/s3/aws4_request, "
      + "SignedHeaders=host, Signature=0"
    return try answer(of: ["curl", "-sf", "-H", authorization] + arguments)
  }
}

/// A PostgreSQL server of this test.
private final class DatabaseServer {
  let uri: String
  private let folder: String

  init(in sandbox: Sandbox) throws {
    folder = sandbox.path("postgres")
    _ = try answer(of: [fixture("../Fixtures/postgres_server"), "start", folder])
    let port = try String(contentsOfFile: folder + "/port", encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    uri = "postgresql://tester:secret@127.0.0.1:\(port)/postgres"
  }

  deinit { _ = try? answer(of: [fixture("../Fixtures/postgres_server"), "remove", folder]) }

  @discardableResult
  func run(_ arguments: String...) throws -> String {
    let command = ["psql", "-q", "-v", "ON_ERROR_STOP=1", uri] + arguments
    return String(decoding: try answer(of: command), as: UTF8.self)
  }
}

/// Runs a command that has to succeed, and answers what it prints.
private func answer(of command: [String]) throws -> Data {
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
