import Foundation
import Glibc
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

  /// Where the errors are to go is looked at before anything is scored.
  @Test func errorsThatCanGoNowhereAreRefused() async throws {
    let sandbox = try Sandbox()
    let port = try TestFleet.freePorts()
    let dead = StoreServers.variables(port).merging(Self.timing) { $1 }
    let input = sandbox.path("table.csv")
    try TestTable.text(rowCount: 5).write(toFile: input, atomically: true, encoding: .utf8)
    for (errors, output, words) in [
      ("ftp://host/errors", sandbox.path("out"), "ftp:// is not supported"),
      ("s3://bucket/errors", sandbox.path("out"), "127.0.0.1:\(port)"),
      ("/var/errors", "sqlite://\(sandbox.path("x.db"))?table=t", "one of its tables"),
    ] {
      let run = try Program(
        [
          "run", "--model", TestTable.model, "--input", input, "--output", output, "--errors",
          errors, "--quiet", "--state", sandbox.path("state"),
        ], in: sandbox, environment: dead)
      #expect(await run.wait(.seconds(30)) != 0, "\(errors)")
      #expect(run.errors.contains(words), "\(errors): \(run.errors)")
      #expect(!FileManager.default.fileExists(atPath: sandbox.path("state")), "\(run.errors)")
      #expect(Publication.isEmpty(sandbox.path("out")))
    }
  }

  /// A coordinator that is stopped while it plans says nothing of the job by that, whether the job
  /// is only asked for or taken in already.
  @Test(arguments: [false, true]) func stoppingFailsNoPlanning(isTakenIn: Bool) async throws {
    let sandbox = try Sandbox()
    let servers = try StoreServers()
    let table = sandbox.path("store.csv")
    try TestTable.text(rowCount: 500).write(toFile: table, atomically: true, encoding: .utf8)
    try servers.put(table, at: "in/table.csv")
    let taken = ["NIGHTSHIFT_FAILPOINT": "coordinator.planning=kill"]
    let fleet = try await TestFleet(
      rowCount: 1, environment: isTakenIn ? taken.merging(servers.variables) { $1 } : [:])
    var submit: Program?
    if isTakenIn {
      submit = try fleet.client(["submit"] + arguments("s3://bucket/in/", sandbox))
    } else {
      fleet.coordinator.signal(SIGKILL)
    }
    #expect(await fleet.coordinator.wait(.seconds(30)) == 128 + SIGKILL)
    try servers.rule(
      #"{"match": "list-type=2", "times": 100000, "fault": "status", "status": 503, "#
        + #""code": "SlowDown"}"#)
    // So short a pause that the planning ends before its process does.
    try await fleet.restartCoordinator(
      environment: servers.brokenVariables.merging(["NIGHTSHIFT_STORE_PAUSE_SECONDS": "0.01"]) {
        $1
      })
    let waiting =
      try submit ?? fleet.client(["submit"] + arguments("s3://bucket/in/", sandbox))
    #expect(
      await waitUntil(.seconds(30)) { fleet.coordinator.errors.contains("retrying GET") },
      "\(fleet.coordinator.errors)")
    fleet.coordinator.signal(SIGTERM)
    #expect(await fleet.coordinator.wait(.seconds(10)) == 0, "\(fleet.coordinator.errors)")
    #expect(!fleet.coordinator.errors.contains("FAILED"), "\(fleet.coordinator.errors)")
    try await fleet.restartCoordinator(environment: servers.variables)
    #expect(await waiting.wait(.seconds(30)) == 0, "\(waiting.errors)")
    #expect(
      await waitUntil(.seconds(20)) { fleet.coordinator.errors.contains("PENDING") },
      "\(fleet.coordinator.errors)")
    #expect(try await jobCount(fleet) == 1)
  }

  /// Names in a folder of the coordinator's state.
  private func names(_ folder: String, _ fleet: TestFleet) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: "\(fleet.sandbox.state)/\(folder)")) ?? []
  }

  /// A job that is cancelled while a restarted coordinator plans it again has no work to come.
  @Test func aJobCancelledWhileItIsPlannedAgainLeavesNothing() async throws {
    let sandbox = try Sandbox()
    let servers = try StoreServers()
    let table = sandbox.path("store.csv")
    try TestTable.text(rowCount: 500).write(toFile: table, atomically: true, encoding: .utf8)
    try servers.put(table, at: "in/table.csv")
    let fleet = try await TestFleet(
      rowCount: 1,
      environment: ["NIGHTSHIFT_FAILPOINT": "coordinator.planning=kill"]
        .merging(servers.variables) { $1 })
    let submit = try fleet.client(["submit"] + arguments("s3://bucket/in/", sandbox))
    #expect(await fleet.coordinator.wait(.seconds(30)) == 128 + SIGKILL)
    try servers.rule(#"{"match": "list-type=2", "times": 1, "fault": "slow", "seconds": 6}"#)
    try await fleet.restartCoordinator(environment: servers.brokenVariables)
    #expect(await submit.wait(.seconds(30)) == 0, "\(submit.errors)")
    let job = submit.output.trimmingCharacters(in: .whitespacesAndNewlines)
    let cancel = try fleet.client(["cancel", job])
    #expect(await cancel.wait(.seconds(20)) == 0, "\(cancel.errors)")
    // It is still being planned: the store has not answered where the input is.
    #expect(try servers.lines("list-type=2").count == 1)
    #expect(try servers.lines("GET .*table.csv").isEmpty)
    #expect(await waitUntil(.seconds(20)) { (try? servers.lines("table.csv").isEmpty) == false })
    try await Task.sleep(for: .seconds(2))
    #expect(names("spool", fleet) == [])
    #expect(await waitUntil(.seconds(5)) { names("models", fleet).isEmpty })
  }

  /// A model that was kept because something was being planned goes when that is refused.
  @Test func aRefusalRemovesUnusedModels() async throws {
    let sandbox = try Sandbox()
    let servers = try StoreServers()
    let fleet = try await TestFleet(rowCount: 50, environment: servers.brokenVariables)
    let submit = try fleet.client(["submit", try fleet.jobFile()])
    #expect(await submit.wait(.seconds(20)) == 0, "\(submit.errors)")
    let job = submit.output.trimmingCharacters(in: .whitespacesAndNewlines)
    #expect(await waitUntil(.seconds(10)) { !names("spool", fleet).isEmpty })
    try servers.rule(#"{"match": "list-type=2", "times": 1, "fault": "slow", "seconds": 4}"#)
    let refused = try fleet.client(["submit"] + arguments("s3://bucket/none/", sandbox))
    #expect(await waitUntil(.seconds(10)) { (try? servers.lines("list-type=2").count) == 1 })
    let cancel = try fleet.client(["cancel", job])
    #expect(await cancel.wait(.seconds(20)) == 0, "\(cancel.errors)")
    #expect(await waitUntil(.seconds(10)) { names("spool", fleet).isEmpty })
    #expect(names("models", fleet).count == 1, "another job is being planned")
    #expect(await refused.wait(.seconds(20)) == 1, "\(refused.errors)")
    #expect(refused.errors.contains("stands for no file"), "\(refused.errors)")
    #expect(await waitUntil(.seconds(5)) { names("models", fleet).isEmpty })
  }
}
