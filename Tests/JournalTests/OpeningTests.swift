import CoordinatorCore
import Foundation
import Jobs
import Journal
import Testing

/// Who may open a journal, and with which settings it is open.
@Suite struct OpeningTests {
  @Test func aSecondOpenerIsRefused() throws {
    let folder = try TemporaryFolder()
    let first = try Journal(folder: folder.state)
    let error = #expect(throws: JournalError.self) { _ = try Journal(folder: folder.state) }
    #expect(error?.code == .locked)
    #expect(error?.context.contains(folder.state) == true)
    #expect(error?.context.contains("(process \(getpid()))") == true)
    first.close()
    let second = try Journal(folder: folder.state)
    #expect(second.startCount == 2)
    #expect(second.incarnation > first.incarnation)
  }

  @Test func aReturnedBackupStartsAnotherLife() throws {
    let folder = try TemporaryFolder()
    try Journal(folder: folder.state).close()
    var incarnations: Set<Incarnation> = []
    for number in 0..<4 {
      let copy = "\(folder.path)/copy-\(number)"
      try FileManager.default.copyItem(atPath: folder.state, toPath: copy)
      let journal = try Journal(folder: copy)
      #expect(journal.startCount == 2)
      #expect(journal.incarnation > Incarnation(1))
      incarnations.insert(journal.incarnation)
    }
    #expect(incarnations.count > 1)  // all four the same: once in 2^48
  }

