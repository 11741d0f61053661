import Foundation
import Glibc
import Testing

/// A worker is killed, stopped or told to leave; the output is that of an undisturbed run.
@Suite struct KilledWorkerTests {
  @Test(arguments: [
    "worker.acquiring=kill@2", "worker.reading=kill@2", "worker.scoring=kill@9",
    "worker.sending=kill@2", "worker.sent=kill@2", "worker.acknowledged=kill@2",
  ])
  func aKilledWorkerChangesNothing(failpoint: String) async throws {
    let fleet = try await TestFleet()
    try await fleet.endJobOfKilledWorker(failpoint: failpoint)
  }

  /// The end of its connection says that a worker may be dead, long before its lease is over.
  @Test func whatAKilledWorkerHeldRunsAgainBeforeItsLeaseEnds() async throws {
    let fleet = try await TestFleet(
      options: ["--lease-duration", "60", "--heartbeat-interval", "0.5"])
    let expected = try await fleet.undisturbed()
    let victim = try fleet.startWorker(
      environment: ["NIGHTSHIFT_FAILPOINT": "worker.scoring=kill@5"])
    let submit = try fleet.submit()
    #expect(await victim.wait(.seconds(30)) == 128 + SIGKILL, "\(victim.errors)")
    let worker = try await fleet.startJoinedWorker()
    #expect(await submit.wait(.seconds(30)) == 2, "\(submit.errors)")
    try await fleet.expectOnly(expected)
    await fleet.end(worker)
  }

  @Test func aWorkerStoppedBeyondItsLeaseChangesNothing() async throws {
    let fleet = try await TestFleet()
    let expected = try await fleet.undisturbed()
    let sleeper = try fleet.startWorker(
      environment: ["NIGHTSHIFT_FAILPOINT": "worker.scoring=stop@5"])
    let submit = try fleet.submit()
    #expect(await waitUntil(.seconds(30)) { isStopped(sleeper) })
    let worker = try await fleet.startJoinedWorker()
    // Longer than the lease of two seconds: the other worker has taken over by then.
    try await Task.sleep(for: .seconds(3))
    sleeper.signal(SIGCONT)
    #expect(await submit.wait() == 2, "\(submit.errors)")
    #expect(try fleet.published() == expected)
    for program in [sleeper, worker] { await fleet.end(program) }
  }

  @Test func sigtermHandsBackAndLeaves() async throws {
    let fleet = try await TestFleet(rowCount: 40_000)
    let expected = try await fleet.undisturbed()
    let leaver = try await fleet.startJoinedWorker()
    let submit = try fleet.submit()
    #expect(await waitUntil(.seconds(30)) { fleet.coordinator.errors.contains("RUNNING") })
    leaver.signal(SIGTERM)
    #expect(await leaver.wait(.seconds(25)) == 0, "\(leaver.errors)")
    let worker = try await fleet.startJoinedWorker()
    #expect(await submit.wait() == 2, "\(submit.errors)")
    #expect(try fleet.published() == expected)
    await fleet.end(worker)
  }

  private func isStopped(_ program: Program) -> Bool {
    let path = "/proc/\(program.process.processIdentifier)/stat"
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return text.contains(") T ")
  }
}
