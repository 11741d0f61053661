import Foundation
import Testing

/// `replay` finds one record of a published folder, and makes the same bytes of it again.
@Suite struct ReplayTests {
  /// Two inputs, the second compressed; the first has two shards of 64 blocks.
  private static let rowCounts = [9_000, 60]
  private static let badRows: Set<Int> = [5, 3_000, 8_999]

  struct Form: Sendable, CustomTestStringConvertible {
    var format: String
    var key: [String] = []
    var testDescription: String { ([format] + key).joined(separator: " ") }
  }

  @Test(arguments: [
    Form(format: "jsonl"), Form(format: "csv"), Form(format: "jsonl", key: ["--key-field", "id"]),
    Form(format: "csv", key: ["--key-field", "note"]),
  ])
  func recordsAtBoundsAreTheSame(form: Form) async throws {
    let sandbox = try Sandbox()
    let table = try ReplayTable(sandbox, rowCounts: Self.rowCounts, badRows: Self.badRows)
    let options = ["--format", form.format] + form.key
    let plain = try await table.publish("plain", options + ["--compression", "none"])
    let packed = try await table.publish("packed", options + ["--compression", "zstd"])
    let published = try table.lines(of: plain, isCSV: form.format == "csv")
    let rows = table.boundRows(blockByteCount: 8_192).union([0, 5, 7, 2_999, 3_000, 3_001])
      .union([8_998, 8_999, 9_000, 9_005, table.records.count - 1])
    #expect(rows.count > 15)
    for row in rows.sorted() {
      for folder in [plain, packed] {
        let replay = try await table.replay(folder, row)
        #expect(replay.isSame, "row \(row)")
        #expect(replay.published.line == published[row], "row \(row)")
        #expect(replay.rescored == published[row], "row \(row)")
        let record = table.records[row]
        #expect(replay.input.path == record.path)
        #expect(replay.input.row == record.row + 1)
        #expect(replay.input.byteOffset == record.offset, "row \(row)")
        #expect(replay.input.text == record.text)
        #expect(replay.published.isError == record.isBad)
        #expect(replay.rawScores.count == (record.isBad ? 0 : 1))
      }
    }
  }

