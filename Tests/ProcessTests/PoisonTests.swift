import Foundation
import Glibc
import Testing

/// Records that end, stop or fill the process which scores them: each is an error record in the end,
/// and all others are what they would have been.
@Suite struct PoisonTests {
  /// Rows of the table, which all lie in one shard.
  private static let rowCount = 6_000

  @Test(arguments: [
    // One in the middle; two in one block of about a hundred rows; the first and the last.
    ("crash", [777]), ("crash", [2_010, 2_030]), ("crash", [0, 5_999]),
  ])
  func aRecordThatCrashesIsIsolated(action: String, rows: [Int]) async throws {
    try await isolate(action, rows: rows, message: "crashed with signal 11")
  }

  @Test func aRecordThatHangsIsIsolated() async throws {
    try await isolate(
      "hang", rows: [5_100], message: "no progress for 0.5 s", options: ["--stall-time", "0.5"])
  }

  @Test func aRecordThatTakesAllMemoryIsIsolated() async throws {
    try await isolate(
      "memory", rows: [40], message: "over the memory limit of 64 MiB",
      workerOptions: ["--suspect-memory", "64"])
  }

  /// Every lease is scored apart from the start, so that only the search itself takes time.
  private func isolate(
    _ action: String, rows: [Int], message: String, options: [String] = [],
    workerOptions: [String] = []
  ) async throws {
    let fleet = try await TestFleet(
      rowCount: Self.rowCount, options: ["--charge-limit", "0"] + options)
    if rows.count == 1 { fleet.compression = "none" }
    let expected = try await reference(rows, of: fleet)
    let worker = try fleet.startWorker(
      workerOptions, environment: Self.poison(action, rows))
    let submit = try fleet.submit()
    #expect(await submit.wait() == 2, "\(submit.errors) \(worker.errors)")
    try expect(fleet, is: expected, without: rows, message)
    let limit = rows.count * Self.runLimit
    let runs = Self.runCounts(in: worker.errors)
    #expect(runs.max() ?? 0 > 1 && runs.reduce(0, +) <= limit, "\(runs): \(worker.errors)")
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }

  /// 2·log2(records) + 3.
  private static let runLimit = 2 * 13 + 3

  private static func poison(_ action: String, _ rows: [Int]) -> [String: String] {
    let texts = rows.map { "r\($0)," }.joined(separator: "|")
    return ["NIGHTSHIFT_FAILPOINT": "worker.record=\(action)@\(texts)"]
  }

  /// Processes apart that each lease took, as the worker says.
  private static func runCounts(in text: String) -> [Int] {
    text.split(separator: "\n").compactMap { line in
      line.firstRange(of: "processes apart: ").flatMap { range in
        Int(line[range.upperBound...].prefix { $0.isNumber })
      }
    }
  }

