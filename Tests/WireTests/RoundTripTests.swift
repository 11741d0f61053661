import Foundation
import Jobs
import Leasing
import Testing
import Wire

@Suite struct RoundTripTests {
  /// Rounds of each kind; every random value is met in many combinations.
  private static let seeds = 0..<UInt64(300)

  @Test(arguments: 0..<SeededGenerator.fleetKindCount)
  func fleetRequest(kind: Int) throws {
    for seed in Self.seeds {
      var generator = SeededGenerator(seed: seed)
      let envelope = generator.fleetEnvelope(kind: kind)
      let frame = try envelope.encode()
      #expect(try FleetEnvelope(decoding: frame, now: now) == envelope, "seed \(seed)")
    }
  }

  @Test(arguments: 0..<SeededGenerator.fleetAnswerKindCount)
  func fleetAnswer(kind: Int) throws {
    for seed in Self.seeds {
      var generator = SeededGenerator(seed: seed)
      let envelope = generator.fleetAnswer(kind: kind)
      let frame = try envelope.encode(now: now)
      #expect(try FleetAnswerEnvelope(decoding: frame, now: now) == envelope, "seed \(seed)")
    }
  }

  @Test(arguments: 0..<SeededGenerator.bulkKindCount)
  func bulkRequest(kind: Int) throws {
    for seed in Self.seeds {
      var generator = SeededGenerator(seed: seed)
      let envelope = generator.bulkEnvelope(kind: kind)
      let frame = try envelope.encode()
      #expect(try BulkEnvelope(decoding: frame, now: now) == envelope, "seed \(seed)")
    }
  }

  @Test(arguments: 0..<SeededGenerator.bulkAnswerKindCount)
  func bulkAnswer(kind: Int) throws {
    for seed in Self.seeds {
      var generator = SeededGenerator(seed: seed)
      let envelope = generator.bulkAnswer(kind: kind)
      #expect(try BulkAnswerEnvelope(decoding: envelope.encode()) == envelope, "seed \(seed)")
    }
  }

  @Test(arguments: 0..<SeededGenerator.clientKindCount)
  func clientRequest(kind: Int) throws {
    for seed in Self.seeds {
      var generator = SeededGenerator(seed: seed)
      let envelope = generator.clientEnvelope(kind: kind)
      #expect(try ClientEnvelope(decoding: envelope.encode()) == envelope, "seed \(seed)")
    }
  }

  @Test(arguments: 0..<SeededGenerator.clientAnswerKindCount)
  func clientAnswer(kind: Int) throws {
    for seed in Self.seeds {
      var generator = SeededGenerator(seed: seed)
      let envelope = generator.clientAnswer(kind: kind)
      #expect(try ClientAnswerEnvelope(decoding: envelope.encode()) == envelope, "seed \(seed)")
    }
  }

  /// A worker's clock tells other numbers than the coordinator's: only what is left counts.
  @Test func deadlineCrossesAsTimeLeft() throws {
    var generator = SeededGenerator(seed: 1)
    let grant = generator.grant(inputs: [generator.input()])
    let left = grant.grant.lease.deadline - now
    let frame = try FleetAnswerEnvelope(requestID: 1, body: .grants([grant])).encode(now: now)
    let there = Instant(nanoseconds: 123_456_789_000)
    let answer = try FleetAnswerEnvelope(decoding: frame, now: there)
    guard case .grants(let grants) = answer.body else {
      Issue.record("no grants: \(answer)")
      return
    }
    #expect(grants.map(\.grant.lease.deadline) == [there + left])
  }

  @Test func overdueLeaseHasNoTimeLeft() throws {
    var generator = SeededGenerator(seed: 2)
    let grant = generator.grant(inputs: [generator.input()])
    let later = grant.grant.lease.deadline + .seconds(5)
    let frame = try FleetAnswerEnvelope(requestID: 1, body: .grants([grant])).encode(now: later)
    let answer = try FleetAnswerEnvelope(decoding: frame, now: now)
    guard case .grants(let grants) = answer.body else {
      Issue.record("no grants: \(answer)")
      return
    }
    #expect(grants.map(\.grant.lease.deadline) == [now])
  }

