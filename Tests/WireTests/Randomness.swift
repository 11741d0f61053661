import Jobs
import Leasing
import Wire

/// A seeded generator: the same seed gives the same messages.
///
/// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct SeededGenerator: RandomNumberGenerator {
  private var step: UInt64

  init(seed: UInt64) {
    step = seed
  }

  mutating func next() -> UInt64 {
    step &+= 0x9E37_79B9_7F4A_7C15
    var mixed = step
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &self) == 0 }

  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

  /// Zero, the limit, or any size of number between: each count of varint bytes is met.
  mutating func count(upTo limit: UInt64 = WireLimits.largestCount) -> UInt64 {
    switch number(0...9) {
    case 0: return 0
    case 1: return limit
    default: return min(limit, next() >> UInt64(number(0...63)))
    }
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  mutating func text(upTo byteLimit: Int) -> String {
    let scalars: [Unicode.Scalar] = ["a", "Z", "/", " ", "\"", "\n", "é", "№", "日", "🌙", "\u{1}"]
    var text = ""
    for _ in 0..<number(0...min(40, byteLimit / 4)) {
      text.unicodeScalars.append(scalars.randomElement(using: &self) ?? "a")
    }
    return text
  }

  mutating func list<Element>(
    _ counts: ClosedRange<Int>, _ make: (inout SeededGenerator) -> Element
  ) -> [Element] {
    (0..<number(counts)).map { _ in make(&self) }
  }

  mutating func maybe<Value>(_ make: (inout SeededGenerator) -> Value) -> Value? {
    chance(2) ? make(&self) : nil
  }
}

/// The instant that all leases of these tests are read and written at.
let now = Instant(nanoseconds: 7_000_000_000)

// Values of each kind that the wire carries; leases have their deadline at `now`.
extension SeededGenerator {
  mutating func job() -> JobID { JobID(next()) }

  mutating func digest() -> ContentDigest {
    ContentDigest(words: [next(), next(), next(), next()])
  }

  mutating func state() -> RangeState {
    chance(2) ? .recordStart : .insideField(recordOffset: count(upTo: 1 << 60 - 1))
  }

  mutating func blocks(in outer: Range<Int> = 0..<64) -> BlockRange {
    let first = number(outer.lowerBound...outer.upperBound - 1)
    return BlockRange(first, number(first + 1...outer.upperBound))
  }

  mutating func attempt() -> Attempt {
    Attempt(
      incarnation: Incarnation(UInt32(count(upTo: UInt64(UInt32.max)))),
      counter: UInt32(count(upTo: UInt64(UInt32.max))))
  }

  mutating func shard() -> ShardID {
    ShardID(UInt32(count(upTo: UInt64(Limits.shardsPerJob - 1))))
  }

  mutating func lease(
    blocks: BlockRange? = nil, left: Duration = .zero
  ) -> SealedLease {
    let lease = Lease(
      shard: shard(), blocks: blocks ?? self.blocks(), attempt: attempt(),
      worker: WorkerID(next()), entry: state(), deadline: now + left, isSuspect: chance(2))
    return SealedLease(grant: Grant(job: job(), lease: lease), seal: digest())
  }

  mutating func heldLease() -> HeldSealedLease {
    let report = ScoringReport(
      finishedBlockCount: number(0...64), elapsed: .milliseconds(number(0...1_000_000)),
      stalled: .milliseconds(number(0...1_000_000)), isScored: chance(2))
    return HeldSealedLease(
      lease: lease(), progress: maybe { $0.count() }, report: report,
      end: maybe { UInt8($0.number(1...64)) })
  }

  mutating func heartbeat() -> Heartbeat {
    Heartbeat(
      held: list(0...6) { $0.heldLease() }, events: list(0...4) { $0.logEvent() },
      droppedCount: count(),
      statistics: WorkerStatistics(
        recordCount: count(), byteCount: count(), processorMilliseconds: count()))
  }

  mutating func logEvent() -> LogEvent {
    LogEvent(
      job: maybe { $0.job() }, level: EventLevel.allCases.randomElement(using: &self) ?? .info,
      unixNanoseconds: Int64(bitPattern: next()), message: text(upTo: 200))
  }

