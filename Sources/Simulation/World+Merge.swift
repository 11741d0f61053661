import CoordinatorCore
import Jobs
import Leasing

/// The merge and the publication, with the places where a coordinator may die.
extension World {
  mutating func beginMerge(life: Int) {
    guard coordinator.life == life, let state = coordinator.core?.jobs[Self.job]?.state else {
      return
    }
    guard destination.publications.isEmpty || sabotage == .publishTwice else {
      return scheduleMergeEnd()  // an earlier life published and died before the journal knew
    }
    if state == .cancelling, generator.below(2) == 0 { return mergeEnded(.failed("cancelled")) }
    var rows = coordinator.journal.folded.rows
    if sabotage != .mergeInArrivalOrder {
      rows.sort { ($0.shard, $0.blocks.first) < ($1.shard, $1.blocks.first) }
    }
    damageSpool(rows)
    let missing = rows.filter { !coordinator.spool.has($0.partial) }
    guard missing.isEmpty else {
      for row in missing where !damaged.contains(row.partial.digest) {
        violate("the committed partial of shard \(row.shard), blocks \(row.blocks), is gone")
      }
      count(\.damagedMerges)
      return mergeEnded(.damaged(missing))
    }
    let records = rows.flatMap(records(of:))
    if sabotage == .spoolEmptiedEarly { coordinator.spool.removeAll() }
    if !hasHealed, generator.chance(rates.mergeBlocked) {
      count(\.blockedMerges)
      return mergeEnded(.blocked("full"))
    }
    if diesHere() { return crashCoordinator() }
    publish(records)
    if diesHere() {
      count(\.diedAfterPublishing)
      return crashCoordinator()
    }
    scheduleMergeEnd()
  }

  private mutating func publish(_ records: [UInt64]) {
    guard destination.publish(records, replacing: sabotage == .publishTwice) else {
      return violate("the output is published although it is there")
    }
    checkPublication()
  }

  private mutating func diesHere() -> Bool {
    !hasHealed && generator.chance(rates.coordinatorCrash * 2)
  }

  private func records(of row: CommittedBlocks) -> [UInt64] {
    guard let content = contents[row.partial.digest] else { return [] }
    return sabotage == .mergeWithoutDeduplication
      ? content.records.flatMap { $0 } : content.records(of: row.blocks)
  }

  /// Takes a partial at rest away, as a bad disk does.
  private mutating func damageSpool(_ rows: [CommittedBlocks]) {
    guard !hasHealed, generator.chance(rates.damage),
      let row = rows.randomElement(using: &generator)
    else { return }
    damaged.insert(row.partial.digest)
    coordinator.spool.remove(row.partial.digest)
  }

  private mutating func scheduleMergeEnd() {
    queue.push(
      .mergeEnds(life: coordinator.life, folder: "prediction"),
      at: now + Int64(generator.within(1...300)) * Self.millisecond)
  }

  mutating func endMerge(life: Int, folder: String) {
    guard coordinator.life == life, coordinator.core != nil else { return }
    mergeEnded(.published(folder: folder))
  }

  private mutating func mergeEnded(_ outcome: CoordinatorCore.MergeOutcome) {
    coordinator.isMerging = false
    let time = coordinatorInstant
    var effects: [CoordinatorEffect] = []
    coordinator.core?.mergeEnded(
      Self.job, outcome, now: time, into: &effects)
    carryOut(effects)
    checkTable()
  }
}
