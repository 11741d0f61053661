import Compression
import CoordinatorCore
import Digests
import Jobs
import Leasing
import Partials

/// Writes the output files from committed blocks in the order of the plan.
///
/// Damage does not stop it: what follows is still read and checked, so that all of it is known at
/// once, but nothing more is written.
struct Merger: ~Copyable {
  let input: MergeInput
  let place: any OutputPlace
  private(set) var damaged: [CommittedBlocks] = []
  private(set) var totals = ShardTotals()
  private(set) var outputs: [OutputEntry] = []
  private var results: ResultFile?
  private var errors: TextOutput
  private var decompressor = FrameDecompressor()
  /// Whether frames of results are appended as they are stored.
  private let keepsFrames: Bool
  private var cursor: MergeCursor
  /// Records of the input before the cut.
  private var rowCount: UInt64 = 0
  private var counts = RecordCounts()
  private var blockDigests: [Digest128?] = []
  /// What the first damaged partial is like.
  private var damage = ""
  /// A failure of the output, which passes through calls that tell of partials.
  private var failure: DestinationError?

  /// - Parameters:
  ///   - input: What is merged.
  ///   - place: Where the files go.
  ///   - errorsPlace: Where the error records go; nil for beside the others.
  /// - Throws: What stops the first file.
  init(
    _ input: MergeInput, in place: any OutputPlace, errorsIn errorsPlace: (any OutputPlace)? = nil
  ) throws(DestinationError) {
    self.input = input
    self.place = place
    cursor = MergeCursor(input.plan)
    let config = input.request.outputConfig
    let isCompressed = config.compression == .zstd
    keepsFrames = isCompressed && config.predictionsFormat.columnarFormat == nil
    errors = try onDisk { () throws(FileError) in
      try TextOutput(
        in: errorsPlace ?? place, name: OutputName.errors(config), isCompressed: isCompressed)
    }
  }

  /// Adds the next blocks of the plan.
  mutating func append(_ placed: PlacedBlocks) throws(DestinationError) {
    let committed = placed.committed
    try checkPlace(committed)
    if block == 0 { try beginShard() }
    if committed.partial.byteCount == 0 {
      try appendNothing(committed)
    } else {
      do throws(PartialError) {
        try appendPartial(placed)
      } catch {
        try note(error, committed)
      }
    }
    rowCount += committed.counts.total
    counts += committed.counts
    if cursor.advance(past: committed) { endShard() }
  }

  /// Ends all files; the plan's last block has been appended.
  ///
  /// - Parameter expected: What the confirmed blocks add up to.
  /// - Returns: The files in the order of their names.
  /// - Throws: `damaged` with every damaged partial's blocks; `inconsistent`; what stops the last
  ///   file.
  consuming func finish(
    _ expected: RecordCounts
  ) throws(DestinationError) -> (ShardTotals, [OutputEntry]) {
    guard cursor.isAtEnd, counts == expected else {
      throw DestinationError(
        code: .inconsistent,
        context: "job \(input.job): the committed blocks end at shard \(shard), block \(block) of "
          + "\(input.plan.shardCount) shards with \(counts.total) of \(expected.total) records")
    }
    guard damaged.isEmpty else {
      throw DestinationError(
        code: .damaged(damaged),
        context: "job \(input.job): \(damaged.count) partials are damaged, the first: \(damage)")
    }
    try endResultFile()
    let entry = try Self.finish(errors)
    return (totals, [entry] + outputs)
  }

  private static func finish(_ errors: consuming TextOutput) throws(DestinationError) -> OutputEntry
  {
    do throws(FileError) { return try errors.finish() } catch { throw DestinationError(error) }
  }

  // MARK: The order of the plan

  private var shard: Int { cursor.shard }
  private var block: Int { cursor.block }

  private mutating func checkPlace(_ committed: CommittedBlocks) throws(DestinationError) {
    if cursor.isAtInput { rowCount = 0 }
    guard cursor.accepts(committed) else {
      throw DestinationError(
        code: .inconsistent,
        context: "job \(input.job): blocks \(committed.blocks) of shard \(committed.shard) from "
          + "\(committed.entry) where block \(block) of shard \(shard) from \(cursor.entry) is due"
      )
    }
  }

  private mutating func beginShard() throws(DestinationError) {
    if shard % Limits.shardsPerResultFile == 0 {
      try endResultFile()
      try beginResultFile(shard / Limits.shardsPerResultFile)
    }
    totals.ok.append(0)
    totals.error.append(0)
    totals.filtered.append(0)
    blockDigests.removeAll(keepingCapacity: true)
  }

  private mutating func endShard() {
    totals.inputDigests.append(Receipt.digest(over: blockDigests))
  }

  private mutating func beginResultFile(_ index: Int) throws(DestinationError) {
    let name = OutputName.results(
      index, of: input.plan.resultFileCount, input.request.outputConfig)
    let file = try Self.makeFile(place, name, keepsFrames)
    if let format = input.request.outputConfig.predictionsFormat.columnarFormat {
      results = try ResultFile(columns: file, format: format, of: input)
      return
    }
    var text = ResultFile(text: file)
    if !input.resultHeader.isEmpty { try appendHeader(to: &text) }
    results = consume text
  }

  private static func makeFile(
    _ place: any OutputPlace, _ name: String, _ keepsFrames: Bool
  ) throws(DestinationError) -> OutputFile {
    do throws(FileError) {
      return try OutputFile(in: place, name: name, isCompressed: keepsFrames)
    } catch {
      throw DestinationError(error)
    }
  }

