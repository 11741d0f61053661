import Foundation
import Testing

/// `verify --rescore` scores shards of a published folder again and finds what no digest can.
@Suite struct RescoreTests {
  struct Form: Sendable, CustomTestStringConvertible {
    var format: String
    var compression: String
    var testDescription: String { "\(format) \(compression)" }
  }

  static let forms = ["jsonl", "csv", "parquet", "arrow"].flatMap { format in
    ["none", "zstd"].map { Form(format: format, compression: $0) }
  }

  /// Two inputs, the second compressed; the first has two shards of 64 blocks.
  private func table(_ sandbox: Sandbox, badRows: Set<Int> = [5, 3_000, 8_999]) throws
    -> ReplayTable
  {
    try ReplayTable(sandbox, rowCounts: [9_000, 60], badRows: badRows)
  }

  private func publish(_ table: ReplayTable, _ form: Form) async throws -> String {
    // Numbers that are text in the table are text in the columns of the results too.
    try await table.publish(
      "out", ["--format", form.format, "--compression", form.compression, "--key-field", "id"])
  }

  /// Runs `verify` and answers what it printed as JSON.
  private func verify(
    _ folder: String, _ options: [String], in sandbox: Sandbox, environment: [String: String] = [:]
  ) async throws -> (status: Int32?, finding: Finding) {
    let program = try Program(
      ["verify", folder, "--output", "json"] + options, in: sandbox, environment: environment)
    let status = await program.wait()
    guard let finding = try? JSONDecoder().decode(Finding.self, from: Data(program.output.utf8))
    else { throw TestFailure("verify \(options): \(program.output) \(program.errors)") }
    return (status, finding)
  }

  /// Every change of a row is found in every format: by the digests, by the counts where a forger
  /// made the digests fit, and by scoring again where the counts fit too.
  @Test(arguments: forms) func everyChangeIsFound(form: Form) async throws {
    let sandbox = try Sandbox()
    let folder = try await publish(try table(sandbox), form)
    let sound = try await verify(folder, ["--rescore", "100%"], in: sandbox)
    #expect(sound.status == 0 && sound.finding.problems == [], "\(sound.finding.problems)")
    let rescored = try #require(sound.finding.rescored)
    #expect(rescored.shards == [0, 1, 2] && rescored.shardCount == 3)
    #expect(rescored.recordCount == 9_060 && rescored.differenceCount == 0)

    try await script("forge_output.py", [folder], in: sandbox)
    for change in ["flip", "swap", "drop", "repeat"] {
      let plain = try await verify("\(folder)-\(change)", [], in: sandbox)
      #expect(plain.status == 1)
      #expect(plain.finding.problems.contains { $0.contains("SHA-256") }, "\(change)")

      let forged = "\(folder)-\(change)-forged"
      let digests = try await verify(forged, [], in: sandbox)
      if change == "drop" || change == "repeat" {
        #expect(digests.status == 1)
        let words = "has \(change == "drop" ? 9_055 : 9_057) records, the receipt says 9056"
        #expect(digests.finding.problems.contains { $0.contains(words) }, "\(digests.finding)")
        continue
      }
      #expect(digests.status == 0, "\(change): \(digests.finding.problems)")
      let again = try await verify(forged, ["--rescore", "100%", "--skip-inputs"], in: sandbox)
      #expect(again.status == 1)
      try expect(again.finding, change, form)
      let other = try await verify(forged, ["--shards", "2"], in: sandbox)
      #expect(other.status == 0 && other.finding.rescored?.recordCount == 60)
    }
  }

  /// The records with the numbers 41 and 42 of the first file are the ones that were changed.
  private func expect(_ finding: Finding, _ change: String, _ form: Form) throws {
    let report = try #require(finding.rescored)
    let count: UInt64 = change == "flip" ? 1 : 2
    #expect(report.differenceCount == count)
    let differ = count == 1 ? "1 record of 9,060" : "2 records of 9,060"
    #expect(finding.problems.contains { $0.hasPrefix(differ) }, "\(finding.problems)")
    // The header of CSV is no record of it, but one of the lines that were counted.
    let first: UInt64 = form.format == "csv" && form.compression == "none" ? 40 : 41
    #expect(report.differences.map(\.record) == Array((first..<first + count)))
    for difference in report.differences {
      #expect(difference.shard == 0 && difference.file.hasPrefix("prediction.results-00000"))
      #expect(difference.published != difference.rescored)
      #expect(difference.published.contains("r4") && difference.rescored.contains("r4"))
    }
  }

