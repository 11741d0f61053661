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

  /// A worker was about to put a partial when its job was cancelled, and even deleted.
  @Test(arguments: [false, true])
  func aPartialThatComesLateIsRemoved(isDeleted: Bool) async throws {
    let fleet = try await TestFleet(rowCount: 600, store: servers)
    let worker = try fleet.startWorker(
      environment: ["NIGHTSHIFT_FAILPOINT": "worker.sending=stop"])
    let job = try await submit(fleet)
    #expect(await waitUntil(.seconds(20)) { isStopped(worker) }, "\(worker.errors)")
    try await cancel(job, fleet)
    if isDeleted {
      let delete = try fleet.client(["delete", job])
      #expect(await delete.wait(.seconds(20)) == 0, "\(delete.errors)")
    }
    // Nobody answers until the partial was seen.
    fleet.coordinator.signal(SIGSTOP)
    worker.signal(SIGCONT)
    let isThere = await waitUntil(.seconds(10)) {
      (try? fleet.leftovers())?.contains { $0.contains("/partials/") } == true
    }
    #expect(isThere, "the partial was not put: \(worker.errors)")
    fleet.coordinator.signal(SIGCONT)
    try await expectNothing(fleet)
    await fleet.end(worker)
  }

  /// A life removes what the one before left of a job, and the same job is submitted again
  /// meanwhile: what the new one puts into the store is not taken for the old one's.
  @Test func aJobThatIsSubmittedAgainKeepsItsPartials() async throws {
    let servers = try StoreServers()
    let sandbox = try Sandbox()
    let table = sandbox.path("table.csv")
    let arguments = [
      "run", "--model", TestTable.model, "--input", table, "--output", "s3://bucket/again",
      "--block-size", "8192", "--workers", "1", "--threads", "1", "--error-threshold", "0",
    ]
    func write(badRows: Set<Int>) throws {
      try TestTable.text(rowCount: 6_000, badRows: badRows)
        .write(toFile: table, atomically: true, encoding: .utf8)
    }
    // Below the current folder is the state, under the job's name.
    let launcher = ["/usr/bin/env", "-C", sandbox.path("")]
    try write(badRows: [5_990])
    let failing = try Program(
      arguments, in: sandbox, environment: servers.brokenVariables, launcher: launcher)
    #expect(await failing.wait() == 1, "\(failing.errors)")
    let name = try #require(
      FileManager.default.contentsOfDirectory(atPath: sandbox.path("")).first {
        $0.hasPrefix(".nightshift-")
      }, "\(failing.errors)")
    let job = name.dropFirst(".nightshift-".count)
    try FileManager.default.createDirectory(
      atPath: sandbox.path("\(name)/spool/\(job)"), withIntermediateDirectories: true)
    try write(badRows: [])
    let former = try servers.lines("partials").count
    // The removal takes its time, and the new job would have some partials there by then.
    try servers.rule(
      #"{"match": "HEAD .*manifest.json", "fault": "slow", "seconds": 2}, "#
        + #"{"match": "PUT .*\#(job).*partials", "skip": 3, "times": 100, "fault": "slow", "#
        + #""seconds": 4}"#)
    let again = try Program(
      arguments, in: sandbox, environment: servers.brokenVariables, launcher: launcher)
    #expect(await again.wait() == 0, "\(again.errors)")
    #expect(again.errors.contains("; anew"), "\(again.errors)")
    let lines = try servers.lines("partials").dropFirst(former)
    let puts = lines.indices.filter { lines[$0].hasPrefix("PUT ") }
    let removals = lines.indices.filter { lines[$0].hasPrefix("DELETE ") }
    #expect(puts.count > 3 && removals.count == puts.count, "\(lines)")
    #expect(removals.allSatisfy { $0 > puts.last ?? 0 }, "\(lines)")
  }

  private func isStopped(_ program: Program) -> Bool {
    let path = "/proc/\(program.process.processIdentifier)/stat"
    let text = try? String(contentsOfFile: path, encoding: .utf8)
    return text?.contains(") T ") == true
  }
}
