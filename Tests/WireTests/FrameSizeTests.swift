import Jobs
import Leasing
import Testing
import Wire

/// The largest messages that the limits allow fit a control frame, or the wire says how many do.
@Suite struct FrameSizeTests {
  private let seal = ContentDigest(words: .init(repeating: .max))

  /// Each number as long as it gets.
  private func largestLease(end: Int = 64) -> SealedLease {
    let lease = Lease(
      shard: ShardID(UInt32(Limits.shardsPerJob - 1)), blocks: BlockRange(0, end),
      attempt: Attempt(incarnation: Incarnation(.max), counter: .max), worker: WorkerID(.max),
      entry: .insideField(recordOffset: 1 << 60 - 1), deadline: now + .seconds(10),
      isSuspect: true)
    return SealedLease(grant: Grant(job: JobID(.max), lease: lease), seal: seal)
  }

  private func grant(path: String, probeCount: Int = WireLimits.probesPerGrant) -> SealedGrant {
    let probe = InputProbe(
      offset: 1 << 60 - 1, byteCount: 1 << 16, digest: .init(repeating: .max))
    let details = GrantDetails(
      input: GrantInput(
        path: path, byteCount: 1 << 60, modifiedNanoseconds: .min, compression: .zstd),
      rangeOffset: 1 << 60 - 1, rangeEnd: 1 << 60, blockLength: 1 << 24, places: 0..<(1 << 60),
      blockCount: 64,
      probes: Array(repeating: probe, count: probeCount))
    let lease = largestLease()
    return SealedGrant(grant: lease.grant, seal: lease.seal, details: details)
  }