  @Test func aSampleIsTheSameUntilTheSeedIsAnother() async throws {
    let sandbox = try Sandbox()
    let folder = try await publish(try table(sandbox), Form(format: "jsonl", compression: "zstd"))
    var drawn: Set<[Int]> = []
    for seed in 0..<8 {
      let options = ["--rescore", "1%", "--seed", "\(seed)", "--skip-inputs", "--threads", "1"]
      let first = try await verify(folder, options, in: sandbox)
      let again = try await verify(folder, options, in: sandbox)
      #expect(first.finding.rescored?.shards == again.finding.rescored?.shards)
      #expect(first.finding.rescored?.shards.count == 1)
      drawn.insert(first.finding.rescored?.shards ?? [])
    }
    #expect(drawn.count > 1)
    let text = try Program(["verify", folder, "--rescore", "50%"], in: sandbox)
    #expect(await text.wait() == 0)
    #expect(text.output.contains("; 2 of 3 shards scored again ("), "\(text.output)")
  }

  @Test func anotherModelIsRefused() async throws {
    let sandbox = try Sandbox()
    let table = try table(sandbox)
    let model = sandbox.path("model.txt")
    try FileManager.default.copyItem(atPath: TestTable.model, toPath: model)
    let run = try Program(
      [
        "run", "--model", model, "--input", sandbox.path("table-0.csv"), "--output",
        sandbox.path("moved"), "--block-size", "8192", "--quiet",
      ], in: sandbox)
    #expect(await run.wait() == 2, "\(run.errors)")
    _ = table
    let names = try FileManager.default.contentsOfDirectory(atPath: sandbox.path("moved"))
    let folder = sandbox.path("moved/\(try #require(names.first))")
    let sound = try await verify(folder, ["--rescore", "1%"], in: sandbox)
    #expect(sound.status == 0 && sound.finding.rescored?.model == model)
    // Changed in its place, and gone from it.
    try (String(contentsOfFile: model, encoding: .utf8) + "\n")
      .write(toFile: model, atomically: true, encoding: .utf8)
    let changed = try Program(["verify", folder, "--rescore", "1%"], in: sandbox)
    #expect(await changed.wait() == 1)
    #expect(changed.errors.contains("is not the model of"), "\(changed.errors)")
    try FileManager.default.removeItem(atPath: model)
    let missing = try Program(["verify", folder, "--rescore", "1%"], in: sandbox)
    #expect(await missing.wait() == 1)
    #expect(missing.errors.contains("--model names the file if it moved"), "\(missing.errors)")
    let named = try await verify(
      folder, ["--rescore", "1%", "--model", TestTable.model], in: sandbox)
    #expect(named.status == 0)
  }

