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
    Failpoint.workerReading.hit()
    var scorer = try LeaseScorer(
      sealed, context: context, slot: slot, link: link, options: options)
    return try scorer.run()
  } catch let error as TableError where error.code == .inputShrank {
    return .failed(.inputChanged, error.context)
  } catch let error as Refusal where error.code == .changed {
    return .failed(.inputChanged, error.text)
  } catch let error as InputDiffers {
    return .failed(.inputChanged, error.context)
  } catch let error as WorkerError {
    return .failed(.environment, error.context)
  } catch let error as PartialError {
    return .failed(.environment, error.context)
  } catch {
    return .failed(.inputUnreadable, "\(sealed.details.input.path): \(error)")
  }
}

/// The input is not the one that was planned.
struct InputDiffers: Error {
  let context: String
}

/// The state of scoring one lease.
private struct LeaseScorer: ~Copyable {
  /// Raw bytes of results after which a block's frame is cut, so that memory stays bounded where
  /// a block is large; at a tile's end, so that it depends on the block alone.
  private static let frameByteCount = 8 << 20

  private let grant: Grant
  private let slot: ScoringSlot
  private let source: HashingSource
  private let file: ScratchFile
  private var parser: CSVRangeParser
  private var tile = RecordTile()
  private var scorer: TileScorer
  private var writer: PartialWriter
  private var compressor = FrameCompressor()
  private var results = TextBuffer(capacity: 2 << 20)
  private var errors = TextBuffer()
  private var blockResults: [BlockResult] = []
  private var counts = RecordCounts()
  private var recordCount: UInt64 = 0

  init(
    _ sealed: SealedGrant, context: JobContext, slot: ScoringSlot, link: CoordinatorLink,
    options: WorkerOptions
  ) throws {
    grant = sealed.grant
    self.slot = slot
    let (lease, details) = (sealed.grant.lease, sealed.details)
    let begin = details.rangeOffset + UInt64(lease.blocks.first) * details.blockByteCount
    let isShardEnd = Int(lease.blocks.end) == details.blockCount
    let end =
      isShardEnd
      ? details.rangeEnd ?? .max
      : details.rangeOffset + UInt64(lease.blocks.end) * details.blockByteCount
    let open = { try openText(sealed, link: link, alwaysFetches: options.alwaysFetchesInput) }
    let header = begin == 0 ? try checkHeader(open(), sealed, context) : nil
    source = HashingSource(
      try open(), begin: begin, end: end, blockByteCount: details.blockByteCount,
      blockCount: lease.blocks.count)
    parser = CSVRangeParser(
      source: source, range: begin..<end, blockByteCount: details.blockByteCount,
      entryState: lease.entry, headerOffset: header?.offset, fieldCount: context.columns.count,
      options: context.csv)
    scorer = TileScorer(context: context, inputPath: details.input.path)
    file = try ScratchFile(in: options.scratchFolder)
    writer = try PartialWriter(
      descriptor: file.descriptor, job: grant.job, shard: lease.shard, attempt: lease.attempt,
      firstBlock: Int(lease.blocks.first), entry: lease.entry)
  }

  mutating func run() throws -> ScoringEnd {
    while try parser.readTile(into: &tile) {
      // The last block of a compressed input takes all that is left.
      let block = min(tile.blockIndex, grant.lease.blocks.count - 1)
      while blockResults.count < block {
        if let end = try endBlock() { return end }
      }
      try score()
    }
    while blockResults.count < grant.lease.blocks.count {
      if let end = try endBlock() { return end }
    }
    return try finish()
  }

  private mutating func score() throws {
    let added = scorer.score(
      tile, firstOrdinal: counts.total, results: &results, errors: &errors)
    counts += added
    recordCount += added.total
    slot.note(records: recordCount)
    if results.count >= Self.frameByteCount { try cutFrame() }
  }

  private mutating func cutFrame() throws {
    guard results.count > 0 else { return }
    var frame: [UInt8] = []
    try results.withUnsafeBytes { text in try unsafe compressor.compress(text, into: &frame) }
    try writer.appendResults(frame: frame, rawByteCount: results.count)
    results.removeAll()
  }

  /// Ends the block under way; an end of the scoring where the worker was told to stop.
  private mutating func endBlock() throws -> ScoringEnd? {
    Failpoint.workerScoring.hit()
    try cutFrame()
    if errors.count > 0 {
      var frame: [UInt8] = []
      try errors.withUnsafeBytes { text in try unsafe compressor.compress(text, into: &frame) }
      try writer.appendErrors(frame: frame, rawByteCount: errors.count)
      errors.removeAll()
    }
    let isLast = blockResults.count + 1 == grant.lease.blocks.count
    let states = parser.boundStates
    let exit =
      isLast ? states.last ?? .recordStart : states[min(blockResults.count + 1, states.count - 1)]
    let result = BlockResult(counts: counts, exit: exit)
    try writer.endBlock(result, inputDigest: source.digest(ofBlock: blockResults.count))
    blockResults.append(result)
    counts = RecordCounts()
    switch slot.command {
    case .goOn: return nil
    case .stop: return .stopped
    case .keepBlocks: return isLast ? nil : try finish()
    }
  }

  private mutating func finish() throws -> ScoringEnd {
    let lease = grant.lease
    let name = try writer.finish()
    let blocks = BlockRange(
      Int(lease.blocks.first), Int(lease.blocks.first) + blockResults.count)
    guard
      let result = ShardResult(
        shard: lease.shard, attempt: lease.attempt, entry: lease.entry, blocks: blocks,
        results: blockResults, partial: name)
    else { return .stopped }
    return .scored(result, FinishedPartial(name: name, file: file))
  }
}

/// The lease's input as text.
private func openText(
  _ sealed: SealedGrant, link: CoordinatorLink, alwaysFetches: Bool
) throws -> any ByteSource {
  let stored = try openInput(sealed, link: link, alwaysFetches: alwaysFetches)
  let compression: TextCompression
  switch sealed.details.input.compression {
  case .none: return stored
  case .gzip: compression = .gzip
  case .zstd: compression = .zstd
  }
  return DecompressingSource(stored, compression: compression, name: sealed.details.input.path)
}

/// Reads the header at the begin of a file, which has to be the job's.
private func checkHeader(
  _ source: any ByteSource, _ sealed: SealedGrant, _ context: JobContext
) throws -> CSVHeader {
  let path = sealed.details.input.path
  let header = try CSVHeader.read(from: source, path: path, options: context.csv)
  guard header.names == context.columns else {
    throw InputDiffers(
      context: "input changed: \(path) has the columns \(header.names.joined(separator: ", ")); "
        + "the job was planned with \(context.columns.joined(separator: ", "))")
  }
  return header
}
