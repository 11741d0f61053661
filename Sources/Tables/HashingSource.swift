package import Digests

/// Hashes the nominal bytes of each block while a parser reads them.
package final class HashingSource: ByteSource {
  private var base: any ByteSource
  private let blockByteCount: UInt64
  private let blockCount: Int
  private let end: UInt64
  private var hasher = XXH3()
  private var next: UInt64
  private var blockEnd: UInt64
  private var digests: [Digest128] = []

  /// Hashes what is read of `base` from `begin`, the nominal begin of the first block, to `end`,
  /// the nominal end of the last one: `UInt64.max` where the text ends wherever it ends.
  package init(
    _ base: any ByteSource, begin: UInt64, end: UInt64, blockByteCount: UInt64, blockCount: Int
  ) {
    self.base = base
    self.blockByteCount = blockByteCount
    self.blockCount = blockCount
    self.end = end
    next = begin
    blockEnd = blockCount == 1 ? end : begin + blockByteCount
  }

  /// Size of the text.
  package var byteCount: UInt64? { base.byteCount }

  /// Reads and hashes.
  package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = try unsafe base.read(at: offset, into: buffer)
    var place = max(next, offset)
    let readEnd = min(end, offset + UInt64(count))
    while place < readEnd {
      let stop = min(readEnd, blockEnd)
      let range = Int(place - offset)..<Int(stop - offset)
      unsafe hasher.update(UnsafeRawBufferPointer(rebasing: buffer[range]))
      place = stop
      if place == blockEnd { endBlock() }
    }
    next = max(next, place)
    return count
  }

  private func endBlock() {
    digests.append(exchange(&hasher, with: XXH3()).finish())
    // The last block takes what is left: of a compressed input nobody knows how much.
    blockEnd = digests.count + 1 >= blockCount ? end : blockEnd + blockByteCount
  }

  /// The digest of a block's nominal bytes, counted from the first; for the last block, only once
  /// the parser has read to its end.
  package func digest(ofBlock index: Int) -> Digest128 {
    while digests.count <= index { endBlock() }
    return digests[index]
  }
}
