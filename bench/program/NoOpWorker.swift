import Jobs
import Leasing
import Synchronization
import Transport
import Wire

/// A worker that scores nothing: it takes leases and says at once that they are done.
///
/// Speaks the real protocol over the real transport. Its results name empty partials, so that
/// neither a spool nor a disk for partials has a part in what is measured.
final class NoOpWorker: Sendable {
  /// What a worker did.
  struct Tally: Sendable {
    var grantCount = 0
    var acknowledgedCount = 0
    var messageCount = 0
    /// From sending a request for leases to having its answer, for each that brought leases.
    var acquireTimes: [Duration] = []
    /// Likewise of heartbeats.
    var heartbeatTimes: [Duration] = []

    mutating func add(_ other: Tally) {
      grantCount += other.grantCount
      acknowledgedCount += other.acknowledgedCount
      messageCount += other.messageCount
      acquireTimes += other.acquireTimes
      heartbeatTimes += other.heartbeatTimes
    }
  }

  private static let timeout = Duration.seconds(30)

  private let worker = WorkerID(UInt64.random(in: 1...UInt64.max))
  private let token: [UInt8]
  private let client: Client
  private let clock = ContinuousClock()
  private let key = Mutex<[UInt8]>([])
  private let lastRequest = Atomic<UInt64>(0)

  /// A worker that shares its connection with others, and has one request in flight at a time.
  init(sharing client: Client, token: [UInt8]) {
    self.client = client
    self.token = token
  }

  func hello() async throws {
    guard case .nonce(let nonce) = try await ask(.nonce) else { throw BenchmarkError("no nonce") }
    key.withLock { $0 = FrameProof.sessionKey(token: token, nonce: nonce, worker: worker) }
    let body = FleetBody.hello(name: "no-op", threadCount: 1, versionText: "nightshift-bench")
    guard case .welcome = try await ask(body) else { throw BenchmarkError("not welcome") }
  }

  /// Asks until it is given a lease.
  func firstGrant() async throws -> SealedGrant {
    while true {
      switch try await ask(.acquire(leaseLimit: 1)) {
      case .grants(let grants):
        if let grant = grants.first { return grant }
      case .wait: try await Task.sleep(for: .milliseconds(1))
      case let answer: throw BenchmarkError("an unexpected answer: \(answer)")
      }
    }
  }

  /// Takes and finishes leases until there are none or until `end`, and is at them for a while.
  func work(
    leaseLimit: Int, for time: Duration, until end: ContinuousClock.Instant
  ) async throws -> Tally {
    var tally = Tally()
    while clock.now < end {
      let asked = clock.now
      let answer = try await ask(.acquire(leaseLimit: leaseLimit))
      tally.messageCount += 1
      guard case .grants(let grants) = answer else { break }
      tally.acquireTimes.append(clock.now - asked)
      tally.grantCount += grants.count
      try await hold(grants, until: min(end, clock.now + time), &tally)
      // The input's last shard stays open: else the coordinator would begin to merge.
      let results = grants.filter { $0.details.rangeEnd != $0.details.input.byteCount }
      try await finish(results.compactMap(result), &tally)
    }
    return tally
  }

  /// Keeps leases with heartbeats until `end`.
  private func hold(
    _ grants: [SealedGrant], until end: ContinuousClock.Instant, _ tally: inout Tally
  ) async throws {
    while clock.now < end {
      try await Task.sleep(until: min(end, clock.now + Limits.heartbeatInterval), clock: clock)
      guard clock.now < end else { return }
      let held = grants.map {
        HeldSealedLease(lease: $0.lease, progress: 1, report: ScoringReport(), end: nil)
      }
      let asked = clock.now
      let heartbeat = Heartbeat(
        held: held, events: [], droppedCount: 0, statistics: WorkerStatistics())
      guard case .alive = try await ask(.heartbeat(heartbeat)) else {
        throw BenchmarkError("a heartbeat was not answered as one")
      }
      tally.heartbeatTimes.append(clock.now - asked)
    }
  }

  private func finish(_ results: [FinishedLease], _ tally: inout Tally) async throws {
    var rest = results[...]
    while !rest.isEmpty {
      let message = Array(rest.prefix(FrameFit.count(of: Array(rest))))
      guard case .finish(let answers) = try await ask(.finish(message)),
        answers == Array(repeating: .committed, count: message.count)
      else { throw BenchmarkError("a result was not committed") }
      tally.messageCount += 1
      tally.acknowledgedCount += message.count
      rest = rest.dropFirst(message.count)
    }
  }

  /// Counts as a real result has them: a thousand records in each block.
  private func result(of sealed: SealedGrant) -> FinishedLease? {
    let lease = sealed.grant.lease
    let block = BlockResult(counts: RecordCounts(ok: 1_000), exit: .recordStart)
    let partial = PartialName(
      digest: ContentDigest(words: SIMD4(UInt64(lease.shard.rawValue), 0, 0, 0)), byteCount: 0)
    let result = ShardResult(
      shard: lease.shard, attempt: lease.attempt, entry: lease.entry, blocks: lease.blocks,
      results: Array(repeating: block, count: lease.blocks.count), partial: partial)
    return result.flatMap { FinishedLease(lease: sealed.lease, result: $0) }
  }

  private func ask(_ body: FleetBody) async throws -> FleetAnswerBody {
    let number = lastRequest.add(1, ordering: .relaxed).newValue
    let envelope = FleetEnvelope(worker: worker, requestID: number, body: body)
    let frame = try await client.request(
      try envelope.encode(key: key.withLock { $0 }), timeout: Self.timeout)
    let answer = try FleetAnswerEnvelope(decoding: frame, now: .start)
    guard answer.requestID == envelope.requestID else {
      throw BenchmarkError("an answer to another request")
    }
    if case .refusal(let refusal) = answer.body { throw refusal }
    return answer.body
  }
}
