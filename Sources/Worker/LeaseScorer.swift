import Compression
import Digests
import Failpoints
import Jobs
import Leasing
import Partials
import Tables
import Wire

/// Scores one lease on the calling thread: bytes → records → features → scores → partial.
func scoreLease(
  _ sealed: SealedGrant, context: JobContext, slot: ScoringSlot, link: CoordinatorLink,
  options: WorkerOptions
) -> ScoringEnd {
  do {
    guard slot.command == .goOn else { return .stopped }  // while the model was on its way
    Failpoint.workerReading.hit()
    let file = try ScratchFile(in: options.scratchFolder)
    let scorer = try LeaseScorer(
      sealed, context: context, slot: slot, file: file, folder: options.scratchFolder
    ) {
      try openInput(sealed, slot: slot, link: link, alwaysFetches: options.alwaysFetchesInput)
    }
    return try scorer.run()
  } catch {
    return scoringEnd(of: error, sealed, scratchFolder: options.scratchFolder)
  }
}

/// How a lease ends whose scoring failed.
func scoringEnd(of error: any Error, _ sealed: SealedGrant, scratchFolder: String) -> ScoringEnd {
  do {
    throw error
  } catch is Interrupted {
    return .stopped
  } catch let error as TableError where error.code == .cancelled {
    return .stopped
  } catch let error as TableError where error.code == .unavailable {
    return .failed(.environment, error.context)
  } catch let error as Unanswered {
    return .failed(.environment, "no input from the coordinator \(error.context)")
  } catch let error as TableError where error.code == .inputShrank || error.code == .inputChanged {
    return .failed(.inputChanged, error.context)
  } catch let error as Refusal where error.code == .changed {
    return .failed(.inputChanged, error.text)
  } catch let error as WorkerError {
    return .failed(.environment, error.context)
  } catch let error as PartialError where error.code == .file(.diskFull) {
    return .failed(.environment, fullScratch(scratchFolder))
  } catch let error as PartialError where error.code == .tooLarge {
    return .failed(.inputUnreadable, error.context)  // on every machine
  } catch let error as PartialError {
    return .failed(.environment, error.context)
  } catch {
    let (path, reason) = (sealed.details.input.path, "\(error)")
    return .failed(.inputUnreadable, reason.hasPrefix(path) ? reason : "\(path): \(reason)")
  }
}

/// The state of scoring one lease.
struct LeaseScorer: ~Copyable {
  private let grant: Grant
  private let slot: ScoringSlot
  private let file: ScratchFile
  private let reader: any TileReader
  private var tile = RecordTile()
  private var scorer: TileScorer
  private var writer: PartialWriter
  private var results = TextBuffer(capacity: 2 << 20)
  private var errors = TextBuffer()
  private var blockResults: [BlockResult] = []
  private var counts = RecordCounts()
  private var recordCount: UInt64 = 0
  /// Records of the block under way that the filter spared reading, as far as they are counted.
  private var prunedCount: UInt64 = 0
  /// Records of all tiles before the next one.
  private var position: UInt64 = 0
  /// In a process apart, what is scored there.
  private let part: SuspectPart?
  private let begun = ContinuousClock.now

  /// - Parameters:
  ///   - sealed: The lease.
  ///   - context: Its job.
  ///   - slot: Where progress is noted, and commands are looked for.
  ///   - file: Takes the partial; empty.
  ///   - folder: Where the file is, for messages.
  ///   - part: What of the lease is scored; nil for all.
  ///   - open: Gives the input's stored bytes.
  /// - Throws: What the input or the scratch file fails with.
  init(
    _ sealed: SealedGrant, context: JobContext, slot: ScoringSlot, file: ScratchFile,
    folder: String, part: SuspectPart? = nil, open: () throws -> any ByteSource
  ) throws {
    let (lease, details) = (sealed.grant.lease, sealed.details)
    let begin = details.rangeOffset + UInt64(lease.blocks.first) * details.blockLength
    let range = LeaseRange(
      path: details.input.path, version: details.input.version, begin: begin,
      end: Self.end(of: lease, details),
      blockLength: details.blockLength, blockCount: lease.blocks.count,
      shardOffset: details.rangeOffset, places: details.places, shardEnd: details.rangeEnd,
      entry: lease.entry)
    let reader = try context.table.reader(
      of: range, compression: details.input.compression, goesOn: { slot.command == .goOn },
      open: open)
    scorer = try TileScorer(context: context, inputPath: details.input.path)
    grant = sealed.grant
    self.part = part
    self.slot = slot
    self.reader = reader
    self.file = file
    writer = PartialWriter(
      descriptor: file.descriptor, path: folder, job: grant.job,
      shard: lease.shard, attempt: lease.attempt, firstBlock: Int(lease.blocks.first),
      entry: lease.entry)
  }

