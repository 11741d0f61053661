import CoordinatorCore
import Foundation
import Jobs
import Journal
import Leasing
import Testing

/// What goes into the journal comes out again, also after a restart.
@Suite struct RoundTripTests {
  @Test func columnsAndChecksOutliveARestart() throws {
    let folder = try TemporaryFolder()
    var journal = try Journal(folder: folder.state)
    let (job, other) = (JobID(7), JobID(8))
    let columns = PlannedColumns(
      names: ["a", "ü\"\n\0", ""], types: [.integer, .text, .timestamp])
    try journal.append([
      .submitted(job, Sample.request("one"), createdNanoseconds: 1),
      .submitted(other, Sample.request("two"), createdNanoseconds: 2),
      .planned(job, try Sample.plan(inputs: 2), Sample.model), .columns(job, columns),
      .commit(job, Sample.commit(0)), .inputsChecked(job), .inputsChecked(other),
    ])
    journal.close()
    journal = try Journal(folder: folder.state)
    #expect(try journal.columns(of: job) == columns)
    #expect(try journal.columns(of: other) == nil)
    #expect(try journal.hasCheckedInputs(of: job))
    // Blocks that are scored again are read again.
    try journal.append([.refute(job, Sample.commit(0))])
    #expect(try !journal.hasCheckedInputs(of: job))
    #expect(try journal.hasCheckedInputs(of: other))
    try journal.append([.deleted(job), .deleted(other)])
    #expect(try journal.columns(of: job) == nil)
    #expect(try !journal.hasCheckedInputs(of: other))
  }

  @Test func everyEntryOutlivesARestart() throws {
    let folder = try TemporaryFolder()
    let plan = try Sample.plan(inputs: 5, shardsEach: 3)
    let (first, second, gone) = (JobID(.max), JobID(1), JobID(2))
    let inside = CommittedBlocks(
      shard: ShardID(1), blocks: BlockRange(3, 9),
      attempt: Attempt(incarnation: Incarnation(.max), counter: .max),
      entry: .insideField(recordOffset: 0), exit: .insideField(recordOffset: 1 << 62),
      counts: RecordCounts(ok: .max, error: 1, filtered: .max),
      partial: PartialName(digest: Sample.digest(.max), byteCount: .max))
    let refuted = Sample.commit(2, 5, 6)
    var journal = try Journal(folder: folder.state)
    let secret = journal.secret
    #expect(journal.incarnation == Incarnation(1))
    #expect(secret.count == 32 && Set(secret).count > 8)
    try journal.append([
      .submitted(first, Sample.request("one"), createdNanoseconds: .min),
      .submitted(gone, Sample.request("gone"), createdNanoseconds: 3),
      .planned(gone, plan, Sample.model), .commit(gone, Sample.commit(4)),
      .charge(gone, ShardID(1), charges: 1), .published(gone, folder: "/x"),
    ])
    try journal.append([
      .submitted(second, Sample.request("two"), createdNanoseconds: 17),
      .planned(first, plan, Sample.model), .state(first, .running, reason: ""),
      .commit(first, Sample.commit(2, 6, 64)), .commit(first, refuted), .commit(first, inside),
      .charge(first, ShardID(9), charges: 2), .charge(first, ShardID(0), charges: 1),
      .charge(first, ShardID(4), charges: 1), .charge(first, ShardID(4), charges: 0),
      .refute(first, refuted), .state(second, .failed, reason: "no such file: \"ü\"\n"),
    ])
    try journal.append([.published(first, folder: "/out/prediction-1"), .deleted(gone)])
    let before = try contents(journal)
    journal.close()
    journal = try Journal(folder: folder.state)
    #expect(journal.startCount == 2)
    #expect(journal.secret == secret)
    #expect(try contents(journal) == before)

    let jobs = try journal.jobs()
    #expect(jobs.map(\.id) == [first, second])
    #expect(jobs.map(\.request) == [Sample.request("one"), Sample.request("two")])
    #expect(jobs.map(\.createdNanoseconds) == [.min, 17])
    #expect(jobs.map(\.state) == [.running, .failed])
    #expect(jobs.map(\.reason) == ["", "no such file: \"ü\"\n"])
    #expect(jobs.map(\.folder) == ["/out/prediction-1", nil])
    #expect(jobs[0].planned?.plan == plan && jobs[0].planned?.model == Sample.model)
    #expect(jobs[1].planned == nil)
    #expect(try journal.commits(of: first) == [inside, Sample.commit(2, 6, 64)])
    #expect(try journal.charges(of: first).map(\.0) == [ShardID(0), ShardID(9)])
    #expect(try journal.charges(of: first).map(\.1) == [1, 2])
    #expect(try journal.commits(of: gone).isEmpty && journal.charges(of: gone).isEmpty)
  }

  @Test func pagesWalkInTheOrderOfTheMerge() throws {
    let folder = try TemporaryFolder()
    let journal = try Journal(folder: folder.state)
    var commits: [CommittedBlocks] = []
    for shard in [5, 0, 300, 2] {
      for first in [32, 0, 48] { commits.append(Sample.commit(shard, first, first + 8)) }
    }
    try journal.append(commits.map { .commit(JobID(9), $0) })
    try journal.append([.commit(JobID(8), Sample.commit(1)), .commit(JobID(10), Sample.commit(1))])
    let sorted = commits.sorted { ($0.shard, $0.blocks.first) < ($1.shard, $1.blocks.first) }
    var walked: [CommittedBlocks] = []
    while true {
      let page = try journal.commits(of: JobID(9), after: walked.last, limit: 5)
      walked += page
      if page.count < 5 { break }
    }
    #expect(walked == sorted)
    #expect(try journal.commits(of: JobID(9)) == sorted)
  }

  @Test func ordersJobsBySubmissionAfterDeletions() throws {
    let folder = try TemporaryFolder()
    let journal = try Journal(folder: folder.state)
    func submit(_ id: UInt64) throws {
      try journal.append([
        .submitted(JobID(id), Sample.request("j"), createdNanoseconds: 0)
      ])
    }
    for id in [50, 40, 60] as [UInt64] { try submit(id) }
    try journal.append([.deleted(JobID(60)), .deleted(JobID(50))])
    for id in [10, 99] as [UInt64] { try submit(id) }
    #expect(try journal.jobs().map(\.id) == [JobID(40), JobID(10), JobID(99)])
  }

  @Test func aClosedJournalTakesNothing() throws {
    let folder = try TemporaryFolder()
    let journal = try Journal(folder: folder.state)
    try journal.append([.submitted(JobID(1), Sample.request("a"), createdNanoseconds: 0)])
    let before = try contents(journal)
    journal.close()
    #expect(throws: JournalError.self) {
      try journal.append([.commit(JobID(1), Sample.commit(0))])
    }
    #expect(try contents(Journal(folder: folder.state)) == before)
  }
}
