import Fleet
import Foundation
import Testing

/// Calls of an engine's client, as far as any command shows them.
@Suite(.timeLimit(.minutes(1)))
struct EngineCommandTests {
  @Test func inputOutputAndVariablesCross() async throws {
    var command = EngineCommand("bash", ["-c", "cat; echo \"$GREETING\" >&2"])
    command.input = String(repeating: "0123456789\n", count: 100_000)
    command.variables = ["GREETING": "hello"]
    let output = try await command.run()
    #expect(output.output == command.input)
    #expect(output.errors == "hello\n")
  }

  @Test func aFailureSaysWhatTheEngineSaid() async {
    let command = EngineCommand("bash", ["-c", "echo 'quota exceeded' >&2; exit 3"])
    let error = await #expect(throws: FleetError.self) { try await command.run() }
    #expect(error?.description == "bash -c ended with 3: quota exceeded")
  }

  @Test func anAbsentCommandIsNamed() async {
    let error = await #expect(throws: FleetError.self) {
      try await EngineCommand("nightshift-has-no-such-engine", []).run()
    }
    #expect(error?.description.contains("there is no such command here") == true)
  }

  /// A listing that is cut would make workers look gone.
  @Test func moreThanCanBeReadIsAnError() async {
    let command = EngineCommand("head", ["-c", "\(32 << 20 + 1)", "/dev/zero"])
    let error = await #expect(throws: FleetError.self) { try await command.run() }
    #expect(error?.description == "head -c printed more than 32 MiB")
  }

  @Test func aCommandThatHangsIsEndedWithItsChildren() async throws {
    let held = NSTemporaryDirectory() + "/nightshift-held-\(UInt64.random(in: 0..<1 << 40))"
    var command = EngineCommand("bash", ["-c", "flock \"$0\" sleep 60 & wait", held])
    command.timeLimit = .seconds(1)
    let start = ContinuousClock.now
    let error = await #expect(throws: FleetError.self) { try await command.run() }
    #expect(error?.description.contains("took longer") == true)
    #expect(start.duration(to: .now) < .seconds(10))
    // The child held the file until its end.
    #expect(FileManager.default.fileExists(atPath: held))
    try await EngineCommand("flock", ["--timeout", "10", held, "true"]).run()
    try FileManager.default.removeItem(atPath: held)
  }
}
