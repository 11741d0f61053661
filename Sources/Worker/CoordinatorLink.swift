import Digests
import Foundation
import Jobs
import Leasing
import Synchronization
import Transport
import Wire
import WorkerCore

/// The worker's way to the coordinator: typed requests on the control and the bulk listener.
///
/// One attempt for each control request, because `WorkerCore` decides on repeats; what a lease needs
/// is asked for until the dead-man time, because an outage must not cost the lease.
final class CoordinatorLink: Sendable {
  private static let controlTimeout = Duration.seconds(5)
  private static let bulkTimeout = Duration.seconds(30)
  /// For one piece of a partial; then the core asks anew where to go on.
  private static let uploadTime = Duration.seconds(60)

  let worker: WorkerID
  private let options: WorkerOptions
  private let control: Client
  private let bulk = Mutex<Client?>(nil)
  private let lastWelcome = Mutex<Welcome?>(nil)
  /// The key of the session, once the coordinator has taken the hello.
  private let key = Mutex<[UInt8]>([])
  private let lastRequest = Atomic<UInt64>(0)
  private let lastBulkRequest = Atomic<UInt64>(0)
  private let clock = ContinuousClock()
  private let started: ContinuousClock.Instant

  init(_ options: WorkerOptions) throws(TransportError) {
    self.options = options
    started = clock.now
    worker = WorkerID(UInt64.random(in: 1...UInt64.max))
    control = try Client(
      address: options.join, channel: .control, tls: options.tls, insecure: options.insecure,
      contextCount: 8)
  }

  private var now: Instant { Instant(sinceStart: clock.now - started) }

  func close() async {
    await control.close(within: .seconds(2))
    let bulk = bulk.withLock { $0 }
    await bulk?.close(within: .seconds(2))
  }

  /// What the coordinator said last about itself and its times.
  var welcome: Welcome? { lastWelcome.withLock { $0 } }

  /// Why nothing comes back, in words for people.
  func diagnose() async -> String { await control.diagnose() }

  // MARK: Control

  /// Asks once; grants come with their seals.
  ///
  /// - Throws: `Refusal` for an answer that says no; anything else where none came.
  func ask(
    _ request: FleetRequest, seals: [LeaseKey: SealedGrant], logs: OutgoingLogs.Batch?,
    statistics: WorkerStatistics
  ) async throws -> (FleetAnswer, [SealedGrant]) {
    guard let body = body(of: request, seals: seals, logs: logs, statistics: statistics) else {
      // The lease is no longer known here: there is nothing to report, and nothing to wait for.
      guard case .finish = request else { return (.done, []) }
      return (.finish(.refused("the lease is not known to this worker")), [])
    }
    let answer = if case .hello = body { try await join(body) } else { try await exchange(body) }
    switch answer {
    case .refusal(let refusal): throw refusal
    case .welcome(let welcome):
      try connectBulk(port: welcome.bulkPort)
      lastWelcome.withLock { $0 = welcome }
      return (.welcome, [])
    case .grants(let grants): return (.grants(grants.map(\.grant)), grants)
    case .wait(let duration): return (.wait(duration), [])
    case .alive(let revoked, let shortened, let drain):
      return (.alive(revoked: revoked, shortened: shortened, drain: drain), [])
    case .finish(let answers):
      guard let first = answers.first else { throw WorkerError("an empty answer to a result") }
      return (.finish(first), [])
    case .done, .configuration, .nonce: return (.done, [])
    case .unknownWorker: return (.unknownWorker, [])
    case .drain: return (.drain, [])
    }
  }

