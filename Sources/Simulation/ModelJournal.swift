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
    case .submitted:
      guard state == nil else { return "the job is submitted twice" }
      state = .queued
    case .planned:
      guard !isPlanned else { return "the job is planned twice" }
      isPlanned = true
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
    guard publicationCount == 0 else { return "a commit follows the publication" }
    return state?.isTerminal == true ? "a commit follows the job's end" : nil
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

/// A journal on a disk that loses what was not synced: a model of SQLite, whose transactions are
/// there whole or not at all.
struct ModelJournal: Sendable {
  /// Written entries; they outlive a crash.
  private(set) var durable: [JournalEntry] = []
  /// What the written entries say.
  private(set) var folded = JournalState()
  /// Blocks whose commit was durable at some time, by shard.
  private(set) var everCommitted: [ShardID: BlockMask] = [:]
  /// Places of entries whose sync failed: the page cache has them, the disk has not.
  private var lossy: [Int] = []
  var incarnation = Incarnation(1)

  /// Writes entries as one transaction; says what is wrong with them.
  mutating func write(_ entries: [JournalEntry], isSynced: Bool = true) -> [String] {
    var found: [String] = []
    for entry in entries {
      if let violation = folded.apply(entry) { found.append(violation) }
      if case .commit(_, let part) = entry {
        everCommitted[part.shard] = (everCommitted[part.shard] ?? .none)
          .union(BlockMask(part.blocks))
      }
    }
    if !isSynced { lossy += durable.count..<durable.count + entries.count }
    durable += entries
    return found
  }

  /// The power fails: what only the page cache had is lost.
  ///
  /// - Returns: How many entries.
  mutating func losePower() -> Int {
    guard !lossy.isEmpty else { return 0 }
    defer { lossy = [] }
    for place in lossy.reversed() { durable.remove(at: place) }
    folded = replayed
    return lossy.count
  }

  /// The state that a reader makes of the written entries alone, from the first.
  var replayed: JournalState {
    var state = JournalState()
    for entry in durable { _ = state.apply(entry) }
    return state
  }
}
