import Compression
package import Digests
package import Jobs

/// Writes one partial: the blocks' frames as they come, the header last.
///
/// The bytes of a block depend on its results and errors alone, not on how they were handed over.
package struct PartialWriter: ~Copyable {
  private let job: JobID
  private let shard: ShardID
  private let attempt: Attempt
  private let entry: RangeState
  private let firstBlock: Int
  private let descriptor: Int32
  private let path: String
  private var compressor: FrameCompressor
  private var blocks: [PartialHeader.Block] = []
  private var frames: [PartialFrame] = []
  private var bodyHash = SHA256()
  /// Where the next frame goes.
  private var offset = UInt64(PartialHeader.byteCount)
  /// Results of the current block that are not yet in a frame.
  private var pending: [UInt8] = []
  /// The frame written last; only its memory is of use.
  private var stored: [UInt8] = []
  private var resultSizes = PartialHeader.FrameSizes()
  /// Of the current block's stored frames.
  private var storedHash = XXH3()

  /// Level of every frame in a partial, and so in the output.
  package static let compressionLevel = 1

  /// Starts a partial in an empty file.
  ///
  /// - Parameters:
  ///   - descriptor: The file, open for reading and writing; it stays the caller's and must outlive this.
  ///   - path: Its name for error messages.
  ///   - job: The job.
  ///   - shard: The shard.
  ///   - attempt: The attempt.
  ///   - firstBlock: The block that is ended first; the others follow it.
  ///   - entry: What the parser was told about the first block's cut.
  package init(
    descriptor: Int32, path: String, job: JobID, shard: ShardID, attempt: Attempt,
    firstBlock: Int, entry: RangeState
  ) {
    self.descriptor = descriptor
    self.path = path
    self.job = job
    self.shard = shard
    self.attempt = attempt
    self.firstBlock = firstBlock
    self.entry = entry
    compressor = FrameCompressor(level: Self.compressionLevel)
  }

  /// Blocks ended so far.
  package var blockCount: Int { blocks.count }

  /// Adds result text to the current block; any part of it, lines need not be whole.
  package mutating func append(results: UnsafeRawBufferPointer) throws(PartialError) {
    var rest = unsafe results
    while pending.count + rest.count > PartialHeader.frameByteLimit {
      let room = PartialHeader.frameByteLimit - pending.count
      unsafe pending.append(contentsOf: rest.prefix(room))
      unsafe rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(room))
      try writePending()
    }
    unsafe pending.append(contentsOf: rest)
  }

  private mutating func writePending() throws(PartialError) {
    let text = exchange(&pending, with: [])
    resultSizes.add(try write(text[...]))
    pending = text
    pending.removeAll(keepingCapacity: true)
  }

  /// Ends the current block with the last of its results, or all of them: without a copy then.
  ///
  /// See `endBlock` of the results that were appended.
  package mutating func endBlock(
    results: UnsafeRawBufferPointer, counts: RecordCounts, exit: RangeState,
    inputDigest: Digest128, errors: [UInt8]
  ) throws(PartialError) {
    if unsafe pending.isEmpty && !results.isEmpty && results.count <= PartialHeader.frameByteLimit {
      resultSizes.add(try unsafe write(results))
    } else {
      try unsafe append(results: results)
    }
    try endBlock(counts: counts, exit: exit, inputDigest: inputDigest, errors: errors)
  }

  /// Adds result text to the current block; any part of it, lines need not be whole.
  package mutating func append(results: [UInt8]) throws(PartialError) {
    try unsafe results.withUnsafeBufferPointer { (bytes) throws(PartialError) in
      try unsafe append(results: UnsafeRawBufferPointer(bytes))
    }
  }

  /// Ends the current block.
  ///
  /// - Parameters:
  ///   - counts: The block's records. There is result text exactly where there are ok records,
  ///     and there are error lines exactly where there are error records.
  ///   - exit: What the parser knew at the block's end.
  ///   - inputDigest: XXH3-128 of the text between the block's nominal bounds.
  ///   - errors: A line for each error record: ordinal in the block (from 0, of all its records),
  ///     tab, a JSON object without the row's number, line feed.
  /// - Throws: `PartialError`: the file cannot be written.
  package mutating func endBlock(
    counts: RecordCounts, exit: RangeState, inputDigest: Digest128, errors: [UInt8] = []
  ) throws(PartialError) {
    precondition(firstBlock + blocks.count < Limits.blocksPerShard)
    if !pending.isEmpty { try writePending() }
    precondition((resultSizes.frameCount > 0) == (counts.ok > 0))
    precondition(errors.isEmpty == (counts.error == 0))
    var errorSizes = PartialHeader.FrameSizes()
    for first in stride(from: 0, to: errors.count, by: PartialHeader.frameByteLimit) {
      let end = min(first + PartialHeader.frameByteLimit, errors.count)
      errorSizes.add(try write(errors[first..<end]))
    }
    let hash = exchange(&storedHash, with: XXH3())
    blocks.append(
      PartialHeader.Block(
        counts: counts, exit: exit, inputDigest: inputDigest, results: resultSizes,
        errors: errorSizes, storedDigest: hash.finish()))
    resultSizes = PartialHeader.FrameSizes()
  }

  /// Writes the frame table and the header; what was added to an unfinished block is dropped.
  ///
  /// At least one block has ended. Does not have the disk keep it: whoever acknowledges does that.
  package consuming func finish() throws(PartialError) -> PartialHeader {
    precondition(!blocks.isEmpty)
    if resultSizes.frameCount > 0 { try dropUnfinishedBlock() }
    var table = ByteWriter(byteCount: frames.count * 8)
    for frame in frames {
      table.append(frame.storedByteCount)
      table.append(frame.rawByteCount)
    }
    try store(table.bytes)
    let header = PartialHeader(
      job: job, shard: shard, attempt: attempt, entry: entry, firstBlock: firstBlock,
      blocks: blocks, bodyByteCount: offset - UInt64(PartialHeader.byteCount),
      bodyDigest: bodyHash.finish())
    try Self.write(header.encoded(), to: descriptor, at: 0, path)
    return header
  }

  /// Takes the frames of a block that never ended out again.
  ///
  /// They are in the body's hash already, so that starts anew from the file. Only a block of more
  /// than 64 MiB of results has frames before it ends.
  private mutating func dropUnfinishedBlock() throws(PartialError) {
    frames.removeLast(Int(resultSizes.frameCount))
    offset -= resultSizes.storedByteCount
    bodyHash = SHA256()
    var position = UInt64(PartialHeader.byteCount)
    do throws(FileError) {
      while position < offset {
        let count = Int(min(offset - position, 1 << 20))
        bodyHash.update(try readAll(count, from: descriptor, at: position, path: path))
        position += UInt64(count)
      }
      try cut(descriptor, to: offset, path: path)
    } catch {
      throw PartialError(error)
    }
  }

  private mutating func write(_ text: ArraySlice<UInt8>) throws(PartialError) -> PartialFrame {
    try unsafe text.withUnsafeBufferPointer { (bytes) throws(PartialError) in
      try unsafe write(UnsafeRawBufferPointer(bytes))
    }
  }

  /// Writes one frame and counts it.
  private mutating func write(
    _ text: UnsafeRawBufferPointer
  ) throws(PartialError) -> PartialFrame {
    stored.removeAll(keepingCapacity: true)
    do throws(CompressionError) {
      try unsafe compressor.compress(text, into: &stored)
    } catch {
      fatalError("zstd cannot compress: \(error)")  // no memory, or a broken library
    }
    let frame = PartialFrame(
      offset: offset, storedByteCount: UInt32(stored.count), rawByteCount: UInt32(text.count))
    storedHash.update(stored)
    try store(stored)
    frames.append(frame)
    return frame
  }

  private mutating func store(_ bytes: [UInt8]) throws(PartialError) {
    bodyHash.update(bytes)
    try Self.write(bytes, to: descriptor, at: offset, path)
    offset += UInt64(bytes.count)
  }

  private static func write(
    _ bytes: [UInt8], to descriptor: Int32, at offset: UInt64, _ path: String
  ) throws(PartialError) {
    do throws(FileError) {
      try writeAll(bytes, to: descriptor, at: offset, path: path)
    } catch {
      throw PartialError(error)
    }
  }
}

/// Where one frame stands in the file of a partial.
package struct PartialFrame: Hashable, Sendable {
  package let offset: UInt64
  package let storedByteCount: UInt32
  /// Size of its text.
  package let rawByteCount: UInt32
}

extension PartialHeader.FrameSizes {
  mutating func add(_ frame: PartialFrame) {
    frameCount += 1
    storedByteCount += UInt64(frame.storedByteCount)
    rawByteCount += UInt64(frame.rawByteCount)
  }
}