  private func body(
    of request: FleetRequest, seals: [LeaseKey: SealedGrant], logs: OutgoingLogs.Batch?,
    statistics: WorkerStatistics
  ) -> FleetBody? {
    switch request {
    case .hello(let name, let threadCount):
      return .hello(
        name: name, host: options.host, threadCount: threadCount,
        versionText: WorkerOptions.versionText, tokenName: options.tokenName)
    case .acquire(let limit): return .acquire(leaseLimit: limit)
    case .heartbeat(let held):
      let sealed = held.compactMap { held in
        seals[held.grant.key].map {
          HeldSealedLease(
            lease: $0.lease, progress: held.progress, report: held.report, end: held.end)
        }
      }
      return .heartbeat(
        Heartbeat(
          held: sealed, events: logs?.events ?? [], droppedCount: logs?.droppedCount ?? 0,
          statistics: statistics))
    case .finish(let job, let result):
      let key = LeaseKey(job: job, shard: result.shard, attempt: result.attempt)
      guard let sealed = seals[key],
        let finished = FinishedLease(lease: sealed.lease, result: result)
      else { return nil }
      return .finish([finished])
    case .handBack(let key): return seals[key].map { .handBack($0.lease) }
    case .fail(let key, let code, let reason):
      return seals[key].map { .fail($0.lease, code, reason: reason) }
    case .goodbye: return .goodbye
    }
  }

  /// Says hello under a new key, which is the session's from then on.
  private func join(_ hello: FleetBody) async throws -> FleetAnswerBody {
    let answer = try await exchange(.nonce, key: nil)
    guard case .nonce(let nonce) = answer else { return answer }
    let key = FrameProof.sessionKey(token: options.token, nonce: nonce, worker: worker)
    let welcome = try await exchange(hello, key: key)
    if case .welcome = welcome { self.key.withLock { $0 = key } }
    return welcome
  }

  private func exchange(_ body: FleetBody) async throws -> FleetAnswerBody {
    try await exchange(body, key: key.withLock { $0 })
  }

  private func exchange(_ body: FleetBody, key: [UInt8]?) async throws -> FleetAnswerBody {
    let number = lastRequest.add(1, ordering: .relaxed).newValue
    let envelope = FleetEnvelope(worker: worker, requestID: number, body: body)
    let asked = now
    let frame = try await control.request(
      try envelope.encode(key: key), timeout: Self.controlTimeout)
    let answer = try FleetAnswerEnvelope(decoding: frame, now: asked)
    guard answer.requestID == envelope.requestID else {
      throw WorkerError("an answer to another request")
    }
    return answer.body
  }

  /// What is to be known about a job, with its model's name.
  func configuration(
    of job: JobID
  ) async throws -> (content: [UInt8], modelDigest: ContentDigest, modelByteCount: UInt64) {
    var content: [UInt8] = []
    while true {
      let body = FleetBody.configuration(job, offset: UInt64(content.count))
      let answer = try await repeated(for: deadManTime) {
        let answer = try await self.exchange(body)
        if case .refusal(let refusal) = answer { try refusal.throwIfMomentary() }
        // The next heartbeat learns it too, and says hello.
        if case .unknownWorker = answer { throw WorkerError("unknown to the coordinator") }
        return answer
      }
      switch answer {
      case .configuration(let part):
        content += part.bytes
        guard UInt64(content.count) >= part.totalByteCount else { continue }
        return (content, part.modelDigest, part.modelByteCount)
      case .refusal(let refusal): throw WorkerError(refusal.text)
      default: throw WorkerError("an answer of another kind to a request for a configuration")
      }
    }
  }

  // MARK: Bulk

  private func connectBulk(port: UInt16) throws(TransportError) {
    let address = options.join.withPort(port)
    guard bulk.withLock({ $0?.address }) != address else { return }
    let client = try Client(
      address: address, channel: .bulk, tls: options.tls, insecure: options.insecure,
      contextCount: 8)
    let previous = bulk.withLock { bulk in
      defer { bulk = client }
      return bulk
    }
    Task { await previous?.close(within: .seconds(2)) }
  }

