import Foundation
import Glibc
import Testing
import Wire

extension TestFleet {
  /// Makes a worker's token, as its user does.
  func tokenFile(of name: String) async throws -> String {
    let add = try client(offline: ["workers", "token", "add", name])
    guard await add.wait(.seconds(20)) == 0 else { throw TestFailure(add.errors) }
    let file = sandbox.path("\(name)-\(sandbox.nextNumber()).token")
    try add.output.write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }

  /// A command that needs the state folder alone.
  func client(offline arguments: [String]) throws -> Program {
    try Program(arguments + ["--state", sandbox.state], in: sandbox)
  }

  /// Starts a worker with a token file and waits until it has joined.
  func startWorker(tokenFile: String) async throws -> Program {
    let worker = try Program(
      ["worker", "--join", address, "--token-file", tokenFile, "--threads", "1"], in: sandbox)
    guard await waitUntil(.seconds(30), { worker.errors.contains("joined") }) else {
      throw TestFailure("the worker did not join: \(worker.errors)")
    }
    return worker
  }
}

/// Tokens of single workers: made, listed, used, revoked.
@Suite struct WorkerTokenTests {
  @Test func aRevokedWorkerIsSentAwayAlone() async throws {
    let fleet = try await TestFleet()
    let seventh = try await fleet.tokenFile(of: "node7")
    let eighth = try await fleet.tokenFile(of: "node8")
    let revoked = try await fleet.startWorker(tokenFile: seventh)
    let others = [
      try await fleet.startWorker(tokenFile: eighth), try await fleet.startJoinedWorker(),
    ]
    let begin = ContinuousClock.now
    let revoke = try fleet.client(offline: ["workers", "token", "revoke", "node7"])
    #expect(await revoke.wait(.seconds(20)) == 0, "\(revoke.errors)")
    let said = ContinuousClock.now
    #expect(await revoked.wait(.seconds(20)) == 1)
    // A heartbeat is 0.3 s here; the rest is for a busy machine.
    #expect(said.duration(to: .now) < .seconds(3))
    print("a revoked worker was gone", begin.duration(to: .now), "after the command began")
    #expect(revoked.errors.contains("the token of node7 was revoked"), "\(revoked.errors)")
    // It does not get in again, and a later token of the same name is another.
    let again = try Program(
      ["worker", "--join", fleet.address, "--token-file", seventh], in: fleet.sandbox)
    #expect(await again.wait(.seconds(20)) == 1)
    #expect(again.errors.contains("or it was revoked"), "\(again.errors)")
    let later = try await fleet.tokenFile(of: "node7")
    #expect(
      try String(contentsOfFile: later, encoding: .utf8)
        != String(contentsOfFile: seventh, encoding: .utf8))
    let newcomer = try await fleet.startWorker(tokenFile: later)
    for worker in others {
      #expect(worker.process.isRunning)
      await fleet.end(worker)
    }
    await fleet.end(newcomer)
  }

  /// A token is on disk before it is told: it is good after a restart, and what was revoked is not.
  @Test func tokensOutliveTheCoordinator() async throws {
    let fleet = try await TestFleet()
    let kept = try await fleet.tokenFile(of: "kept")
    let gone = try await fleet.tokenFile(of: "gone")
    let worker = try await fleet.startWorker(tokenFile: kept)
    fleet.coordinator.signal(SIGKILL)
    #expect(await fleet.coordinator.wait() == 128 + SIGKILL)
    let revoke = try fleet.client(offline: ["workers", "token", "revoke", "gone"])
    #expect(await revoke.wait(.seconds(20)) == 0)
    try await fleet.restartCoordinator()
    // The worker finds its session gone, and says hello again by itself.
    let isBack = await waitUntil(.seconds(20)) {
      guard let workers = try? fleet.client(["workers"]) else { return false }
      while workers.process.isRunning { usleep(10_000) }
      return workers.output.contains("ago")
    }
    #expect(isBack, "\(worker.errors)")
    let refused = try Program(
      ["worker", "--join", fleet.address, "--token-file", gone], in: fleet.sandbox)
    #expect(await refused.wait(.seconds(20)) == 1)
    #expect(refused.errors.contains("or it was revoked"), "\(refused.errors)")
    await fleet.end(worker)
  }

  /// What cannot be read is not revoked: nobody is sent away, and nobody new is let in or ends.
  @Test func aFolderThatCannotBeReadRevokesNobody() async throws {
    let fleet = try await TestFleet(rowCount: 10, badRows: [])
    let seventh = try await fleet.tokenFile(of: "node7")
    let eighth = try await fleet.tokenFile(of: "node8")
    let worker = try await fleet.startWorker(tokenFile: seventh)
    let (folder, aside) = (fleet.sandbox.path("state/workers"), fleet.sandbox.path("aside"))
    let disk = FileManager.default
    try disk.moveItem(atPath: folder, toPath: aside)
    #expect(disk.createFile(atPath: folder, contents: nil))
    let late = try Program(
      ["worker", "--join", fleet.address, "--token-file", eighth, "--threads", "1"],
      in: fleet.sandbox)
    // Eight looks at the folder: what does not happen shows in no other way.
    try await Task.sleep(for: .seconds(2))
    #expect(worker.process.isRunning, "\(worker.errors)")
    #expect(late.process.isRunning, "\(late.errors)")
    #expect(!late.errors.contains("joined"))
    try disk.removeItem(atPath: folder)
    try disk.moveItem(atPath: aside, toPath: folder)
    #expect(await waitUntil(.seconds(10)) { late.errors.contains("joined") })
    let revoke = try fleet.client(offline: ["workers", "token", "revoke", "node7"])
    #expect(await revoke.wait(.seconds(20)) == 0)
    #expect(await worker.wait(.seconds(20)) == 1)
    await fleet.end(late)
  }

  /// Workers that join while other tokens come and go are not taken for revoked ones.
  @Test func tokensThatComeAndGoTroubleNobodyElse() async throws {
    let fleet = try await TestFleet(rowCount: 10, badRows: [])
    var workers: [ScriptedWorker] = []
    for number in 0..<25 {
      let file = try await fleet.tokenFile(of: "node\(number)")
      let worker = try ScriptedWorker(of: fleet, tokenFile: file, contextCount: 1)
      try await worker.join()
      workers.append(worker)
    }
    let revoke = try fleet.client(offline: ["workers", "token", "revoke", "node3"])
    #expect(await revoke.wait(.seconds(20)) == 0)
    // The tokens are looked at again every now and then; whom that troubles it troubles at once.
    let end = ContinuousClock.now + .seconds(10)
    while try await workers[3].ask(.heartbeat(Heartbeat(held: []))).refusal == nil,
      ContinuousClock.now < end
    {
      try await Task.sleep(for: .milliseconds(20))
    }
    for (number, worker) in workers.enumerated() {
      let answer = try await worker.ask(.heartbeat(Heartbeat(held: [])))
      #expect((answer.refusal?.code == .unauthorized) == (number == 3), "\(number): \(answer)")
      await worker.close()
    }
  }

  @Test func theCommandsSayWhatIsThere() async throws {
    let sandbox = try Sandbox()
    // Not the folder that the sandbox's environment names: the option has to reach the command.
    let state = sandbox.path("named")
    func run(_ arguments: [String]) async throws -> (Int32?, String, String) {
      let program = try Program(
        ["workers", "token"] + arguments + ["--state", state], in: sandbox)
      let status = await program.wait(.seconds(20))
      return (status, program.output, program.errors)
    }
    #expect(try await run(["list"]).2.contains("there is no folder"))
    try FileManager.default.createDirectory(
      atPath: state, withIntermediateDirectories: true)
    #expect(try await run(["list"]).1 == "no worker has a token of its own\n")
    let (status, token, _) = try await run(["add", "node-7.a_b"])
    #expect(status == 0)
    #expect(token.wholeMatch(of: /node-7\.a_b [0-9a-f]{64}\n/) != nil, "\(token)")
    #expect(try await run(["add", "node-7.a_b"]).2.contains("has a token already"))
    for name in ["../up", ".hidden", "a b", "", "a/b", String(repeating: "n", count: 65)] {
      let (status, output, errors) = try await run(["add", name])
      #expect(status != 0 && output.isEmpty, "\(name)")
      #expect(errors.contains("cannot be a worker's name"), "\(errors)")
    }
    #expect(try await run(["list"]).1.contains("node-7.a_b"))
    #expect(try await run(["list", "--output", "json"]).1.contains("\"node-7.a_b\""))
    #expect(try await run(["revoke", "node-7.a_b"]).0 == 0)
    #expect(try await run(["revoke", "node-7.a_b"]).2.contains("has no token"))
    // To a file, which is new.
    let file = sandbox.path("node8.token")
    #expect(try await run(["add", "node8", "--out", file]).0 == 0)
    let written = try String(contentsOfFile: file, encoding: .utf8)
    #expect(written.wholeMatch(of: /node8 [0-9a-f]{64}\n/) != nil, "\(written)")
    #expect(try await run(["add", "node9", "--out", file]).2.contains("is there already"))
    #expect(try await run(["revoke", "node9"]).2.contains("has no token"))
    // Nobody else can read them.
    for path in ["\(state)/workers.key", "\(state)/workers", file] {
      var status = stat()
      #expect(stat(path, &status) == 0)
      #expect(status.st_mode & 0o077 == 0)
    }
  }
}
