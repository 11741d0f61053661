import CoordinatorCore
import Foundation
import Jobs
import Journal
import Leasing
import Testing

/// Large journals, with their times.
@Suite(.serialized) struct ScaleTests {
  @Test func restartsWithAHundredThousandShards() throws {
    let folder = try TemporaryFolder()
    let shardCount = 100_000
    let job = JobID(1)
    var journal = try Journal(folder: folder.state)
    try journal.append([
      .submitted(job, Sample.request("large"), createdNanoseconds: 0),
      .planned(job, try Sample.plan(inputs: 1, shardsEach: UInt64(shardCount)), Sample.model),
      .state(job, .running, reason: ""),
    ])
    let clock = ContinuousClock()
    // All but every thousandth shard.
    let entries = (0..<shardCount).filter { $0 % 1_000 != 999 }.map {
      JournalEntry.commit(job, Sample.commit($0))
    }
    let writing = try clock.measure {
      for first in stride(from: 0, to: entries.count, by: 256) {
        try journal.append(Array(entries[first..<min(first + 256, entries.count)]))
      }
    }
    journal.close()

    var core = CoordinatorCore(incarnation: Incarnation(2))
    var effects: [CoordinatorEffect] = []
    var opening = Duration.zero
    let restoring = try clock.measure {
      opening = try clock.measure { journal = try Journal(folder: folder.state) }
      for row in try journal.jobs() {
        core.restore(row, into: &effects)
        core.reload(
          row.id, commits: try journal.commits(of: row.id),
          charges: try journal.charges(of: row.id), into: &effects)
      }
    }
    let rate = Double(entries.count) / (Double(writing.milliseconds) / 1_000)
    print(
      "journal: \(Int(rate)) commits/s in transactions of 256; "
        + "restart with \(entries.count) commits \(restoring.milliseconds) ms, "
        + "of that opening and integrity_check \(opening.milliseconds) ms")
    #expect(restoring < .seconds(5))
    #expect(core.tables[job]?.committedBlockCount == entries.count * 64)
    #expect(!effects.contains { if case .journal(.refute) = $0 { true } else { false } })

    // What is granted now is exactly what is missing.
    var granted: [Int] = []
    for worker in [WorkerID(1), WorkerID(2)] {  // more leases than one worker may hold
      _ = core.hello(worker, name: "w", threadCount: 1, now: .start)
      while case .grants(let grants) = core.acquire(
        worker, leaseLimit: 256, now: .start, into: &effects)
      {
        granted += grants.map(\.lease.shard.index)
      }
    }
    #expect(Set(granted) == Set(stride(from: 999, to: shardCount, by: 1_000)))
  }

  @Test func journalsAPlanOfManyInputs() throws {
    let folder = try TemporaryFolder()
    let plan = try Sample.plan(inputs: 100_000)
    let clock = ContinuousClock()
    var journal = try Journal(folder: folder.state)
    let writing = try clock.measure {
      try journal.append([
        .submitted(JobID(1), Sample.request("wide"), createdNanoseconds: 0),
        .planned(JobID(1), plan, Sample.model),
      ])
    }
    journal.close()
    journal = try Journal(folder: folder.state)
    var read: Plan?
    let reading = try clock.measure { read = try journal.jobs().first?.planned?.plan }
    print(
      "journal: plan of 100,000 inputs written in \(writing.milliseconds) ms, "
        + "read in \(reading.milliseconds) ms")
    #expect(read == plan)
  }
}
