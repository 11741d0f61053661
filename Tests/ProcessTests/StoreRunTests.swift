import Foundation
import Testing

/// `run` reads inputs from stores and databases, and publishes to them, as it does with files.
@Suite struct StoreRunTests {
  private static let model = fixture("../../bench/models/flights.txt")

  @Test(arguments: ["csv/flights.csv", "csv/seekable.csv.zst", "parquet/zstd.parquet"])
  func objectsGiveWhatFilesGive(input: String) async throws {
    let sandbox = try Sandbox()
    let (table, servers) = (sandbox.path("table"), StoreServers.shared)
    try await script("format_matrix.py", ["make", table], in: sandbox)
    let arguments = ["--format", "csv", "--key-field", "id", "--compression", "none"]
    let local = try await score("\(table)/\(input)", sandbox.path("out"), arguments, in: sandbox)
    let expected = try Data(contentsOf: URL(fileURLWithPath: local + "/" + Self.resultName))
    #expect(expected.count > 3_000 * 10)

    let name = input.replacing("/", with: "-")
    let (key, out) = ("in/\(name)", "out-\(name)")
    try servers.put("\(table)/\(input)", at: key)
    let published = try await score(
      "s3://bucket/\(key)", "s3://bucket/\(out)", arguments, environment: servers.variables,
      in: sandbox)
    #expect(published.hasPrefix("s3://bucket/\(out)/prediction-flights-"))
    let prefix = String(published.dropFirst("s3://bucket/".count))
    #expect(try servers.get("\(prefix)/\(Self.resultName)") == expected)
    #expect(try servers.get("\(prefix)/_SUCCESS").count > 64)
    #expect(try servers.get("\(prefix)/manifest.json").count > 100)
    // What is left below the output is what was published.
    let keys = try servers.keys(below: "\(out)/")
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
