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
    try await fleet.endJobOfKilledCoordinator()
  }

  @Test(arguments: ["worker.sending=kill@2", "worker.sent=kill@2"])
  func aKilledWorkerChangesNothing(failpoint: String) async throws {
    let fleet = try await TestFleet(store: servers)
    try await fleet.endJobOfKilledWorker(failpoint: failpoint)
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
    try await fleet.expectNothingLeft()
    await fleet.end(worker)
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
    let leaseCount = try Self.leaseCount(below: sandbox.path("out-1"))
    // Planning takes four and the header one; a lease one where it begins, those of its pieces,
    // and for its last record some of 64 KiB, then 128, until it has the 512 KiB it reads at once.
    let ranges = try servers.ranges("GET .*large.csv").map { try #require($0) }
    let pieceCount = Int(byteCount >> 23)
    let allowed = pieceCount...(pieceCount + 5 + 6 * leaseCount)
    #expect(allowed.contains(ranges.count), "\(leaseCount) leases: \(ranges)")
    let asked = ranges.reduce(0) { $0 + Self.byteCount(of: $1) }
    let most = byteCount + UInt64(leaseCount + 1) << 20
    #expect((byteCount...most).contains(asked), "\(asked) bytes, \(leaseCount) leases: \(ranges)")
  }

  /// How many leases the receipt of a publication tells of: slow machines take more of them.
  private static func leaseCount(below output: String) throws -> Int {
    struct Receipt: Decodable {
      struct Execution: Decodable {
        let leases: Int
      }
      let execution: Execution
    }
    let folders = try FileManager.default.contentsOfDirectory(atPath: output)
    let folder = try #require(folders.first { $0.hasPrefix("prediction-") })
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(output)/\(folder)/receipt.json"))
    return try JSONDecoder().decode(Receipt.self, from: data).execution.leases
  }

  /// The bytes of a range such as `bytes=0-63`.
  private static func byteCount(of range: String) -> UInt64 {
    let ends = range.dropFirst("bytes=".count).split(separator: "-").compactMap { UInt64($0) }
    return ends.count == 2 ? ends[1] - ends[0] + 1 : 0
  }
}
