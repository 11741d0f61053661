import Foundation
import Glibc
import Testing

/// What a job leaves in an object store that did not come to its end in the ordinary way: nothing.
@Suite struct EndedStoreJobTests {
  private let servers = StoreServers.shared

  private func submit(_ fleet: TestFleet) async throws -> String {
    let submit = try fleet.client(["submit", try fleet.jobFile()])
    #expect(await submit.wait(.seconds(20)) == 0, "\(submit.errors)")
    return submit.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private func cancel(_ job: String, _ fleet: TestFleet) async throws {
    let spool = "\(fleet.sandbox.state)/spool/\(job)"
    // It tells the next life that there are partials somewhere.
    #expect(await waitUntil(.seconds(10)) { FileManager.default.fileExists(atPath: spool) })
    let cancel = try fleet.client(["cancel", job])
    #expect(await cancel.wait(.seconds(20)) == 0, "\(cancel.errors)")
    #expect(await waitUntil(.seconds(10)) { !FileManager.default.fileExists(atPath: spool) })
  }

  private func expectNothing(_ fleet: TestFleet) async throws {
    let isEmpty = await waitUntil(.seconds(10)) { (try? fleet.leftovers()) == [] }
    let left = try fleet.leftovers()
    #expect(isEmpty, "\(left) \(fleet.coordinator.errors)")
  }

  /// The coordinator was killed after a job's end was in its journal, and before it had cleaned up.
  @Test func theNextLifeRemovesPartials() async throws {
    let fleet = try await TestFleet(rowCount: 600, store: servers)
    let job = try await submit(fleet)
    try await cancel(job, fleet)
    fleet.coordinator.signal(SIGKILL)
    _ = await fleet.coordinator.wait()
    let spool = "\(fleet.sandbox.state)/spool/\(job)"
    try FileManager.default.createDirectory(atPath: spool, withIntermediateDirectories: true)
    let prefix = fleet.output.dropFirst("s3://bucket/".count)
    try servers.put(fleet.table, at: "\(prefix)/.nightshift-\(job)/partials/partial")
    #expect(try fleet.leftovers() != [])
    try await fleet.restartCoordinator()
    try await expectNothing(fleet)
    #expect(await waitUntil(.seconds(10)) { !FileManager.default.fileExists(atPath: spool) })
  }

  /// A worker was about to put a partial when its job was cancelled.
  @Test func aPartialThatComesLateIsRemoved() async throws {
    let fleet = try await TestFleet(rowCount: 600, store: servers)
    let worker = try fleet.startWorker(
      environment: ["NIGHTSHIFT_FAILPOINT": "worker.sending=stop"])
    let job = try await submit(fleet)
    #expect(await waitUntil(.seconds(20)) { isStopped(worker) }, "\(worker.errors)")
    try await cancel(job, fleet)
    worker.signal(SIGCONT)
    try await Task.sleep(for: .seconds(2))
    try await expectNothing(fleet)
    await fleet.end(worker)
  }

  private func isStopped(_ program: Program) -> Bool {
    let path = "/proc/\(program.process.processIdentifier)/stat"
    let text = try? String(contentsOfFile: path, encoding: .utf8)
    return text?.contains(") T ") == true
  }
}
