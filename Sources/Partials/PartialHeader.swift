package import Digests
package import Jobs

/// What a partial says of itself: 6,912 bytes at its start, whatever the number of blocks.
///
/// Little-endian. Bytes 0..<128: magic, version u32, header size u32, job u64, shard u32, first
/// block u8, end block u8, zero u16, incarnation u32, attempt counter u32, entry state i64, body
/// size u64, SHA-256 of the body; zeros. From 128: 104 bytes for each block, see `Block`. The last
/// 16 bytes: XXH3-128 of all before. Unused places are zero.
///
/// The body holds for each block its result frames, then its error frames; after the last block
/// the frame table: for each frame, in the same order, its stored and its raw size, u32 each.
package struct PartialHeader: Hashable, Sendable {
  package let job: JobID
  package let shard: ShardID
  package let attempt: Attempt
  /// What the parser was told about the first block's cut.
  package let entry: RangeState
  package let firstBlock: Int
  /// One for each block; the first is `firstBlock`.
  package let blocks: [Block]
  package let bodyByteCount: UInt64
  /// SHA-256 of the body.
  package let bodyDigest: Digest256

  /// One block: 104 bytes in the header.
  ///
  /// ok, error, filtered u64; exit state i64; XXH3-128 of the block's input; results stored and
  /// raw u64; errors stored and raw u64; result and error frame counts u32; XXH3-128 of the
  /// stored frames.
  package struct Block: Hashable, Sendable {
    package var counts: RecordCounts
    package var exit: RangeState
    /// XXH3-128 of the text between the block's nominal bounds.
    package var inputDigest: Digest128
    package var results = FrameSizes()
    package var errors = FrameSizes()
    /// XXH3-128 of all frames of the block as they are stored.
    package var storedDigest: Digest128

    package var storedByteCount: UInt64 { results.storedByteCount + errors.storedByteCount }
  }

  /// The sizes of some frames together.
  package struct FrameSizes: Hashable, Sendable {
    package var frameCount: UInt32 = 0
    package var storedByteCount: UInt64 = 0
    package var rawByteCount: UInt64 = 0
  }

  package static let byteCount = 6_912
  /// Raw bytes in one frame: far below the 1 GiB of a seek table's entry.
  package static let frameByteLimit = 64 << 20
  /// Frames of one kind in one block: 4 TiB of text.
  package static let frameCountLimit: UInt32 = 1 << 16

  static let version: UInt32 = 1
  static let blockByteCount = 104
  static let firstBlockOffset = 128
  /// As PNG's: shows a transfer that changed line ends or dropped the eighth bit.
  static let magic: [UInt8] = [0x89, 0x4E, 0x53, 0x50, 0x0D, 0x0A, 0x1A, 0x0A]

  /// The blocks that the partial has results for.
  package var range: BlockRange { BlockRange(firstBlock, firstBlock + blocks.count) }

  /// Frames in the body.
  package var frameCount: Int {
    blocks.reduce(0) { $0 + Int($1.results.frameCount) + Int($1.errors.frameCount) }
  }

  /// Size of the whole file.
  package var fileByteCount: UInt64 { UInt64(Self.byteCount) + bodyByteCount }

  /// The partial's name: the digest of the header, which binds the body by its digest.
  ///
  /// One pass over the body is enough to name it, and 7 KB to tell whether a file at rest is
  /// still the one that was named.
  package var name: PartialName {
    name(of: encoded())
  }

  func name(of encoded: [UInt8]) -> PartialName {
    // SHA-256 has the 32 bytes that a content digest wants.
    let bytes = SHA256.digest(of: encoded).bytes
    guard let digest = ContentDigest(bytes: bytes) else { fatalError("SHA-256 has 32 bytes") }
    return PartialName(digest: digest, byteCount: fileByteCount)
  }

  /// What the parser knew at the cut before a block, or at the end of the range.
  package func state(before block: Int) -> RangeState {
    block == firstBlock ? entry : blocks[block - firstBlock - 1].exit
  }

  /// The records of some of the blocks.
  package func counts(of range: BlockRange) -> RecordCounts {
    range.indices.reduce(into: RecordCounts()) { $0 += blocks[$1 - firstBlock].counts }
  }

  /// Offset in the file of a block's first frame; for the end of the range that of the table.
  package func offset(of block: Int) -> UInt64 {
    blocks[..<(block - firstBlock)].reduce(UInt64(Self.byteCount)) { $0 + $1.storedByteCount }
  }
}
