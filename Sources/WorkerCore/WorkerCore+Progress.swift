package import Jobs
package import Leasing

/// What a worker knows and says of the leases at work, and what it is told about them.
extension WorkerCore {
  /// Everything the worker wants renewed: waiting, being scored, not yet acknowledged.
  package var held: [HeldLease] {
    queue.map { HeldLease(grant: $0, progress: nil, end: ends[$0.key]) }
      + slots.compactMap { slot in
        slot.grant.map {
          HeldLease(grant: $0, progress: slot.progress, report: slot.report, end: ends[$0.key])
        }
      }
      + results.map {
        HeldLease(
          grant: $0.grant, progress: $0.result.results.reduce(0) { $0 + $1.counts.total },
          report: ScoringReport(
            finishedBlockCount: $0.result.blocks.count, isScored: true),
          end: ends[$0.grant.key])
      }
  }

  /// How far a slot is; told often, so that what is told seldom is known to be late.
  ///
  /// `mark` grows by one when records come to be scored, and by one when they are: it is odd while
  /// they are at work.
  package mutating func progressed(
    slot index: Int, records: UInt64, blocks: Int = 0, mark: UInt64 = 0, now: Instant
  ) {
    var slot = slots[index]
    slot.progress = records
    slot.report.finishedBlockCount = blocks
    // Between two looks the process itself may have been stopped: that is not the records' time.
    let step = slot.marked.map { min(now - $0, Self.longestLook) } ?? .zero
    if mark > 0 { slot.report.elapsed += step }
    let isAtTheSame = mark == slot.mark && !mark.isMultiple(of: 2)
    slot.report.stalled = isAtTheSame ? slot.report.stalled + step : .zero
    slot.mark = mark
    slot.marked = now
    slots[index] = slot
  }

  /// Counted at most for the time between two looks at a slot.
  private static let longestLook = Duration.seconds(1)

  /// Takes note that another worker has the rest of a lease; an end is only ever brought forward.
  mutating func shorten(_ lease: ShortenedLease, into effects: inout [WorkerEffect]) {
    let grants = queue + slots.compactMap(\.grant)
    guard let grant = grants.first(where: { $0.key == lease.key }),
      lease.end < ends[lease.key] ?? grant.lease.blocks.end
    else { return }
    ends[lease.key] = lease.end
    for index in slots.indices where slots[index].grant?.key == lease.key {
      effects.append(.shorten(slot: index, end: lease.end))
    }
  }

  /// Gives a slot up whose thread goes on with records that nobody wants any more, and leaves: the
  /// thread cannot be ended but with its process.
  mutating func abandonStuckSlots(now: Instant, into effects: inout [WorkerEffect]) {
    for index in slots.indices
    where slots[index].isRevoked && slots[index].report.stalled >= timing.stuckTime {
      slots[index] = Slot()
      if leaving == nil { giveBack(.stuck, now: now, into: &effects) }
    }
  }
}
