import Jobs

/// Whose an unfinished prefix of an object store is, and how far it is.
///
/// Written first, deleted last. Each change names the version that it replaces, so that of two
/// coordinators with the same job one learns that it is not alone.
package struct PublicationClaim: Hashable, Sendable {
  package enum Stage: Hashable, Sendable {
    /// Objects are being written; another life of the job may take over.
    case merging
    /// All objects are there: whoever finds this puts the manifest. Nothing takes it back.
    case publishing(manifest: [UInt8])
    /// Nothing will be published; objects are being deleted.
    case discarding
  }

  package let job: String
  /// Names the state folder: of two lives of one folder the earlier has ended.
  package let folder: String
  /// Drawn by each life of a destination.
  package let life: String
  package let stage: Stage

  package init(job: String, folder: String, life: String, stage: Stage) {
    self.job = job
    self.folder = folder
    self.life = life
    self.stage = stage
  }
}

/// What an object must be for a put to succeed.
package enum PutCondition<Version: Hashable & Sendable>: Hashable, Sendable {
  case absent
  case version(Version)
}

/// The objects of one prefix, as a publication sees them.
///
/// Reads of one object are never stale; listings may be. A put that is refused by its condition
/// may be our own, sent again after its answer was lost.
package protocol PublicationStore {
  associatedtype Failure: Error
  associatedtype Version: Hashable & Sendable

  /// The job that a manifest names, which is empty where it is none of ours; `nil`: there is none.
  mutating func manifestOwner() throws(Failure) -> String?
  /// The claim; `nil` where there is none. A foreign object of that name has an empty job.
  mutating func claim() throws(Failure) -> (claim: PublicationClaim, version: Version)?
  /// Writes the claim; false where the condition refuses it.
  mutating func put(
    _ claim: PublicationClaim, _ condition: PutCondition<Version>
  ) throws(Failure) -> Bool
  mutating func deleteClaim() throws(Failure)
  /// Whether a listing has nothing but the claim.
  mutating func isEmpty() throws(Failure) -> Bool
  /// The version of an object; `nil` where there is none.
  mutating func version(of name: String) throws(Failure) -> Version?
  /// Writes the manifest where there is none; false where there is one.
  mutating func putManifest(_ text: [UInt8]) throws(Failure) -> Bool
  /// Writes the manifest, whatever is there: what nobody may do.
  mutating func replaceManifest(_ text: [UInt8]) throws(Failure)
  /// Writes `_SUCCESS`, ends open uploads, and deletes what the manifest does not name; may be done
  /// twice.
  mutating func putSuccess() throws(Failure)
  /// Ends open uploads and deletes every object but the claim.
  mutating func clear() throws(Failure)
}

