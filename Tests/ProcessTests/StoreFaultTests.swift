import Foundation
import Glibc
import Testing

/// What goes wrong with stores while the real program runs: processes are killed, objects change,
/// endpoints are dead.
@Suite struct StoreFaultTests {
  private let servers = StoreServers.shared

  @Test(arguments: [
    "coordinator.committed=kill@6", "coordinator.merging=kill@2", "coordinator.publishing=kill",
    "coordinator.published=kill",
  ])
  func aKilledCoordinatorChangesNothing(failpoint: String) async throws {
    let fleet = try await TestFleet(
      store: servers, environment: ["NIGHTSHIFT_FAILPOINT": failpoint])
    let expected = try await fleet.undisturbed()
    let worker = try fleet.startWorker()
    let submit = try fleet.submit()
    #expect(
      await fleet.coordinator.wait(.seconds(30)) == 128 + SIGKILL, "\(fleet.coordinator.errors)")
    try await fleet.restartCoordinator()
    #expect(await submit.wait() == 2, "\(submit.errors) \(fleet.coordinator.errors)")
    try await expectOnly(expected, of: fleet)
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }

  @Test(arguments: ["worker.sending=kill@2", "worker.sent=kill@2"])
  func aKilledWorkerChangesNothing(failpoint: String) async throws {
    let fleet = try await TestFleet(store: servers)
    let expected = try await fleet.undisturbed()
    let victim = try fleet.startWorker(environment: ["NIGHTSHIFT_FAILPOINT": failpoint])
    let submit = try fleet.submit()
    #expect(await victim.wait(.seconds(30)) == 128 + SIGKILL, "\(victim.errors)")
    let worker = try await fleet.startJoinedWorker()
    #expect(
      await submit.wait() == 2, "\(submit.output) \(submit.errors) \(fleet.coordinator.errors)")
    try await expectOnly(expected, of: fleet)
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }

  /// Expects a publication, and soon after it nothing else below the output.
  private func expectOnly(_ expected: Publication, of fleet: TestFleet) async throws {
    #expect(try fleet.published() == expected)
    let isClean = await waitUntil(.seconds(10)) { (try? fleet.leftovers().isEmpty) == true }
    #expect(isClean)
  }

  @Test func anObjectThatIsReplacedStopsTheJob() async throws {
    let fleet = try await TestFleet(store: servers, readsStore: true)
    let submit = try fleet.submit()
    #expect(await waitUntil(.seconds(20)) { fleet.coordinator.errors.contains("PENDING") })
    let text = try String(contentsOfFile: fleet.table, encoding: .utf8)
    try text.replacingOccurrences(of: "plain", with: "PLAIN")
      .write(toFile: fleet.table, atomically: true, encoding: .utf8)
    try servers.put(fleet.table, at: String(fleet.input.dropFirst("s3://bucket/".count)))
    let worker = try fleet.startWorker()
    #expect(await submit.wait() == 1)
    #expect(submit.output.contains("input changed: \(fleet.input)"), "\(submit.output)")
    #expect(throws: TestFailure.self) { try fleet.published() }
    let isClean = await waitUntil(.seconds(10)) { (try? fleet.leftovers().isEmpty) == true }
    #expect(isClean)
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }

  @Test func aStoreWithoutConditionsIsWarnedOf() async throws {
    let sandbox = try Sandbox()
    let input = sandbox.path("table.csv")
    try TestTable.text(rowCount: 50).write(toFile: input, atomically: true, encoding: .utf8)
    let arguments = [
      "run", "--model", TestTable.model, "--input", input, "--output", "s3://bucket/warned",
      "--compression", "none",
    ]
    for (variables, isWarned) in [
      (servers.unconditionalVariables, true), (servers.variables, false),
    ] {
      let state = sandbox.path("state-\(isWarned)")
      let run = try Program(arguments + ["--state", state], in: sandbox, environment: variables)
      #expect(await run.wait() == 0, "\(run.errors)")
      #expect(run.errors.contains("does not heed If-None-Match") == isWarned, "\(run.errors)")
    }
  }

  /// Also what `--compression none` leaves empty: the file of error records.
  @Test func googleTakesAnEmptyObject() async throws {
    let sandbox = try Sandbox()
    let input = sandbox.path("table.csv")
    try TestTable.text(rowCount: 50).write(toFile: input, atomically: true, encoding: .utf8)
    let run = try Program(
      [
        "run", "--model", TestTable.model, "--input", input, "--output", "gs://bucket/empty",
        "--compression", "none", "--state", sandbox.path("state"),
      ], in: sandbox, environment: servers.variables)
    #expect(await run.wait() == 0, "\(run.errors)")
    let keys = try servers.keys(below: "empty/", in: .google)
    let errors = try #require(keys.first { $0.contains("prediction.errors_stats") }, "\(keys)")
    #expect(try servers.get(errors, in: .google).isEmpty)
  }

  @Test func aDeadStoreIsSaidAndLeftAtASignal() async throws {
    let sandbox = try Sandbox()
    let input = sandbox.path("table.csv")
    try TestTable.text(rowCount: 50).write(toFile: input, atomically: true, encoding: .utf8)
    let variables = servers.variables.merging(["AWS_ENDPOINT_URL": "http://127.0.0.1:1"]) { $1 }
    let run = try Program(
      [
        "run", "--model", TestTable.model, "--input", input, "--output", "s3://bucket/dead",
        "--state", sandbox.path("state"),
      ], in: sandbox, environment: variables)
    #expect(await waitUntil(.seconds(30)) { run.errors.contains("retrying ") }, "\(run.errors)")
    #expect(run.errors.contains("http://127.0.0.1:1: Couldn't connect"), "\(run.errors)")
    run.signal(SIGTERM)
    #expect(await run.wait(.seconds(10)) == 128 + SIGTERM, "\(run.errors)")
  }

  /// An object of many pieces, cut into leases in the middle of records.
  @Test func aLargeObjectTakesFewRequests() async throws {
    let sandbox = try Sandbox()
    let input = sandbox.path("large.csv")
    let lines = TestTable.text(rowCount: 6_000).split(
      separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
    try "\(lines[0])\n".write(toFile: input, atomically: true, encoding: .utf8)
    let file = try #require(FileHandle(forWritingAtPath: input))
    try file.seekToEnd()
    for _ in 0..<125 { try file.write(contentsOf: Data(lines[1].utf8)) }
    let byteCount = try file.offset()
    try file.close()
    #expect(byteCount > 40 << 20)
    try servers.put(input, at: "large.csv")
    var contents: [Data] = []
    for (number, uri) in [input, "s3://bucket/large.csv"].enumerated() {
      let output = sandbox.path("out-\(number)")
      let run = try Program(
        [
          "run", "--model", TestTable.model, "--input", uri, "--output", output, "--key-field",
          "id", "--compression", "none", "--workers", "1", "--quiet",
        ], in: sandbox, environment: servers.brokenVariables)
      #expect(await run.wait(.seconds(60)) == 0, "\(run.errors)")
      let files = try Publication(below: output).files.sorted { $0.key < $1.key }
      contents.append(files.reduce(into: Data()) { $0 += $1.value })
    }
    #expect(contents[0] == contents[1])
    let count = try servers.ranges("GET .*large.csv").count
    #expect(count < 40, "\(count) requests for \(byteCount >> 20) MiB")
  }
}
