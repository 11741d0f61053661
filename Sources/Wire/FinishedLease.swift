internal import CWire
internal import Jobs
package import Leasing

/// A lease's result, with the lease as it was given, so that a restarted coordinator can check it.
package struct FinishedLease: Hashable, Sendable {
  package let lease: SealedLease
  package let result: ShardResult

  /// A result of a lease; `nil` where it is another attempt's or has blocks that were not leased.
  package init?(lease: SealedLease, result: ShardResult) {
    let given = lease.grant.lease
    guard result.shard == given.shard, result.attempt == given.attempt,
      result.blocks.first >= given.blocks.first, result.blocks.end <= given.blocks.end
    else { return nil }
    self.lease = lease
    self.result = result
  }
}

extension FinishedLease {
  init(reading message: Wire__FinishedLease, now: Instant) throws(WireError) {
    let lease = try unsafe SealedLease(
      reading: Field.required(message.lease, "finish.lease"), deadline: now)
    let blocks = try unsafe Field.blocks(
      message.first_block, message.end_block, "finish.blocks")
    let entry = try unsafe Field.state(message.entry, "finish.entry")
    let partial = PartialName(
      digest: try unsafe Field.digest(message.partial_digest, "finish.partial_digest"),
      byteCount: try unsafe Field.count(
        message.partial_byte_count, limit: Limits.partialByteCount, "finish.partial_byte_count"))
    let results = try unsafe Self.results(message, count: blocks.count)
    let given = lease.grant.lease
    guard
      var result = ShardResult(
        shard: given.shard, attempt: given.attempt, entry: entry, blocks: blocks,
        results: results, partial: partial)
    else { throw .invalid("finish.blocks", "\(blocks) of a lease of \(given.blocks)") }
    result.elapsed = .microseconds(
      Int64(
        try unsafe Field.count(
          message.elapsed_microseconds, limit: WireLimits.largestMilliseconds,
          "finish.elapsed_microseconds")))
    guard let finished = FinishedLease(lease: lease, result: result) else {
      throw .invalid("finish.blocks", "\(blocks) of a lease of \(given.blocks)")
    }
    self = finished
  }

  private static func results(
    _ message: Wire__FinishedLease, count: Int
  ) throws(WireError) -> [BlockResult] {
    let ok = try unsafe counts(message.ok, message.n_ok, of: count, "finish.ok")
    let error = try unsafe counts(message.error, message.n_error, of: count, "finish.error")
    let filtered = try unsafe counts(
      message.filtered, message.n_filtered, of: count, "finish.filtered")
    let exits = try unsafe exits(message, count: count)
    return (0..<count).map { place in
      BlockResult(
        counts: RecordCounts(
          ok: UInt64(ok[place]), error: UInt64(error[place]), filtered: UInt64(filtered[place])),
        exit: exits[place])
    }
  }

  /// One number for each block; none stands for zeros.
  private static func counts(
    _ list: UnsafeMutablePointer<UInt32>?, _ listCount: Int, of count: Int, _ field: StaticString
  ) throws(WireError) -> [UInt32] {
    let numbers = try unsafe Field.numbers(
      list, count: listCount, limit: Limits.blocksPerShard, field)
    if numbers.isEmpty { return Array(repeating: 0, count: count) }
    guard numbers.count == count else {
      throw .invalid(field, "\(numbers.count) numbers for \(count) blocks")
    }
    return numbers
  }

