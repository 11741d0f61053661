internal import CWire
package import Jobs
package import Leasing

/// A lease with the coordinator's seal: a MAC over it, made by the coordinator's shell.
///
/// A restarted coordinator, which no longer knows the lease, recognises it by the seal.
package struct SealedLease: Hashable, Sendable {
  package let grant: Grant
  package let seal: ContentDigest

  package init(grant: Grant, seal: ContentDigest) {
    self.grant = grant
    self.seal = seal
  }
}

/// A lease that a worker reports to hold, and how far it is.
package struct HeldSealedLease: Hashable, Sendable {
  package let lease: SealedLease
  /// Records scored so far; `nil` while it waits its turn.
  package let progress: UInt64?
  package let report: ScoringReport
  /// The block before which the worker stops because it was told to; `nil`: after the last one.
  package let end: UInt8?

  package init(
    lease: SealedLease, progress: UInt64?, report: ScoringReport = ScoringReport(),
    end: UInt8? = nil
  ) {
    self.lease = lease
    self.progress = progress
    self.report = report
    self.end = end
  }

  /// The lease as `Leasing` knows it.
  package var held: HeldLease {
    HeldLease(grant: lease.grant, progress: progress, report: report, end: end)
  }
}

extension SealedLease {
  /// Reads a lease; its deadline, which crosses only as time left, is for the caller to say.
  init(reading message: Wire__Lease, deadline: Instant) throws(WireError) {
    let shard = try unsafe Field.number(
      message.shard, in: 0...Limits.shardsPerJob - 1, "lease.shard")
    let blocks = try unsafe Field.blocks(message.first_block, message.end_block, "lease.blocks")
    let lease = Lease(
      shard: ShardID(UInt32(shard)), blocks: blocks,
      attempt: Attempt(
        incarnation: unsafe Incarnation(message.incarnation),
        counter: unsafe message.attempt_counter),
      worker: unsafe WorkerID(message.worker),
      entry: try unsafe Field.state(message.entry, "lease.entry"), deadline: deadline,
      isSuspect: unsafe message.suspect != 0)
    grant = unsafe Grant(job: JobID(message.job), lease: lease)
    seal = try unsafe Field.digest(message.seal, "lease.seal")
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__Lease> {
    unsafe arena.message(wire__lease__init) { message in
      let lease = grant.lease
      unsafe message.job = grant.job.rawValue
      unsafe message.shard = lease.shard.rawValue
      unsafe message.first_block = UInt32(lease.blocks.first)
      unsafe message.end_block = UInt32(lease.blocks.end)
      unsafe message.incarnation = lease.attempt.incarnation.rawValue
      unsafe message.attempt_counter = lease.attempt.counter
      unsafe message.worker = lease.worker.rawValue
      unsafe message.entry = lease.entry.wireCode
      unsafe message.seal = arena.digest(seal)
      unsafe message.suspect = lease.isSuspect ? 1 : 0
    }
  }
}

extension HeldSealedLease {
  init(reading message: Wire__HeldLease, now: Instant) throws(WireError) {
    lease = try unsafe SealedLease(
      reading: Field.required(message.lease, "held.lease"), deadline: now)
    let hasProgress =
      unsafe message.optional_progress_case
      == WIRE__HELD_LEASE__OPTIONAL_PROGRESS_PROGRESS
    progress = hasProgress ? try unsafe Field.count(message.progress, "held.progress") : nil
    report = ScoringReport(
      finishedBlockCount: try unsafe Field.number(
        message.finished_blocks, in: 0...Limits.blocksPerShard, "held.finished_blocks"),
      elapsed: unsafe .milliseconds(message.elapsed_milliseconds),
      stalled: unsafe .milliseconds(message.stalled_milliseconds),
      isScored: unsafe message.scored != 0)
    let end = try unsafe Field.number(
      message.end_block, in: 0...Limits.blocksPerShard, "held.end_block")
    self.end = end == 0 ? nil : UInt8(end)
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__HeldLease> {
    unsafe arena.message(wire__held_lease__init) { message in
      unsafe message.lease = lease.packed(in: arena)
      unsafe message.finished_blocks = UInt32(clamping: report.finishedBlockCount)
      unsafe message.elapsed_milliseconds = report.elapsed.wireMilliseconds
      unsafe message.stalled_milliseconds = report.stalled.wireMilliseconds
      unsafe message.scored = report.isScored ? 1 : 0
      unsafe message.end_block = UInt32(end ?? 0)
      guard let progress else { return }
      unsafe message.optional_progress_case = WIRE__HELD_LEASE__OPTIONAL_PROGRESS_PROGRESS
      unsafe message.progress = progress
    }
  }
}

extension Field {
  static func blocks(
    _ first: UInt32, _ end: UInt32, _ field: StaticString
  ) throws(WireError) -> BlockRange {
    guard let blocks = BlockRange(checking: UInt64(first), UInt64(end)) else {
      throw .invalid(field, "\(first)..<\(end)")
    }
    return blocks
  }
}

extension MessageArena {
  func digest(_ digest: ContentDigest) -> ProtobufCBinaryData {
    unsafe words((0..<4).lazy.map { digest.words[$0] })
  }
}
