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
    let expected = try await fleet.undisturbed()
    let worker = try fleet.startWorker()
    let submit = try fleet.submit()
    #expect(
      await fleet.coordinator.wait(.seconds(30)) == 128 + SIGKILL, "\(fleet.coordinator.errors)")
    try await fleet.restartCoordinator()
    #expect(await submit.wait() == 2, "\(submit.errors) \(fleet.coordinator.errors)")
    #expect(try fleet.published() == expected)
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
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
