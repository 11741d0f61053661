import CoordinatorCore
import Jobs
import Leasing

/// The merge and the publication, which may be cut short between any two calls.
extension World {
  /// Lets a merge that goes along with the scoring take note of the journal.
  mutating func takeAhead(_ entries: [JournalEntry], of place: Int) {
    guard coordinators[place].ahead != nil else { return }
    for entry in entries { coordinators[place].ahead?.take(entry) }
    while let row = coordinators[place].ahead?.next() {
      guard coordinators[place].spool.isReadable(row.partial) else {
        coordinators[place].ahead?.giveUp()
        return
      }
      coordinators[place].aheadRecords += records(of: row)
    }
  }

  mutating func beginMerge(_ place: Int, life: Int) {
    guard isRunning(place, life: life, else: .mergeBegins(place, life: life)) else { return }
    if coordinators[place].publication != nil { violate("a second merge starts beside the first") }
    coordinators[place].publication = SimulatedCoordinator.Publication(
      life: String(generator.next(), radix: 16),
      rows: coordinators[place].journal.folded.rows,
      isCancelling: coordinators[place].core?.jobs[Self.job]?.state == .cancelling)
    goOn(place)
  }

  /// Runs a publication as far as its answers go.
  private mutating func goOn(_ place: Int) {
    guard var publication = coordinators[place].publication else { return }
    publication.log.rewind()
    let script = PublicationScript(publication: publication, stager: stager(of: place))
    do throws(PublicationStop) {
      let outcome = publishesToStore ? try script.runInStore() : try script.runInFolder()
      mergeEnded(outcome, of: place)
    } catch {
      switch error {
      case .waits(let call):
        queue.push(
          .destinationActs(place, life: coordinators[place].life, call),
          at: now + milliseconds(0...(generator.below(4) == 0 ? longestCall : 20)))
      case .exists: mergeEnded(.blocked("the output is there"), of: place)
      }
    }
  }

  private func stager(of place: Int) -> String {
    PlantedBug.stagingShared.isPlanted ? "shared" : coordinators[place].stager
  }

  /// Carries out one call, unless the process dies before or after it.
  mutating func act(on call: DestinationCall, of place: Int, life: Int) {
    let event = Event.destinationActs(place, life: life, call)
    guard isRunning(place, life: life, else: event) else { return }
    if diesHere(place) { return }
    interfere(with: place)
    if now < storeBusyUntil, publishesToStore, call != .merge {
      return queue.push(event, at: storeBusyUntil)
    }
    // A job that is being cancelled is the more delicate one.
    let isCancelled = coordinators[place].isCancelled
    if strikes(.mergeBlocked, percent: isCancelled ? 300 : publicationStress / 4)
      || publishesToStore && strikes(.storeUnavailable, percent: isCancelled ? 800 : 100)
    {
      count(.blockedMerges)
      return mergeEnded(.blocked("full"), of: place)
    }
    if call == .merge {
      guard merge(place) else { return }
    } else {
      let reply = publishesToStore ? reply(ofStore: call, place) : reply(ofFolder: call, place)
      coordinators[place].publication?.log.add(reply)
    }
    if isTraced { trace("coordinator \(place) at the destination: \(describe(call))") }
    observe()
    if diesHere(place) { return }
    goOn(place)
  }

  /// The user has moods, and a partition of the process's time may come, just now.
  private mutating func interfere(with place: Int) {
    if strikes(.coordinatorPause, percent: 50) {
      coordinators[place].pausedUntil = now + milliseconds(100...25_000)
    }
    // Rather once the output is there, or about to be.
    if strikes(.userCancel, percent: seen == nil ? 30 : 1_500) { act(as: .cancel, on: place) }
    if coordinators.count == 2, store.claim != nil, strikes(.userCancel, percent: 600) {
      act(as: .cancel, on: 1 - place)
      if strikes(.coordinatorPause, percent: 1_500) {
        coordinators[place].pausedUntil = now + milliseconds(100...5_000)
      }
    }
    if coordinators.count == 1, strikes(.secondCoordinator) { copyCoordinator() }
    if strikes(.userPause, percent: 80) {
      act(as: .pause, on: place)
      if generator.below(2) == 0 { act(as: .resume, on: place) }
    }
  }

  private mutating func diesHere(_ place: Int) -> Bool {
    // What is visible and not synced yet is where it hurts.
    let percent = seen != nil && !publishesToStore ? 3 * publicationStress : publicationStress
    let isKill = strikes(.coordinatorKill, percent: percent)
    guard isKill || strikes(.coordinatorPowerLoss, percent: percent) else { return false }
    count(.diedWhilePublishing)
    endCoordinator(place, isKill ? .kill : .powerLoss)
    return true
  }

  // MARK: Merging

