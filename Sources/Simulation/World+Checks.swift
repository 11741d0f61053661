import CoordinatorCore
import Jobs
import Leasing
import WorkerCore

/// What must hold after every step, and at the end.
extension World {
  /// The published records are the input's: each once, with the right value, in plan order.
  mutating func checkPublication() {
    guard destination.publications.count == 1 else {
      return violate("the output is published \(destination.publications.count) times")
    }
    let published = destination.publications[0]
    let expected = text.allRecords
    guard published != expected else { return }
    let isReordered = published.sorted() == expected.sorted()
    violate(
      isReordered
        ? "the published records are not in plan order"
        : "published \(published.count) records, \(Set(published).subtracting(expected).count) "
          + "of them wrong; \(Set(expected).subtracting(published).count) of "
          + "\(expected.count) are missing")
  }

  /// A worker is told that its blocks are safe only once they are.
  mutating func checkDurability(of answer: Answer) {
    guard let result = answer.settled, case .fleet(.finish(let verdict)) = answer.body,
      verdict == .committed || verdict == .already
    else { return }
    let durable = coordinator.journal.everCommitted[result.shard] ?? .none
    if !BlockMask(result.blocks).subtracting(durable).isEmpty {
      violate("shard \(result.shard), blocks \(result.blocks): acknowledged, not durable")
    }
  }

  /// What a reader makes of the journal after a crash is what was known before it.
  mutating func checkReplay() {
    if coordinator.journal.replayed != coordinator.journal.folded {
      violate("the journal replays to another state")
    }
    for row in coordinator.journal.folded.rows
    where coordinator.journal.folded.state?.isTerminal == false {
      let isKept = coordinator.spool.isDurable(row.partial)
      if !isKept, !damaged.contains(row.partial.digest) {
        violate("after the crash shard \(row.shard), blocks \(row.blocks), has no partial")
      }
    }
  }

  /// With nothing pending, the journal says what the memory says.
  mutating func checkJournal() {
    guard let core = coordinator.core, let job = core.jobs[Self.job] else { return }
    let journaled = coordinator.journal.folded
    if job.state != journaled.state { violate("the journal has the job in another state") }
    guard let table = core.tables[Self.job] else { return }
    for (index, shard) in table.shards.enumerated() {
      let id = ShardID(UInt32(index))
      if shard.committed != journaled.masks[id] ?? .none {
        violate("the journal has other blocks of shard \(index) committed")
      }
      if Int(shard.charges) != journaled.charges[id] ?? 0 {
        violate("the journal has other charges of shard \(index)")
      }
    }
  }

  /// The lease table's invariants, and the coordinator's bounds.
  mutating func checkTable() {
    guard let core = coordinator.core, let table = core.tables[Self.job] else { return }
    for violation in table.violations() { violate(violation) }
    if table.leaseCount > 512 { violate("\(table.leaseCount) leases live at once") }
    if coordinator.outbox.count > 256 { violate("answers pile up") }
    if queue.count > 20_000 { violate("events pile up") }
  }

  mutating func checkBounds(ofWorker worker: Int) {
    let core = workers[worker].core
    let slotCount = workers[worker].scorers.count
    if core.queue.count > 2 * slotCount { violate("worker \(worker) hoards leases") }
    let resultLimit = (WorkerCore.resultsPerSlot + 4) * slotCount
    if core.results.count > resultLimit { violate("worker \(worker) hoards results") }
  }

  /// Once the faults are over, the job ends within a bound.
  mutating func checkProgress() {
    guard endedAt == nil else { return }
    // One slow worker may be all there is, and wrong guesses cost it blocks.
    let bound = (poison == nil ? 200 : 400) + 4 * text.blockCount
    if now > Int64(rates.faultTime) * Self.millisecond + Int64(bound) * Self.second {
      let state = coordinator.core?.jobs[Self.job]?.state.rawValue ?? "nowhere"
      let table = coordinator.core?.tables[Self.job]
      violate(
        "\(bound) s after the last fault the job is \(state), with "
          + "\(table?.confirmedBlockCount ?? 0) of \(text.blockCount) blocks confirmed, "
          + "\(table?.leasedBlockCount ?? 0) leased to \(workers.count) workers")
    }
  }

  /// The job ended as it had to.
  mutating func checkEnding() {
    let isPublished = !destination.publications.isEmpty
    switch coordinator.journal.folded.state {
    case .succeeded, .partiallySucceeded:
      count(\.succeeded)
      if !isPublished { violate("the job succeeded without an output") }
      if expectedEnding == .failed { violate("a job that had to fail succeeded") }
      checkCounts()
    case .failed:
      count(\.failed)
      if isPublished { violate("the job failed with an output") }
      if expectedEnding == .published { violate("the job failed") }
    case .cancelled:
      count(\.cancelled)
      if isPublished { violate("the job is cancelled with an output") }
      if !isCancelled { violate("the job is cancelled, but not by the user") }
    case .queued, .pending, .running, .paused, .cancelling, nil:
      violate("nothing happens any more, and the job has not ended")
    }
  }

  private mutating func checkCounts() {
    guard let job = coordinator.core?.jobs[Self.job] else { return }
    let expected: JobState = text.errorCount == 0 ? .succeeded : .partiallySucceeded
    if job.state != expected { violate("the job ended as \(job.state.rawValue)") }
    if job.counts.error != text.errorCount || job.counts.total != UInt64(text.allRecords.count) {
      violate("the counts are \(job.counts)")
    }
  }
}