  @Test func aChangedInputIsRefused() async throws {
    let sandbox = try Sandbox()
    let table = try table(sandbox)
    let folder = try await publish(table, Form(format: "csv", compression: "zstd"))
    let input = table.records[0].path
    var bytes = try Data(contentsOf: URL(fileURLWithPath: input))
    let place = try #require(bytes.lastIndex(of: UInt8(ascii: "A")))
    bytes[place] = UInt8(ascii: "B")
    try bytes.write(to: URL(fileURLWithPath: input))
    let options = ["--rescore", "100%", "--skip-inputs"]
    let changed = try await verify(folder, options, in: sandbox)
    #expect(changed.status == 1)
    #expect(changed.finding.problems.count == 1, "\(changed.finding.problems)")
    #expect(
      changed.finding.problems.first?.contains("is not what shard 1 was scored from") == true)
    try (bytes + [10]).write(to: URL(fileURLWithPath: input))
    let longer = try await verify(folder, options, in: sandbox)
    #expect(longer.status == 1 && longer.finding.rescored?.recordCount == 60)
    #expect(longer.finding.problems.first?.contains("input changed") == true)
  }

  @Test func aChangedErrorRecordIsShown() async throws {
    let sandbox = try Sandbox()
    let folder = try await publish(try table(sandbox), Form(format: "jsonl", compression: "none"))
    let path = "\(folder)/prediction.errors_stats-00000-of-00001.jsonl"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    var lines = text.components(separatedBy: "\n")
    #expect(lines.count == 5)
    lines[2] = lines[2].replacing("column month", with: "column MONTH")
    lines[3] = lines[3].replacing("\"row\":6", with: "\"row\":7")
    try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    let changed = try await verify(folder, ["--rescore", "100%"], in: sandbox)
    #expect(changed.status == 1)
    let differences = try #require(changed.finding.rescored).differences
    // The second line is of the first shard of its input, the third of the second.
    #expect(differences.map(\.record) == [3, 4], "\(differences)")
    #expect(differences.map(\.shard) == [1, 2])
    #expect(differences.allSatisfy { $0.file.contains("errors_stats") })
    #expect(differences.first?.rescored.contains("column month") == true)
  }

  /// A table of one input in which a quoted field spans the bound of its two shards.
  private func tableWithQuotes(_ sandbox: Sandbox) throws -> String {
    let path = sandbox.path("quotes.csv")
    var lines = TestTable.text(rowCount: 9_000, badRows: [5]).components(separatedBy: "\n")
    var byteCount = 0
    let cut = 64 * 8_192
    let place = try #require(
      lines.indices.first { index in
        byteCount += lines[index].utf8.count + 1
        return byteCount > cut - 3_000 && lines[index].hasSuffix(",plain")
      })
    let filling = String(repeating: "1,2\nr5,\n", count: 800)
    lines[place] = lines[place].dropLast(5) + "\"\(filling)\""
    try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  /// A shard that begins between quotes is scored from what the input before it tells.
  @Test func aShardThatBeginsBetweenQuotesIsTheSame() async throws {
    let sandbox = try Sandbox()
    let path = try tableWithQuotes(sandbox)
    let run = try Program(
      [
        "run", "--model", TestTable.model, "--input", path, "--output", sandbox.path("out"),
        "--block-size", "8192", "--quiet", "--compression", "none",
      ], in: sandbox)
    #expect(await run.wait() == 2, "\(run.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: sandbox.path("out"))
    let folder = sandbox.path("out/\(try #require(names.first))")
    let sound = try await verify(folder, ["--shards", "1"], in: sandbox)
    #expect(sound.status == 0, "\(sound.finding)")
    #expect(sound.finding.rescored?.recordCount ?? 0 > 100)
  }

  /// What ended a worker is not scored again in this process.
  @Test func isolatedRecordsAreLeftOut() async throws {
    let sandbox = try Sandbox()
    let table = try table(sandbox)
    let poison = [
      "NIGHTSHIFT_FAILPOINT": "worker.record=crash@r777,|r5000,",
      "SWIFT_BACKTRACE": "enable=no",  // a trace takes seconds
    ]
    let run = try Program(
      [
        "run", "--model", TestTable.model, "--input", table.records[0].path, "--output",
        sandbox.path("out"), "--block-size", "8192", "--quiet", "--workers", "1",
      ], in: sandbox, environment: poison)
    #expect(await run.wait(.seconds(120)) == 2, "\(run.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: sandbox.path("out"))
    let folder = sandbox.path("out/\(try #require(names.first))")
    let again = try await verify(
      folder, ["--rescore", "100%"], in: sandbox, environment: poison)
    #expect(again.status == 0 && again.finding.problems == [], "\(again.finding)")
    #expect(again.finding.rescored?.recordCount == 9_000)
  }

  /// An isolated record has its number from the shard's true begin, which is between quotes.
  @Test func isolatedRecordsAreLeftOutAfterQuotes() async throws {
    let sandbox = try Sandbox()
    let path = try tableWithQuotes(sandbox)
    let poison = [
      "NIGHTSHIFT_FAILPOINT": "worker.record=crash@r8950,", "SWIFT_BACKTRACE": "enable=no",
    ]
    let run = try Program(
      [
        "run", "--model", TestTable.model, "--input", path, "--output", sandbox.path("out"),
        "--block-size", "8192", "--quiet", "--workers", "1",
      ], in: sandbox, environment: poison)
    #expect(await run.wait(.seconds(120)) == 2, "\(run.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: sandbox.path("out"))
    let folder = sandbox.path("out/\(try #require(names.first))")
    let again = try await verify(folder, ["--shards", "1"], in: sandbox, environment: poison)
    #expect(again.status == 0 && again.finding.problems == [], "\(again.finding)")
    #expect(again.finding.rescored?.recordCount ?? 0 > 100)
  }

  /// What is in the way of scoring shards again says nothing of the folder.
  @Test func aShardThatCannotBeScoredIsNoDifference() async throws {
    let sandbox = try Sandbox()
    let table = try table(sandbox)
    let folder = try await publish(table, Form(format: "jsonl", compression: "none"))
    let disk = try SmallDisk(byteCount: 64 << 10)
    _ = try disk.fill(leaving: 0)
    let full = try await verify(
      folder, ["--rescore", "100%"], in: sandbox, environment: ["TMPDIR": disk.path])
    #expect(full.status == 1 && full.finding.problems == [], "\(full.finding)")
    #expect(full.finding.rescored?.notScored.map(\.shard) == [0, 1, 2])
    #expect(full.finding.rescored?.notScored.allSatisfy { $0.reason.contains("No space") } == true)
    #expect(full.finding.obstacle?.hasPrefix("3 of 3 shards could not be scored again") == true)
    withExtendedLifetime(disk) {}

    try FileManager.default.removeItem(atPath: table.records[0].path)
    let gone = try await verify(folder, ["--rescore", "100%"], in: sandbox)
    #expect(gone.status == 1 && gone.finding.problems == [], "\(gone.finding)")
    #expect(gone.finding.rescored?.notScored.map(\.shard) == [0, 1])
    #expect(gone.finding.rescored?.recordCount == 60)
    let text = try Program(["verify", folder, "--rescore", "100%"], in: sandbox)
    #expect(await text.wait() == 1)
    #expect(text.output.contains("; 1 of 3 shards scored again (60 records): the same"))
    #expect(text.errors.contains("2 of 3 shards could not be scored again: shard 0: "))
  }

  /// What the folder itself has shown is told even where nothing can be scored again.
  @Test func whatWasFoundIsToldWithoutErrorRecords() async throws {
    let sandbox = try Sandbox()
    let folder = try await publish(try table(sandbox), Form(format: "jsonl", compression: "none"))
    let name = "prediction.errors_stats-00000-of-00001.jsonl"
    let path = URL(fileURLWithPath: "\(folder)/\(name)")
    try Data(contentsOf: path).prefix(20).write(to: path)
    let short = try await verify(folder, ["--rescore", "100%"], in: sandbox)
    try FileManager.default.removeItem(at: path)
    let gone = try await verify(folder, ["--rescore", "100%"], in: sandbox)
    for (status, finding) in [short, gone] {
      #expect(status == 1 && finding.problems.contains { $0.hasPrefix(name) }, "\(finding)")
      #expect(finding.obstacle?.hasPrefix("nothing is scored again: ") == true, "\(finding)")
    }
  }

  /// Digests of columnar inputs are those of values: their time of change tells, and scoring again.
  @Test func aChangedColumnarInputIsFound() async throws {
    let sandbox = try Sandbox()
    let tables = sandbox.path("table")
    try await script("format_matrix.py", ["make", tables], in: sandbox)
    let input = "\(tables)/parquet/zstd.parquet"
    let run = try Program(
      [
        "run", "--model", TestTable.model, "--input", input, "--output", sandbox.path("out"),
        "--quiet",
      ], in: sandbox)
    #expect(await run.wait() == 0, "\(run.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: sandbox.path("out"))
    let folder = sandbox.path("out/\(try #require(names.first))")
    #expect(try await verify(folder, ["--rescore", "100%"], in: sandbox).status == 0)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: input))
    try bytes.write(to: URL(fileURLWithPath: input))
    let touched = try await verify(folder, [], in: sandbox)
    #expect(touched.status == 1)
    #expect(touched.finding.problems.first?.contains("was changed at") == true)
    let again = try await verify(folder, ["--rescore", "100%", "--skip-inputs"], in: sandbox)
    #expect(again.status == 0, "the values are the same: \(again.finding)")
  }

  @Test func aDatabaseIsRefusedWithWhatCanBeChecked() async throws {
    let sandbox = try Sandbox()
    let program = try Program(
      ["verify", "postgresql://localhost/scores?table=t", "--rescore", "10%"], in: sandbox)
    #expect(await program.wait() == 64)
    #expect(program.errors.contains("nightshift_commits"), "\(program.errors)")
  }
}

/// What `verify --output json` prints, as far as the tests look at it.
private struct Finding: Decodable {
  struct Difference: Decodable {
    var shard: Int
    var file: String
    var record: UInt64
    var published: String
    var rescored: String
  }
  struct NotScored: Decodable {
    var shard: Int
    var reason: String
  }
  struct Report: Decodable {
    var shards: [Int]
    var notScored: [NotScored]
    var shardCount: Int
    var recordCount: UInt64
    var differenceCount: UInt64
    var differences: [Difference]
    var model: String
  }

  var problems: [String]
  var rescored: Report?
  var obstacle: String?
}