  private func finished() throws -> FinishedLease {
    let block = BlockResult(
      counts: RecordCounts(
        ok: UInt64(UInt32.max), error: UInt64(UInt32.max), filtered: UInt64(UInt32.max)),
      exit: .insideField(recordOffset: 1 << 60 - 2))
    let lease = largestLease()
    let given = lease.grant.lease
    let result = try #require(
      ShardResult(
        shard: given.shard, attempt: given.attempt, entry: given.entry, blocks: given.blocks,
        results: Array(repeating: block, count: 64),
        partial: PartialName(digest: seal, byteCount: Limits.partialByteCount)))
    return try #require(FinishedLease(lease: lease, result: result))
  }

  private func request(_ body: FleetBody) -> FleetEnvelope {
    FleetEnvelope(worker: WorkerID(.max), requestID: .max, body: body)
  }

  @Test func fullHeartbeat() throws {
    let report = ScoringReport(
      finishedBlockCount: 64, elapsed: .milliseconds(Int(UInt32.max)),
      stalled: .milliseconds(Int(UInt32.max)), isScored: true)
    let held = HeldSealedLease(
      lease: largestLease(), progress: 1 << 60, report: report, end: 63)
    let event = LogEvent(
      job: JobID(.max), level: .error, unixNanoseconds: .min,
      message: String(repeating: "m", count: Limits.logBytesPerHeartbeat / 100))
    let heartbeat = Heartbeat(
      held: Array(repeating: held, count: WireLimits.leasesPerHeartbeat),
      events: LogEvent.clipping(Array(repeating: event, count: 100)), droppedCount: 1 << 60,
      statistics: WorkerStatistics(
        recordCount: 1 << 60, byteCount: 1 << 60, processorMilliseconds: 1 << 60))
    #expect(heartbeat.events.count == 100)
    let envelope = request(.heartbeat(heartbeat))
    let frame = try envelope.encode()
    #expect(frame.count <= Limits.controlFrameByteCount)
    let read = try FleetEnvelope(decoding: frame, now: now)
    #expect(read.requestID == .max)
    let revoked = Array(repeating: held.held.grant.key, count: WireLimits.leasesPerHeartbeat)
    let answer = FleetAnswerEnvelope(
      requestID: .max, body: .alive(revoked: revoked, drain: true))
    #expect(try FleetAnswerEnvelope(decoding: answer.encode(now: now), now: now) == answer)
  }

  /// What fits is sent and read; one more does not fit, or reaches the limit of the list.
  @Test func grantsThatFit() throws {
    func fit(_ grants: [SealedGrant]) throws -> Int {
      let count = FrameFit.count(of: grants, now: now)
      let answer = FleetAnswerEnvelope(
        requestID: .max, body: .grants(Array(grants.prefix(count))))
      let frame = try answer.encode(now: now)
      #expect(try FleetAnswerEnvelope(decoding: frame, now: now) == answer)
      let isFull = frame.count > Limits.controlFrameByteCount * 9 / 10
      #expect(isFull || count == min(grants.count, Limits.leasesPerGrant))
      return count
    }
    let path = "/data/" + String(repeating: "p", count: 100)
    let same = grant(path: path)
    let sameCount = try fit(Array(repeating: same, count: 256))
    #expect(sameCount == Limits.leasesPerGrant)
    let longest = (0..<256).map { number in
      let digits = String(number)
      return grant(path: "/" + digits + String(repeating: "p", count: 4_095 - digits.utf8.count))
    }
    #expect(try fit(longest) == 14)
    // First and last block and four pieces between them: what a worker is asked to check.
    let sixProbes = grant(path: path, probeCount: 6)
    let sixProbesCount = try fit(Array(repeating: sixProbes, count: 256))
    #expect(sixProbesCount == Limits.leasesPerGrant)
    let fourProbes = grant(path: path, probeCount: 4)
    let fourProbesCount = try fit(Array(repeating: fourProbes, count: 256))
    #expect(fourProbesCount == Limits.leasesPerGrant)
    #expect(try fit([same]) == 1)
    #expect(try fit([]) == 0)
  }

  @Test func resultsThatFit() throws {
    let all = try Array(repeating: finished(), count: Limits.resultsPerMessage)
    let count = FrameFit.count(of: all)
    #expect(count == 37)
    let envelope = request(.finish(Array(all.prefix(count))))
    let frame = try envelope.encode()
    let read = try FleetEnvelope(decoding: frame, now: now)
    guard case .finish(let leases) = read.body else {
      Issue.record("\(read)")
      return
    }
    #expect(leases.map(\.result) == all.prefix(count).map(\.result))
    let error = #expect(throws: WireError.self) { try request(.finish(all)).encode() }
    #expect(error?.code == .tooLarge)
    let refused = FinishAnswer.refused(String(repeating: "r", count: 4_000))
    let answer = FleetAnswerEnvelope(
      requestID: .max, body: .finish(Array(repeating: refused, count: Limits.resultsPerMessage)))
    #expect(try answer.encode(now: now).count <= Limits.controlFrameByteCount)
  }

  /// Results as jobs have them: 64 blocks of some thousand records.
  @Test func ordinaryResultsAreSmall() throws {
    let given = largestLease().grant.lease
    let block = BlockResult(counts: RecordCounts(ok: 9_000), exit: .recordStart)
    let result = try #require(
      ShardResult(
        shard: given.shard, attempt: given.attempt, entry: .recordStart, blocks: given.blocks,
        results: Array(repeating: block, count: 64),
        partial: PartialName(digest: seal, byteCount: 1 << 23)))
    let lease = try #require(FinishedLease(lease: largestLease(), result: result))
    #expect(FrameFit.count(of: Array(repeating: lease, count: 256)) >= 200)
    let frame = try request(.finish([lease])).encode()
    #expect(frame.count < 400)
  }

  @Test func pagesThatFit() throws {
    var job = JobSummary(
      id: JobID(.max), displayName: String(repeating: "n", count: 2_000), state: .failed,
      phase: .publishing, createdNanoseconds: .min, errorThreshold: .max)
    job.reason = String(repeating: "r", count: 9_000)
    job.resultFolder = String(repeating: "/", count: 4_096)
    let jobs = Array(repeating: job, count: 100)
    let jobCount = FrameFit.count(of: jobs)
    #expect(jobCount == 10)
    let page = ClientAnswerEnvelope(
      requestID: .max, body: .jobs(Array(jobs.prefix(jobCount)), next: JobID(.max)))
    #expect(try page.encode().count <= Limits.controlFrameByteCount)

    let worker = WorkerSummary(
      id: WorkerID(.max), name: String(repeating: "w", count: 64), threadCount: .max)
    #expect(FrameFit.count(of: Array(repeating: worker, count: 300)) == 200)

    let event = JobEvent(
      cursor: 1 << 60, unixNanoseconds: .min, level: .error, source: "worker",
      message: String(repeating: "m", count: 4_096))
    let events = Array(repeating: event, count: 500)
    let eventCount = FrameFit.count(of: events)
    #expect(eventCount == 15)
    let logs = JobEvents(
      events: Array(events.prefix(eventCount)), nextCursor: 1 << 60, droppedCount: 1 << 60,
      isEnd: true)
    let answer = ClientAnswerEnvelope(requestID: .max, body: .logs(logs))
    #expect(try ClientAnswerEnvelope(decoding: answer.encode()) == answer)
  }

  @Test func largestDocuments() throws {
    let document = [UInt8](repeating: 0x20, count: WireLimits.documentByteCount)
    let submit = ClientEnvelope(
      requestID: .max, body: .submit(JobID(.max), request: document, asksAgain: true))
    #expect(try ClientEnvelope(decoding: submit.encode()) == submit)
    var job = JobSummary(
      id: JobID(.max), displayName: String(repeating: "n", count: 1_024), state: .failed,
      phase: .publishing, createdNanoseconds: .min, errorThreshold: .max)
    job.reason = String(repeating: "r", count: 1_024)
    job.resultFolder = String(repeating: "/", count: 4_096)
    let answer = ClientAnswerEnvelope(
      requestID: .max, body: .description(job, details: document))
    #expect(try ClientAnswerEnvelope(decoding: answer.encode()) == answer)
    let part = ConfigurationPart(
      totalByteCount: 1 << 26, offset: 0,
      bytes: Array(repeating: 1, count: WireLimits.configurationPartByteCount),
      modelDigest: seal, modelByteCount: Limits.modelByteCount)
    let configuration = FleetAnswerEnvelope(requestID: .max, body: .configuration(part))
    let frame = try configuration.encode(now: now)
    #expect(try FleetAnswerEnvelope(decoding: frame, now: now) == configuration)
  }
}
