import Digests
import Jobs

/// The header as bytes.
extension PartialHeader {
  /// The 6,912 bytes.
  package func encoded() -> [UInt8] {
    var bytes = ByteWriter(byteCount: Self.byteCount)
    bytes.append(Self.magic)
    bytes.append(Self.version)
    bytes.append(UInt32(Self.byteCount))
    bytes.append(job.rawValue)
    bytes.append(shard.rawValue)
    bytes.append([range.first, range.end, 0, 0])
    bytes.append(attempt.incarnation.rawValue)
    bytes.append(attempt.counter)
    bytes.append(UInt64(bitPattern: entry.code))
    bytes.append(bodyByteCount)
    bytes.append(bodyDigest.bytes)
    bytes.fill(to: Self.firstBlockOffset)
    for block in blocks { bytes.append(block) }
    bytes.fill(to: Self.byteCount - Digest128.byteCount)
    bytes.append(XXH3.digest(of: bytes.bytes).bytes)
    return bytes.bytes
  }

  /// Reads a header and checks all that can be told from it alone.
  ///
  /// - Parameter bytes: Exactly `byteCount` bytes.
  /// - Throws: `damaged`.
  package init(decoding bytes: [UInt8]) throws(PartialError) {
    guard bytes.count == Self.byteCount, bytes.starts(with: Self.magic) else {
      throw PartialError(code: .damaged, context: "not a partial")
    }
    var reader = ByteReader(bytes: bytes, offset: Self.magic.count)
    let version = reader.word32()
    guard version == Self.version, reader.word32() == UInt32(Self.byteCount) else {
      throw PartialError(code: .damaged, context: "partial of version \(version), not 1")
    }
    let last = bytes.count - Digest128.byteCount
    guard Digest128(bytes: bytes[last...]) == XXH3.digest(of: Array(bytes[..<last])) else {
      throw PartialError(code: .damaged, context: "the header's checksum differs")
    }
    job = JobID(reader.word64())
    shard = ShardID(reader.word32())
    let bounds = reader.word32()
    attempt = Attempt(incarnation: Incarnation(reader.word32()), counter: reader.word32())
    let entry = RangeState(code: Int64(bitPattern: reader.word64()))
    bodyByteCount = reader.word64()
    let bodyDigest = Digest256(bytes: reader.bytes(Digest256.byteCount))
    let range = BlockRange(checking: UInt64(bounds & 0xFF), UInt64(bounds >> 8))
    guard let range, let entry, let bodyDigest else {
      throw PartialError(code: .damaged, context: "impossible block range or state in the header")
    }
    self.entry = entry
    self.bodyDigest = bodyDigest
    firstBlock = Int(range.first)
    reader.offset = Self.firstBlockOffset
    var blocks: [Block] = []
    for number in range.indices { blocks.append(try reader.block(number)) }
    self.blocks = blocks
    try checkSizes()
    guard encoded() == bytes else {
      throw PartialError(code: .damaged, context: "unused places of the header are not zero")
    }
  }

  /// Holds the blocks' sizes against the body's and against the limits.
  private func checkSizes() throws(PartialError) {
    guard bodyByteCount <= Limits.partialByteCount else {
      throw PartialError(code: .tooLarge, context: "partial with a body of \(bodyByteCount) bytes")
    }
    var total: UInt64 = 0
    for (index, block) in blocks.enumerated() {
      try check(block.results, records: block.counts.ok, index)
      try check(block.errors, records: block.counts.error, index)
      let frameCount = block.results.frameCount + block.errors.frameCount
      // Each term is at most `partialByteCount`: no overflow.
      total += block.storedByteCount + UInt64(frameCount) * 8
    }
    guard total == bodyByteCount else {
      throw PartialError(
        code: .damaged, context: "a body of \(bodyByteCount) bytes for frames of \(total)")
    }
  }

  private func check(
    _ sizes: FrameSizes, records: UInt64, _ index: Int
  ) throws(PartialError) {
    let limit = UInt64(sizes.frameCount) * UInt64(Self.frameByteLimit)
    guard sizes.frameCount <= Self.frameCountLimit, sizes.storedByteCount <= bodyByteCount,
      sizes.rawByteCount <= limit, (sizes.frameCount == 0) == (records == 0),
      (sizes.frameCount == 0) == (sizes.storedByteCount == 0), sizes.rawByteCount >= records
    else {
      throw PartialError(
        code: .damaged,
        context: "block \(firstBlock + index): \(records) records in \(sizes.frameCount) frames "
          + "of \(sizes.rawByteCount) bytes")
    }
  }
}

/// Little-endian numbers one after the other.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  init(byteCount: Int) { bytes.reserveCapacity(byteCount) }

  mutating func append(_ more: [UInt8]) { bytes += more }

  mutating func append(_ word: some FixedWidthInteger) {
    for shift in stride(from: 0, to: word.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: word >> shift))
    }
  }

  mutating func append(_ block: PartialHeader.Block) {
    append(block.counts.ok)
    append(block.counts.error)
    append(block.counts.filtered)
    append(UInt64(bitPattern: block.exit.code))
    append(block.inputDigest.bytes)
    append(block.results.storedByteCount)
    append(block.results.rawByteCount)
    append(block.errors.storedByteCount)
    append(block.errors.rawByteCount)
    append(block.results.frameCount)
    append(block.errors.frameCount)
    append(block.storedDigest.bytes)
  }

  mutating func fill(to count: Int) {
    bytes += repeatElement(0, count: count - bytes.count)
  }
}

/// Reads what `ByteWriter` wrote; the caller has checked that there are enough bytes.
struct ByteReader {
  let bytes: [UInt8]
  var offset: Int

  mutating func word32() -> UInt32 {
    self.bytes(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  mutating func word64() -> UInt64 {
    self.bytes(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  mutating func bytes(_ count: Int) -> ArraySlice<UInt8> {
    defer { offset += count }
    return bytes[offset..<offset + count]
  }

  mutating func block(_ number: Int) throws(PartialError) -> PartialHeader.Block {
    let counts = RecordCounts(ok: word64(), error: word64(), filtered: word64())
    let exit = RangeState(code: Int64(bitPattern: word64()))
    let inputDigest = Digest128(bytes: bytes(Digest128.byteCount))
    var (results, errors) = (PartialHeader.FrameSizes(), PartialHeader.FrameSizes())
    results.storedByteCount = word64()
    results.rawByteCount = word64()
    errors.storedByteCount = word64()
    errors.rawByteCount = word64()
    results.frameCount = word32()
    errors.frameCount = word32()
    let storedDigest = Digest128(bytes: bytes(Digest128.byteCount))
    // The sum of a job's counts must fit 64 bits.
    let limit: UInt64 = 1 << 48
    guard let exit, let inputDigest, let storedDigest,
      counts.ok < limit, counts.error < limit, counts.filtered < limit
    else {
      throw PartialError(code: .damaged, context: "impossible values in block \(number)")
    }
    return PartialHeader.Block(
      counts: counts, exit: exit, inputDigest: inputDigest, results: results, errors: errors,
      storedDigest: storedDigest)
  }
}