  private func appendHeader(to file: inout ResultFile) throws(DestinationError) {
    guard keepsFrames else { return try file.append(input.resultHeader) }
    var compressor = FrameCompressor(level: PartialWriter.compressionLevel)
    var frame: [UInt8] = []
    do throws(CompressionError) {
      try compressor.compress(input.resultHeader, into: &frame)
    } catch {
      fatalError("zstd cannot compress: \(error)")  // no memory, or a broken library
    }
    try file.append(frame: frame, rawByteCount: UInt32(input.resultHeader.count))
  }

  private mutating func endResultFile() throws(DestinationError) {
    guard let file = results.take() else { return }
    outputs.append(try file.finish())
  }

  // MARK: Blocks

  private mutating func appendNothing(_ committed: CommittedBlocks) throws(DestinationError) {
    guard committed.counts == RecordCounts() else {
      throw DestinationError(
        code: .inconsistent,
        context: "job \(input.job): \(committed.counts.total) records of shard \(shard) without a "
          + "partial")
    }
    blockDigests += repeatElement(nil, count: committed.blocks.count)
  }

  /// Damage is noted; a failure of the destination stops the merge.
  private mutating func note(
    _ error: PartialError, _ committed: CommittedBlocks
  ) throws(DestinationError) {
    if let failure { throw failure }
    switch error.code {
    case .damaged, .tooLarge, .file(.missing), .file(.unreadable):
      if damaged.isEmpty { damage = error.context }
      damaged.append(committed)
    case .file(let code): throw DestinationError(FileError(code: code, context: error.context))
    }
  }

  private mutating func appendPartial(_ placed: PlacedBlocks) throws(PartialError) {
    let committed = placed.committed
    let reader = try PartialReader(path: placed.path)
    try check(reader, committed)
    var rowCount = rowCount
    for block in committed.blocks.indices {
      let header = reader.header.blocks[block - reader.header.firstBlock]
      try append(block, of: reader, header, firstRow: rowCount + 1)
      rowCount += header.counts.total
      totals.ok[shard] += header.counts.ok
      totals.error[shard] += header.counts.error
      totals.filtered[shard] += header.counts.filtered
      blockDigests.append(header.inputDigest)
    }
  }

  /// Holds the partial's header against the journal's row.
  private func check(
    _ reader: borrowing PartialReader, _ committed: CommittedBlocks
  ) throws(PartialError) {
    let header = reader.header
    guard header.name == committed.partial else {
      throw reader.damaged("it is not the partial \(committed.partial.digest.hexadecimal)")
    }
    guard header.job == input.job, header.shard == committed.shard,
      header.attempt == committed.attempt, header.range.first <= committed.blocks.first,
      header.range.end >= committed.blocks.end,
      header.state(before: Int(committed.blocks.first)) == committed.entry,
      header.state(before: Int(committed.blocks.end)) == committed.exit,
      header.counts(of: committed.blocks) == committed.counts
    else {
      throw reader.damaged(
        "its header differs from what was journaled for blocks \(committed.blocks) of shard "
          + "\(committed.shard)")
    }
  }

  private mutating func append(
    _ block: Int, of reader: borrowing PartialReader, _ header: PartialHeader.Block,
    firstRow: UInt64
  ) throws(PartialError) {
    let frames = reader.frames(of: block)
    guard damaged.isEmpty else { return try reader.verify(block: block) }
    // Bytes that are decoded have to be those that were committed.
    if !keepsFrames { try reader.verify(block: block) }
    var hash = XXH3()
    for frame in frames.results {
      let stored = try reader.stored(frame)
      hash.update(stored)
      try append(frame, stored, reader)
    }
    for frame in frames.errors { hash.update(try reader.stored(frame)) }
    guard hash.finish() == header.storedDigest else {
      throw reader.damaged("block \(block) is not what it was")
    }
    try write { (file) throws(DestinationError) in
      try file.endBlock(recordCount: header.counts.ok)
    }
    try appendErrors(block, of: reader, firstRow: firstRow)
  }

  private mutating func append(
    _ frame: PartialFrame, _ stored: [UInt8], _ reader: borrowing PartialReader
  ) throws(PartialError) {
    if keepsFrames {
      try write { (file) throws(DestinationError) in
        try file.append(frame: stored, rawByteCount: frame.rawByteCount)
      }
    } else {
      let text = try reader.text(of: frame, stored, &decompressor)
      try write { (file) throws(DestinationError) in try file.append(text) }
    }
  }

  private mutating func write(
    _ body: (inout ResultFile) throws(DestinationError) -> Void
  ) throws(PartialError) {
    guard var file = results.take() else { return }
    do throws(DestinationError) {
      try body(&file)
    } catch {
      failure = error
      throw PartialError(code: .file(.other(0)), context: error.context)
    }
    results = consume file
  }

  /// Writes a block's error records with their row numbers in the input file.
  private mutating func appendErrors(
    _ block: Int, of reader: borrowing PartialReader, firstRow: UInt64
  ) throws(PartialError) {
    var lines: [[UInt8]] = []
    try reader.errors(of: block, &decompressor) { (ordinal, object) throws(PartialError) in
      lines.append(ErrorLine.make(row: firstRow + ordinal, object: object))
    }
    for line in lines {
      do throws(FileError) {
        try errors.append(line: line)
      } catch {
        failure = DestinationError(error)
        throw PartialError(code: .file(error.code), context: error.context)
      }
    }
  }
}
