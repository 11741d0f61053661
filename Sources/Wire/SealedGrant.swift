internal import CWire
package import Jobs
package import Leasing

/// A lease as it is told to a worker, with all that it needs to find the bytes.
package struct SealedGrant: Hashable, Sendable {
  package let grant: Grant
  package let seal: ContentDigest
  package let details: GrantDetails

  package init(grant: Grant, seal: ContentDigest, details: GrantDetails) {
    self.grant = grant
    self.seal = seal
    self.details = details
  }

  /// What the worker sends back with each report about the lease.
  package var lease: SealedLease { SealedLease(grant: grant, seal: seal) }
}

/// Where a shard's bytes lie, and how a worker knows that it sees the same file.
package struct GrantDetails: Hashable, Sendable {
  package let input: GrantInput
  /// Nominal begin of the shard, in bytes of text, rows or key values.
  package let rangeOffset: UInt64
  /// Nominal end; `nil` where a compressed input ends wherever it ends.
  package let rangeEnd: UInt64?
  package let blockLength: UInt64
  /// Where a reader starts and where the next shard's does; `nil` where the offset alone tells.
  package let places: Range<UInt64>?
  /// Blocks of the whole shard, not of the lease.
  package let blockCount: Int
  /// At most `WireLimits.probesPerGrant`.
  package let probes: [InputProbe]

  package init(
    input: GrantInput, rangeOffset: UInt64, rangeEnd: UInt64?, blockLength: UInt64,
    places: Range<UInt64>? = nil, blockCount: Int, probes: [InputProbe]
  ) {
    self.input = input
    self.rangeOffset = rangeOffset
    self.rangeEnd = rangeEnd
    self.blockLength = blockLength
    self.places = places
    self.blockCount = blockCount
    self.probes = probes
  }
}

/// An input file as it was when the job was planned.
package struct GrantInput: Hashable, Sendable {
  /// Absolute, as the coordinator sees it.
  package let path: String
  /// Size as stored, compressed if it is.
  package let byteCount: UInt64
  /// Time of the last change, nanoseconds since 1970.
  package let modifiedNanoseconds: Int64
  package let compression: InputCompression
  /// The ETag, version or generation of an object; empty for a file.
  package let version: String

  package init(
    path: String, byteCount: UInt64, modifiedNanoseconds: Int64, compression: InputCompression,
    version: String = ""
  ) {
    self.path = path
    self.byteCount = byteCount
    self.modifiedNanoseconds = modifiedNanoseconds
    self.compression = compression
    self.version = version
  }
}

/// A range of a stored input, and what the coordinator read there.
package struct InputProbe: Hashable, Sendable {
  package let offset: UInt64
  package let byteCount: UInt32
  /// XXH3-128: the upper 64 bits, then the lower ones.
  package let digest: SIMD2<UInt64>

  package init(offset: UInt64, byteCount: UInt32, digest: SIMD2<UInt64>) {
    self.offset = offset
    self.byteCount = byteCount
    self.digest = digest
  }
}

extension SealedGrant {
  /// Reads a grant whose input is named by its place in `inputs`.
  init(
    reading message: Wire__Grant, inputs: [GrantInput], now: Instant
  ) throws(WireError) {
    let left = unsafe Duration.milliseconds(message.milliseconds_left)
    let lease = try unsafe SealedLease(
      reading: Field.required(message.lease, "grant.lease"), deadline: now + left)
    grant = lease.grant
    seal = lease.seal
    let input = try unsafe Field.number(message.input, in: 0...Int(UInt32.max), "grant.input")
    guard input < inputs.count else {
      throw .invalid("grant.input", "\(input) of \(inputs.count) inputs")
    }
    details = try unsafe GrantDetails(reading: message, input: inputs[input])
    guard Int(grant.lease.blocks.end) <= details.blockCount else {
      throw .invalid("grant.block_count", "\(details.blockCount) for \(grant.lease.blocks)")
    }
  }

  func packed(
    input: UInt32, now: Instant, in arena: MessageArena
  ) -> UnsafeMutablePointer<Wire__Grant> {
    unsafe arena.message(wire__grant__init) { message in
      unsafe message.lease = lease.packed(in: arena)
      unsafe message.milliseconds_left = (grant.lease.deadline - now).wireMilliseconds
      unsafe message.input = input
      unsafe message.range_offset = details.rangeOffset
      if let rangeEnd = details.rangeEnd {
        unsafe message.optional_range_end_case = WIRE__GRANT__OPTIONAL_RANGE_END_RANGE_END
        unsafe message.range_end = rangeEnd
      }
      unsafe message.block_length = details.blockLength
      if let places = details.places {
        unsafe message.optional_places_end_case = WIRE__GRANT__OPTIONAL_PLACES_END_PLACES_END
        unsafe message.places_begin = places.lowerBound
        unsafe message.places_end = places.upperBound
      }
      unsafe message.block_count = UInt32(clamping: details.blockCount)
      unsafe fillProbes(of: &message, arena)
    }
  }

