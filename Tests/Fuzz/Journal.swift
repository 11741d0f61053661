import CoordinatorCore
import Glibc
import Jobs
import Journal
import Leasing

extension FuzzTarget {
  /// A damaged state folder, opened and read as a coordinator does after a crash.
  ///
  /// The input is a list of changes to a sound journal: whether its database or its log is meant,
  /// where, and what bytes. Rows have checksums, so whatever is read is what was written.
  static let journal = FuzzTarget(name: "journal") { bytes in
    var choices = Choices(bytes)
    var files = sound
    while !choices.rest.isEmpty {
      let isLog = choices.flag()
      let place = Int(choices.byte()) | Int(choices.byte()) << 8 | Int(choices.byte() & 3) << 16
      let count = Int(choices.byte() & 15) + 1
      let changed = (0..<count).map { _ in choices.byte() }
      if isLog {
        change(&files.log, place, changed)
      } else {
        change(&files.database, place, changed)
      }
    }
    let folder = "\(Scratch.folder)/state"
    Scratch.write(files.database, "\(folder)/journal.sqlite")
    Scratch.write(files.log, "\(folder)/journal.sqlite-wal")
    unsafe unlink("\(folder)/journal.sqlite-shm")
    do throws(JournalError) {
      let journal = try Journal(folder: folder)
      let text = try contents(journal)
      journal.close()
      require(states.contains(text), "a damaged journal gives what was never written")
    } catch {
      require(!error.context.isEmpty, "an error without words")
    }
  }

  private static func change(_ file: inout [UInt8], _ place: Int, _ bytes: [UInt8]) {
    guard !file.isEmpty else { return }
    for (index, byte) in bytes.enumerated() { file[(place + index) % file.count] ^= byte }
  }

  /// What a journal says of its jobs.
  private static func contents(_ journal: Journal) throws(JournalError) -> String {
    var text = ""
    for job in try journal.jobs() {
      text += "\(job.id) \(job.request.displayName) \(job.state) \(job.reason) "
      text += "\(job.folder ?? "-") \(String(describing: job.planned))\n"
      text += "\(String(describing: try journal.columns(of: job.id)))"
      text += "\(try journal.hasCheckedInputs(of: job.id))"
      for commit in try journal.commits(of: job.id) { text += "\(commit)\n" }
      for charge in try journal.charges(of: job.id) { text += "\(charge)\n" }
    }
    return text
  }

  private typealias Files = (database: [UInt8], log: [UInt8])

  /// The entries of the sample, one transaction each.
  private static let entries: [[JournalEntry]] = {
    do {
      let job = JobID(7)
      let request = JobRequest(
        displayName: "sample", model: "/model", inputConfig: .init(uris: ["/a.csv"]),
        outputConfig: .init(uri: "/out"))
      let plan = try Plan(inputs: [
        PlannedInput(
          path: "/a.zst", byteCount: 5, modifiedNanoseconds: 1, inode: 2, compression: .zstd,
          version: "tag",
          cuts: [InputCut(offset: 0, place: 0), InputCut(offset: 9, place: 5)])
      ])
      let digest = ContentDigest(words: [1, 2, 3, 4])
      let commit = CommittedBlocks(
        shard: ShardID(0), blocks: BlockRange(0, 1),
        attempt: Attempt(incarnation: Incarnation(1), counter: 1), entry: .recordStart,
        exit: .recordStart, counts: RecordCounts(ok: 3, error: 1, filtered: 0),
        partial: PartialName(digest: digest, byteCount: 4_096))
      return [
        [.submitted(job, request, createdNanoseconds: 1)],
        [.planned(job, plan, PlannedModel(digest: digest, byteCount: 9))],
        [.commit(job, commit), .charge(job, ShardID(0), charges: 2)],
        [.published(job, folder: "/out/7"), .state(job, .running, reason: "sample")],
      ]
    } catch {
      fatalError("\(error)")
    }
  }()

  /// What the sample says before the first and after each transaction: a log may end at any.
  private static let states: Set<String> = {
    let folder = "\(Scratch.folder)/sample-state"
    do throws(JournalError) {
      let journal = try Journal(folder: folder)
      var states: Set<String> = [try contents(journal)]
      for group in entries {
        try journal.append(group)
        states.insert(try contents(journal))
      }
      return states
    } catch {
      fatalError("\(error)")
    }
  }()

  /// The files as they stand while the journal is open: most of it is in the log.
  private static let sound: Files = {
    let folder = "\(Scratch.folder)/state"
    do throws(JournalError) {
      let journal = try Journal(folder: folder)
      for group in entries { try journal.append(group) }
      let files = (
        Scratch.read("\(folder)/journal.sqlite"), Scratch.read("\(folder)/journal.sqlite-wal")
      )
      journal.close()
      return files
    } catch {
      fatalError("\(error)")
    }
  }()
}

extension Scratch {
  /// All bytes of a file.
  static func read(_ path: String) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY)
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { return [] }
    return unsafe [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
      count = unsafe max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
    }
  }
}