  /// Makes the output of the committed partials; false where the merge has ended.
  private mutating func merge(_ place: Int) -> Bool {
    guard var rows = coordinators[place].publication?.rows else { return false }
    if !PlantedBug.mergedInArrivalOrder.isPlanted {
      rows.sort { ($0.shard, $0.blocks.first) < ($1.shard, $1.blocks.first) }
    }
    damageSpool(rows, of: place)
    let missing = rows.filter { !coordinators[place].spool.isReadable($0.partial) }
    guard missing.isEmpty || PlantedBug.damageMerged.isPlanted else {
      for row in missing where !damaged.contains(row.partial.digest) {
        violate("the committed partial of shard \(row.shard), blocks \(row.blocks), is gone")
      }
      count(.damagedMerges)
      coordinators[place].ahead = nil
      mergeEnded(.damaged(missing), of: place)
      return false
    }
    guard let records = merged(rows, of: place) else {
      mergeEnded(.failed("the committed blocks do not make up the plan"), of: place)
      return false
    }
    if PlantedBug.spoolEmptiedEarly.isPlanted { coordinators[place].spool.removeAll() }
    coordinators[place].publication?.output = MergedOutput(
      records: records, receipt: generator.next())
    coordinators[place].publication?.log.add(.done)
    return true
  }

  private mutating func merged(_ rows: [CommittedBlocks], of place: Int) -> [UInt64]? {
    var records: [UInt64] = []
    var rest = rows[...]
    if let ahead = coordinators[place].ahead, ahead.isBegin(of: rows) {
      count(.mergedAhead)
      records = coordinators[place].aheadRecords
      rest = rows.dropFirst(ahead.count)
    }
    coordinators[place].ahead = nil
    var cursor = MergeCursor(text.plan)
    for row in rows {
      guard cursor.accepts(row) else { return nil }
      cursor.advance(past: row)
    }
    guard cursor.isAtEnd || PlantedBug.mergedInArrivalOrder.isPlanted else { return nil }
    for row in rest { records += self.records(of: row) }
    return records
  }

  func records(of row: CommittedBlocks) -> [UInt64] {
    guard let content = contents[row.partial.digest] else { return [] }
    guard !damaged.contains(row.partial.digest) || !PlantedBug.damageMerged.isPlanted else {
      return content.records(of: row.blocks).map { $0 ^ 1 }
    }
    return PlantedBug.wholePartialMerged.isPlanted
      ? content.records.flatMap { $0 } : content.records(of: row.blocks)
  }

  /// Takes or changes a partial at rest, as a bad disk does.
  private mutating func damageSpool(_ rows: [CommittedBlocks], of place: Int) {
    guard strikes(.bitFlip), let row = rows.randomElement(using: &generator) else { return }
    damaged.insert(row.partial.digest)
    if generator.below(2) == 0, !PlantedBug.damageMerged.isPlanted {
      coordinators[place].spool.remove(row.partial.digest)
    } else {
      coordinators[place].spool.damage(row.partial.digest)
    }
  }

  private mutating func mergeEnded(_ outcome: CoordinatorCore.MergeOutcome, of place: Int) {
    if outcome == .manifestTaken { violate("the job's own manifest is said to be another's") }
    if outcome == .superseded { count(.supersededMerges) }
    if isTraced { trace("coordinator \(place): the merge ends: \(describe(outcome))") }
    coordinators[place].publication = nil
    // The shell tells it again and again while the journal's disk is full.
    var effects: [CoordinatorEffect] = []
    let time = instant(of: place)
    coordinators[place].core?.mergeEnded(Self.job, outcome, now: time, into: &effects)
    carryOut(effects, of: place)
    checkTable(of: place)
  }

  // MARK: The destination

  private mutating func reply(ofFolder call: DestinationCall, _ place: Int) -> DestinationReply {
    let stager = stager(of: place)
    switch call {
    case .isPublished: return .truth(folder.isPublished)
    case .claimant: return .text(folder.isPublished ? nil : folder.claimant)
    case .makeStaging: folder.makeStaging(of: stager)
    case .stage(let name):
      guard let output = coordinators[place].publication?.output else { return .done }
      folder.stage(name, output, of: stager)
    case .renameWithoutReplacing: return folder.rename(stager, replacing: false)
    case .renameReplacing: return folder.rename(stager, replacing: true)
    case .claimFolder: return folder.claim(for: stager)
    case .moveFiles(let other): return folder.moveFiles(of: other)
    case .moveSuccess(let other): return folder.moveSuccess(of: other)
    case .removeFolderClaim: folder.removeClaim()
    case .synchronizeParent, .synchronizeFinal: folder.synchronize()
    case .removeStaging: folder.removeStaging(of: stager)
    default: break  // fsync of a staging folder, whose files are durable in the model
    }
    return .done
  }

