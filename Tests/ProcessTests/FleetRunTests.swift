import Fleet
import Foundation
import Glibc
import Testing

/// Coordinators that start their workers themselves, from no worker to no worker.
@Suite(.timeLimit(.minutes(3)))
struct FleetRunTests {
  /// A fleet file in a folder of its own: it is there before its coordinator.
  private final class PoolFile {
    let folder: String
    var path: String { folder + "/fleet.yaml" }

    init(_ pool: String) throws {
      folder = NSTemporaryDirectory() + "nightshift-fleet-\(UUID().uuidString)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try "pools:\n  \(pool)\n".write(toFile: path, atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }  // a leftover disturbs nobody
  }

  /// Worker processes of this machine that have the fleet's token.
  private func workerCount(of fleet: TestFleet) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").count { name in
      // One that ends meanwhile has no words.
      let line = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") ?? Data()
      let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      return words.contains("worker") && words.contains(fleet.sandbox.state + "/fleet.token")
    }
  }

  /// Where a job is published below a folder; nil: the fleet's own.
  private func folder(of fleet: TestFleet, below output: String? = nil) throws -> String {
    let output = output ?? fleet.output
    let names = try FileManager.default.contentsOfDirectory(atPath: output)
    return try output + "/" + #require(names.first { $0.hasPrefix("prediction-") })
  }

  private struct Record: Decodable {
    struct Exit: Decodable {
      let worker: String
      let end: String
    }
    let secondsAfterTheEnd: Double
    let workers: [Exit]
    let kept: [String]
  }

  private func zeroRecord(_ fleet: TestFleet, below output: String? = nil) throws -> Record {
    let bytes = try Data(
      contentsOf: URL(filePath: folder(of: fleet, below: output) + "/zero.json"))
    return try JSONDecoder().decode(Record.self, from: bytes)
  }

  private func jobFile(_ fleet: TestFleet, resources: String) throws -> String {
    let file = try fleet.jobFile()
    let text = try String(contentsOfFile: file, encoding: .utf8)
    try (text + "dedicatedResources: {\(resources)}\n")
      .write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }

  @Test func aJobStartsItsWorkersAndNoneIsLeft() async throws {
    let file = try PoolFile("here: {engine: local, threads: 1, maxReplicaCount: 2}")
    let fleet = try await TestFleet(options: ["--fleet", file.path])
    let expected = try await fleet.undisturbed()
    let job = try jobFile(fleet, resources: "startingReplicaCount: 2")
    let submit = try fleet.client(["submit", job, "--until-zero"])
    #expect(await submit.wait() == 2, "\(submit.errors)")
    #expect(submit.errors.contains("nothing of the fleet is left"))
    #expect(try workerCount(of: fleet) == 0)
    try await fleet.expectOnly(expected)
    let record = try zeroRecord(fleet)
    #expect(record.secondsAfterTheEnd < 30)
    #expect(record.workers.map(\.end) == ["exit code 0", "exit code 0"])
    #expect(record.kept.isEmpty)
    let logs = try FileManager.default.contentsOfDirectory(
      atPath: fleet.sandbox.state + "/worker-logs")
    #expect(logs.sorted() == record.workers.map { $0.worker + ".log" })
    let verify = try Program(["verify", try folder(of: fleet)], in: fleet.sandbox)
    #expect(await verify.wait() == 0, "\(verify.output) \(verify.errors)")
  }

  /// Workers go on without the coordinator, and its next life finds them.
  @Test func workersOfAKilledCoordinatorAreFoundAndGo() async throws {
    let file = try PoolFile("here: {engine: local, threads: 1, maxReplicaCount: 1}")
    let fleet = try await TestFleet(
      environment: ["NIGHTSHIFT_FAILPOINT": "coordinator.committed=kill@6"],
      options: ["--fleet", file.path])
    let expected = try await fleet.undisturbed()
    let submit = try fleet.client(["submit", try fleet.jobFile(), "--until-zero"])
    #expect(await fleet.coordinator.wait() == 128 + SIGKILL)
    #expect(try workerCount(of: fleet) == 1)
    try await fleet.restartCoordinator()
    #expect(await submit.wait() == 2, "\(submit.errors)")
    #expect(fleet.coordinator.errors.contains("is of an earlier life"))
    #expect(!fleet.coordinator.errors.contains("workers are started"))
    #expect(try workerCount(of: fleet) == 0)
    try await fleet.expectOnly(expected)
    #expect(try zeroRecord(fleet).workers.map(\.end) == ["it is no longer listed"])
  }

  @Test func workersThatDieAtOnceStopTheirPool() async throws {
    let file = try PoolFile(
      "here: {engine: local, threads: 1, maxReplicaCount: 10, program: /bin/false}")
    let fleet = try await TestFleet(rowCount: 4_000, badRows: [], options: ["--fleet", file.path])
    let job = try jobFile(fleet, resources: "startingReplicaCount: 10")
    let submit = try fleet.client(["submit", job])
    #expect(await submit.wait() == 0, "\(submit.errors)")
    #expect(
      await waitUntil(.seconds(20)) { fleet.coordinator.errors.contains("pool here is stopped") })
    let status = try fleet.client(["fleet"])
    #expect(await status.wait() == 0)
    #expect(
      status.output.contains(
        "pool here is stopped: 10 workers in a row ended within 5 s, the last one with: exit code 1"
      ), "\(status.output)")
    #expect(status.output.contains("nightshift fleet scale here --reopen"))
    let refused = try fleet.client(["fleet", "scale", "there", "--max", "3"])
    #expect(await refused.wait() == 1)
    #expect(refused.errors.contains("the fleet has no pool of this name; it has here"))
    let reopened = try fleet.client(["fleet", "scale", "here", "--reopen", "--max", "0"])
    #expect(await reopened.wait() == 0)
    #expect(!reopened.output.contains("stopped"))
  }

  @Test func whatNoWorkerCouldBeStartedForIsRefused() async throws {
    let file = try PoolFile("here: {engine: local, threads: 1}")
    let fleet = try await TestFleet(rowCount: 10, badRows: [], options: ["--fleet", file.path])
    let job = try jobFile(fleet, resources: "machineSpec: {machineType: big}")
    let submit = try fleet.client(["submit", job])
    #expect(await submit.wait() == 1)
    #expect(submit.errors.contains("the fleet has no pool of this name; it has here"))
    let plain = try await TestFleet(rowCount: 10, badRows: [])
    let late = try plain.client(["submit", try plain.jobFile(), "--deadline", "2h"])
    #expect(await late.wait() == 1)
    #expect(late.errors.contains("dedicatedResources.deadline: this coordinator starts no workers"))
    let zero = try plain.client(["submit", try plain.jobFile(), "--until-zero"])
    #expect(await zero.wait() == 1)
    #expect(zero.errors.contains("this coordinator starts no workers: start it with --fleet"))
  }

  /// No worker takes a lease here, so that what is paid for is the start alone.
  @Test func aJobWhoseBudgetIsSpentIsPaused() async throws {
    let file = try PoolFile(
      "here: {engine: local, threads: 1, maxReplicaCount: 1, pricePerHour: 36000, "
        + "program: /bin/cat, arguments: [--version]}")
    let fleet = try await TestFleet(rowCount: 100, badRows: [], options: ["--fleet", file.path])
    let submit = try fleet.client(["submit", try fleet.jobFile(), "--budget", "0.5"])
    #expect(await submit.wait() == 0, "\(submit.errors)")
    let isPaused = await waitUntil(.seconds(30)) {
      fleet.coordinator.errors.contains(
        "PAUSED: its budget is spent: resume it to spend as much again")
    }
    #expect(isPaused, "\(fleet.coordinator.errors)")
  }

  @Test func aCoordinatorWithNothingToDoEnds() async throws {
    let file = try PoolFile("here: {engine: local, threads: 1, maxReplicaCount: 1}")
    let fleet = try await TestFleet(
      rowCount: 100, badRows: [], options: ["--fleet", file.path, "--exit-when-idle", "2"])
    let submit = try fleet.client(["submit", try fleet.jobFile(), "--wait"])
    #expect(await submit.wait() == 0, "\(submit.errors)")
    #expect(await fleet.coordinator.wait(.seconds(30)) == 0)
    #expect(fleet.coordinator.errors.contains("nothing of the fleet is left"))
    #expect(fleet.coordinator.errors.contains("the coordinator ends"))
    #expect(try workerCount(of: fleet) == 0)
  }

  /// From none to two tasks of a real Slurm, and to none.
  @Test func aSlurmFleetScoresAndGoes() async throws {
    let folder = NSTemporaryDirectory() + "nightshift-slurm-\(UInt64.random(in: 0..<1 << 40))"
    let script = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "slurm").path
    try await EngineCommand(script, ["up", folder]).run()
    do {
      try await scoreUnderSlurm(folder)
    } catch {
      try await EngineCommand(script, ["down", folder]).run()
      throw error
    }
    try await EngineCommand(script, ["down", folder]).run()
    try FileManager.default.removeItem(atPath: folder)
  }

  private func scoreUnderSlurm(_ folder: String) async throws {
    let file = try PoolFile(
      "batch: {engine: slurm, threads: 1, maxReplicaCount: 2, logFolder: \(folder), "
        + "slurm: {configuration: \(folder)/slurm.conf}}")
    let fleet = try await TestFleet(options: ["--fleet", file.path])
    let expected = try await fleet.undisturbed()
    let job = try jobFile(fleet, resources: "startingReplicaCount: 2")
    let submit = try fleet.client(["submit", job, "--until-zero"])
    #expect(await submit.wait() == 2, "\(submit.errors) \(fleet.coordinator.errors)")
    try await fleet.expectOnly(expected)
    #expect(
      try zeroRecord(fleet).workers.map(\.end)
        == ["COMPLETED, exit code 0", "COMPLETED, exit code 0"])
    // Slurm still lists the two; the next record is of the next worker.
    let second = fleet.sandbox.path("second")
    let again = try fleet.client(
      ["submit", try fleet.jobFile("second.yaml", output: second), "--until-zero"])
    #expect(await again.wait() == 2, "\(again.errors) \(fleet.coordinator.errors)")
    #expect(
      try zeroRecord(fleet, below: second).workers.map(\.end) == ["COMPLETED, exit code 0"])
    #expect(try workerCount(of: fleet) == 0)
  }
}