  @Test func eachFieldIsShownAsItIsScored() async throws {
    let sandbox = try Sandbox()
    let table = try ReplayTable(sandbox, rowCounts: [900], badRows: [5])
    let folder = try await table.publish("out", [])
    var meanings: Set<String> = []
    for row in [0, 5, 7, 11, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50] {
      let replay = try await table.replay(folder, row)
      let fields = table.records[row].text.components(separatedBy: ",")
      for feature in replay.features {
        let column = try #require(table.columns.firstIndex(of: feature.column))
        #expect(feature.input == feature.column)
        #expect(feature.text == fields[column])
        meanings.insert(feature.meaning)
        switch feature.meaning {
        case "number": #expect(feature.value == Double(fields[column]))
        case "category": #expect(feature.category == fields[column] && feature.value != nil)
        default: #expect(feature.value == nil)
        }
      }
      if let raw = replay.rawScores.first, let prediction = replay.prediction.first {
        #expect(abs(1 / (1 + exp(-raw)) - prediction) < 1e-12)
        #expect(replay.published.line.hasSuffix("\"prediction\":\(prediction)}"))
      }
    }
    #expect(
      meanings.isSuperset(of: ["number", "category", "unseen", "not a number", "unused"]),
      "\(meanings)")
  }

  @Test func anAlteredPredictionIsDifferent() async throws {
    let sandbox = try Sandbox()
    let table = try ReplayTable(sandbox, rowCounts: [300], badRows: [])
    let folder = try await table.publish("out", ["--compression", "none"])
    let path = "\(folder)/prediction.results-00000-of-00001.jsonl"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.contains("\"r41\"") })
    let last = try #require(line.dropLast().last)
    let altered = line.dropLast(2) + (last == "1" ? "2" : "1") + "}"
    try text.replacingOccurrences(of: line, with: altered)
      .write(toFile: path, atomically: true, encoding: .utf8)
    let program = try table.program(folder, 41, ["--output", "json"])
    #expect(await program.wait() == 1)
    let replay = try JSONDecoder().decode(Replay.self, from: Data(program.output.utf8))
    #expect(!replay.isSame)
    #expect(replay.published.line == String(altered))
    #expect(replay.rescored == String(line))
    let shown = try table.program(folder, 41)
    #expect(await shown.wait() == 1)
    #expect(shown.output.hasSuffix("DIFFERENT\n"))
    let neighbour = try table.program(folder, 42)
    #expect(await neighbour.wait() == 0, "\(neighbour.output) \(neighbour.errors)")
  }

  @Test func badInputIsAnErrorWithItsCause() async throws {
    let sandbox = try Sandbox()
    let table = try ReplayTable(sandbox, rowCounts: [300], badRows: [5])
    let folder = try await table.publish("out", [])
    let input = table.records[0].path
    try await fails(table.program(folder, 300), "there is no row 300", "300 records")
    try await fails(table.program(sandbox.folder, 1), "receipt.json")
    try await fails(table.program(folder, 1, model: input), "SHA-256", input)
    try await fails(table.program(folder, 1, model: nil), status: 64, "--model", "SHA-256")
    let results = "\(folder)/prediction.results-00000-of-00001.jsonl.zst"
    let sound = try Data(contentsOf: URL(fileURLWithPath: results))
    var damaged = sound
    damaged[400] ^= 1  // in the text; a bit near the begin may mean nothing
    try damaged.write(to: URL(fileURLWithPath: results))
    try await fails(table.program(folder, 1), "frame 0 at byte 0", "nightshift verify")
    try sound.write(to: URL(fileURLWithPath: results))

    let text = try String(contentsOfFile: input, encoding: .utf8)
    try text.write(toFile: input, atomically: true, encoding: .utf8)
    let touched = try await table.replay(folder, 1)
    #expect(touched.isSame && touched.remarks.contains { $0.contains("was changed at") })
    try text.replacingOccurrences(of: "plain", with: "PLAIN")
      .write(toFile: input, atomically: true, encoding: .utf8)
    try await fails(table.program(folder, 1), "input changed: \(input)", "shard 0")
    try (text + "x").write(toFile: input, atomically: true, encoding: .utf8)
    try await fails(table.program(folder, 1), "input changed: \(input) has", "bytes")
    try FileManager.default.removeItem(atPath: input)
    try await fails(table.program(folder, 1), input, "No such file")
  }

  private func fails(
    _ program: Program, status: Int32 = 1, _ words: String...
  ) async {
    #expect(await program.wait() == status)
    #expect(program.output.isEmpty)
    for word in words { #expect(program.errors.contains(word), "\(program.errors)") }
  }
}

/// What `replay --output json` prints, as far as the tests look at it.
struct Replay: Decodable {
  struct Input: Decodable {
    var path: String
    var row: Int
    var byteOffset: Int
    var text: String
  }
  struct Feature: Decodable {
    var input: String
    var column: String
    var text: String
    var value: Double?
    var meaning: String
    var category: String?
  }
  struct Published: Decodable {
    var isError: Bool
    var line: String
  }

  var input: Input
  var features: [Feature]
  var rawScores: [Double]
  var prediction: [Double]
  var published: Published
  var rescored: String
  var isSame: Bool
  var remarks: [String]
}

/// Test tables as input files, every second one compressed, and where each record stands.
struct ReplayTable {
  struct Record {
    var path: String
    var row: Int
    var offset: Int
    var text: String
    var isBad: Bool
  }

  let sandbox: Sandbox
  let columns: [String]
  private(set) var records: [Record] = []
  private var paths: [String] = []