  private func fillProbes(of message: inout Wire__Grant, _ arena: MessageArena) {
    let probes = details.probes
    if probes.count > WireLimits.probesPerGrant {
      arena.refuse("grant.probes", "\(probes.count) of at most \(WireLimits.probesPerGrant)")
    }
    unsafe message.n_probe_offsets = probes.count
    unsafe message.probe_offsets = arena.list(probes.map(\.offset))
    unsafe message.n_probe_byte_counts = probes.count
    unsafe message.probe_byte_counts = arena.list(probes.map(\.byteCount))
    let words = (0..<2 * probes.count).lazy.map { probes[$0 / 2].digest[$0 % 2] }
    unsafe message.probe_digests = arena.words(words)
  }
}

extension GrantDetails {
  init(reading message: Wire__Grant, input: GrantInput) throws(WireError) {
    self.input = input
    rangeOffset = try unsafe Field.count(message.range_offset, "grant.range_offset")
    let hasEnd =
      unsafe message.optional_range_end_case == WIRE__GRANT__OPTIONAL_RANGE_END_RANGE_END
    rangeEnd = hasEnd ? try unsafe Field.count(message.range_end, "grant.range_end") : nil
    if let rangeEnd, rangeEnd < rangeOffset {
      throw .invalid("grant.range_end", "\(rangeEnd) is before \(rangeOffset)")
    }
    blockLength = try unsafe Field.count(message.block_length, "grant.block_length")
    guard blockLength > 0 else { throw .invalid("grant.block_length", "0") }
    places = try unsafe Self.places(of: message)
    blockCount = try unsafe Field.number(
      message.block_count, in: 1...Limits.blocksPerShard, "grant.block_count")
    probes = try unsafe Self.probes(message)
  }

  private static func probes(_ message: Wire__Grant) throws(WireError) -> [InputProbe] {
    let offsets = try unsafe Field.numbers(
      message.probe_offsets, count: message.n_probe_offsets, limit: WireLimits.probesPerGrant,
      "grant.probe_offsets")
    let byteCounts = try unsafe Field.numbers(
      message.probe_byte_counts, count: message.n_probe_byte_counts,
      limit: WireLimits.probesPerGrant, "grant.probe_byte_counts")
    guard byteCounts.count == offsets.count else {
      throw .invalid("grant.probe_byte_counts", "\(byteCounts.count) for \(offsets.count) offsets")
    }
    let words = try unsafe Field.words(
      message.probe_digests, count: 2 * offsets.count, "grant.probe_digests")
    var probes: [InputProbe] = []
    for (index, offset) in offsets.enumerated() {
      let offset = try Field.count(offset, "grant.probe_offsets")
      probes.append(
        InputProbe(
          offset: offset, byteCount: byteCounts[index],
          digest: [words[2 * index], words[2 * index + 1]]))
    }
    return probes
  }
}

extension GrantDetails {
  private static func places(of message: Wire__Grant) throws(WireError) -> Range<UInt64>? {
    guard unsafe message.optional_places_end_case == WIRE__GRANT__OPTIONAL_PLACES_END_PLACES_END
    else { return nil }
    let (begin, end) = unsafe (message.places_begin, message.places_end)
    guard begin <= end else { throw .invalid("grant.places_end", "\(end) before \(begin)") }
    return begin..<end
  }
}

extension GrantInput {
  init(reading message: Wire__Input) throws(WireError) {
    path = try unsafe Field.text(message.path, limit: WireLimits.pathByteCount, "input.path")
    guard !path.isEmpty else { throw .invalid("input.path", "empty") }
    byteCount = try unsafe Field.count(message.byte_count, "input.byte_count")
    modifiedNanoseconds = unsafe message.modified_nanoseconds
    version = try unsafe Field.text(message.version, limit: 1_024, "input.version")
    switch unsafe message.compression {
    case WIRE__COMPRESSION__COMPRESSION_NONE: compression = .none
    case WIRE__COMPRESSION__COMPRESSION_GZIP: compression = .gzip
    case WIRE__COMPRESSION__COMPRESSION_ZSTD: compression = .zstd
    default:
      throw unsafe .invalid("input.compression", "\(message.compression.rawValue) is none")
    }
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__Input> {
    unsafe arena.message(wire__input__init) { message in
      unsafe message.path = arena.text(path, limit: WireLimits.pathByteCount, "input.path")
      unsafe message.byte_count = byteCount
      unsafe message.modified_nanoseconds = modifiedNanoseconds
      unsafe message.version = arena.text(version, limit: 1_024, "input.version")
      unsafe message.compression =
        switch compression {
        case .none: WIRE__COMPRESSION__COMPRESSION_NONE
        case .gzip: WIRE__COMPRESSION__COMPRESSION_GZIP
        case .zstd: WIRE__COMPRESSION__COMPRESSION_ZSTD
        }
    }
  }
}
