import CoordinatorCore

/// What one life of a coordinator makes of the committed blocks.
struct MergedOutput: Hashable, Sendable {
  /// The hashes of the records: what every life has to agree on.
  let records: [UInt64]
  /// Times and workers differ from life to life: so does the receipt.
  let receipt: UInt64
}

/// What a reader sees of an output.
struct VisibleOutput: Hashable, Sendable {
  let records: [UInt64]?
  let receipt: UInt64?
  /// The receipt that `_SUCCESS` or the manifest names.
  let namedReceipt: UInt64
}

/// Folders of a POSIX file system, and what of them a power failure undoes.
struct ModelFolder: Sendable {
  typealias Files = [String: MergedOutput]

  static let fileNames = ["prediction", "receipt"]
  static let success = "_SUCCESS"

  /// Files by staging folder.
  private(set) var stagings: [String: Files] = [:]
  private(set) var final: Files?
  /// Who staged what goes to the final folder; set while there is a claim in it.
  private(set) var claimant: String?
  let knowsRename: Bool
  /// What the disk has of the final folder, where that is another thing.
  private var lastSynced: (stagings: [String: Files], final: Files?, claimant: String?)?

  init(knowsRename: Bool) {
    self.knowsRename = knowsRename
  }

  var isPublished: Bool { final?[Self.success] != nil }

  /// What a reader sees that waits for `_SUCCESS`.
  var visible: VisibleOutput? {
    guard let final, let success = final[Self.success] else { return nil }
    return VisibleOutput(
      records: final["prediction"]?.records, receipt: final["receipt"]?.receipt,
      namedReceipt: success.receipt)
  }

  /// Notes what the disk has before the first change that is not synced.
  private mutating func willChange() {
    if lastSynced == nil { lastSynced = (stagings, final, claimant) }
  }

  mutating func makeStaging(of stager: String) { stagings[stager] = [:] }

  mutating func stage(_ name: String, _ output: MergedOutput, of stager: String) {
    stagings[stager]?[name] = output
  }

  mutating func removeStaging(of stager: String) { stagings[stager] = nil }

  /// Renames a staging folder to the final one.
  mutating func rename(_ stager: String, replacing: Bool) -> DestinationReply {
    guard knowsRename || replacing else { return .truth(false) }
    guard let staged = stagings[stager], final == nil || replacing else { return .done }
    willChange()
    final = staged
    stagings[stager] = nil
    return .truth(true)
  }

  /// Makes the final folder with a claim, durable, or says who did.
  mutating func claim(for stager: String) -> DestinationReply {
    if final != nil {
      // Without a claim it is published, or somebody's else.
      return claimant.map { .text($0) } ?? .truth(false)
    }
    final = [:]
    claimant = stager
    lastSynced = nil
    return .text(stager)
  }

  mutating func moveFiles(of stager: String) -> DestinationReply {
    guard final != nil else { return .truth(false) }
    willChange()
    for name in Self.fileNames {
      guard let file = stagings[stager]?.removeValue(forKey: name) else { continue }
      final?[name] = file
    }
    return .done
  }

  mutating func moveSuccess(of stager: String) -> DestinationReply {
    if final?[Self.success] != nil { return .done }
    guard final != nil, let file = stagings[stager]?[Self.success] else { return .truth(false) }
    willChange()
    stagings[stager]?[Self.success] = nil
    final?[Self.success] = file
    return .done
  }

  mutating func removeClaim() {
    guard claimant != nil else { return }
    willChange()
    claimant = nil
  }

  /// The disk has everything.
  mutating func synchronize() { lastSynced = nil }

  /// The power fails: what was not synced may be undone.
  mutating func losePower() {
    guard let lastSynced else { return }
    (stagings, final, claimant) = lastSynced
    self.lastSynced = nil
  }
}

/// Objects below one prefix of an object store.
struct ModelStore: Sendable {
  private struct Object: Sendable {
    var version: Int
    var output: MergedOutput?
  }

  private var objects: [String: Object] = [:]
  private var lastVersion = 0
  private(set) var claim: (claim: PublicationClaim, version: Int)?
  private(set) var manifest: (owner: String, output: MergedOutput)?
  /// What a listing that is behind shows.
  private var formerNames: [String] = []

  init() {}

  /// What a reader sees that follows the manifest.
  var visible: VisibleOutput? {
    guard let manifest else { return nil }
    return VisibleOutput(
      records: objects["prediction"]?.output?.records,
      receipt: objects["receipt"]?.output?.receipt, namedReceipt: manifest.output.receipt)
  }

  private mutating func nextVersion() -> Int {
    lastVersion += 1
    return lastVersion
  }

  mutating func put(_ new: PublicationClaim, _ condition: PutCondition<Int>) -> Bool {
    switch condition {
    case .absent: guard claim == nil else { return false }
    case .version(let version): guard claim?.version == version else { return false }
    }
    claim = (new, nextVersion())
    return true
  }

  mutating func deleteClaim() { claim = nil }

  mutating func put(
    _ name: String, _ output: MergedOutput, _ condition: PutCondition<Int>
  ) -> Bool {
    switch condition {
    case .absent: guard objects[name] == nil else { return false }
    case .version(let version): guard objects[name]?.version == version else { return false }
    }
    formerNames = objects.keys.sorted()
    objects[name] = Object(version: nextVersion(), output: output)
    return true
  }

  func version(of name: String) -> Int? { objects[name]?.version }

  func isEmpty(isStale: Bool) -> Bool { isStale ? formerNames.isEmpty : objects.isEmpty }

  mutating func putManifest(owner: String, _ output: MergedOutput, replacing: Bool) -> Bool {
    guard manifest == nil || replacing else { return false }
    manifest = (owner, output)
    return true
  }

  /// Deletes what a listing shows.
  mutating func clear(isStale: Bool) {
    let names = isStale ? formerNames : objects.keys.sorted()
    formerNames = objects.keys.sorted()
    for name in names { objects[name] = nil }
  }
}
