import Foundation
import Glibc
import Testing

/// The disk under a worker's scratch folder is full: the worker leaves, the job goes on without it.
@Suite struct FullScratchTests {
  @Test func aWorkerWithAFullScratchFolderLeavesAndAnotherFinishes() async throws {
    let fleet = try await TestFleet()
    let expected = try await fleet.undisturbed()
    let disk = try SmallDisk(byteCount: 64 << 10)
    _ = try disk.fill(leaving: 0)
    let unfit = try fleet.startWorker(["--scratch", disk.path])
    let submit = try fleet.submit()
    #expect(await unfit.wait(.seconds(30)) == 1, "\(unfit.errors)")
    #expect(unfit.errors.contains("scratch folder \(disk.path) is full"), "\(unfit.errors)")
    #expect(
      unfit.errors.components(separatedBy: "is handed back").count == 3,
      "two leases and no more: \(unfit.errors)")
    #expect(submit.process.isRunning)
    // The reason reached the job's log, and no shard was charged.
    let log = fleet.coordinator.errors
    #expect(log.contains("scratch folder \(disk.path) is full"), "\(log)")
    #expect(!log.contains("ENVIRONMENT"), "\(log)")
    let worker = try await fleet.startJoinedWorker()
    #expect(await submit.wait() == 2, "\(submit.errors)")
    #expect(try fleet.published() == expected)
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }
}
