import Foundation
import Testing

/// The input or the model is not what it was, or not what it should be: a clear error, nothing
/// published, nothing lost.
@Suite struct ChangedInputTests {
  enum Change: String, CaseIterable, Sendable {
    case truncated, missing, replaced, appended
  }

  @Test(arguments: Change.allCases)
  func aChangeDuringTheRunStopsTheJob(change: Change) async throws {
    let fleet = try await TestFleet()
    let submit = try fleet.submit()
    #expect(await waitUntil(.seconds(20)) { fleet.coordinator.errors.contains("PENDING") })
    try apply(change, to: fleet.input)
    let worker = try fleet.startWorker()
    #expect(await submit.wait() == 1)
    #expect(submit.output.contains("input changed"), "\(submit.output)")
    #expect(submit.output.contains(fleet.input), "\(submit.output)")
    #expect(Publication.isEmpty(fleet.output))
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }

  private func apply(_ change: Change, to path: String) throws {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    switch change {
    case .truncated:
      try FileHandle(forWritingTo: URL(fileURLWithPath: path)).truncate(atOffset: 100_000)
    case .missing:
      try FileManager.default.removeItem(atPath: path)
    case .replaced:
      try text.replacingOccurrences(of: "plain", with: "PLAIN")
        .write(toFile: path, atomically: true, encoding: .utf8)
    case .appended:
      let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try file.seekToEnd()
      try file.write(contentsOf: Data("r9,1,1,1,1,1,1,UA,1,EWR,IAH,1,1,1,x\n".utf8))
      try file.close()
    }
  }

  enum Corruption: String, CaseIterable, Sendable {
    case truncated, foreign

    func applied(to text: String) -> String {
      switch self {
      case .truncated: String(text.prefix(text.count / 2))
      case .foreign: "not a model\n" + text.prefix(10)
      }
    }
  }

  @Test(arguments: Corruption.allCases)
  func aCorruptModelIsRefused(corruption: Corruption) async throws {
    let sandbox = try Sandbox()
    let input = sandbox.path("table.csv")
    try TestTable.text(rowCount: 50).write(toFile: input, atomically: true, encoding: .utf8)
    let model = sandbox.path("model.txt")
    try corruption.applied(to: try String(contentsOfFile: TestTable.model, encoding: .utf8))
      .write(toFile: model, atomically: true, encoding: .utf8)
    let run = try Program(
      ["run", "--model", model, "--input", input, "--output", sandbox.path("out")], in: sandbox)
    #expect(await run.wait() == 1)
    #expect(run.errors.contains("model.txt"), "\(run.errors)")
    #expect(Publication.isEmpty(sandbox.path("out")))
  }

  @Test func aMissingColumnIsRefusedWithBothLists() async throws {
    let sandbox = try Sandbox()
    let input = sandbox.path("table.csv")
    try TestTable.text(rowCount: 50).replacingOccurrences(of: ",carrier,", with: ",airline,")
      .write(toFile: input, atomically: true, encoding: .utf8)
    let run = try Program(
      ["run", "--model", TestTable.model, "--input", input, "--output", sandbox.path("out")],
      in: sandbox)
    #expect(await run.wait() == 1)
    for word in ["carrier", "airline", "sched_arr_time"] {
      #expect(run.errors.contains(word), "\(run.errors)")
    }
  }

  @Test func aColumnOfTextWhereTheModelNeedsNumbersIsRefused() async throws {
    let sandbox = try Sandbox()
    let input = sandbox.path("table.csv")
    let header = try #require(TestTable.text(rowCount: 0).split(separator: "\n").first)
    let row = "r1,May,1,1,1,1,1,UA,1,EWR,IAH,1,1,1,x"
    try "\(header)\n\(row)\n\(row)\n".write(toFile: input, atomically: true, encoding: .utf8)
    let run = try Program(
      ["run", "--model", TestTable.model, "--input", input, "--output", sandbox.path("out")],
      in: sandbox)
    #expect(await run.wait() == 1)
    #expect(run.errors.contains("month"), "\(run.errors)")
  }

  @Test func moreErrorsThanTheThresholdFailTheJob() async throws {
    let sandbox = try Sandbox()
    let input = sandbox.path("table.csv")
    try TestTable.text(rowCount: 500, badRows: [1, 2, 3, 400])
      .write(toFile: input, atomically: true, encoding: .utf8)
    let arguments = [
      "run", "--model", TestTable.model, "--input", input, "--output", sandbox.path("out"),
      "--error-threshold", "3",
    ]
    let run = try Program(arguments, in: sandbox)
    #expect(await run.wait() == 1)
    #expect(run.output.contains("errorThreshold"), "\(run.output)")
    #expect(Publication.isEmpty(sandbox.path("out")))
  }
}
