import CoordinatorCore
import Foundation
import Jobs
import Journal
import Leasing
import Testing

/// A full disk costs nothing but time.
@Suite struct DiskFullTests {
  @Test func aFullDiskLeavesTheJournalUsable() throws {
    let folder = try TemporaryFolder()
    let disk = folder.path + "/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
    guard try run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk) == 0 else {
      Issue.record("not run: a 2 MiB tmpfs cannot be mounted here (needs root)")
      return
    }
    defer { _ = try? run("umount", disk) }
    let journal = try Journal(folder: disk + "/state")
    try journal.append([.submitted(JobID(1), Sample.request("a"), createdNanoseconds: 0)])
    let ballast = disk + "/ballast"
    try Data(repeating: 1, count: 1 << 20).write(to: URL(fileURLWithPath: ballast))
    var shard = 0
    var before = try contents(journal)
    var failure: JournalError?
    while failure == nil, shard < 100_000 {
      let entries = (shard..<shard + 64).map { JournalEntry.commit(JobID(1), Sample.commit($0)) }
      do throws(JournalError) {
        try journal.append(entries)
        before = try contents(journal)
        shard += 64
      } catch {
        failure = error
      }
    }
    #expect(failure?.code == .diskFull, "\(String(describing: failure))")
    #expect(shard > 0)
    #expect(try contents(journal) == before, "half a transaction")
    #expect(throws: JournalError.self) {
      try journal.append((0..<512).map { .commit(JobID(1), Sample.commit(shard + $0)) })
    }
    try FileManager.default.removeItem(atPath: ballast)
    try journal.append((0..<64).map { .commit(JobID(1), Sample.commit(shard + $0)) })
    let after = try contents(journal)
    #expect(after.count > before.count && after.hasPrefix(before))
    journal.close()
    #expect(try contents(Journal(folder: disk + "/state")) == after)
  }

  @Test func aFullDiskAtTheStartIsSaid() throws {
    let folder = try TemporaryFolder()
    let disk = folder.path + "/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
    guard try run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk) == 0 else {
      Issue.record("not run: a 64 KiB tmpfs cannot be mounted here (needs root)")
      return
    }
    defer { _ = try? run("umount", disk) }
    try Data(repeating: 1, count: 48 << 10).write(to: URL(fileURLWithPath: disk + "/ballast"))
    let error = #expect(throws: JournalError.self) { _ = try Journal(folder: disk + "/state") }
    #expect(error?.code == .diskFull, "\(String(describing: error))")
    try FileManager.default.removeItem(atPath: disk + "/ballast")
    #expect(throws: Never.self) { try Journal(folder: disk + "/state").close() }
  }
}
