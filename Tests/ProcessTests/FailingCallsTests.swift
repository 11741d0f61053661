import Foundation
import Glibc
import Testing

/// A run in which a system call fails ends as an undisturbed one, or its repetition does.
///
/// All calls, one by one, are failed by `bench/faults/run --only calls`; these are some.
@Suite struct FailingCallsTests {
  private static let calls: [(String, FailingCalls.Failure)] = [
    ("write", .io), ("write", .diskFull), ("write", .short), ("sync", .io), ("rename", .io),
    ("open", .tooManyFiles), ("read", .io), ("read", .short), ("malloc", .noMemory),
  ]

  @Test(arguments: calls)
  func aRunEndsWellOrCanBeRepeated(kind: String, failure: FailingCalls.Failure) async throws {
    let bench = try EmbeddedBench()
    let expected = try await bench.expected()
    let state = bench.sandbox.path("calls")
    let counting = try await bench.run(
      "counted",
      try FailingCalls.variables(0, kind, failure, role: "run", state: state))
    #expect(counting.status == 2, "\(counting.program.errors)")
    let count = try FailingCalls.counts(state).calls
    #expect(count > 0)
    for step in 1...3 {
      let number = max(1, count * step / 4)
      let output = "\(number)"
      let variables = try FailingCalls.variables(
        number, kind, failure, role: "run", state: state)
      let hurt = try await bench.run(output, variables)
      let note = "\(kind) \(number) \(failure): \(hurt.status) \(hurt.program.errors)"
      if hurt.status != 2 {
        // Where there is no memory, Swift ends the process: by a trap, or by a fault where the
        // compiler itself allocates a frame. Nothing else may end it.
        #expect(kind == "malloc" || hurt.status < 128, "\(note)")
        #expect(hurt.status != 0, "\(note)")
        #expect(hurt.status >= 128 || !hurt.program.errors.isEmpty, "\(note)")
        let again = try await bench.run(output, [:])
        #expect(again.status == 2, "\(note), then \(again.program.errors)")
      }
      #expect(try Publication(below: bench.sandbox.path(output)) == expected, "\(note)")
    }
  }

  /// Foundation of Swift 6.3 repeats bytes after a write that took only some of them: the copy of
  /// the model had the right size and the wrong bytes, and failed every later job as well.
  @Test func aShortWriteDoesNotSpoilTheKeptModel() async throws {
    let sandbox = try Sandbox()
    let state = sandbox.path("calls")
    let fleet = try await TestFleet(
      rowCount: 600, badRows: [5],
      environment: FailingCalls.variables(
        1, "write", .short, role: "coordinator", place: "/models/", state: state))
    let expected = try await fleet.undisturbed()
    let worker = try await fleet.startJoinedWorker()
    let submit = try fleet.submit()
    #expect(await submit.wait() == 2, "\(submit.errors) \(submit.output)")
    #expect(try FailingCalls.counts(state).failed == 1)
    try await fleet.expectOnly(expected)
    await fleet.end(worker)
  }

  /// What is left behind takes space, and nobody looks for it.
  @Test func aRunSaysWhatItCouldNotRemove() async throws {
    let bench = try EmbeddedBench()
    let state = bench.sandbox.path("calls")
    let run = try await bench.run(
      "out",
      try FailingCalls.variables(
        1, "rename", .io, role: "run", place: "workers.log", state: state),
      options: ["--quiet"])
    #expect(try FailingCalls.counts(state).failed == 1)
    let names = try FileManager.default.contentsOfDirectory(atPath: bench.sandbox.path("out"))
    let left = names.filter { $0.hasPrefix(".nightshift-") }
    #expect(names.count == 2 && left.count == 1, "\(names)")
    #expect(run.status == 2)
    #expect(
      run.program.errors.contains("warning: \(bench.sandbox.path("out"))/\(left.first ?? "?")"),
      "\(run.program.errors)")
  }

  @Test func aSpoiledKeptModelIsReplaced() async throws {
    let fleet = try await TestFleet(rowCount: 600, badRows: [5])
    let expected = try await fleet.undisturbed()
    let models = fleet.sandbox.path("state/models")
    // A job that has not ended keeps it.
    let file = try fleet.jobFile("first.yaml", output: fleet.sandbox.path("first"))
    let first = try fleet.client(["submit", file])
    #expect(await first.wait() == 0, "\(first.errors)")
    let id = first.output.trimmingCharacters(in: .whitespacesAndNewlines)
    let pause = try fleet.client(["pause", id])
    #expect(await pause.wait() == 0, "\(pause.errors)")

    let names = try FileManager.default.contentsOfDirectory(atPath: models)
    let path = "\(models)/\(try #require(names.first))"
    var bytes = try #require(FileManager.default.contents(atPath: path))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let worker = try await fleet.startJoinedWorker()
    let submit = try fleet.submit()
    #expect(await submit.wait() == 2, "\(submit.errors) \(submit.output)")
    try await fleet.expectOnly(expected)
    await fleet.end(worker)
  }
}

/// Embedded runs over one small table.
private struct EmbeddedBench {
  let sandbox: Sandbox
  private let table: String

  init() throws {
    sandbox = try Sandbox()
    table = sandbox.path("table.csv")
    try TestTable.text(rowCount: 300, badRows: [5]).write(
      toFile: table, atomically: true, encoding: .utf8)
  }

  /// Runs to the end; a run that does not end is a test failure.
  func run(
    _ output: String, _ variables: [String: String], options: [String] = []
  ) async throws -> (status: Int32, program: Program) {
    let program = try Program(
      [
        "run", "--model", TestTable.model, "--input", table, "--output", sandbox.path(output),
        "--key-field", "id", "--block-size", "4096", "--workers", "1", "--threads", "1",
      ] + options, in: sandbox, environment: variables)
    guard let status = await program.wait(.seconds(40)) else {
      throw TestFailure("a run that does not end, with \(variables): \(program.errors)")
    }
    return (status, program)
  }

  /// What is published where no call fails.
  func expected() async throws -> Publication {
    let undisturbed = try await run("undisturbed", [:])
    #expect(undisturbed.status == 2, "\(undisturbed.program.errors)")
    return try Publication(below: sandbox.path("undisturbed"))
  }
}