/// The order in which a job's objects become visible below a prefix: once, whoever tries.
///
/// The claim is taken on a condition. Data objects are written on the condition that they are what
/// they were while the claim was ours, so that a coordinator that was stopped and goes on changes
/// nothing of its successor's. The claim is then sealed with the manifest in it: from there on only
/// this manifest can be put, by anybody, and nothing is deleted. The manifest, put on the condition
/// that there is none, is the publication.
package struct ObjectPublication: Hashable, Sendable {
  package let job: String
  package let folder: String
  package let life: String

  /// Tries at a claim that others change at the same time.
  private static let tryLimit = 16

  package init(job: String, folder: String, life: String) {
    self.job = job
    self.folder = folder
    self.life = life
  }

  package enum Outcome: Hashable, Sendable {
    /// The prefix is this life's.
    case claimed
    /// The manifest is there, and it is this job's.
    case published
    /// The prefix is another job's, or somebody's else.
    case taken(by: String?)
    /// Another coordinator has this job: it took the claim over, or removes what was written.
    case superseded
  }

  private func claim(_ stage: PublicationClaim.Stage) -> PublicationClaim {
    PublicationClaim(job: job, folder: folder, life: life, stage: stage)
  }

  private func outcome(owner: String) -> Outcome {
    owner == job ? .published : .taken(by: owner.isEmpty ? nil : owner)
  }

  // MARK: Before the merge

  /// Whether this job has published; ends what another life of it had begun to publish.
  package func find<Store: PublicationStore>(
    in store: inout Store
  ) throws(Store.Failure) -> Bool {
    if let owner = try store.manifestOwner() {
      guard owner == job else { return false }
      try end(in: &store)
      return true
    }
    guard let held = try store.claim(), held.claim.job == job,
      case .publishing(let manifest) = held.claim.stage
    else { return false }
    return try put(manifest, in: &store) == .published
  }

  /// Makes the prefix this life's, unless it is another job's.
  package func take<Store: PublicationStore>(
    in store: inout Store
  ) throws(Store.Failure) -> Outcome {
    var mayHaveClaimed = false
    for _ in 0..<Self.tryLimit {
      if let owner = try store.manifestOwner() {
        // One that was refused may be there all the same: its first answer was lost.
        if mayHaveClaimed { try store.deleteClaim() }  // none below a manifest means anything
        return outcome(owner: owner)
      }
      guard let held = try store.claim() else {
        // Before it is claimed: to take a claim back could take away another's.
        guard try store.isEmpty() else {
          guard try store.claim() == nil else { continue }
          return .taken(by: nil)
        }
        guard try store.put(claim(.merging), .absent) else {
          mayHaveClaimed = true
          continue
        }
        return try taken(in: &store)
      }
      guard held.claim.job == job else { return outcome(owner: held.claim.job) }
      switch held.claim.stage {
      case .publishing(let manifest): return try put(manifest, in: &store)
      // Whoever deletes may be stopped and go on, unless it has ended with an earlier life.
      case .discarding where held.claim.folder != folder: return .superseded
      case .merging, .discarding:
        if held.claim == claim(.merging) { return try taken(in: &store) }
        guard try store.put(claim(.merging), .version(held.version)) else { continue }
        return try taken(in: &store)
      }
    }
    return .superseded
  }

  /// Looks once more, now that nobody else can publish: another life may have, and have removed its
  /// claim, since we looked.
  private func taken<Store: PublicationStore>(
    in store: inout Store
  ) throws(Store.Failure) -> Outcome {
    if PlantedBug.freshClaimTrusted.isPlanted { return .claimed }
    guard let owner = try store.manifestOwner() else { return .claimed }
    try store.deleteClaim()  // no claim below a manifest means anything
    return outcome(owner: owner)
  }

  /// The condition on which an object may be written; `nil` where the claim is no longer ours.
  ///
  /// The claim is read after the object's version: a successor that writes the object later
  /// changes the version, and one that wrote it before had taken the claim.
  package func condition<Store: PublicationStore>(
    of name: String, in store: inout Store
  ) throws(Store.Failure) -> PutCondition<Store.Version>? {
    let version = try store.version(of: name)
    let isOurs = try store.claim()?.claim == claim(.merging)
    guard isOurs || PlantedBug.claimNotRead.isPlanted else { return nil }
    return version.map { .version($0) } ?? .absent
  }

  // MARK: Publishing

  /// Publishes what was written, or finds that it is published.
  package func publish<Store: PublicationStore>(
    _ manifest: [UInt8], in store: inout Store
  ) throws(Store.Failure) -> Outcome {
    if let owner = try store.manifestOwner() {
      if owner == job { try end(in: &store) }
      return outcome(owner: owner)
    }
    guard let held = try store.claim() else { return .superseded }
    guard held.claim.job == job else { return outcome(owner: held.claim.job) }
    if case .publishing(let sealed) = held.claim.stage { return try put(sealed, in: &store) }
    guard held.claim == claim(.merging) else { return .superseded }
    if PlantedBug.claimNotSealed.isPlanted || PlantedBug.manifestUnconditional.isPlanted {
      return try put(manifest, in: &store)
    }
    let sealed = claim(.publishing(manifest: manifest))
    guard try store.put(sealed, .version(held.version)) else {
      return try store.claim()?.claim == sealed ? try put(manifest, in: &store) : .superseded
    }
    return try put(manifest, in: &store)
  }

  private func put<Store: PublicationStore>(
    _ manifest: [UInt8], in store: inout Store
  ) throws(Store.Failure) -> Outcome {
    if PlantedBug.manifestUnconditional.isPlanted {
      try store.replaceManifest(manifest)
    } else if try !store.putManifest(manifest) {
      let owner = PlantedBug.manifestNotReadBack.isPlanted ? "" : try store.manifestOwner()
      guard let owner, owner == job else { return outcome(owner: owner ?? "") }
    }
    try end(in: &store)
    return .published
  }

  private func end<Store: PublicationStore>(in store: inout Store) throws(Store.Failure) {
    try store.putSuccess()
    try store.deleteClaim()
  }

  // MARK: Ending without a publication

  /// Deletes what this life has written, for a merge that failed; nothing if it has lost its claim.
  package func abandon<Store: PublicationStore>(in store: inout Store) throws(Store.Failure) {
    guard let held = try store.claim(), held.claim == claim(.merging),
      try store.put(claim(.discarding), .version(held.version))
    else { return }
    try store.clear()
    try store.deleteClaim()
  }

  /// Deletes what was written, unless it is another job's or being published.
  ///
  /// - Returns: `published` where it is this job's output and has to stay.
  package func discard<Store: PublicationStore>(
    in store: inout Store
  ) throws(Store.Failure) -> Outcome {
    for _ in 0..<Self.tryLimit {
      if let owner = try store.manifestOwner() {
        if owner == job { try end(in: &store) }
        return outcome(owner: owner)
      }
      guard let held = try store.claim() else { return .superseded }
      guard held.claim.job == job else { return outcome(owner: held.claim.job) }
      switch held.claim.stage {
      case .publishing(let manifest):
        guard PlantedBug.othersOutputDiscarded.isPlanted else {
          return try put(manifest, in: &store)
        }
      case .discarding: break
      case .merging:
        if PlantedBug.othersOutputDiscarded.isPlanted { break }
        guard try store.put(claim(.discarding), .version(held.version)) else { continue }
      }
      try store.clear()
      try store.deleteClaim()
      return .superseded
    }
    return .superseded
  }
}
