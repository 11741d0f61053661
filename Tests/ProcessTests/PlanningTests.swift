import Foundation
import Testing

/// Planning takes as long as a store does, and leaves one job or none.
@Suite struct PlanningTests {
  /// Short pauses: nobody waits for a real store here.
  private static let timing = [
    "NIGHTSHIFT_STORE_PAUSE_SECONDS": "0.2", "NIGHTSHIFT_STORE_UNREACHABLE_SECONDS": "2",
  ]

  private func arguments(_ input: String, _ sandbox: Sandbox) -> [String] {
    ["--model", TestTable.model, "--input", input, "--output", sandbox.path("out")]
  }

  /// The coordinator's jobs.
  private func jobCount(_ fleet: TestFleet) async throws -> Int {
    struct List: Decodable {
      struct Job: Decodable {}
      let jobs: [Job]
    }
    let list = try fleet.client(["list", "--output", "json"])
    #expect(await list.wait() == 0, "\(list.errors)")
    return try JSONDecoder().decode(List.self, from: Data(list.output.utf8)).jobs.count
  }

  private func busyStore(_ sandbox: Sandbox) throws -> StoreServers {
    let servers = try StoreServers()
    let table = sandbox.path("store.csv")
    try TestTable.text(rowCount: 500).write(toFile: table, atomically: true, encoding: .utf8)
    try servers.put(table, at: "in/table.csv")
    try servers.rule(
      #"{"match": "list-type=2", "times": 12, "fault": "status", "status": 503, "#
        + #""code": "SlowDown"}"#)
    return servers
  }

  @Test func submitWaitsForABusyStore() async throws {
    let sandbox = try Sandbox()
    let servers = try busyStore(sandbox)
    let fleet = try await TestFleet(
      rowCount: 1, environment: servers.brokenVariables.merging(Self.timing) { $1 })
    let submit = try fleet.client(["submit"] + arguments("s3://bucket/in/", sandbox))
    #expect(await submit.wait() == 0, "\(submit.errors)")
    #expect(submit.errors.contains("planning: retrying GET s3://bucket/in/"), "\(submit.errors)")
    #expect(submit.errors.contains("503 SlowDown"), "\(submit.errors)")
    #expect(try await jobCount(fleet) == 1)
  }

  @Test func runWaitsForABusyStore() async throws {
    let sandbox = try Sandbox()
    let servers = try busyStore(sandbox)
    let run = try Program(
      ["run"] + arguments("s3://bucket/in/", sandbox), in: sandbox,
      environment: servers.brokenVariables.merging(Self.timing) { $1 })
    #expect(await run.wait() == 0, "\(run.errors)")
    #expect(run.errors.contains("planning: retrying GET s3://bucket/in/"), "\(run.errors)")
    #expect(try !Publication(below: sandbox.path("out")).files.isEmpty)
  }

  @Test func aDeadEndpointIsNamedAndNoJobIsLeft() async throws {
    let port = try TestFleet.freePorts()
    let dead = StoreServers.variables(port).merging(Self.timing) { $1 }
    let fleet = try await TestFleet(rowCount: 1, environment: dead)
    let submit = try fleet.client(
      ["submit"] + arguments("s3://bucket/in/", fleet.sandbox))
    #expect(await submit.wait(.seconds(30)) == 1, "\(submit.errors)")
    for text in ["s3://bucket/in/", "127.0.0.1:\(port)", "given up after"] {
      #expect(submit.errors.contains(text), "\(submit.errors)")
    }
    #expect(try await jobCount(fleet) == 0)

    let run = try Program(
      ["run"] + arguments("s3://bucket/in/", fleet.sandbox), in: fleet.sandbox,
      environment: dead)
    #expect(await run.wait(.seconds(30)) == 1, "\(run.errors)")
    #expect(run.errors.contains("127.0.0.1:\(port)"), "\(run.errors)")
    #expect(Publication.isEmpty(fleet.sandbox.path("out")))
  }
}
