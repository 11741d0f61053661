import Foundation
import Testing

/// How the program ends.
@Suite struct ExitTests {
  /// Destructors of libraries would run beside threads that use them: a coordinator that was told to
  /// end while it merged Parquet crashed in Arrow, one time in ten.
  @Test(arguments: ["version": Int32(0), "--help": 0, "describe": 64])
  func noDestructorRuns(command: String, code: Int32) async throws {
    let sandbox = try Sandbox()
    let program = try Program([command], in: sandbox, environment: ["LD_DEBUG": "files"])
    #expect(await program.wait() == code)
    // The loader tells of what it calls, and would tell of the others.
    #expect(program.errors.contains("calling init: "))
    #expect(!program.errors.contains("calling fini: "))
  }

  @Test func whatIsSaidArrives() async throws {
    let sandbox = try Sandbox()
    let help = try Program(["--help"], in: sandbox)
    #expect(await help.wait() == 0)
    #expect(help.output.hasPrefix("OVERVIEW: "))
    #expect(help.output.hasSuffix("\n"))
    #expect(help.errors.isEmpty)
    let wrong = try Program(["describe"], in: sandbox)
    #expect(await wrong.wait() == 64)
    #expect(wrong.output.isEmpty)
    #expect(wrong.errors.hasPrefix("Error: Missing expected argument"))
    let failed = try Program(
      ["describe", "1", "--coordinator", "tcp://127.0.0.1:1"], in: sandbox)
    #expect(await failed.wait() == 1)
    #expect(failed.errors.hasPrefix("Error: "))
    #expect(failed.errors.hasSuffix("\n"))
  }
}