  mutating func finishedLease() -> FinishedLease? {
    let lease = lease()
    let given = lease.grant.lease
    let blocks = blocks(in: given.blocks.indices)
    let kinds = (chance(2), chance(2))
    let largest = UInt64(UInt32.max)
    let results = (0..<blocks.count).map { _ in
      BlockResult(
        counts: RecordCounts(
          ok: count(upTo: largest), error: kinds.0 ? count(upTo: largest) : 0,
          filtered: kinds.1 ? count(upTo: largest) : 0),
        exit: state())
    }
    let partial = PartialName(digest: digest(), byteCount: count(upTo: Limits.partialByteCount))
    guard
      let result = ShardResult(
        shard: given.shard, attempt: given.attempt, entry: state(), blocks: blocks,
        results: results, partial: partial)
    else { return nil }
    return FinishedLease(lease: lease, result: result)
  }

  mutating func input() -> GrantInput {
    GrantInput(
      path: "/" + text(upTo: 100), byteCount: count(),
      modifiedNanoseconds: Int64(bitPattern: next()),
      compression: [.none, .gzip, .zstd][number(0...2)], version: text(upTo: 40))
  }

  mutating func grant(inputs: [GrantInput]) -> SealedGrant {
    let blockCount = number(1...64)
    let lease = lease(
      blocks: blocks(in: 0..<blockCount), left: .milliseconds(number(0...20_000)))
    let offset = count(upTo: 1 << 59)
    let probes = list(0...WireLimits.probesPerGrant) {
      InputProbe(
        offset: $0.count(), byteCount: UInt32($0.count(upTo: 65_536)),
        digest: [$0.next(), $0.next()])
    }
    let details = GrantDetails(
      input: inputs[number(0...inputs.count - 1)], rangeOffset: offset,
      rangeEnd: maybe { offset + $0.count(upTo: 1 << 59) },
      blockLength: 1 + count(upTo: 1 << 24),
      places: maybe { offset..<offset + $0.count(upTo: 1 << 59) },
      blockCount: blockCount, probes: probes)
    return SealedGrant(grant: lease.grant, seal: lease.seal, details: details)
  }

  mutating func finishAnswer() -> FinishAnswer {
    switch number(0...5) {
    case 0: .committed
    case 1: .already
    case 2: .wrongState
    case 3: .sendPieces(from: count(upTo: Limits.partialByteCount))
    case 4: .spoolFull
    default: .refused(text(upTo: 150))
    }
  }

  mutating func refusal() -> Refusal {
    Refusal(
      code: RefusalCode.allCases.randomElement(using: &self) ?? .other, text: text(upTo: 1_000))
  }

  mutating func jobSummary() -> JobSummary {
    var job = JobSummary(
      id: job(), displayName: text(upTo: 100),
      state: JobState.allCases.randomElement(using: &self) ?? .queued,
      phase: [.planning, .scoring, .merging, .publishing][number(0...3)],
      createdNanoseconds: Int64(bitPattern: next()), errorThreshold: Int64(number(-1...1_000)))
    job.reason = text(upTo: 200)
    job.elapsedMilliseconds = maybe { $0.count(upTo: 1 << 40) }
    job.counts = RecordCounts(ok: count(), error: count(), filtered: count())
    job.shardCount = count()
    job.committedShardCount = count()
    job.failedShardCount = count()
    job.blockCount = count()
    job.confirmedBlockCount = count()
    job.provisionalBlockCount = count()
    job.leasedBlockCount = count()
    job.inputByteCount = count()
    job.doneByteCount = count()
    job.workerCount = UInt32(count(upTo: 1 << 31))
    job.resultFolder = maybe { $0.text(upTo: 200) }
    job.recordsPerSecond = Double(count(upTo: 1 << 50)) / 7
    job.grantCount = count()
    job.repeatedResultCount = count()
    return job
  }