  /// The lease's nominal end in the text; the largest number where that ends wherever it ends.
  private static func end(of lease: Lease, _ details: GrantDetails) -> UInt64 {
    guard Int(lease.blocks.end) < details.blockCount else { return details.rangeEnd ?? .max }
    return details.rangeOffset + UInt64(lease.blocks.end) * details.blockLength
  }

  /// Scores block after block until the lease or the worker's patience ends.
  consuming func run() throws -> ScoringEnd {
    var isWhole = false
    do {
      isWhole = try scoreBlocks()
    } catch is Interrupted {
      isWhole = false  // the blocks before it are as good as ever
    } catch let error as TableError where error.code == .cancelled {
      isWhole = false
    }
    return try isWhole ? finish() : stop()
  }

  /// Scores the lease's blocks; false where the slot is told to stop before the last one.
  private mutating func scoreBlocks() throws -> Bool {
    while try reader.readTile(into: &tile) {
      // The last block of a compressed input takes all that is left.
      let block = min(tile.blockIndex, grant.lease.blocks.count - 1)
      while blockResults.count < block {
        try endBlock()
        if isToStop { return false }
      }
      // In the middle of a block that nobody needs of it.
      if slot.command == .stop || hasReachedEnd { return false }
      try score()
    }
    while blockResults.count < grant.lease.blocks.count {
      try endBlock()
      if isToStop { return false }
    }
    return true
  }

  /// Whether the block that has just ended is the last one for now.
  private var isToStop: Bool { slot.command != .goOn || hasReachedEnd }

  /// Whether another worker has all that follows.
  private var hasReachedEnd: Bool {
    !blockResults.isEmpty
      && Int(grant.lease.blocks.first) + blockResults.count >= slot.endBlock
  }

  /// Scores the records of a part, for nothing but to see whether that goes well.
  consuming func probe() throws {
    guard let end = part?.records.upperBound else { return }
    while position < end, try reader.readTile(into: &tile) {
      try score()
      results.removeAll()
      errors.removeAll()
      counts = RecordCounts()
    }
  }

  /// Counts the records that were passed over since this was asked last.
  private mutating func countPruned() {
    let pruned = reader.prunedCount(ofBlock: blockResults.count)
    counts.filtered += pruned - prunedCount
    prunedCount = pruned
  }

  private mutating func score() throws {
    countPruned()
    let records = position..<position + UInt64(tile.count)
    position = records.upperBound
    if let part {
      guard part.records.overlaps(records) else { return }
      scorer.leftOut = part.leaveOut(of: tile, records)
    }
    slot.passMark()
    let begin = RecordFailpoint.current == nil ? nil : ContinuousClock.now
    let added = try scorer.score(
      tile, firstOrdinal: counts.total, results: &results, errors: &errors)
    if let begin { RecordFailpoint.current?.linger(since: begin, recordCount: tile.count) }
    slot.passMark()
    counts += added
    recordCount += added.total
    slot.note(records: recordCount)
    if results.count > Self.resultLimit { try handOver() }
  }

  /// Results that are kept back for the block's end, which takes them without a copy.
  private static let resultLimit = 1 << 20

  private mutating func handOver() throws {
    try unsafe results.withUnsafeBytes { text in try unsafe writer.append(results: text) }
    results.removeAll()
  }

  /// Ends the block under way.
  private mutating func endBlock() throws {
    Failpoint.workerScoring.hit()
    countPruned()
    prunedCount = 0
    // A block without records has no results.
    if counts.ok > 0 { try scorer.endBlock(results: &results) }
    let isLast = blockResults.count + 1 == grant.lease.blocks.count
    let states = reader.boundStates
    let exit =
      isLast ? states.last ?? .recordStart : states[min(blockResults.count + 1, states.count - 1)]
    let result = BlockResult(counts: counts, exit: exit)
    try unsafe results.withUnsafeBytes { text in
      try unsafe writer.endBlock(
        results: text, counts: counts, exit: exit,
        inputDigest: reader.inputDigest(ofBlock: blockResults.count), errors: errors.copy())
    }
    results.removeAll()
    errors.removeAll()
    blockResults.append(result)
    slot.note(blocks: blockResults.count)
    counts = RecordCounts()
  }

  /// Ends early: with the blocks that are done where they are to be kept.
  private consuming func stop() throws -> ScoringEnd {
    let keepsBlocks = slot.command == .keepBlocks || slot.command == .goOn && hasReachedEnd
    return keepsBlocks && !blockResults.isEmpty ? try finish() : .stopped
  }

  private consuming func finish() throws -> ScoringEnd {
    let (lease, file, blockResults, begun) = (grant.lease, file, blockResults, begun)
    let name = try writer.finish().name
    let blocks = BlockRange(
      Int(lease.blocks.first), Int(lease.blocks.first) + blockResults.count)
    guard
      var result = ShardResult(
        shard: lease.shard, attempt: lease.attempt, entry: lease.entry, blocks: blocks,
        results: blockResults, partial: name)
    else { return .stopped }
    result.elapsed = ContinuousClock.now - begun
    return .scored(result, FinishedPartial(name: name, file: file))
  }
}
