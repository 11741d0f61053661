/// How an input file is compressed, by the end of its name.
package enum InputCompression: String, Hashable, Sendable {
  case none, gzip, zstd
}

/// A place where an input may be cut into shards.
package struct InputCut: Hashable, Sendable {
  /// In the input's units: bytes of decompressed text, rows, or key values from the least key on.
  package let offset: UInt64
  /// Where a reader starts: the stored byte of a frame, or the number of a row group, stripe or
  /// record batch.
  package let place: UInt64

  package init(offset: UInt64, place: UInt64) {
    self.offset = offset
    self.place = place
  }
}

/// One input as it was when the job was planned; a later difference stops the job.
package struct PlannedInput: Hashable, Sendable {
  /// The path of a file, absolute, or the URI of an object or a database.
  package let path: String
  /// Size as stored, compressed if it is.
  package let byteCount: UInt64
  /// Time of the last change, nanoseconds since 1970.
  package let modifiedNanoseconds: Int64
  package let inode: UInt64
  package let compression: InputCompression
  /// The ETag, version or generation of an object; empty for a file.
  package let version: String
  /// The bounds of its shards, ascending, the last one its end; empty for text that may be cut
  /// anywhere or nowhere.
  package let cuts: [InputCut]

  package init(
    path: String, byteCount: UInt64, modifiedNanoseconds: Int64, inode: UInt64,
    compression: InputCompression, version: String = "", cuts: [InputCut] = []
  ) {
    self.path = path
    self.byteCount = byteCount
    self.modifiedNanoseconds = modifiedNanoseconds
    self.inode = inode
    self.compression = compression
    self.version = version
    self.cuts = cuts
  }
}

/// One shard's range of one input, in the input's units: bytes of text (decompressed where the
/// input is compressed), rows, or key values.
package struct ShardRange: Hashable, Sendable {
  package let inputIndex: Int
  /// Nominal first byte; the first record begins after the first line feed at or beyond it.
  package let offset: UInt64
  /// Nominal end; `nil` where a compressed input ends wherever it ends.
  package let end: UInt64?
  package let blockCount: Int
  /// Units in a block; the last one may be shorter.
  package let blockLength: UInt64
  /// Where a reader starts and where the next shard's does, see `InputCut.place`; `nil` where the
  /// offset alone tells.
  package let places: Range<UInt64>?

  /// The nominal begin of a block; for `blockCount` the shard's end.
  package func blockOffset(_ block: Int) -> UInt64? {
    guard block < blockCount else { return end }
    return offset + UInt64(block) * blockLength
  }
}