  mutating func workerSummary() -> WorkerSummary {
    var worker = WorkerSummary(
      id: WorkerID(next()), name: text(upTo: 100), threadCount: UInt32(number(0...64)))
    worker.leaseCount = UInt32(count(upTo: 1 << 31))
    worker.recordCount = count()
    worker.byteCount = count()
    worker.processorMilliseconds = count()
    worker.joinedMillisecondsAgo = count(upTo: 1 << 40)
    worker.seenMillisecondsAgo = count(upTo: 1 << 40)
    worker.isDraining = chance(2)
    return worker
  }

  mutating func jobEvent() -> JobEvent {
    JobEvent(
      cursor: count(), unixNanoseconds: Int64(bitPattern: next()),
      level: EventLevel.allCases.randomElement(using: &self) ?? .info, source: text(upTo: 60),
      message: text(upTo: 200))
  }
}

// One random frame's content of each family; `kind` chooses the case, in order of declaration.
extension SeededGenerator {
  static let fleetKindCount = 9

  mutating func fleetBody(kind: Int) -> FleetBody {
    switch kind {
    case 0:
      .hello(
        name: text(upTo: 100), host: text(upTo: 60), threadCount: number(1...4_096),
        versionText: text(upTo: 40), tokenName: text(upTo: 64))
    case 1: .acquire(leaseLimit: number(1...Limits.leasesPerWorker))
    case 2: .heartbeat(heartbeat())
    case 3: .finish(list(1...5) { $0.finishedLease() }.compactMap(\.self))
    case 4: .handBack(lease())
    case 5:
      .fail(
        lease(), FailureCode.allCases.randomElement(using: &self) ?? .environment,
        reason: text(upTo: 300))
    case 6: .goodbye
    case 7: .nonce
    default: .configuration(job(), offset: count(upTo: WireLimits.configurationByteCount))
    }
  }

  mutating func fleetEnvelope(kind: Int) -> FleetEnvelope {
    FleetEnvelope(worker: WorkerID(next()), requestID: next(), body: fleetBody(kind: kind))
  }

  static let fleetAnswerKindCount = 11

  mutating func fleetAnswer(kind: Int) -> FleetAnswerEnvelope {
    FleetAnswerEnvelope(requestID: next(), body: fleetAnswerBody(kind: kind))
  }

  private mutating func fleetAnswerBody(kind: Int) -> FleetAnswerBody {
    switch kind {
    case 0: return .refusal(refusal())
    case 1: return .welcome(welcome())
    case 2:
      let inputs = list(1...4) { $0.input() }
      return .grants(list(0...8) { $0.grant(inputs: inputs) })
    case 3: return .wait(.milliseconds(number(0...100_000)))
    case 4:
      let revoked = list(0...9) {
        LeaseKey(job: $0.job(), shard: $0.shard(), attempt: $0.attempt())
      }
      let shortened = list(0...9) {
        ShortenedLease(
          key: LeaseKey(job: $0.job(), shard: $0.shard(), attempt: $0.attempt()),
          end: UInt8($0.number(1...64)))
      }
      return .alive(revoked: revoked, shortened: shortened, drain: chance(2))
    case 5: return .finish(list(0...9) { $0.finishAnswer() })
    case 6: return .done
    case 7: return .unknownWorker
    case 8: return .drain
    case 9: return .nonce(bytes(WireLimits.nonceByteCount))
    default: return .configuration(configurationPart())
    }
  }

  private mutating func welcome() -> Welcome {
    Welcome(
      incarnation: Incarnation(UInt32(count(upTo: UInt64(UInt32.max)))),
      heartbeatInterval: .milliseconds(number(1...9_999)),
      leaseDuration: .milliseconds(number(1...99_999)),
      deadManTime: .milliseconds(number(1...999_999)),
      stallTime: .milliseconds(number(1...999_999)), bulkPort: UInt16(number(0...65_535)),
      versionText: text(upTo: 40))
  }

  private mutating func configurationPart() -> ConfigurationPart {
    let content = bytes(number(0...2_000))
    let offset = count(upTo: 1 << 20)
    return ConfigurationPart(
      totalByteCount: offset + UInt64(content.count) + count(upTo: 1 << 20), offset: offset,
      bytes: content, modelDigest: digest(), modelByteCount: count(upTo: Limits.modelByteCount))
  }