  /// What an undisturbed process makes of the table in which the rows cannot be scored, byte for
  /// byte as long as before.
  private func reference(_ rows: [Int], of fleet: TestFleet) async throws -> Publication {
    var lines = try String(contentsOfFile: fleet.table, encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    for row in rows {
      let place = try #require(lines.firstIndex { $0.hasPrefix("r\(row),") })
      var fields = lines[place].split(separator: ",", omittingEmptySubsequences: false)
        .map(String.init)
      fields[1] = String(repeating: "x", count: fields[1].count)
      lines[place] = fields.joined(separator: ",")
    }
    let path = fleet.sandbox.path("reference.csv")
    try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    return try await fleet.undisturbed(path)
  }

  /// The results are the reference's bytes; the errors, where they can be read, name the rows and
  /// the reason.
  private func expect(
    _ fleet: TestFleet, is expected: Publication, without rows: [Int], _ message: String
  ) throws {
    let published = try fleet.published()
    #expect(Self.results(published) == Self.results(expected))
    guard fleet.compression == "none" else { return }
    let errors = published.files.filter { $0.key.contains("errors") }.values
      .map { String(decoding: $0, as: UTF8.self) }.joined()
    for row in rows {
      let line = errors.split(separator: "\n").first { $0.contains("\"instance\":\"r\(row),") }
      let text = try #require(line.map(String.init), "row \(row) is no error: \(errors)")
      #expect(text.contains("\"code\":\"SCORING_CRASHED\""))
      #expect(text.contains("\"message\":\"\(message)\""), "\(text)")
      #expect(text.contains("\"source\":\"\(fleet.table)\""))
      #expect(text.contains("\"row\":\(row + 1),"), "rows count from 1")
      #expect(text.contains("\"offset\":"))
    }
    #expect(errors.split(separator: "\n").count == rows.count + 2, "and the two bad ones")
  }

  private static func results(_ publication: Publication) -> [String: Data] {
    publication.files.filter { !$0.key.contains("errors") }
  }

  // MARK: From the first death on

  /// Nobody knows of the record at first: workers die of it, others take their place, and in the end
  /// it is isolated.
  @Test func workersThatDieOfARecordAreReplaced() async throws {
    let fleet = try await TestFleet(
      rowCount: Self.rowCount, options: ["--lease-duration", "1", "--heartbeat-interval", "0.2"])
    fleet.compression = "none"
    let expected = try await reference([777], of: fleet)
    let submit = try fleet.submit()
    var workers: [Program] = []
    while submit.process.isRunning, workers.count < 40 {
      let worker = try fleet.startWorker(environment: Self.poison("crash", [777]))
      workers.append(worker)
      _ = await waitUntil(.seconds(30)) {
        !worker.process.isRunning || !submit.process.isRunning
      }
    }
    #expect(await submit.wait() == 2, "\(submit.errors) \(fleet.coordinator.errors)")
    #expect(workers.count > 3 && workers.count < 15, "\(workers.count) workers")
    try expect(fleet, is: expected, without: [777], "crashed with signal 11")
    #expect(fleet.coordinator.errors.contains("it is scored in a process apart from now on"))
    workers.last?.signal(SIGTERM)
    #expect(await workers.last?.wait(.seconds(25)) == 0)
  }

  /// `run` knows the deaths of its workers at once: nobody waits for their leases to run out.
  @Test func aRunIsolatesARecordThatKillsAtOnceInSeconds() async throws {
    let sandbox = try Sandbox()
    let table = sandbox.path("table.csv")
    try TestTable.text(rowCount: Self.rowCount, badRows: [5]).write(
      toFile: table, atomically: true, encoding: .utf8)
    let run = try Program(
      [
        "run", "--model", TestTable.model, "--input", table, "--output", sandbox.path("out"),
        "--workers", "1", "--quiet", "--compression", "none", "--key-field", "id",
        "--log-level", "info",
      ], in: sandbox,
      environment: Self.poison("crash", [40, 777])
        .merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 })  // a trace takes seconds
    #expect(await run.wait(.seconds(120)) == 2, "\(run.errors)")
    // Not that it fell silent, which takes ten seconds to be known, nine times.
    #expect(
      run.errors.contains("failed 3 times, the last time because its worker died of signal 11"),
      "\(run.errors)")
    let published = try Publication(below: sandbox.path("out"))
    let errors = published.files.filter { $0.key.contains("errors") }.values
      .map { String(decoding: $0, as: UTF8.self) }.joined()
    #expect(errors.components(separatedBy: "SCORING_CRASHED").count == 3, "\(errors)")
    #expect(errors.split(separator: "\n").count == 3)
  }

  /// A worker that hangs at a record is told so, leaves, and costs its shard a charge.
  @Test func workersThatHangAtARecordLeave() async throws {
    let fleet = try await TestFleet(
      rowCount: Self.rowCount, options: ["--stall-time", "0.6", "--charge-limit", "1"])
    fleet.compression = "none"
    let expected = try await reference([4_000], of: fleet)
    let submit = try fleet.submit()
    let first = try fleet.startWorker(environment: Self.poison("hang", [4_000]))
    #expect(await first.wait(.seconds(30)) == 1, "\(first.errors)")
    #expect(first.errors.contains("keeps a thread"), "\(first.errors)")
    let second = try fleet.startWorker(environment: Self.poison("hang", [4_000]))
    #expect(await submit.wait() == 2, "\(submit.errors) \(fleet.coordinator.errors)")
    try expect(fleet, is: expected, without: [4_000], "no progress for 0.6 s")
    second.signal(SIGTERM)
    #expect(await second.wait(.seconds(25)) == 0)
  }
}