  private mutating func reply(ofStore call: DestinationCall, _ place: Int) -> DestinationReply {
    if strikes(.storeBusy) { storeBusyUntil = now + milliseconds(100...20_000) }
    switch call {
    case .manifestOwner: return .text(store.manifest?.owner)
    case .readClaim:
      return store.claim.map { .claim($0.claim, version: $0.version) } ?? .noClaim
    case .isEmpty: return .truth(store.isEmpty(isStale: strikes(.staleListing)))
    case .version(let name): return .version(store.version(of: name))
    case .deleteClaim: store.deleteClaim()
    case .clear: store.clear(isStale: strikes(.staleListing))
    case .putClaim, .putObject, .putManifest, .replaceManifest:
      // A conflict, and a lost answer, have the client send the same put again.
      let reply = put(call, place)
      guard strikes(.lostStoreAnswer) || strikes(.storeConflict) else { return reply }
      return put(call, place)
    default: break
    }
    return .done
  }

  private mutating func put(_ call: DestinationCall, _ place: Int) -> DestinationReply {
    guard let publication = coordinators[place].publication else { return .truth(false) }
    let output = publication.output ?? MergedOutput(records: [], receipt: 0)
    switch call {
    case .putClaim(let claim, let condition): return .truth(store.put(claim, condition))
    case .putObject(let name, let condition):
      return .truth(store.put(name, output, condition))
    case .putManifest(let text):
      return .truth(putManifest(text, replacing: false))
    case .replaceManifest(let text): return .truth(putManifest(text, replacing: true))
    default: return .done
    }
  }

  /// The manifest's text is the number of its receipt.
  private mutating func putManifest(_ text: [UInt8], replacing: Bool) -> Bool {
    let receipt = text.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return store.putManifest(
      owner: PublicationScript.job, MergedOutput(records: [], receipt: receipt),
      replacing: replacing)
  }
}

extension CoordinatorCore.MergeOutcome {
  /// There is no other job in a world.
  static let manifestTaken = CoordinatorCore.MergeOutcome.blocked("the manifest is another job's")

  /// Another coordinator has the job.
  static let superseded = CoordinatorCore.MergeOutcome.blocked("another coordinator has the job")
}

/// What a coordinator does between the last block and the end of its job, as straight code.
///
/// The order of `MergeWork` and the two destinations in the program: find, take, merge, publish.
struct PublicationScript {
  static let job = "job"

  let publication: SimulatedCoordinator.Publication
  let stager: String

  func runInFolder() throws(PublicationStop) -> CoordinatorCore.MergeOutcome {
    var folder = LoggedFolder(log: publication.log)
    if try FolderPublication.find(&folder) {
      try FolderPublication.publish(&folder)
      return .published(folder: "prediction")
    }
    if publication.isCancelling {
      _ = try folder.log.reply(to: .removeStaging)
      return .failed("cancelled")
    }
    _ = try folder.log.reply(to: .makeStaging)
    _ = try folder.log.reply(to: .merge)
    for name in ModelFolder.fileNames + [ModelFolder.success] {
      _ = try folder.log.reply(to: .stage(name))
    }
    try FolderPublication.publish(&folder)
    _ = try folder.log.reply(to: .removeStaging)
    return .published(folder: "prediction")
  }

  func runInStore() throws(PublicationStop) -> CoordinatorCore.MergeOutcome {
    var store = LoggedStore(log: publication.log)
    let order = ObjectPublication(job: Self.job, folder: stager, life: publication.life)
    if try order.find(in: &store) { return .published(folder: "prediction") }
    if publication.isCancelling {
      let isPublished = try order.discard(in: &store) == .published
      return isPublished ? .published(folder: "prediction") : .failed("cancelled")
    }
    let taken = try order.take(in: &store)
    guard taken == .claimed else { return outcome(of: taken) }
    _ = try store.log.reply(to: .merge)
    for name in ModelFolder.fileNames {
      guard try put(name, order, &store) else { return .superseded }
    }
    let receipt = publication.output?.receipt ?? 0
    let manifest = (0..<8).map { UInt8(truncatingIfNeeded: receipt >> (56 - 8 * UInt64($0))) }
    let published = try order.publish(manifest, in: &store)
    if case .taken = published { return .manifestTaken }
    return outcome(of: published)
  }

  /// Writes an object on its condition, which is looked up again where it is refused.
  private func put(
    _ name: String, _ order: ObjectPublication, _ store: inout LoggedStore
  ) throws(PublicationStop) -> Bool {
    for _ in 0..<8 {
      guard let condition = try order.condition(of: name, in: &store) else { return false }
      if try store.log.truth(of: .putObject(name, condition)) { return true }
    }
    return false
  }

  private func outcome(of outcome: ObjectPublication.Outcome) -> CoordinatorCore.MergeOutcome {
    switch outcome {
    case .published: .published(folder: "prediction")
    case .claimed, .superseded: .superseded
    case .taken: .blocked("the prefix is another job's")
    }
  }
}
