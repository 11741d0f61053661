import CoordinatorCore
import Executors
import Failpoints
import Foundation
import Jobs
import Leasing
import Logging
import Partials
import Transport
import Wire

/// The bulk listener: pieces of partials, input and models.
extension Coordinator {
  /// Answers one frame; malformed ones are refused, with the request's number if it can be read.
  nonisolated func answerBulk(_ frame: [UInt8]) async -> [UInt8] {
    var requestID: UInt64 = 0
    let body: BulkAnswer
    do throws(WireError) {
      let envelope = try BulkEnvelope(decoding: frame, now: now)
      requestID = envelope.requestID
      body = await answer(envelope, as: frame)
    } catch {
      body = .refusal(Refusal(error))
    }
    return encoded { () throws(WireError) in
      try BulkAnswerEnvelope(requestID: requestID, body: body).encode()
    }
  }

  static let tokenRefusal = Refusal(
    code: .unauthorized, text: "the token is not this coordinator's for commands")

  /// An empty frame, which every peer refuses, where an answer cannot be written.
  nonisolated func encoded(_ encode: () throws(WireError) -> [UInt8]) -> [UInt8] {
    do throws(WireError) {
      return try encode()
    } catch {
      logger.error("an answer cannot be written: \(error)")
      return []
    }
  }

  private nonisolated func answer(
    _ envelope: BulkEnvelope, as frame: [UInt8]
  ) async -> BulkAnswer {
    let worker = envelope.worker
    switch admission.verdict(on: frame, of: worker, number: envelope.requestID, on: .bulk) {
    case .unknownWorker:
      return .refusal(Refusal(code: .unavailable, text: "the worker has to say hello first"))
    case .refused(let refusal): return .refusal(refusal)
    case .admitted:
      defer { admission.leave(worker, .bulk) }
      Server.recognizePeer(worker.rawValue)
      return await answer(envelope)
    }
  }

  private nonisolated func answer(_ envelope: BulkEnvelope) async -> BulkAnswer {
    switch envelope.body {
    case .putPiece(let piece):
      guard accepts(piece.lease, from: envelope.worker) else { return .refusal(Self.seal) }
      let lease = piece.lease.grant.key
      let refusal = admission.stage(piece.partial, for: lease, of: envelope.worker)
      if let refusal { return .refusal(refusal) }
      return await take(piece)
    case .getInput(let lease, let offset, let byteCount):
      guard accepts(lease, from: envelope.worker) else { return .refusal(Self.seal) }
      return await input(of: lease, offset: offset, byteCount: byteCount)
    case .getModel(let digest, let offset, let byteCount):
      return await model(digest, offset: offset, byteCount: byteCount)
    }
  }

  private static let seal = Refusal(
    code: .seal, text: "the lease was not given by this coordinator's state folder")

  private nonisolated func accepts(_ lease: SealedLease, from worker: WorkerID) -> Bool {
    lease.grant.lease.worker == worker && seal.accepts(lease.grant, seal: lease.seal)
  }

  private nonisolated func take(_ piece: PartialPiece) async -> BulkAnswer {
    Failpoint.coordinatorReceiving.hit()
    let job = piece.lease.grant.job
    guard await isOpen(job) else {
      return .refusal(Refusal(code: .notFound, text: "the job has ended"))
    }
    do throws(Spool.Failure) {
      let next = try await spool(for: piece.partial).take(
        piece.bytes, at: piece.offset, of: piece.partial, job: job)
      guard await isOpen(job) else {
        await forgetLatePiece(of: job, in: spool(for: piece.partial))
        return .refusal(Refusal(code: .notFound, text: "the job has ended"))
      }
      return .pieceTaken(nextOffset: next)
    } catch {
      switch error {
      case .full(let text):
        await noteFullSpool(text, job: job)
        return .refusal(Refusal(code: .spoolFull, text: text))
      case .refused(let text): return .refusal(Refusal(code: .malformed, text: text))
      case .broken(let text): return .refusal(Refusal(code: .unavailable, text: text))
      }
    }
  }

  /// Forgets what came while its job ended: the clean-up may have been there already.
  private func forgetLatePiece(of job: JobID, in spool: Spool) async {
    await spool.forget(job)
    guard !ending.contains(job) else { return }
    await removeAll([Spooling.folder(of: job, in: spoolFolder)])
  }

  private func isOpen(_ job: JobID) -> Bool {
    core.jobs[job].map { !$0.state.isTerminal } ?? false
  }

  private nonisolated func input(
    of lease: SealedLease, offset: UInt64, byteCount: Int
  ) async -> BulkAnswer {
    guard let input = await plannedInput(of: lease) else {
      return .refusal(Refusal(code: .notFound, text: "the job has ended"))
    }
    return await bytes(offset: offset, total: input.byteCount) { () throws(CoordinatorError) in
      try PinnedInput(input).read(at: offset, count: min(byteCount, Limits.pieceByteCount))
    }
  }

  private func plannedInput(of lease: SealedLease) -> PlannedInput? {
    guard let plan = core.tables[lease.grant.job]?.plan,
      lease.grant.lease.shard.index < plan.shardCount
    else { return nil }
    return plan.inputs[plan.inputIndex(of: lease.grant.lease.shard)]
  }

  private nonisolated func model(
    _ digest: ContentDigest, offset: UInt64, byteCount: Int
  ) async -> BulkAnswer {
    // Foundation traps on an offset beyond what a file can have.
    guard offset <= Limits.modelByteCount else {
      return .refusal(Refusal(code: .malformed, text: "no model reaches to byte \(offset)"))
    }
    let path = "\(modelFolder)/\(digest.hexadecimal)"
    return await bytes(offset: offset, total: nil) { () throws(CoordinatorError) in
      guard let file = FileHandle(forReadingAtPath: path) else {
        throw CoordinatorError("no model \(digest.hexadecimal)")
      }
      do {
        try file.seek(toOffset: offset)
        return Array(try file.read(upToCount: min(byteCount, Limits.pieceByteCount)) ?? Data())
      } catch {
        throw CoordinatorError("the model cannot be read: \(error.localizedDescription)")
      }
    }
  }

  private nonisolated func bytes(
    offset: UInt64, total: UInt64?,
    _ read: @escaping @Sendable () throws(CoordinatorError) -> [UInt8]
  ) async -> BulkAnswer {
    do {
      let bytes = try await offPool { try read() }
      let isEnd = total.map { offset + UInt64(bytes.count) >= $0 } ?? bytes.isEmpty
      return .bytes(bytes, isEnd: isEnd)
    } catch {
      return .refusal(Refusal(code: .changed, text: "\(error)"))
    }
  }
}
