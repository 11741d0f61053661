import CoordinatorCore
import Jobs
import Leasing
import WorkerCore

/// What must hold after every step, and at the end.
extension World {
  /// What readers see is whole and right, and never changes.
  mutating func observe() {
    guard let visible = publishesToStore ? store.visible : folder.visible else {
      if seen != nil { violate("a published output has vanished") }
      return
    }
    if let seen {
      if visible != seen { violate("a published output has changed") }
      return
    }
    seen = visible
    if isTraced { trace("the output is visible") }
    checkRecords(visible.records ?? [])
    if visible.records == nil { violate("the published output lacks its records") }
    if visible.receipt != visible.namedReceipt {
      violate("the published receipt is not the one that is named")
    }
  }

  /// The published records are the input's: each once, with the right value, in plan order.
  private mutating func checkRecords(_ published: [UInt64]) {
    guard published != expectedRecords else { return }
    let isReordered = published.sorted() == expectedRecords.sorted()
    let wrong = Set(published).subtracting(expectedRecords).count
    let missing = Set(expectedRecords).subtracting(published).count
    violate(
      isReordered
        ? "the published records are not in plan order"
        : "published \(published.count) records, \(wrong) of them wrong; \(missing) of "
          + "\(expectedRecords.count) are missing")
  }

  /// A worker is told that its blocks are safe only once they are.
  mutating func checkDurability(of answer: Answer) {
    guard let result = answer.settled, case .fleet(.finish(let verdict)) = answer.body,
      verdict == .committed || verdict == .already
    else { return }
    let durable = coordinators[answer.place].journal.everCommitted[result.shard] ?? .none
    if !BlockMask(result.blocks).subtracting(durable).isEmpty {
      violate("shard \(result.shard), blocks \(result.blocks): acknowledged, not durable")
    }
  }

  /// A worker that leaves of its own will leaves nothing that nobody has acknowledged.
  mutating func checkLeaving(_ worker: Int, _ reason: WorkerExit) {
    guard reason == .idle || reason == .drained else { return }
    if !workers[worker].core.results.isEmpty {
      violate("worker \(worker) leaves with results that nobody acknowledged")
    }
  }

  /// What a reader makes of the journal after a crash is what was known before it.
  mutating func checkReplay(of place: Int) {
    let journal = coordinators[place].journal
    if journal.replayed != journal.folded { violate("the journal replays to another state") }
    guard journal.folded.state?.isTerminal == false else { return }
    for row in journal.folded.rows
    where !coordinators[place].spool.isDurable(row.partial)
      && !damaged.contains(row.partial.digest)
    {
      violate("after the crash shard \(row.shard), blocks \(row.blocks), has no partial")
    }
  }

  /// With nothing pending, the journal says what the memory says.
  mutating func checkJournal(of place: Int) {
    guard let core = coordinators[place].core, let job = core.jobs[Self.job],
      coordinators[place].commit.entries.isEmpty
    else { return }
    let journaled = coordinators[place].journal.folded
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
  mutating func checkTable(of place: Int) {
    guard let core = coordinators[place].core, let table = core.tables[Self.job] else { return }
    for violation in table.violations() { violate(violation) }
    checkLeases(core, table, now: instant(of: place))
    if table.leaseCount > 512 { violate("\(table.leaseCount) leases live at once") }
    if queue.count > 20_000 { violate("events pile up") }
  }

  /// A lease lasts its time and no longer, a job that has ended has none, and no shard goes on
  /// beyond the limit of charges.
  private mutating func checkLeases(_ core: CoordinatorCore, _ table: LeaseTable, now: Instant) {
    let isOver = core.jobs[Self.job]?.state.isTerminal == true
    if isOver, table.leaseCount > 0 { violate("a job that has ended has leases") }
    for lease in table.leases where lease.deadline - now > Limits.leaseDuration {
      violate("a lease of shard \(lease.shard) lasts longer than a lease does")
    }
    let limit = chargeLimit + suspectChargeLimit
    for (index, shard) in table.shards.enumerated()
    where Int(shard.charges) >= limit && shard.state != .failed && shard.state != .committed {
      violate("shard \(index) is charged \(shard.charges) times and goes on")
    }
  }

  mutating func checkBounds(ofWorker worker: Int) {
    let slotCount = workers[worker].scorers.count
    let leaseCount = workers[worker].core.queue.count
    if leaseCount > 2 * slotCount { violate("worker \(worker) hoards leases") }
    let resultCount = workers[worker].core.results.count
    let resultLimit = (WorkerCore.resultsPerSlot + 4) * slotCount
    if resultCount > resultLimit { violate("worker \(worker) hoards results") }
    if workers[worker].kept.count > resultCount {
      violate("worker \(worker) keeps a partial of a result that it has forgotten")
    }
  }

  /// Once the faults are over, the job ends within a bound.
  mutating func checkProgress() {
    guard endedAt == nil, hasHealed else { return }
    // One slow worker may be all there is, and wrong guesses cost it blocks.
    let bound = (poison == nil ? 200 : 400) + 4 * text.blockCount
    if now > healedAt + Int64(bound) * Self.second {
      let states = coordinators.map { $0.journal.folded.state?.rawValue ?? "nowhere" }
      let table = coordinators[0].core?.tables[Self.job]
      violate(
        "\(bound) s after the last fault the job is \(states.joined(separator: " and ")), with "
          + "\(table?.confirmedBlockCount ?? 0) of \(text.blockCount) blocks confirmed, "
          + "\(table?.leasedBlockCount ?? 0) leased to \(workers.count) workers")
    }
  }

  /// The job ended as it had to.
  mutating func checkEnding() {
    observe()
    let states = coordinators.map(\.journal.folded.state)
    for (place, state) in states.enumerated() { checkEnding(of: place, state) }
    let hasSucceeded = states.contains { $0 == .succeeded || $0 == .partiallySucceeded }
    if seen != nil, !hasSucceeded, !hasRestored {
      violate("there is an output, and no job that made it")
    }
    if !publishesToStore, folder.final != nil, !folder.isPublished, !hasRestored {
      violate("the output is half moved, and stays so")
    }
    if publishesToStore, hasSucceeded, store.claim != nil {
      violate("a finished output has a claim")
    }
  }

  private mutating func checkEnding(of place: Int, _ state: JobState?) {
    switch state {
    case .succeeded, .partiallySucceeded:
      count(.succeeded)
      if seen == nil { violate("the job succeeded without an output") }
      if expectedEnding == .failed { violate("a job that had to fail succeeded") }
      checkCounts(of: place)
    case .failed:
      count(.failed)
      if expectedEnding == .published { violate("the job failed") }
    case .cancelled:
      count(.cancelled)
      if !coordinators[place].isCancelled {
        violate("the job is cancelled, but not by the user")
      }
    case .queued, .pending, .running, .paused, .cancelling, nil:
      violate("nothing happens any more, and the job has not ended")
    }
  }

  private mutating func checkCounts(of place: Int) {
    guard let job = coordinators[place].core?.jobs[Self.job] else { return }
    let expected: JobState = text.errorCount == 0 ? .succeeded : .partiallySucceeded
    if job.state != expected { violate("the job ended as \(job.state.rawValue)") }
    if job.counts.error != text.errorCount || job.counts.total != UInt64(expectedRecords.count) {
      violate("the counts are \(job.counts)")
    }
  }
}
