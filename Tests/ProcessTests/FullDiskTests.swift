import Foundation
import Glibc
import Testing

/// The disk under the spool is full: the job waits, says so, and goes on once there is space.
@Suite struct FullDiskTests {
  @Test func aFullSpoolIsWaitedOut() async throws {
    let reference = try await TestFleet(rowCount: 30_000)
    let expected = try await reference.undisturbed()
    let disk = try SmallDisk(byteCount: 6 << 20)
    let port = try TestFleet.freePorts()
    let sandbox = reference.sandbox
    let coordinator = try Program(
      [
        "coordinator", "--state", disk.path, "--listen", "tcp://127.0.0.1:\(port)",
        "--lease-duration", "2", "--heartbeat-interval", "0.3",
      ], in: sandbox)
    #expect(await waitUntil(.seconds(20)) { coordinator.output.contains("\n") })
    let connection = ["--coordinator", "tcp://127.0.0.1:\(port)", "--state", disk.path]
    let submit = try Program(
      ["submit", try reference.jobFile(), "--wait"] + connection, in: sandbox)
    #expect(await waitUntil(.seconds(20)) { coordinator.errors.contains("PENDING") })
    let filler = try disk.fill(leaving: 100 << 10)
    let worker = try Program(
      ["worker", "--join", "tcp://127.0.0.1:\(port)", "--state", disk.path, "--threads", "1"],
      in: sandbox)
    #expect(await waitUntil(.seconds(30)) { coordinator.errors.contains("spool is full") })
    #expect(submit.process.isRunning)
    #expect(Publication.isEmpty(reference.output))
    try FileManager.default.removeItem(atPath: filler)
    #expect(await submit.wait() == 2, "\(submit.errors) \(coordinator.errors)")
    #expect(try reference.published() == expected)
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
    coordinator.signal(SIGTERM)
    #expect(await coordinator.wait(.seconds(10)) == 0)
  }
}

/// A file system of a few megabytes, in memory; needs root, as continuous integration has.
final class SmallDisk {
  let path: String

  init(byteCount: Int) throws {
    path = "\(FileManager.default.temporaryDirectory.path)/nightshift-disk-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    guard mount("tmpfs", path, "tmpfs", 0, "size=\(byteCount),mode=0700") == 0 else {
      let reason = String(cString: strerror(errno))
      throw TestFailure("NOT RUN: cannot mount a small disk: \(reason) (root is needed)")
    }
  }

  deinit {
    umount2(path, Int32(MNT_DETACH))
    rmdir(path)
  }

  /// Writes a file that leaves so many bytes free.
  func fill(leaving free: Int) throws -> String {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { throw TestFailure("statvfs \(path)") }
    let byteCount = Int(status.f_bavail) * Int(status.f_frsize) - free
    let file = "\(path)/filler"
    try Data(count: max(0, byteCount)).write(to: URL(fileURLWithPath: file))
    return file
  }
}
