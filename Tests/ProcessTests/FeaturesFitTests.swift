import Foundation
import Testing

/// `features fit` gives the same bundle for any number of workers, and `run` scores with it.
@Suite struct FeaturesFitTests {
  private static let carriers = ["AA", "UA", "DL"]
  private static let plan = """
    {"version": 1, "steps": [
      {"op": "impute", "inputs": ["age"], "strategy": "mean", "indicator": true},
      {"op": "scale", "inputs": ["age"], "method": "standard"},
      {"op": "one_hot", "inputs": ["carrier"]}]}
    """
  private static let model = """
    {"model": "linear", "features": ["age", "age_missing", "carrier_AA", "carrier_DL", "carrier_UA"],
     "coefficients": [2.0, 0.5, 10, 20, 30], "intercepts": 1}
    """

  /// A record; ages are whole numbers, so that their sums are exact.
  private struct Record {
    let age: Double?
    let carrier: String

    init(_ row: Int) {
      age = row % 11 == 3 ? nil : Double((row * 37) % 89)
      carrier = carriers[(row / 5) % 3]
    }
  }

  @Test func aBundleIsTheSameForAnyNumberOfWorkersAndScores() async throws {
    let sandbox = try Sandbox()
    try Data(Self.plan.utf8).write(to: URL(fileURLWithPath: sandbox.path("plan.json")))
    try Data(Self.model.utf8).write(to: URL(fileURLWithPath: sandbox.path("model.json")))
    // Three shards, of several blocks each.
    let rowCount = 90_000
    let records = (0..<3 * rowCount).map(Record.init)
    for part in 0..<3 {
      var text = "row,age,carrier,note\n"
      for row in part * rowCount..<(part + 1) * rowCount {
        let age = records[row].age.map { "\($0)" } ?? "NA"
        text += "\(row),\(age),\(records[row].carrier),a note to fill the block\n"
      }
      try Data(text.utf8).write(to: URL(fileURLWithPath: sandbox.path("part-\(part).csv")))
    }
    let bundles = try await [1, 3].asyncMap { try await fit(workers: $0, in: sandbox) }
    #expect(bundles[0] == bundles[1] && bundles[0].count > 1_024)

    let ages = records.compactMap(\.age)
    let mean = ages.reduce(0, +) / Double(ages.count)
    let filled = records.map { $0.age ?? mean }
    let variance = filled.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(filled.count)
    let lines = try await score(in: sandbox)
    #expect(lines.count == records.count)
    for (row, line) in lines.enumerated() {
      let prediction = try #require(
        line.components(separatedBy: "\"prediction\":").last.flatMap { Double($0.dropLast()) })
      let record = records[row]
      let place = Double(["AA", "DL", "UA"].firstIndex(of: record.carrier) ?? 9)
      let age = (filled[row] - mean) / variance.squareRoot()
      let wanted = 1 + 2 * age + (record.age == nil ? 0.5 : 0) + 10 * (place + 1)
      guard abs(prediction - wanted) <= 1e-9 else {
        Issue.record("row \(row): \(prediction) instead of \(wanted)")
        return
      }
    }
  }

  /// A power loss right after the command must not take the bundle it told of.
  @Test func aBundleIsOnTheDiskOrNotThere() async throws {
    let sandbox = try Sandbox()
    try Data(Self.plan.utf8).write(to: URL(fileURLWithPath: sandbox.path("plan.json")))
    try Data("age,carrier\n1,AA\n2,UA\n".utf8).write(
      to: URL(fileURLWithPath: sandbox.path("part.csv")))
    let fitted = sandbox.path("fitted.json")
    let first = try Program(
      arguments(sandbox.path("plan.json"), fitted, sandbox.path("part.csv")), in: sandbox)
    #expect(await first.wait() == 0, "\(first.errors)")
    // A plan that is fitted needs no job: what is synced is the bundle, and its folder.
    let state = sandbox.path("calls")
    let bundle = sandbox.path("kept.bundle")
    for (number, status) in [(0, 0), (1, 1)] as [(Int, Int32)] {
      let program = try Program(
        arguments(fitted, bundle, sandbox.path("part.csv")), in: sandbox,
        environment: FailingCalls.variables(
          number, "sync", .io, role: "features", place: "kept.bundle", state: state))
      #expect(await program.wait() == status, "\(program.errors)")
      let counts = try FailingCalls.counts(state)
      #expect(counts.calls == 1 && counts.failed == number, "\(counts)")
      #expect(FileManager.default.fileExists(atPath: bundle) == (status == 0))
      if status == 0 { try FileManager.default.removeItem(atPath: bundle) }
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: sandbox.folder)
    #expect(!names.contains { $0.hasPrefix("kept.bundle") }, "\(names)")
  }

  private func arguments(_ plan: String, _ bundle: String, _ input: String) -> [String] {
    ["features", "fit", "--plan", plan, "--input", input, "--bundle", bundle, "--quiet"]
  }

  @Test func aPlanThatDoesNotGoWithTheModelIsRefused() async throws {
    let sandbox = try Sandbox()
    try Data(Self.plan.replacing("one_hot", with: "one_cold").utf8).write(
      to: URL(fileURLWithPath: sandbox.path("plan.json")))
    try Data("a,b\n1,2\n".utf8).write(to: URL(fileURLWithPath: sandbox.path("part-0.csv")))
    let program = try Program(
      [
        "features", "fit", "--plan", sandbox.path("plan.json"), "--input",
        sandbox.path("part-0.csv"), "--bundle", sandbox.path("a.bundle"),
      ], in: sandbox)
    #expect(await program.wait() == 1)
    #expect(program.errors.contains("steps[2].op"))
    #expect(!FileManager.default.fileExists(atPath: sandbox.path("a.bundle")))
  }

  private func fit(workers: Int, in sandbox: Sandbox) async throws -> Data {
    let bundle = sandbox.path("\(workers).bundle")
    let program = try Program(
      [
        "features", "fit", "--plan", sandbox.path("plan.json"), "--input",
        sandbox.path("part-*.csv"), "--model", sandbox.path("model.json"), "--bundle", bundle,
        "--workers", "\(workers)", "--quiet",
      ], in: sandbox)
    #expect(await program.wait() == 0, "\(program.errors)")
    #expect(!FileManager.default.fileExists(atPath: bundle + ".fitting"))
    return try Data(contentsOf: URL(fileURLWithPath: bundle))
  }

  private func score(in sandbox: Sandbox) async throws -> [Substring] {
    let output = sandbox.path("out")
    let program = try Program(
      [
        "run", "--model", sandbox.path("3.bundle"), "--input", sandbox.path("part-*.csv"),
        "--output", output, "--compression", "none", "--quiet",
      ], in: sandbox)
    #expect(await program.wait() == 0, "\(program.errors)")
    let files = try FileManager.default.subpathsOfDirectory(atPath: output)
      .filter { $0.contains("prediction.results-") }.sorted()
    return try files.flatMap { file in
      try String(contentsOfFile: "\(output)/\(file)", encoding: .utf8).split(separator: "\n")
    }
  }
}

extension Array where Element: Sendable {
  /// What a function makes of each element, one after the other.
  fileprivate func asyncMap<Result>(
    _ transform: (Element) async throws -> Result
  ) async rethrows -> [Result] {
    var results: [Result] = []
    for element in self { results.append(try await transform(element)) }
    return results
  }
}