  static let bulkKindCount = 3

  mutating func bulkEnvelope(kind: Int) -> BulkEnvelope {
    BulkEnvelope(worker: WorkerID(next()), requestID: next(), body: bulkBody(kind: kind))
  }

  private mutating func bulkBody(kind: Int) -> BulkRequest {
    switch kind {
    case 0:
      let content = bytes(number(0...3_000))
      let offset = count(upTo: 1 << 30)
      let partial = PartialName(
        digest: digest(), byteCount: offset + UInt64(content.count) + count(upTo: 1 << 20))
      return .putPiece(
        PartialPiece(lease: lease(), partial: partial, offset: offset, bytes: content))
    case 1:
      return .getInput(lease(), offset: count(), byteCount: number(1...Limits.pieceByteCount))
    default:
      return .getModel(
        digest(), offset: count(upTo: Limits.modelByteCount),
        byteCount: number(1...Limits.pieceByteCount))
    }
  }

  static let bulkAnswerKindCount = 3

  mutating func bulkAnswer(kind: Int) -> BulkAnswerEnvelope {
    let body: BulkAnswer =
      switch kind {
      case 0: .refusal(refusal())
      case 1: .pieceTaken(nextOffset: count(upTo: Limits.partialByteCount))
      default: .bytes(bytes(number(0...3_000)), isEnd: chance(2))
      }
    return BulkAnswerEnvelope(requestID: next(), body: body)
  }

  static let clientKindCount = 14

  mutating func clientEnvelope(kind: Int) -> ClientEnvelope {
    ClientEnvelope(requestID: next(), body: clientRequest(kind: kind))
  }

  private mutating func clientRequest(kind: Int) -> ClientRequest {
    switch kind {
    case 0: .submit(job(), request: bytes(number(0...2_000)), asksAgain: chance(2))
    case 1:
      .list(
        after: maybe { $0.job() }, limit: number(1...WireLimits.jobsPerPage),
        states: list(0...9) { JobState.allCases.randomElement(using: &$0) ?? .queued })
    case 2: .describe(job())
    case 3: .logs(job(), after: count(), limit: number(1...WireLimits.eventsPerPage))
    case 4: .cancel(job())
    case 5: .pause(job())
    case 6: .resume(job())
    case 7: .delete(job())
    case 8: .retry(job())
    case 9:
      .workers(
        after: maybe { WorkerID($0.next()) }, limit: number(1...WireLimits.workersPerPage))
    case 10: .fleet(.status)
    case 11: .fleet(.drain(chance(2)))
    case 12:
      .fleet(
        .scale(
          pool: text(upTo: 40), least: maybe { $0.number(0...10_000) },
          most: maybe { $0.number(0...10_000) }, reopens: chance(2)))
    default: .ping
    }
  }

  static let clientAnswerKindCount = 10

  mutating func clientAnswer(kind: Int) -> ClientAnswerEnvelope {
    ClientAnswerEnvelope(requestID: next(), body: clientAnswerBody(kind: kind))
  }

  private mutating func clientAnswerBody(kind: Int) -> ClientAnswer {
    switch kind {
    case 0: .refusal(refusal())
    case 1: .accepted(job())
    case 2: .jobs(list(0...9) { $0.jobSummary() }, next: maybe { $0.job() })
    case 3: .description(jobSummary(), details: bytes(number(0...2_000)))
    case 4:
      .logs(
        JobEvents(
          events: list(0...9) { $0.jobEvent() }, nextCursor: count(), droppedCount: count(),
          isEnd: chance(2)))
    case 5: .workers(list(0...9) { $0.workerSummary() }, next: maybe { WorkerID($0.next()) })
    case 6: .done
    case 7: .planning(PlanningReport(inputCount: count(), text: text(upTo: 60)))
    case 8: .fleet(bytes(number(0...2_000)))
    default:
      .pong(
        Pong(
          versionText: text(upTo: 40), incarnation: Incarnation(UInt32(number(0...9_999))),
          uptime: .milliseconds(number(0...1 << 40)),
          warnings: list(0...3) { $0.text(upTo: 80) }))
    }
  }
}