  @Test func anotherProcessIsRefused() async throws {
    let folder = try TemporaryFolder()
    let journal = try Journal(folder: folder.state)
    setenv("NIGHTSHIFT_TEST_STATE", folder.state, 1)
    await #expect(processExitsWith: .exitCode(42)) {
      let path = ProcessInfo.processInfo.environment["NIGHTSHIFT_TEST_STATE"] ?? ""
      do throws(JournalError) {
        _ = try Journal(folder: path)
      } catch {
        exit(error.code == .locked ? 42 : 43)
      }
    }
    #expect(journal.incarnation == Incarnation(1))
  }

  @Test func theLockOfADeadProcessIsFree() throws {
    let folder = try TemporaryFolder()
    try Journal(folder: folder.state).close()
    let (holder, mark) = (Process(), folder.path + "/holder")
    holder.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
    holder.arguments = [
      "--no-fork", folder.state + "/lock", "sh", "-c", "echo held > \(mark); exec sleep 60",
    ]
    try holder.run()
    defer { holder.terminate() }
    try waitUntil { FileManager.default.fileExists(atPath: mark) }
    let error = #expect(throws: JournalError.self) { _ = try Journal(folder: folder.state) }
    #expect(error?.code == .locked)
    kill(holder.processIdentifier, SIGKILL)
    holder.waitUntilExit()
    #expect(throws: Never.self) { try Journal(folder: folder.state).close() }
  }

  /// Waits at most 30 s: a busy machine may need seconds to start a process.
  private func waitUntil(_ isSo: () -> Bool) throws {
    for _ in 0..<3_000 where !isSo() { usleep(10_000) }
    try #require(isSo())
  }

  @Test func keepsEveryoneElseOut() throws {
    let folder = try TemporaryFolder()
    let journal = try Journal(folder: folder.state)
    try journal.append([.submitted(JobID(1), Sample.request("a"), createdNanoseconds: 0)])
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.state).sorted()
    #expect(files == ["journal.sqlite", "journal.sqlite-wal", "lock"])
    for (path, mode) in files.map({ ("/" + $0, 0o600) }) + [("", 0o700)] {
      var status = stat()
      #expect(stat(folder.state + path, &status) == 0)
      #expect(Int(status.st_mode & 0o777) == mode, "\(path)")
    }
  }

  @Test func takesAnEmptyFolderAndNoOther() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: folder.state, withIntermediateDirectories: false)
    chmod(folder.state, 0o755)
    try Journal(folder: folder.state).close()
    var status = stat()
    #expect(stat(folder.state, &status) == 0 && status.st_mode & 0o777 == 0o700)
    chmod(folder.path, 0o755)
    #expect(throws: JournalError.self) { _ = try Journal(folder: folder.path) }
    #expect(stat(folder.path, &status) == 0 && status.st_mode & 0o777 == 0o755)
    #expect(throws: JournalError.self) { _ = try Journal(folder: folder.path + "/no/such") }
    #expect(throws: JournalError.self) { _ = try Journal(folder: "/dev/null") }
  }

  @Test func isDurable() throws {
    let folder = try TemporaryFolder()
    let journal = try Journal(folder: folder.state)
    let settings = try journal.settings()
    #expect(settings["journal_mode"] == "wal")
    #expect(settings["synchronous"] == "2")
    #expect(settings["locking_mode"] == "exclusive")
    #expect(settings["cell_size_check"] == "1")
    #expect(settings["wal_autocheckpoint"] == "4000")
    #expect(settings["journal_size_limit"] == "67108864")
  }

  @Test func takesUpTheFirstSchema() throws {
    let folder = try TemporaryFolder()
    let journal = try Journal(folder: folder.state)
    let plan = try Sample.plan(inputs: 1)
    try journal.append([
      .submitted(JobID(1), Sample.request("a"), createdNanoseconds: 0),
      .planned(JobID(1), plan, Sample.model),
    ])
    let before = try contents(journal)
    journal.close()
    try Journal.lowerSchemaVersion(folder: folder.state)
    let later = try Journal(folder: folder.state)
    #expect(try contents(later) == before)
    // What the first schema had no place for is kept now, and found by the next life too.
    let cut = try Sample.plan(inputs: 3)
    try later.append([
      .submitted(JobID(2), Sample.request("b"), createdNanoseconds: 0),
      .planned(JobID(2), cut, Sample.model),
    ])
    later.close()
    let jobs = try Journal(folder: folder.state).jobs()
    #expect(jobs.first { $0.id == JobID(2) }?.planned?.plan == cut)
  }

  @Test(arguments: [Int64(1), 2]) func plansOfEarlierSchemasHaveNoColumns(version: Int64) throws {
    let folder = try TemporaryFolder()
    let journal = try Journal(folder: folder.state)
    let entries: [JournalEntry] = [
      .submitted(JobID(1), Sample.request("a"), createdNanoseconds: 0),
      .planned(JobID(1), try Sample.plan(inputs: 1), Sample.model),
      .columns(JobID(1), PlannedColumns(names: ["a"], types: nil)),
    ]
    try journal.append(entries)
    journal.close()
    try Journal.lowerSchemaVersion(folder: folder.state, to: version)
    let later = try Journal(folder: folder.state)
    #expect(try later.columns(of: JobID(1)) == nil)
    #expect(try !later.hasCheckedInputs(of: JobID(1)))
    // What the job is found to have now is kept.
    try later.append([.columns(JobID(1), PlannedColumns(names: ["a"], types: [.date]))])
    later.close()
    let columns = try Journal(folder: folder.state).columns(of: JobID(1))
    #expect(columns == PlannedColumns(names: ["a"], types: [.date]))
  }

  @Test func refusesANewerSchema() throws {
    let folder = try TemporaryFolder()
    try Journal(folder: folder.state).close()
    try Journal.raiseSchemaVersion(folder: folder.state, to: 4)
    let error = #expect(throws: JournalError.self) { _ = try Journal(folder: folder.state) }
    #expect(error?.code == .newerSchema)
    #expect(error?.context.contains("has schema 4, this release knows 3") == true)
  }

  @Test(arguments: [
    (0x801, nil), (0x31, "nfs4"), (0x10_0032, "fuse.sshfs"), (0x33, nil), (0x34, nil),
  ])
  func knowsNetworkFileSystems(device: UInt64, type: String?) {
    let mounts = """
      22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
      40 22 0:49 / /home rw shared:2 master:3 - nfs4 server:/home rw,vers=4.2
      41 22 0:306 / /mnt/ssh rw - fuse.sshfs host:/ rw
      42 22 0:51 / /mnt/ntfs rw - fuseblk /dev/sdb1 rw
      43 22
      """
    // 0x100032 is minor 0x132 in glibc's encoding, 306.
    #expect(FileSystem.networkType(device: device, mounts: mounts) == type)
  }
}
