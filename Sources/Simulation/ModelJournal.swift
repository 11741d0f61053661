import CoordinatorCore
import Jobs
import Leasing

/// What a journal says about the one job, entry by entry.
struct JournalState: Equatable, Sendable {
  var state: JobState?
  var isPlanned = false
  var rows: [CommittedBlocks] = []
  /// Committed blocks of each shard.
  var masks: [ShardID: BlockMask] = [:]
  var charges: [ShardID: Int] = [:]
  var publicationCount = 0

  /// Takes an entry up; says what is wrong with it.
  mutating func apply(_ entry: JournalEntry) -> String? {
    switch entry {
    case .submitted: state = .queued
    case .planned: isPlanned = true
    case .columns, .inputsChecked: break
    case .state(_, let next, _):
      if let state, state.isTerminal { return "the journal leaves \(state.rawValue)" }
      state = next
    case .commit(_, let part): return commit(part)
    case .refute(_, let part): return refute(part)
    case .charge(_, let shard, let count): charges[shard] = count == 0 ? nil : count
    case .published:
      publicationCount += 1
      if publicationCount > 1 { return "the journal has two publications" }
    case .deleted: return "nobody deleted the job"
    }
    return nil
  }

  private mutating func commit(_ part: CommittedBlocks) -> String? {
    let former = masks[part.shard] ?? .none
    rows.append(part)
    masks[part.shard] = former.union(BlockMask(part.blocks))
    guard former.intersection(BlockMask(part.blocks)).isEmpty else {
      return "blocks \(part.blocks) of shard \(part.shard) are committed twice"
    }
    return publicationCount == 0 ? nil : "a commit follows the publication"
  }

  private mutating func refute(_ part: CommittedBlocks) -> String? {
    guard let place = rows.firstIndex(of: part) else {
      return "blocks \(part.blocks) of shard \(part.shard) are refuted, but not committed"
    }
    rows.remove(at: place)
    let left = (masks[part.shard] ?? .none).subtracting(BlockMask(part.blocks))
    masks[part.shard] = left.isEmpty ? nil : left
    return publicationCount == 0 ? nil : "a refutation follows the publication"
  }
}

/// A journal on a disk that loses what was not synced.
struct ModelJournal: Sendable {
  /// Synced entries: they outlive a crash.
  private(set) var durable: [JournalEntry] = []
  /// What the durable entries say.
  private(set) var folded = JournalState()
  /// Blocks whose commit was durable at some time, by shard.
  private(set) var everCommitted: [ShardID: BlockMask] = [:]
  private(set) var pending: [JournalEntry] = []
  var incarnation = Incarnation(1)

  mutating func append(_ entry: JournalEntry) { pending.append(entry) }

  /// Makes the pending entries durable, as one transaction; says what is wrong with them.
  mutating func sync() -> [String] {
    var found: [String] = []
    for entry in pending {
      if let violation = folded.apply(entry) { found.append(violation) }
      if case .commit(_, let part) = entry {
        everCommitted[part.shard] = (everCommitted[part.shard] ?? .none)
          .union(BlockMask(part.blocks))
      }
    }
    durable += pending
    pending = []
    return found
  }

  /// The machine dies: the transaction under way is lost.
  mutating func crash() { pending = [] }

  /// What a reader on the same connection sees.
  var visible: JournalState {
    var state = folded
    for entry in pending { _ = state.apply(entry) }
    return state
  }

  /// The state that a reader makes of the durable entries alone, from the first.
  var replayed: JournalState {
    var state = JournalState()
    for entry in durable { _ = state.apply(entry) }
    return state
  }
}