  private static func exits(
    _ message: Wire__FinishedLease, count: Int
  ) throws(WireError) -> [RangeState] {
    let places = try unsafe Field.numbers(
      message.inside_places, count: message.n_inside_places, limit: count,
      "finish.inside_places")
    let offsets = try unsafe Field.numbers(
      message.inside_offsets, count: message.n_inside_offsets, limit: count,
      "finish.inside_offsets")
    guard places.count == offsets.count else {
      throw .invalid("finish.inside_offsets", "\(offsets.count) for \(places.count) places")
    }
    var exits = Array(repeating: RangeState.recordStart, count: count)
    var free = 0
    for (place, offset) in zip(places, offsets) {
      guard place >= free, place < count else {
        throw .invalid("finish.inside_places", "\(place) is not in \(free)..<\(count)")
      }
      let recordOffset = try Field.count(
        offset, limit: WireLimits.largestCount - 1, "finish.inside_offsets")
      exits[Int(place)] = .insideField(recordOffset: recordOffset)
      free = Int(place) + 1
    }
    return exits
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__FinishedLease> {
    unsafe arena.message(wire__finished_lease__init) { message in
      unsafe message.lease = lease.packed(in: arena)
      unsafe message.entry = result.entry.wireCode
      unsafe message.first_block = UInt32(result.blocks.first)
      unsafe message.end_block = UInt32(result.blocks.end)
      unsafe message.partial_digest = arena.digest(result.partial.digest)
      unsafe message.partial_byte_count = result.partial.byteCount
      unsafe message.elapsed_microseconds = UInt64(max(0, result.elapsed / .microseconds(1)))
      let ok = counts({ $0.ok }, "finish.ok", arena)
      unsafe (message.n_ok, message.ok) = unsafe (ok.count, arena.list(ok))
      let error = counts({ $0.error }, "finish.error", arena)
      unsafe (message.n_error, message.error) = unsafe (error.count, arena.list(error))
      let filtered = counts({ $0.filtered }, "finish.filtered", arena)
      unsafe (message.n_filtered, message.filtered) = unsafe (
        filtered.count, arena.list(filtered)
      )
      unsafe fillExits(of: &message, arena)
    }
  }

  private func counts(
    _ kind: (RecordCounts) -> UInt64, _ field: StaticString, _ arena: MessageArena
  ) -> [UInt32] {
    let counts = result.results.map { kind($0.counts) }
    guard counts.contains(where: { $0 != 0 }) else { return [] }
    return counts.map { count in
      if count > UInt32.max { arena.refuse(field, "\(count) records in one block") }
      return UInt32(truncatingIfNeeded: count)
    }
  }

  private func fillExits(of message: inout Wire__FinishedLease, _ arena: MessageArena) {
    var places: [UInt32] = []
    var offsets: [UInt64] = []
    for (place, block) in result.results.enumerated() {
      guard case .insideField(let recordOffset) = block.exit else { continue }
      places.append(UInt32(place))
      offsets.append(recordOffset)
    }
    unsafe message.n_inside_places = places.count
    unsafe message.inside_places = arena.list(places)
    unsafe message.n_inside_offsets = offsets.count
    unsafe message.inside_offsets = arena.list(offsets)
  }
}

extension FinishAnswer {
  init(reading message: Wire__FinishAnswer) throws(WireError) {
    switch unsafe message.code {
    case WIRE__FINISH_CODE__FINISH_COMMITTED: self = .committed
    case WIRE__FINISH_CODE__FINISH_ALREADY: self = .already
    case WIRE__FINISH_CODE__FINISH_WRONG_STATE: self = .wrongState
    case WIRE__FINISH_CODE__FINISH_SEND_PIECES:
      let offset = try unsafe Field.count(
        message.offset, limit: Limits.partialByteCount, "finished.offset")
      self = .sendPieces(from: offset)
    case WIRE__FINISH_CODE__FINISH_SPOOL_FULL: self = .spoolFull
    case WIRE__FINISH_CODE__FINISH_REFUSED:
      self = .refused(
        try unsafe Field.text(message.text, limit: WireLimits.reasonByteCount, "finished.text"))
    default: throw unsafe .invalid("finished.code", "\(message.code.rawValue) is no code")
    }
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__FinishAnswer> {
    unsafe arena.message(wire__finish_answer__init) { message in
      switch self {
      case .committed: unsafe message.code = WIRE__FINISH_CODE__FINISH_COMMITTED
      case .already: unsafe message.code = WIRE__FINISH_CODE__FINISH_ALREADY
      case .wrongState: unsafe message.code = WIRE__FINISH_CODE__FINISH_WRONG_STATE
      case .sendPieces(let offset):
        unsafe message.code = WIRE__FINISH_CODE__FINISH_SEND_PIECES
        unsafe message.offset = offset
      case .spoolFull: unsafe message.code = WIRE__FINISH_CODE__FINISH_SPOOL_FULL
      case .refused(let text):
        unsafe message.code = WIRE__FINISH_CODE__FINISH_REFUSED
        unsafe message.text = arena.remark(text, limit: WireLimits.finishTextByteCount)
      }
    }
  }
}