/// A job's fixed list of shards, made before the first lease.
///
/// A pure function of the inputs and the block size: it never depends on how many workers there
/// are, and is computed again, not stored, for each shard.
package struct Plan: Hashable, Sendable {
  package let inputs: [PlannedInput]
  package let blockByteCount: UInt64
  /// `firstShards[i]` is the first shard of input `i`; one more entry ends the list.
  private let firstShards: [UInt32]

  package enum Refusal: Error, Hashable, Sendable {
    case noInputs
    case tooManyInputs(Int)
    case tooManyShards(UInt64)
    /// With the input of this number there are more bytes than any store has.
    case tooManyBytes(Int)
    case blockByteCount(UInt64)
    /// The input of this number has cuts that do not ascend.
    case cuts(Int)
  }

  /// - Parameters:
  ///   - inputs: In the order of the output.
  ///   - blockByteCount: Bytes of text in one block.
  ///   - allowsNone: Whether there may be no input, and so no shard.
  /// - Throws: `Refusal`.
  package init(
    inputs: [PlannedInput], blockByteCount: UInt64 = Limits.blockByteCount,
    allowsNone: Bool = false
  ) throws(Refusal) {
    guard allowsNone || !inputs.isEmpty else { throw .noInputs }
    guard inputs.count <= Limits.inputsPerJob else { throw .tooManyInputs(inputs.count) }
    let allowed = Limits.smallestBlockByteCount...Limits.largestBlockByteCount
    guard allowed.contains(blockByteCount) else { throw .blockByteCount(blockByteCount) }
    self.inputs = inputs
    self.blockByteCount = blockByteCount
    var firstShards: [UInt32] = [0]
    var total: UInt64 = 0
    var byteCount: UInt64 = 0
    for (index, input) in inputs.enumerated() {
      guard input.byteCount <= Limits.inputByteCount - byteCount else { throw .tooManyBytes(index) }
      byteCount += input.byteCount
      let shardByteCount = blockByteCount * UInt64(Limits.blocksPerShard)
      if !input.cuts.isEmpty {
        guard Self.ascend(input.cuts) else { throw .cuts(index) }
        total += UInt64(input.cuts.count - 1)
      } else {
        total +=
          input.compression == .none
          ? (max(1, input.byteCount) - 1) / shardByteCount + 1 : 1
      }
      guard total <= Limits.shardsPerJob else { throw .tooManyShards(total) }
      firstShards.append(UInt32(total))
    }
    self.firstShards = firstShards
  }

  /// Whether cuts are the bounds of at least one shard.
  private static func ascend(_ cuts: [InputCut]) -> Bool {
    cuts.count > 1
      && zip(cuts, cuts.dropFirst()).allSatisfy { $0.offset <= $1.offset && $0.place <= $1.place }
  }

  package var shardCount: Int { Int(firstShards[inputs.count]) }

  /// Result files the job writes: a fixed number of consecutive shards each.
  package var resultFileCount: Int {
    (shardCount + Limits.shardsPerResultFile - 1) / Limits.shardsPerResultFile
  }

  /// The shards of one input.
  package func shards(ofInput index: Int) -> Range<Int> {
    Int(firstShards[index])..<Int(firstShards[index + 1])
  }

  /// The input a shard belongs to; O(log inputs).
  package func inputIndex(of shard: ShardID) -> Int {
    var low = 0
    var high = inputs.count - 1
    while low < high {
      let middle = (low + high + 1) / 2
      if firstShards[middle] <= shard.rawValue { low = middle } else { high = middle - 1 }
    }
    return low
  }

  /// Where a shard lies; O(log inputs).
  package func range(of shard: ShardID) -> ShardRange {
    let index = inputIndex(of: shard)
    let input = inputs[index]
    if !input.cuts.isEmpty { return cutRange(index, Int(shard.rawValue - firstShards[index])) }
    guard input.compression == .none else { return compressedRange(index) }
    let shardByteCount = blockByteCount * UInt64(Limits.blocksPerShard)
    let offset = UInt64(shard.rawValue - firstShards[index]) * shardByteCount
    let end = min(offset + shardByteCount, input.byteCount)
    let blocks = max(1, (end - offset + blockByteCount - 1) / blockByteCount)
    return ShardRange(
      inputIndex: index, offset: offset, end: end, blockCount: Int(blocks),
      blockLength: blockByteCount, places: nil)
  }

  /// A shard between two cuts: blocks of equal length, a multiple of what a tile holds at most.
  private func cutRange(_ index: Int, _ shard: Int) -> ShardRange {
    let (first, last) = (inputs[index].cuts[shard], inputs[index].cuts[shard + 1])
    let (length, unit) = (last.offset - first.offset, Limits.blockLengthUnit)
    let perBlock = max(1, length / UInt64(Limits.blocksPerShard) / unit + 1) * unit
    return ShardRange(
      inputIndex: index, offset: first.offset, end: last.offset,
      blockCount: Int(max(1, (length + perBlock - 1) / perBlock)), blockLength: perBlock,
      places: first.place..<last.place)
  }

  /// The one shard of a compressed file: its text's size is not known, so blocks are sized for
  /// text eight times the stored size and the last block takes what lies beyond.
  private func compressedRange(_ index: Int) -> ShardRange {
    let lastBlock = UInt64(Limits.blocksPerShard - 1)
    let expected = min(inputs[index].byteCount, 1 << 59) * 8
    let unit = blockByteCount
    let perBlock = max(1, (expected / lastBlock + unit - 1) / unit) * unit
    return ShardRange(
      inputIndex: index, offset: 0, end: nil, blockCount: Limits.blocksPerShard,
      blockLength: perBlock, places: nil)
  }
}