  /// A piece of the largest size, with its bytes in order.
  @Test func largestPiece() throws {
    var generator = SeededGenerator(seed: 3)
    let bytes = (0..<Limits.pieceByteCount).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    let partial = PartialName(digest: generator.digest(), byteCount: UInt64(bytes.count))
    let piece = PartialPiece(lease: generator.lease(), partial: partial, offset: 0, bytes: bytes)
    let request = BulkEnvelope(
      worker: WorkerID(1), requestID: 2, body: .putPiece(piece))
    #expect(try BulkEnvelope(decoding: request.encode(), now: now) == request)
    let answer = BulkAnswerEnvelope(requestID: 2, body: .bytes(bytes, isEnd: true))
    #expect(try BulkAnswerEnvelope(decoding: answer.encode()) == answer)
  }

  @Test func remarksAreCutBetweenScalars() throws {
    let text = String(repeating: "é", count: 4_000)
    let frame = try FleetAnswerEnvelope(
      requestID: 1, body: .refusal(Refusal(code: .limit, text: "a" + text))
    ).encode(now: now)
    let answer = try FleetAnswerEnvelope(decoding: frame, now: now)
    // 4,096 bytes: one for the "a", three for the ellipsis, 2 × 2,046 between.
    let expected = "a" + String(repeating: "é", count: 2_046) + "…"
    #expect(answer.body == .refusal(Refusal(code: .limit, text: expected)))
  }

  /// A NUL ends a text in C; in a remark it is replaced, and what follows it is kept.
  @Test func nullInRemarkIsReplaced() throws {
    let refusal = Refusal(code: .other, text: "before\0after")
    let frame = try BulkAnswerEnvelope(requestID: 1, body: .refusal(refusal)).encode()
    let expected = Refusal(code: .other, text: "before\u{FFFD}after")
    #expect(try BulkAnswerEnvelope(decoding: frame).body == .refusal(expected))
  }

  @Test func logEventsAreClipped() {
    let short = LogEvent(job: nil, level: .info, unixNanoseconds: 1, message: "m")
    #expect(LogEvent.clipping(Array(repeating: short, count: 150)).count == 100)
    let long = LogEvent(
      job: nil, level: .info, unixNanoseconds: 1,
      message: String(repeating: "x", count: 5_000))
    let clipped = LogEvent.clipping(Array(repeating: long, count: 9))
    #expect(clipped.map(\.message.utf8.count) == [4_096, 4_096, 4_096, 4_096])
    #expect(clipped.allSatisfy { $0.message.hasSuffix("x…") })
  }

  @Test func summaryAsJSON() throws {
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<100 {
      let job = generator.jobSummary()
      let read = try JSONDecoder().decode(JobSummary.self, from: JSONEncoder().encode(job))
      #expect(read == job)
      let worker = generator.workerSummary()
      let other = try JSONDecoder().decode(WorkerSummary.self, from: JSONEncoder().encode(worker))
      #expect(other == worker)
    }
    var job = JobSummary(
      id: JobID(255), displayName: "churn", state: .partiallySucceeded, phase: .publishing,
      createdNanoseconds: 5, errorThreshold: -1)
    job.counts = RecordCounts(ok: 1, error: 2, filtered: 3)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let text = String(decoding: try encoder.encode(job), as: UTF8.self)
    #expect(text.contains(#""id":"00000000000000ff""#))
    #expect(text.contains(#""state":"PARTIALLY_SUCCEEDED""#))
    #expect(text.contains(#""counts":{"error":2,"filtered":3,"ok":1}"#))
    #expect(!text.contains("resultFolder"))
  }
}
