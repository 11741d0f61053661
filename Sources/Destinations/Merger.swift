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
  private let order: PlanOrder
  private(set) var outputs: [OutputEntry] = []
  private var results: ResultFile?
  private var errors: TextOutput
  private var decompressor = FrameDecompressor()
  /// Whether frames of results are appended as they are stored.
  private let keepsFrames: Bool
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
    order = PlanOrder(input)
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
    try order.check(committed)
    if order.isAtStartOfShard { try beginShard() }
    if committed.partial.byteCount == 0 {
      try order.addNothing(committed)
    } else {
      do throws(PartialError) {
        try appendPartial(placed)
      } catch {
        try note(error, committed)
      }
    }
    order.advance(past: committed)
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
    let totals = try order.finish(expected)
    try endResultFile()
    let entry = try Self.finish(errors)
    return (totals, [entry] + outputs)
  }

  private static func finish(_ errors: consuming TextOutput) throws(DestinationError) -> OutputEntry
  {
    do throws(FileError) { return try errors.finish() } catch { throw DestinationError(error) }
  }

  // MARK: Result files

  private mutating func beginShard() throws(DestinationError) {
    if order.shard % Limits.shardsPerResultFile == 0 {
      try endResultFile()
      try beginResultFile(order.shard / Limits.shardsPerResultFile)
    }
    order.beginShard()
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

  /// Damage is noted; a failure of the destination stops the merge.
  private func note(
    _ error: PartialError, _ committed: CommittedBlocks
  ) throws(DestinationError) {
    if let failure { throw failure }
    try order.note(error, committed)
  }

  private mutating func appendPartial(_ placed: PlacedBlocks) throws(PartialError) {
    let committed = placed.committed
    let reader = try order.open(placed)
    var rowCount = order.rowCount
    for block in committed.blocks.indices {
      let header = reader.header.blocks[block - reader.header.firstBlock]
      try append(block, of: reader, header, firstRow: rowCount + 1)
      rowCount += header.counts.total
      order.add(header)
    }
  }

  private mutating func append(
    _ block: Int, of reader: borrowing PartialReader, _ header: PartialHeader.Block,
    firstRow: UInt64
  ) throws(PartialError) {
    let frames = reader.frames(of: block)
    guard order.isSound else { return try reader.verify(block: block) }
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