  private func exchangeBulk(_ body: BulkRequest) async throws -> BulkAnswer {
    guard let client = bulk.withLock({ $0 }) else {
      throw WorkerError("not yet welcomed by the coordinator")
    }
    let number = lastBulkRequest.add(1, ordering: .relaxed).newValue
    let envelope = BulkEnvelope(worker: worker, requestID: number, body: body)
    let frame = try await client.request(
      try envelope.encode(key: key.withLock { $0 }), timeout: Self.bulkTimeout)
    let answer = try BulkAnswerEnvelope(decoding: frame)
    guard answer.requestID == envelope.requestID else {
      throw WorkerError("an answer to another request")
    }
    return answer.body
  }

  /// How long the coordinator may be silent.
  private var deadManTime: Duration { welcome?.deadManTime ?? options.timing.deadManTime }

  /// Repeats what failed on its way, with full jitter; what the coordinator refuses is refused.
  ///
  /// - Throws: `Unanswered` once the time is up; `CancellationError` as soon as the task is cancelled.
  private func repeated<Answer: Sendable>(
    for limit: Duration, _ attempt: @Sendable () async throws -> Answer
  ) async throws -> Answer {
    let begin = now
    for count in 0... {
      do {
        return try await attempt()
      } catch {
        guard now - begin < limit else { throw Unanswered(context: "for \(limit): \(error)") }
        let ceiling = min(2_000, 50 << min(count, 6))
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...ceiling)))
      }
    }
    fatalError("no end of tries")
  }

  private func content(_ body: BulkRequest) async throws -> [UInt8] {
    let answer = try await repeated(for: deadManTime) {
      let answer = try await self.exchangeBulk(body)
      if case .refusal(let refusal) = answer { try refusal.throwIfMomentary() }
      return answer
    }
    switch answer {
    case .bytes(let bytes, _): return bytes
    case .refusal(let refusal): throw refusal
    case .pieceTaken: throw WorkerError("an answer of another kind to a request for bytes")
    }
  }

  /// Stored bytes of a lease's input.
  func input(_ sealed: SealedGrant, at offset: UInt64, count: Int) async throws -> [UInt8] {
    try await content(
      .getInput(sealed.lease, offset: offset, byteCount: count))
  }

  /// A whole model, checked against its digest.
  func model(_ digest: ContentDigest, byteCount: UInt64) async throws -> [UInt8] {
    guard byteCount <= Limits.modelByteCount else {
      throw WorkerError("a model of \(byteCount) bytes; the limit is \(Limits.modelByteCount)")
    }
    var bytes: [UInt8] = []
    while UInt64(bytes.count) < byteCount {
      let count = min(UInt64(Limits.pieceByteCount), byteCount - UInt64(bytes.count))
      let piece = try await content(
        .getModel(digest, offset: UInt64(bytes.count), byteCount: Int(count)))
      guard !piece.isEmpty else { throw WorkerError("the model ends at \(bytes.count)") }
      bytes += piece
    }
    guard SHA256.digest(of: bytes).bytes == digest.bytes else {
      throw WorkerError("the model's bytes do not have the digest \(digest.hexadecimal)")
    }
    return bytes
  }

  /// Sends a partial from an offset on, in order, as the coordinator asks for it.
  func upload(
    _ partial: FinishedPartial, for sealed: SealedGrant, from offset: UInt64
  ) async throws {
    var offset = offset
    while offset < partial.name.byteCount {
      let piece = BulkRequest.putPiece(
        PartialPiece(
          lease: sealed.lease, partial: partial.name, offset: offset,
          bytes: try partial.read(at: offset, count: Limits.pieceByteCount)))
      switch try await repeated(for: Self.uploadTime, { try await self.exchangeBulk(piece) }) {
      case .pieceTaken(let next): offset = next
      case .refusal(let refusal): throw WorkerError(refusal.text)
      case .bytes: throw WorkerError("an answer of another kind to a piece")
      }
    }
  }
}

/// The coordinator did not answer in time.
struct Unanswered: Error {
  let context: String
}

extension Refusal {
  /// A coordinator that starts or stops may do later what it refuses now.
  fileprivate func throwIfMomentary() throws {
    if code == .unavailable { throw self }
  }
}
