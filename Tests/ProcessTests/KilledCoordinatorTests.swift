import Foundation
import Glibc
import Testing

/// The coordinator is killed at each phase and started again with the same state.
@Suite struct KilledCoordinatorTests {
  @Test(arguments: [
    "coordinator.planning=kill", "coordinator.granting=kill@2", "coordinator.receiving=kill@3",
    "coordinator.committing=kill@6", "coordinator.committed=kill@6", "coordinator.merging=kill@2",
    "coordinator.publishing=kill", "coordinator.published=kill",
  ])
  func aKilledCoordinatorChangesNothing(failpoint: String) async throws {
    let fleet = try await TestFleet(environment: ["NIGHTSHIFT_FAILPOINT": failpoint])
    try await fleet.endJobOfKilledCoordinator()
  }

  /// Errors of another place are there once, whole, whenever the coordinator dies.
  @Test(arguments: [
    "coordinator.merging=kill@2", "coordinator.publishing=kill", "coordinator.published=kill",
  ])
  func errorsElsewhereAreThereOnce(failpoint: String) async throws {
    let fleet = try await TestFleet(environment: ["NIGHTSHIFT_FAILPOINT": failpoint])
    let expected = try await fleet.undisturbed()
    let worker = try fleet.startWorker()
    let errors = fleet.sandbox.path("errors")
    let submit = try fleet.client(["submit", fleet.jobFile(errors: errors), "--wait"])
    #expect(
      await fleet.coordinator.wait(.seconds(30)) == 128 + SIGKILL, "\(fleet.coordinator.errors)")
    try await fleet.restartCoordinator()
    #expect(await submit.wait() == 2, "\(submit.errors) \(fleet.coordinator.errors)")
    let name = "prediction.errors_stats-00000-of-00001.jsonl.zst"
    let results = expected.files.filter { $0.key != name }
    #expect(try fleet.published().files == results)
    let folders = try FileManager.default.contentsOfDirectory(atPath: errors)
    #expect(folders.count == 1, "\(folders)")
    let path = "\(errors)/\(try #require(folders.first))"
    #expect(try FileManager.default.contentsOfDirectory(atPath: path) == [name])
    #expect(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")) == expected.files[name])
    await fleet.end(worker)
  }

  @Test func anEndedJobIsStillToldOfAfterARestart() async throws {
    let fleet = try await TestFleet()
    let worker = try await fleet.startJoinedWorker()
    let submit = try fleet.submit()
    #expect(await submit.wait() == 2, "\(submit.errors)")
    let before = try fleet.client(["list", "--output", "json"])
    #expect(await before.wait(.seconds(20)) == 0)
    fleet.coordinator.signal(SIGTERM)
    #expect(await fleet.coordinator.wait(.seconds(10)) == 0)
    try await fleet.restartCoordinator()
    let after = try fleet.client(["list", "--output", "json"])
    #expect(await after.wait(.seconds(20)) == 0)
    #expect(try told(before) == told(after), "\(before.output) \(after.output)")
    #expect(try told(before).contains("5998"))
    await fleet.end(worker)
  }

  /// What `list` says of the only job, without its times, as text that can be compared.
  private func told(_ list: Program) throws -> String {
    let document = try JSONSerialization.jsonObject(with: Data(list.output.utf8))
    let jobs = (document as? [String: Any])?["jobs"] as? [[String: Any]]
    var job = try #require(jobs?.first)
    for key in ["elapsedSeconds", "leaseCount", "recordsPerSecond", "startTime", "workerCount"] {
      job[key] = nil
    }
    var progress = try #require(job["progress"] as? [String: Any])
    progress["recordsPerSecond"] = nil
    job["progress"] = progress
    let data = try JSONSerialization.data(withJSONObject: job, options: [.sortedKeys])
    return String(decoding: data, as: UTF8.self)
  }

  @Test func aSecondCoordinatorIsRefused() async throws {
    let fleet = try await TestFleet()
    let second = try Program(
      ["coordinator", "--state", fleet.sandbox.state, "--listen", "tcp://127.0.0.1:0"],
      in: fleet.sandbox)
    #expect(await second.wait(.seconds(20)) == 1)
    #expect(second.errors.contains(fleet.sandbox.state), "\(second.errors)")
    #expect(fleet.coordinator.process.isRunning)
  }
}
