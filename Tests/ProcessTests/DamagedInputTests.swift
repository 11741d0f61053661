import Foundation
import Testing

/// Files that must be refused, or read but for some records; see `format_matrix.py`.
@Suite struct DamagedInputTests {
  private struct Damage: Decodable {
    let name: String
    let inputs: [String]
    let arguments: [String]
    let expect: String
    /// Key and prediction of what is published, in order.
    let predictions: [[Double]]?
    let isPart: Bool?
    let errors: [ErrorRecord]?
    let isLocated: Bool?
    let says: String?
    /// In MiB.
    let memory: Int?
  }

  private struct ErrorRecord: Decodable, Hashable {
    let code: String
    let row: Int
    let offset: Int
  }

  private struct ResultLine: Decodable {
    /// -1 where changed text made it no number.
    let key: Double
    let prediction: Double

    private enum Key: CodingKey {
      case key, prediction
    }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: Key.self)
      key = (try? values.decode(Double.self, forKey: .key)) ?? -1
      prediction = try values.decode(Double.self, forKey: .prediction)
    }
  }

  private struct ErrorLine: Decodable {
    struct Problem: Decodable {
      let code: String
    }
    let row: Int
    let offset: Int
    let source: String
    let error: Problem
  }

  private static let model = fixture("../../bench/models/flights.txt")

  @Test func badFilesAreRefusedOrCounted() async throws {
    let sandbox = try Sandbox()
    let folder = sandbox.path("damage")
    try await script("format_matrix.py", ["damage", folder], in: sandbox)
    let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/damage.json"))
    let files = try JSONDecoder().decode([Damage].self, from: data)
    #expect(files.count > 120)
    for (number, file) in files.enumerated() {
      try await check(file, folder, sandbox.path("out-\(number)"), in: sandbox)
    }
  }

  private func check(
    _ file: Damage, _ folder: String, _ output: String, in sandbox: Sandbox
  ) async throws {
    let peak = sandbox.path("peak")
    let run = try Program(
      ["run", "--model", Self.model, "--output", output, "--quiet", "--error-threshold", "-1"]
        + ["--key-field", "id", "--compression", "none", "--input"]
        + file.inputs.map { "\(folder)/\($0)" } + file.arguments, in: sandbox,
      launcher: file.memory == nil
        ? [] : ["/usr/bin/env", "python3", fixture("../Fixtures/peak_memory.py"), peak])
    let status = await run.wait()
    let told = "\(file.name): \(run.output)\(run.errors)"
    if let limit = file.memory {
      let used = try #require(Int(try String(contentsOfFile: peak, encoding: .utf8)), "\(told)")
      #expect(used < limit << 10, "\(file.name): \(used) KiB")
    }
    switch file.expect {
    case "refused": checkRefusal(file, status, told, folder)
    case "rows":
      #expect(status == 2, "\(told)")
    case "survives":
      // Which bit was hit decides, but of text that unpacks most is read; a crash would be another
      // status.
      #expect((file.isPart == true ? [0, 2] : [0, 1, 2]).contains(status), "\(told)")
      if status == 1 { checkRefusal(file, status, told, folder) }
    default: #expect(status == 0, "\(told)")
    }
    guard status != 1 else {
      return #expect(PublishedText(in: output) == nil, "\(file.name)")
    }
    let published = try #require(PublishedText(in: output), "\(told)")
    try checkResults(file, published)
    if file.expect != "survives" { try checkErrors(file, published, folder) }
  }

  /// What is refused in planning is told as an error, what fails later as the job's reason.
  private func checkRefusal(_ file: Damage, _ status: Int32?, _ told: String, _ folder: String) {
    #expect(status == 1, "\(told)")
    if let words = file.says { #expect(told.contains(words), "\(told)") }
    guard file.isLocated != false else { return }
    for input in file.inputs.suffix(1) {
      let count = told.components(separatedBy: "\(folder)/\(input)").count - 1
      #expect(count == 1, "\(told)")
    }
  }

  private func checkResults(_ file: Damage, _ published: PublishedText) throws {
    var found = try published.lines("prediction.results").map {
      try JSONDecoder().decode(ResultLine.self, from: Data($0.utf8))
    }
    let wanted = try #require(file.predictions, "\(file.name)")
    if file.isPart == true {
      found = found.filter { line in
        wanted.contains { $0[0] == line.key && Self.isClose(line.prediction, $0[1]) }
      }
      return #expect(Set(found.map(\.key)).count == wanted.count, "\(file.name)")
    }
    #expect(found.map(\.key) == wanted.map { $0[0] }, "\(file.name)")
    for (line, pair) in zip(found, wanted) where !Self.isClose(line.prediction, pair[1]) {
      Issue.record("\(file.name): \(line.prediction) for \(pair)")
    }
  }

  private static func isClose(_ found: Double, _ wanted: Double) -> Bool {
    abs(found - wanted) <= 1e-15 * abs(wanted)
  }

  private func checkErrors(
    _ file: Damage, _ published: PublishedText, _ folder: String
  ) throws {
    let found = try published.lines("prediction.errors_stats").map {
      try JSONDecoder().decode(ErrorLine.self, from: Data($0.utf8))
    }
    let records = found.map { ErrorRecord(code: $0.error.code, row: $0.row, offset: $0.offset) }
    #expect(records == file.errors ?? [], "\(file.name)")
    #expect(found.allSatisfy { $0.source == "\(folder)/\(file.inputs[0])" }, "\(file.name)")
  }

  // MARK: Destinations

  /// What PostgreSQL cannot take is an error record, so that the publication ends.
  @Test func whatADatabaseDoesNotTakeIsAnErrorRecord() async throws {
    let sandbox = try Sandbox()
    let server = try DatabaseServer(in: sandbox)
    let header =
      "month,day,dep_time,sched_dep_time,dep_delay,sched_arr_time,carrier,flight,origin,"
      + "dest,distance,hour,minute,note,count"
    let flight = "1,1,5,6,7,8,UA,9,EWR,IAH,10,11,12"
    let rows = ["one,0", "good,1", "b\u{0}d,2", "fine,three", "last,4"]
    let lines = [header] + rows.map { "\(flight),\($0)" }
    try Data((lines.joined(separator: "\n") + "\n").utf8)
      .write(to: URL(fileURLWithPath: sandbox.path("a.csv")))
    let cases: [(arguments: [String], status: Int32, counts: String, rows: [String])] = [
      ([], 2, "3 scored, 2 errors", ["one|0", "good|1", "last|4"]),
      (
        ["--on-parse-error", "null"], 0, "5 scored, 0 errors",
        ["one|0", "good|1", "NULL|2", "fine|NULL", "last|4"]
      ),
    ]
    for (number, wanted) in cases.enumerated() {
      let run = try Program(
        ["run", "--model", Self.model, "--quiet", "--error-threshold", "-1", "--output"]
          + ["\(server.uri)?table=t\(number)", "--schema", "count=integer"]
          + ["--input", sandbox.path("a.csv")] + wanted.arguments,
        in: sandbox)
      #expect(await run.wait() == wanted.status, "\(run.output)\(run.errors)")
      #expect(run.output.contains(wanted.counts), "\(run.output)")
      // But for these two the records are the same, and so are their predictions.
      let rows = try server.run(
        "-At", "-P", "null=NULL", "-c",
        "SELECT DISTINCT month, day, carrier, minute, prediction > 0 FROM t\(number)",
        "-c", "SELECT count(DISTINCT prediction) FROM t\(number)",
        "-c", "SELECT note, count FROM t\(number)")
      #expect(rows.split(separator: "\n") == ["1|1|UA|12|t", "1"] + wanted.rows.map { $0[...] })
      guard wanted.rows.count < lines.count - 1 else { continue }
      let errors = try server.run("-At", "-c", "SELECT count(*) FROM t\(number)_errors")
      #expect(errors == "\(lines.count - 1 - wanted.rows.count)\n")
    }
  }
}

/// The texts of a published folder.
struct PublishedText {
  private let folder: String

  /// `nil` where nothing is published.
  init?(in output: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: output)) ?? []
    guard let name = names.first(where: { $0.hasPrefix("prediction-") }) else { return nil }
    folder = "\(output)/\(name)"
  }

  /// The lines of the files whose names begin so.
  func lines(_ prefix: String) throws -> [Substring] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    return try names.filter { $0.hasPrefix(prefix) }.flatMap {
      try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8).split(separator: "\n")
    }
  }
}
