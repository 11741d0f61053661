import Foundation
import Glibc
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

    // Checked, and scored again, from where it is.
    for command in [
      ["verify", published, "--rescore", "100%"],
      ["replay", published, "--row", "2999", "--model", Self.model],
    ] {
      let check = try Program(command, in: sandbox, environment: servers.variables)
      #expect(await check.wait() == 0, "\(command): \(check.output) \(check.errors)")
    }

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

    let replay = try Program(
      ["replay", asked, "--row", "1", "--model", Self.model], in: sandbox)
    #expect(await replay.wait() == 1)
    #expect(replay.errors.contains("the rows are those of a query"), "\(replay.errors)")

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
    // The same keys again take the place of the former rows.
    let upsert = ["--key-field", "id", "--table", "latest", "--write-mode", "upsert"]
    for name in ["first", "second"] {
      _ = try await score(
        "\(table)/csv/flights.csv", server.uri,
        upsert + ["--upsert-keys", "key", "--display-name", name], in: sandbox)
    }
    #expect(
      try server.run("-At", "-c", "SELECT count(*) FROM nightshift_commits") == "3\n")
    let latest = try server.run(
      "-At", "-F", ",", "-c", "SELECT key, prediction FROM latest ORDER BY key")
    #expect(latest == rows)
  }

  enum Loss: CaseIterable { case connection, coordinator }

  /// The coordinator sees by itself that a snapshot is gone: no worker is there to tell it.
  @Test(arguments: Loss.allCases) func aLostSnapshotEndsTheJob(loss: Loss) async throws {
    let fleet = try await TestFleet(rowCount: 10, badRows: [])
    let server = try DatabaseServer(in: fleet.sandbox)
    let columns = TestTable.text(rowCount: 0).trimmingCharacters(in: .newlines)
      .split(separator: ",").map { column in
        let isText = ["id", "carrier", "origin", "dest", "note"].contains(column)
        return isText ? "'x' AS \(column)" : "1 AS \(column)"
      }
    try server.run(
      "-c",
      "CREATE TABLE t AS SELECT k::bigint, \(columns.joined(separator: ", ")) "
        + "FROM generate_series(1, 5000) AS k")
    let text = """
      model: \(Self.model)
      inputConfig:
        uris: ["\(server.uri)"]
        query: SELECT * FROM t
        splitColumn: k
      outputConfig:
        uri: \(fleet.output)
      """
    let file = fleet.sandbox.path("query.yaml")
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    let submit = try fleet.client(["submit", file, "--wait"])
    #expect(
      await waitUntil(.seconds(30)) { fleet.coordinator.errors.contains("PENDING") },
      "\(submit.errors) \(fleet.coordinator.errors)")
    switch loss {
    case .connection:
      // It is watched, and stays, until it is taken away.
      try await Task.sleep(for: .seconds(3))
      #expect(submit.process.isRunning)
      let ended = try server.run(
        "-At", "-c",
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
          + "WHERE state = 'idle in transaction'")
      #expect(ended == "1\n")
    case .coordinator:
      fleet.coordinator.signal(SIGKILL)
      _ = await fleet.coordinator.wait()
      try await fleet.restartCoordinator()
    }
    #expect(await submit.wait(.seconds(20)) == 1, "\(fleet.coordinator.errors)")
    #expect(submit.output.contains("the input changed: the snapshot"), "\(submit.output)")
    #expect(Publication.isEmpty(fleet.output))
  }

  @Test func errorsOfARunGoWhereTheyAreSent() async throws {
    let sandbox = try Sandbox()
    let servers = StoreServers.shared
    let folder = sandbox.path("in")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    // A folder whose files tell the format, and a tab between fields.
    try TestTable.text(rowCount: 300, badRows: [7]).replacing(",", with: "\t")
      .write(toFile: folder + "/a.tsv", atomically: true, encoding: .utf8)
    try "".write(toFile: folder + "/_SUCCESS", atomically: true, encoding: .utf8)
    let arguments = [
      "run", "--model", TestTable.model, "--input", folder, "--key-field", "id", "--compression",
      "none", "--quiet", "--output",
    ]
    for (output, errors) in [
      (sandbox.path("out"), "s3://bucket/elsewhere/errors"),
      ("s3://bucket/elsewhere/out", sandbox.path("errors")),
    ] {
      let run = try Program(
        arguments + [output, "--errors", errors, "--state", sandbox.path("st-\(output.count)")],
        in: sandbox, environment: servers.variables)
      #expect(await run.wait() == 2, "\(run.errors)")
    }
    let name = "prediction.errors_stats-00000-of-00001.jsonl"
    let keys = try servers.keys(below: "elsewhere/")
    #expect(keys.count { $0.hasPrefix("elsewhere/errors/prediction-flights-") } == 1, "\(keys)")
    #expect(keys.contains { $0.hasPrefix("elsewhere/out/") && $0.hasSuffix("_SUCCESS") })
    #expect(!keys.contains { $0.hasPrefix("elsewhere/out/") && $0.hasSuffix(name) })
    let local = try FileManager.default.contentsOfDirectory(atPath: sandbox.path("errors"))
    #expect(local.count == 1)
    let text = try String(
      contentsOfFile: "\(sandbox.path("errors"))/\(local[0])/\(name)", encoding: .utf8)
    #expect(text.contains("\"row\":8,") && text.split(separator: "\n").count == 1)
    for published in [sandbox.path("out"), "s3://bucket/elsewhere/out"] {
      let folder =
        published.hasPrefix("/")
        ? try FileManager.default.contentsOfDirectory(atPath: published).first
        : keys.first { $0.hasPrefix("elsewhere/out/") }?.split(separator: "/").dropFirst(2).first
          .map(
            String.init)
      let verify = try Program(
        ["verify", "\(published)/\(try #require(folder))", "--rescore", "100%"], in: sandbox,
        environment: servers.variables)
      #expect(await verify.wait() == 0, "\(verify.output) \(verify.errors)")
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
final class DatabaseServer {
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
