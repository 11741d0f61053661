import Glibc
import Testing

/// Jobs that end although a process is killed: with what an undisturbed run publishes.
extension TestFleet {
  /// Submits the job to the coordinator, whose failpoint kills it, and starts it again.
  func endJobOfKilledCoordinator() async throws {
    let expected = try await undisturbed()
    let worker = try startWorker()
    let submit = try submit()
    #expect(await coordinator.wait(.seconds(30)) == 128 + SIGKILL, "\(coordinator.errors)")
    try await restartCoordinator()
    #expect(await submit.wait() == 2, "\(submit.errors) \(coordinator.errors)")
    try await expectOnly(expected)
    await end(worker)
  }

  /// Submits the job to a worker that a failpoint kills, and starts another one.
  func endJobOfKilledWorker(failpoint: String) async throws {
    let expected = try await undisturbed()
    let victim = try startWorker(environment: ["NIGHTSHIFT_FAILPOINT": failpoint])
    let submit = try submit()
    #expect(await victim.wait(.seconds(30)) == 128 + SIGKILL, "\(victim.errors)")
    let worker = try await startJoinedWorker()
    #expect(await submit.wait() == 2, "\(submit.errors)")
    try await expectOnly(expected)
    await end(worker)
  }

  /// Has a worker leave.
  func end(_ worker: Program) async {
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }

  /// Expects a publication, and soon after it nothing else below the output.
  func expectOnly(_ expected: Publication) async throws {
    #expect(try published() == expected)
    try await expectNothingLeft()
  }

  /// Expects that soon there is nothing below the output that is not published.
  func expectNothingLeft() async throws {
    let isClean = await waitUntil(.seconds(10)) { (try? leftovers().isEmpty) == true }
    let names = try leftovers()
    #expect(isClean, "\(names)")
  }
}
