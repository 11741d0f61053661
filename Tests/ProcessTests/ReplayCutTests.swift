import Foundation
import Testing

/// `replay` begins at the record's shard in every format, and knows filters and partitions.
@Suite struct ReplayCutTests {
  /// What `replay --output json` prints.
  struct Replayed: Decodable {
    struct Input: Decodable {
      var shard: Int
      var text: String
    }
    struct Feature: Decodable, Equatable {
      var input: String
      var value: Double?
      var meaning: String
    }
    struct Published: Decodable {
      var isError: Bool
      var line: String
    }
    var input: Input
    var features: [Feature]
    var rawScores: [Double]
    var published: Published?
    var rescored: String
    var isSame: Bool
    var remarks: [String]
  }

  private static let rowCount = 6_000

  private func publish(
    _ inputs: [String], _ name: String, _ options: [String], in sandbox: Sandbox
  ) async throws -> String {
    let output = sandbox.path(name)
    let run = try Program(
      ["run", "--model", TestTable.model, "--output", output, "--block-size", "2048", "--quiet"]
        + ["--compression", "none", "--workers", "1", "--input"] + inputs + options, in: sandbox)
    let status = await run.wait()
    #expect(status == 0 || status == 2, "\(run.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: output)
    return "\(output)/\(try #require(names.first { $0.hasPrefix("prediction-") }))"
  }

  private func replay(
    _ folder: String, _ row: Int, status: Int32 = 0, in sandbox: Sandbox
  ) async throws -> Replayed {
    let program = try Program(
      ["replay", folder, "--row", "\(row)", "--model", TestTable.model, "--output", "json"],
      in: sandbox)
    #expect(await program.wait() == status, "row \(row): \(program.output) \(program.errors)")
    return try JSONDecoder().decode(Replayed.self, from: Data(program.output.utf8))
  }

  private func lines(_ folder: String) throws -> [String] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    return try names.filter { $0.hasPrefix("prediction.results") }.flatMap { name in
      try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
        .split(separator: "\n").map(String.init)
    }
  }

  private func tables(in sandbox: Sandbox) async throws -> String {
    let csv = sandbox.path("plain.csv")
    try TestTable.text(rowCount: Self.rowCount).write(
      toFile: csv, atomically: true, encoding: .utf8)
    let folder = sandbox.path("tables")
    try await script("replay_inputs.py", [csv, folder], in: sandbox)
    return folder
  }

  @Test(arguments: [
    "table.csv", "table.csv.gz", "table.csv.zst", "table.parquet", "table.orc", "table.arrow",
  ])
  func aRecordOfALateShardNeedsNoneBeforeIt(name: String) async throws {
    let sandbox = try Sandbox()
    let input = "\(try await tables(in: sandbox))/\(name)"
    let plain = try await publish(
      [sandbox.path("plain.csv")], "plain", ["--key-field", "id"], in: sandbox)
    let folder = try await publish([input], "out", ["--key-field", "id"], in: sandbox)
    let published = try lines(folder)
    #expect(published.count == Self.rowCount)
    for row in [0, 7, 1_023, 3_333, Self.rowCount - 1] {
      let found = try await replay(folder, row, in: sandbox)
      #expect(found.isSame && found.rescored == published[row], "row \(row)")
      let expected = try await replay(plain, row, in: sandbox)
      #expect(found.features == expected.features, "row \(row)")
      #expect(found.rawScores == expected.rawScores && found.rawScores.count == 1)
    }
    let last = try await replay(folder, Self.rowCount - 1, in: sandbox)
    #expect(last.input.shard > 0)
    // What comes before the record's shard is not even looked at.
    var bytes = try Data(contentsOf: URL(fileURLWithPath: input))
    for index in 600..<700 { bytes[index] ^= 0x15 }
    try bytes.write(to: URL(fileURLWithPath: input))
    let again = try await replay(folder, Self.rowCount - 1, in: sandbox)
    #expect(again.isSame && again.remarks.contains { $0.contains("was changed at") })
    // Of Arrow the bytes may be those of a column that is not read.
    guard name != "table.arrow" else { return }
    let early = try Program(
      ["replay", folder, "--row", "3", "--model", TestTable.model], in: sandbox)
    #expect(await early.wait() == 1, "\(early.output)")
  }

  /// A shard that begins between quotes is read from the input's begin in the end.
  @Test func aFieldAcrossTheShardsBegin() async throws {
    let sandbox = try Sandbox()
    let path = sandbox.path("long.csv")
    let note = ",\"" + String(repeating: "a,b\n", count: 700) + "\"\n"
    let text = TestTable.text(rowCount: 400, badRows: [3, 200]).replacing(",plain\n", with: note)
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    let folder = try await publish(
      [path], "out", ["--key-field", "id", "--error-threshold", "9"], in: sandbox)
    var shards: Set<Int> = []
    for row in [0, 3, 60, 120, 199, 200, 201, 280, 399] {
      let found = try await replay(folder, row, in: sandbox)
      #expect(found.isSame && found.input.text.hasPrefix("r\(row),"), "row \(row)")
      #expect(found.published?.isError == (row == 3 || row == 200))
      shards.insert(found.input.shard)
    }
    #expect(shards.count > 4)
  }

  @Test(arguments: ["table.csv", "table.csv.zst", "table.parquet", "sorted.parquet"])
  func aFilterLeavesRecordsOut(name: String) async throws {
    let sandbox = try Sandbox()
    let input = "\(try await tables(in: sandbox))/\(name)"
    let folder = try await publish(
      [input], "out", ["--key-field", "distance", "--filter", "distance < 700"], in: sandbox)
    let published = try lines(folder)
    var (keptCount, leftOutCount, prunedCount) = (0, 0, 0)
    for row in [0, 5, 599, 600, 601, 1_499, 1_500, 1_501, 2_400, 2_999, 4_000, 5_999] {
      let found = try await replay(folder, row, in: sandbox)
      #expect(found.isSame, "row \(row)")
      guard let line = found.published?.line else {
        #expect(found.remarks.contains { $0.contains("the filter leaves the record out") })
        #expect(found.rescored.isEmpty)
        leftOutCount += 1
        prunedCount += found.remarks.contains { $0.contains("statistics") } ? 1 : 0
        continue
      }
      keptCount += 1
      #expect(line == found.rescored && published.contains(line))
      // `distance` is 100 + row % 2400: what comes before is known where it is not sorted.
      guard name != "sorted.parquet" else { continue }
      let number = (0..<row).count { $0 % 2_400 < 600 }
      #expect(published[number] == line, "row \(row)")
    }
    #expect(keptCount > 2 && leftOutCount > 2)
    #expect(name != "sorted.parquet" || prunedCount > 2)
  }

  @Test func partitionsAreColumns() async throws {
    let sandbox = try Sandbox()
    let text = TestTable.text(rowCount: 900)
    for region in ["7", "S%C3%BCd"] {
      let folder = sandbox.path("t/region=\(region)/date=2024-02-29")
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try text.write(toFile: folder + "/a.csv", atomically: true, encoding: .utf8)
    }
    for format in ["jsonl", "parquet"] {
      let folder = try await publish(
        [sandbox.path("t")], format,
        ["--hive-partitioning", "--instance-type", "object", "--format", format], in: sandbox)
      for (row, region) in [(0, "7"), (899, "7"), (900, "Süd"), (1_700, "Süd")] {
        let found = try await replay(folder, row, in: sandbox)
        #expect(found.isSame && found.rescored.contains(region), "row \(row): \(found.rescored)")
        #expect(found.rescored.contains("2024-02-29"))
      }
    }
  }
}
