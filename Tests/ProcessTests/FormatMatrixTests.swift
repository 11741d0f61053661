import Foundation
import Testing

/// One table in every input format gives the same bytes, and every output format is read by others
/// as LightGBM predicts.
@Suite struct FormatMatrixTests {
  private struct Entry: Decodable {
    let name: String
    let inputs: [String]?
    let arguments: [String]?
    let inOrder: Bool?
    let sql: String?
    let absent: String?
  }

  private static let model = fixture("../../bench/models/flights.txt")

  @Test func everyInputFormatGivesTheSameBytes() async throws {
    let sandbox = try Sandbox()
    let table = sandbox.path("table")
    try await script("format_matrix.py", ["make", table], in: sandbox)
    let data = try Data(contentsOf: URL(fileURLWithPath: table + "/matrix.json"))
    let entries = try JSONDecoder().decode([Entry].self, from: data).filter { $0.sql == nil }
    #expect(entries.count >= 38)
    var first: [Substring]?
    for (number, entry) in entries.enumerated() {
      guard let inputs = entry.inputs, let arguments = entry.arguments else {
        // Written by pandas, which the tests do without.
        #expect(entry.name == "parquet/pandas.parquet", "\(entry.absent ?? "")")
        continue
      }
      let output = sandbox.path("out-\(number)")
      try await score(
        inputs.map { "\(table)/\($0)" }, to: output,
        ["--key-field", "id", "--compression", "none"] + arguments, in: sandbox)
      let lines = try results(in: output)
      let expected = first ?? lines
      first = expected
      #expect(expected.count == 3_000)
      // Records of partition folders come folder by folder.
      let isSame = entry.inOrder == true ? lines == expected : lines.sorted() == expected.sorted()
      #expect(isSame, "\(entry.name)")
    }
    try await script(
      "format_matrix.py", ["check", published(in: sandbox.path("out-0")), table], in: sandbox)
  }

  @Test(arguments: ["jsonl", "csv", "parquet", "arrow"])
  func everyOutputFormatIsReadByOthers(format: String) async throws {
    let sandbox = try Sandbox()
    let table = sandbox.path("table")
    try await script("format_matrix.py", ["make", table], in: sandbox)
    let output = sandbox.path("out")
    for (number, input) in ["csv/flights.csv", "parquet/dictionaries.parquet"].enumerated() {
      let output = "\(output)-\(number)"
      try await score(
        ["\(table)/\(input)"], to: output, ["--format", format, "--instance-type", "object"],
        in: sandbox)
      try await script("format_matrix.py", ["check", published(in: output), table], in: sandbox)
      let verify = try Program(["verify", try published(in: output)], in: sandbox)
      #expect(await verify.wait() == 0, "\(verify.output)\(verify.errors)")
    }
  }

  /// Texts of columnar files have no text of a record around them, which bounds what is written.
  @Test(arguments: ["table.parquet", "table.orc", "table.arrow"])
  func longTextsAreWrittenWhole(name: String) async throws {
    let sandbox = try Sandbox()
    let table = sandbox.path("table")
    try await script("long_texts.py", ["make", table], in: sandbox)
    for form in ["jsonl", "csv"] {
      let output = sandbox.path("out-\(form)")
      try await score(
        ["\(table)/\(name)"], to: output,
        ["--format", form, "--instance-type", "object", "--compression", "none"], in: sandbox)
      try await script("long_texts.py", ["check", published(in: output), table], in: sandbox)
    }
  }

  // MARK: Calls

  private func score(
    _ inputs: [String], to output: String, _ arguments: [String], in sandbox: Sandbox
  ) async throws {
    let run = try Program(
      ["run", "--model", Self.model, "--output", output, "--quiet", "--input"] + inputs
        + arguments, in: sandbox)
    #expect(await run.wait() == 0, "\(inputs): \(run.errors)")
  }

  private func results(in output: String) throws -> [Substring] {
    try text(startingWith: "prediction.results", in: output)
  }

  private func text(startingWith prefix: String, in output: String) throws -> [Substring] {
    let folder = try published(in: output)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    let texts = try names.filter { $0.hasPrefix(prefix) }.map {
      try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)
    }
    return texts.joined().split(separator: "\n")
  }

  private func published(in output: String) throws -> String {
    "\(output)/\(try #require(publishedNames(in: output).first))"
  }

  private func publishedNames(in output: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: output)) ?? []
    return names.filter { $0.hasPrefix("prediction-") }
  }
}

/// A file of the tests, by its path from this folder.
func fixture(_ path: String) -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: path)
    .standardizedFileURL.path
}

/// Runs a script of the tests' fixtures; what it prints is told where it fails.
func script(
  _ name: String, _ arguments: [String], by program: String = "python3", in sandbox: Sandbox
) async throws {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = [program, fixture("../Fixtures/\(name)")] + arguments
  let log = sandbox.path("script-\(sandbox.nextNumber()).log")
  try Data().write(to: URL(fileURLWithPath: log))
  let file = FileHandle(forWritingAtPath: log)
  process.standardOutput = file
  process.standardError = file
  try process.run()
  let ended = await waitUntil(.seconds(120)) { !process.isRunning }
  let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
  try #require(ended && process.terminationStatus == 0, "\(name) \(arguments): \(text)")
}
