import Jobs

/// What was decided and is not yet durable, and what waits for it.
///
/// Requests that arrive while a transaction is under way share the next one. An answer leaves, and
/// a merge begins, only after everything that was decided before is in the journal. The caller
/// writes a `batch`, then says how that ended.
package struct GroupCommit<Waiter> {
  /// Entries in the order decided.
  package private(set) var entries: [JournalEntry] = []
  /// To do once they are durable, in the order decided.
  private var effects: [CoordinatorEffect] = []
  private var waiters: [Waiter] = []
  /// Whether a write has been asked for and has not begun.
  package var isScheduled = false

  package init() {}

  /// What one write is to make durable, and how much waits for it.
  package struct Batch {
    package let entries: [JournalEntry]
    fileprivate let effectCount: Int
    fileprivate let waiterCount: Int
  }

  /// Takes what was decided, in order.
  ///
  /// - Returns: What may be done at once: the rest comes out of `wrote`.
  package mutating func add(_ decided: [CoordinatorEffect]) -> [CoordinatorEffect] {
    var now: [CoordinatorEffect] = []
    for effect in decided {
      switch effect {
      case .journal(let entry): entries.append(entry)
      case .log: now.append(effect)
      case .merge where PlantedBug.mergeBeforeSync.isPlanted: now.append(effect)
      case .plan, .merge, .reload, .ended: effects.append(effect)
      }
    }
    return now
  }

  /// Whether there is something to write or to do after a write.
  package var isWaiting: Bool { !entries.isEmpty || !effects.isEmpty }

  /// Whether an answer rests on something that is not durable yet.
  package var holdsAnswers: Bool {
    guard !PlantedBug.answerBeforeSync.isPlanted else { return false }
    return !entries.isEmpty || isScheduled
  }

  /// Keeps somebody until what was decided so far is durable.
  package mutating func wait(_ waiter: Waiter) { waiters.append(waiter) }

  /// Begins a write of everything that was decided so far.
  package mutating func begin() -> Batch {
    isScheduled = false
    return Batch(entries: entries, effectCount: effects.count, waiterCount: waiters.count)
  }

  /// The batch is durable.
  ///
  /// - Returns: Who waited for it, and what may be done now.
  package mutating func wrote(_ batch: Batch) -> (waiters: [Waiter], effects: [CoordinatorEffect]) {
    entries.removeFirst(batch.entries.count)
    defer {
      waiters.removeFirst(batch.waiterCount)
      effects.removeFirst(batch.effectCount)
    }
    return (Array(waiters.prefix(batch.waiterCount)), Array(effects.prefix(batch.effectCount)))
  }

  /// Nothing of the batch is durable, for want of space: what was decided stands, and is written
  /// again later.
  ///
  /// - Returns: Who waited, to be told to ask again.
  package mutating func refused() -> [Waiter] {
    if PlantedBug.entriesDroppedWhenFull.isPlanted { entries = [] }
    defer { waiters = [] }
    return waiters
  }
}

extension GroupCommit: Sendable where Waiter: Sendable {}
