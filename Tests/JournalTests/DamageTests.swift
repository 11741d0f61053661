import CoordinatorCore
import Foundation
import Jobs
import Journal
import Leasing
import Testing

/// Damage at rest is found, and a torn log holds whole transactions only.
@Suite struct DamageTests {
  /// A journal of a few pages, closed, so that all of it is in one file.
  private func makeJournal(_ folder: String) throws -> String {
    let journal = try Journal(folder: folder)
    let plan = try Sample.plan(inputs: 20)
    var entries: [JournalEntry] = []
    for id in 1...3 as ClosedRange<UInt64> {
      entries.append(
        .submitted(JobID(id), Sample.request("job \(id)"), createdNanoseconds: Int64(id)))
      entries.append(.planned(JobID(id), plan, Sample.model))
      for shard in 0..<12 { entries.append(.commit(JobID(id), Sample.commit(shard))) }
      entries.append(.charge(JobID(id), ShardID(1), charges: 2))
      entries.append(.published(JobID(id), folder: "/out/\(id)"))
    }
    try journal.append(entries)
    let text = try contents(journal)
    journal.close()
    return text
  }

  private enum Outcome: Hashable {
    case same
    case other
    case refused(JournalError.Code)
  }

  private func outcome(_ folder: String, _ expected: String) -> (Outcome, String) {
    do throws(JournalError) {
      let journal = try Journal(folder: folder)
      return try contents(journal) == expected ? (.same, "") : (.other, "")
    } catch {
      return (.refused(error.code), error.context)
    }
  }

  @Test func aFlippedByteIsFoundOrDoesNotMatter() throws {
    let folder = try TemporaryFolder()
    let expected = try makeJournal(folder.state)
    let file = URL(fileURLWithPath: folder.state + "/journal.sqlite")
    let sound = try Data(contentsOf: file)
    var generator = Generator(state: 1)
    var counts: [Outcome: Int] = [:]
    // Every byte of SQLite's header, then bytes everywhere.
    let places =
      Array(0..<100) + (0..<500).map { _ in Int(generator.next() % UInt64(sound.count)) }
    for place in places {
      var damaged = sound
      damaged[place] ^= UInt8(1 << (generator.next() & 7))
      try damaged.write(to: file)
      let (outcome, context) = outcome(folder.state, expected)
      counts[outcome, default: 0] += 1
      #expect(outcome != .other, "byte \(place) changed what is read")
      if case .refused(let code) = outcome {
        #expect(code == .corrupt, "byte \(place): \(context)")
      }
      try? FileManager.default.removeItem(atPath: folder.state + "/journal.sqlite-wal")
    }
    #expect(counts[.refused(.corrupt), default: 0] > 50, "\(counts)")
  }

  @Test func aFlippedByteOfARowNamesTableAndRow() throws {
    let folder = try TemporaryFolder()
    _ = try makeJournal(folder.state)
    let file = URL(fileURLWithPath: folder.state + "/journal.sqlite")
    var bytes = try Data(contentsOf: file)
    let digest = Data(Sample.commit(7).partial.digest.bytes)
    let place = try #require(bytes.range(of: digest))
    bytes[place.lowerBound + 9] ^= 4
    try bytes.write(to: file)
    let journal = try Journal(folder: folder.state)
    var errors: [JournalError] = []
    for id in 1...3 as ClosedRange<UInt64> {
      do throws(JournalError) { _ = try journal.commits(of: JobID(id)) } catch {
        errors.append(error)
      }
    }
    #expect(errors.count == 1)
    #expect(errors.first?.code == .corrupt)
    #expect(errors.first?.context.contains("table committed, row (") == true)
    #expect(errors.first?.context.contains(", 7, 0): its checksum differs") == true)
  }

  @Test func anotherFileIsRefused() throws {
    let folder = try TemporaryFolder()
    let expected = try makeJournal(folder.state)
    let file = URL(fileURLWithPath: folder.state + "/journal.sqlite")
    let sound = try Data(contentsOf: file)
    try Data(repeating: 0x20, count: 5_000).write(to: file)
    #expect(outcome(folder.state, expected).0 == .refused(.corrupt))
    for count in [0, 1, 511, 512] + stride(from: 4_099, to: sound.count, by: 4_099) {
      try sound.prefix(count).write(to: file)
      #expect(outcome(folder.state, expected).0 == .refused(.corrupt), "first \(count) bytes")
    }
  }

  @Test func aTornLogHoldsAPrefixOfTheTransactions() throws {
    let folder = try TemporaryFolder()
    let source = try Journal(folder: folder.state)
    var prefixes = [try contents(source)]
    for step in 0..<12 {
      let job = JobID(UInt64(step / 4 + 1))
      var entries: [JournalEntry] = []
      if step % 4 == 0 {
        entries.append(.submitted(job, Sample.request("j\(step)"), createdNanoseconds: 1))
        entries.append(.planned(job, try Sample.plan(inputs: 3 + 20 * step), Sample.model))
      }
      for shard in 0..<(step * step) {
        entries.append(.commit(job, Sample.commit(shard, step % 4, step % 4 + 1)))
      }
      entries.append(.state(job, .running, reason: "step \(step)"))
      try source.append(entries)
      prefixes.append(try contents(source))
    }
    // Another process copies, because closing the file here would drop SQLite's locks on it.
    let copy = folder.path + "/copy"
    try run("cp", "-r", folder.state, copy)
    let database = URL(fileURLWithPath: copy + "/journal.sqlite")
    let log = URL(fileURLWithPath: copy + "/journal.sqlite-wal")
    let (databaseBytes, logBytes) = (try Data(contentsOf: database), try Data(contentsOf: log))
    var generator = Generator(state: 2)
    var lengths = (0..<150).map { _ in Int(generator.next() % UInt64(logBytes.count)) }
    for frame in stride(from: 32, through: logBytes.count, by: 4_120 * 9) {
      lengths += [frame - 1, frame, frame + 24]
    }
    var last = 0
    for length in lengths.sorted() where length <= logBytes.count {
      try databaseBytes.write(to: database)
      // What a power cut leaves beyond the end: nothing, zeros, or old bytes.
      var torn = logBytes.prefix(length)
      let rest = logBytes.count - length
      switch length % 3 {
      case 0: break
      case 1: torn.append(Data(repeating: 0, count: rest))
      default: torn.append(Data((0..<rest).map { _ in UInt8(truncatingIfNeeded: length) }))
      }
      try torn.write(to: log)
      let held = try contents(Journal(folder: copy))
      let index = try #require(prefixes.firstIndex(of: held), "torn at \(length): no prefix")
      #expect(index >= last, "a longer log holds less")
      last = index
    }
    try databaseBytes.write(to: database)
    try logBytes.write(to: log)
    #expect(try contents(Journal(folder: copy)) == prefixes.last)
  }
}

/// SplitMix64, so that a failure can be run again.
struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
