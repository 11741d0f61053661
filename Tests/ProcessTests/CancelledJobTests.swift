import Foundation
import Glibc
import Testing

/// What a job that is cancelled leaves in its folders: nothing, whichever life of the coordinator
/// had begun to merge it.
@Suite struct CancelledJobTests {
  /// What the folders of output and errors have.
  private func names(_ fleet: TestFleet, _ errors: String) -> [String] {
    [fleet.output, errors].flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .map { "\(folder)/\($0)" }
    }
  }

  private func state(_ fleet: TestFleet) async throws -> String {
    struct List: Decodable {
      struct Job: Decodable { let state: String }
      let jobs: [Job]
    }
    let list = try fleet.client(["list", "--output", "json"])
    #expect(await list.wait() == 0, "\(list.errors)")
    let jobs = try JSONDecoder().decode(List.self, from: Data(list.output.utf8)).jobs
    return try #require(jobs.first).state
  }

  enum End: CaseIterable { case sameLife, nextLife }

  /// The merge has begun, and not all is scored.
  @Test(arguments: End.allCases) func nothingIsLeft(end: End) async throws {
    let fleet = try await TestFleet(rowCount: 30_000)
    let errors = fleet.sandbox.path("errors")
    let submit = try fleet.client(["submit", fleet.jobFile(errors: errors)])
    #expect(await submit.wait(.seconds(20)) == 0, "\(submit.errors)")
    let worker = try fleet.startWorker(
      environment: ["NIGHTSHIFT_FAILPOINT": "worker.acknowledged=kill"])
    #expect(await worker.wait(.seconds(30)) == 128 + SIGKILL, "\(worker.errors)")
    #expect(
      await waitUntil(.seconds(10)) { names(fleet, errors).contains { $0.hasSuffix("-errors") } },
      "\(fleet.coordinator.errors)")
    let begun = names(fleet, errors)
    let job = try #require(begun.first { $0.hasPrefix(fleet.output) }?.split(separator: "-").last)
    // Named after the state folder.
    let staging = try #require(
      FileManager.default.contentsOfDirectory(atPath: "\(fleet.output)/.nightshift-\(job)").first)
    if end == .nextLife {
      fleet.coordinator.signal(SIGKILL)
      _ = await fleet.coordinator.wait()
      try await fleet.restartCoordinator()
    }
    let cancel = try fleet.client(["cancel", String(job)])
    #expect(await cancel.wait(.seconds(20)) == 0, "\(cancel.errors)")
    #expect(
      await waitUntil(.seconds(10)) { names(fleet, errors) == [] }, "\(names(fleet, errors))")
    #expect(try await state(fleet).contains("CANCELLED"))

    // A crash right before all of that: its spool is there yet, and so is what was merged.
    fleet.coordinator.signal(SIGKILL)
    _ = await fleet.coordinator.wait()
    let spool = "\(fleet.sandbox.state)/spool/\(job)"
    for folder in [
      spool, "\(fleet.output)/.nightshift-\(job)/\(staging)", "\(errors)/.nightshift-\(job)-errors",
    ] {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try "half".write(toFile: folder + "/file", atomically: true, encoding: .utf8)
    }
    try await fleet.restartCoordinator()
    #expect(
      await waitUntil(.seconds(10)) {
        names(fleet, errors) == [] && !FileManager.default.fileExists(atPath: spool)
      }, "\(names(fleet, errors))")
  }
}