  init(_ sandbox: Sandbox, rowCounts: [Int], badRows: Set<Int>) throws {
    self.sandbox = sandbox
    columns = Self.split(TestTable.text(rowCount: 0)).header.components(separatedBy: ",")
    for (index, rowCount) in rowCounts.enumerated() {
      let file = sandbox.path("table-\(index).csv")
      let text = TestTable.text(rowCount: rowCount, badRows: badRows)
      try text.write(toFile: file, atomically: true, encoding: .utf8)
      let isPacked = index % 2 == 1
      if isPacked {
        let env = URL(fileURLWithPath: "/usr/bin/env")
        try Process.run(env, arguments: ["gzip", file]).waitUntilExit()
      }
      let path = isPacked ? file + ".gz" : file
      paths.append(path)
      for (row, place) in Self.split(text).records.enumerated() {
        records.append(
          Record(
            path: path, row: row, offset: place.offset, text: place.text,
            isBad: badRows.contains(row)))
      }
    }
  }

  /// The header, and the records with their offsets: a line feed between quotes ends nothing.
  private static func split(
    _ text: String
  ) -> (header: String, records: [(offset: Int, text: String)]) {
    var records: [(offset: Int, text: String)] = []
    var (start, isQuoted) = (0, false)
    let bytes = Array(text.utf8)
    for (index, byte) in bytes.enumerated() {
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      guard byte == UInt8(ascii: "\n"), !isQuoted else { continue }
      records.append((start, String(decoding: bytes[start..<index], as: UTF8.self)))
      start = index + 1
    }
    return (records[0].text, Array(records.dropFirst()))
  }

  /// The records on both sides of some bounds of blocks of the first input, and of all shards'.
  func boundRows(blockByteCount: Int) -> Set<Int> {
    let own = records.indices.filter { records[$0].path == paths[0] }
    var rows: Set<Int> = []
    for block in [1, 2, 17, 63, 64, 65] {
      guard let row = own.first(where: { records[$0].offset > block * blockByteCount }) else {
        continue
      }
      rows.formUnion([row - 1, row])
    }
    return rows
  }

  /// Runs a job and names the folder it published.
  func publish(_ name: String, _ options: [String]) async throws -> String {
    let output = sandbox.path(name)
    let arguments = [
      "run", "--model", TestTable.model, "--output", output, "--block-size", "8192", "--workers",
      "1", "--quiet", "--input",
    ]
    let run = try Program(arguments + paths + options, in: sandbox)
    let status = await run.wait()
    let names = try FileManager.default.contentsOfDirectory(atPath: output)
    guard status == 0 || status == 2, let folder = names.first(where: { $0.hasPrefix("pred") })
    else { throw TestFailure("run: \(String(describing: status)) \(run.errors)") }
    return "\(output)/\(folder)"
  }

  func program(
    _ folder: String, _ row: Int, _ extra: [String] = [], model: String? = TestTable.model
  ) throws -> Program {
    try Program(
      ["replay", folder, "--row", "\(row)"] + (model.map { ["--model", $0] } ?? []) + extra,
      in: sandbox)
  }

  /// Replays a record that has to be the same.
  func replay(_ folder: String, _ row: Int) async throws -> Replay {
    let program = try program(folder, row, ["--output", "json"])
    guard await program.wait() == 0 else {
      throw TestFailure("replay of row \(row): \(program.output) \(program.errors)")
    }
    return try JSONDecoder().decode(Replay.self, from: Data(program.output.utf8))
  }

  /// The lines of a folder without compression, in the order of the records.
  func lines(of folder: String, isCSV: Bool) throws -> [String] {
    let name = "\(folder)/prediction.results-00000-of-00001.\(isCSV ? "csv" : "jsonl")"
    let errorName = "\(folder)/prediction.errors_stats-00000-of-00001.jsonl"
    let (header, rest) = Self.split(try String(contentsOfFile: name, encoding: .utf8))
    // Quotes come in pairs in JSON too, but for the escaped ones: those are doubled in this table.
    var results = (isCSV ? rest.map(\.text) : [header] + rest.map(\.text))[...]
    var errors = try String(contentsOfFile: errorName, encoding: .utf8)
      .split(separator: "\n").map(String.init)[...]
    guard results.count + errors.count == records.count else {
      throw TestFailure("\(results.count) + \(errors.count) lines for \(records.count) records")
    }
    return records.map { $0.isBad ? errors.removeFirst() : results.removeFirst() }
  }
}
