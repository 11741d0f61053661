import ArgumentParser
import Commands
import Foundation
import Jobs
import Synchronization
import Testing
import Transport
import Wire

/// Asking a coordinator, over the real transport and the real wire.
@Suite struct ClientTests {
  private static let token = [UInt8](repeating: 7, count: 32)

  /// What a scripted coordinator was asked.
  private final class Record: Sendable {
    let requests = Mutex<[ClientRequest]>([])
    let numbers = Mutex<[UInt64]>([])

    func note(_ envelope: ClientEnvelope) -> Int {
      numbers.withLock { $0.append(envelope.requestID) }
      return requests.withLock { requests in
        requests.append(envelope.body)
        return requests.count
      }
    }
  }

  /// Serves answers made by a closure, told the request and its place from 1, while `body` runs.
  private func withCoordinator(
    patience: Duration = .seconds(10),
    answering answer: @escaping @Sendable (ClientRequest, Int) -> ClientAnswer,
    _ body: (CoordinatorClient, Record) async throws -> Void
  ) async throws {
    let record = Record()
    let server = try Server(
      address: Address("tcp://127.0.0.1:0"), channel: .control, tls: nil, insecure: false,
      contextCount: 4, connectionLimit: 10
    ) { frame in
      guard let envelope = try? ClientEnvelope(decoding: frame) else { return [] }
      let reply = answer(envelope.body, record.note(envelope))
      return (try? ClientAnswerEnvelope(requestID: envelope.requestID, body: reply).encode()) ?? []
    }
    let serving = Task { await server.run() }
    let client = try CoordinatorClient(
      address: server.boundAddress, token: Self.token, patience: patience)
    do {
      try await body(client, record)
    } catch {
      Issue.record(error)
    }
    await client.close()
    await server.close(within: .seconds(2))
    _ = await serving.value
  }

  private static func summary(_ number: UInt64) -> JobSummary {
    JobSummary(
      id: JobID(number), displayName: "job \(number)", state: .running, phase: .scoring,
      createdNanoseconds: 1_772_344_800_000_000_000, errorThreshold: 1_000)
  }

  @Test(.timeLimit(.minutes(1)))
  func pagesAreReadToTheEnd() async throws {
    try await withCoordinator { request, _ in
      guard case .list(let after, _, let states) = request, states == [.running] else {
        return .done
      }
      let first = (after?.rawValue ?? 0) + 1
      return .jobs(
        (first..<(first + 2)).map(Self.summary), next: first < 5 ? JobID(first + 1) : nil)
    } _: { client, _ in
      let jobs = try await client.allJobs(states: [.running])
      #expect(jobs == (1...6).map(Self.summary))
      #expect(try await client.resolve("0000000000000004") == JobID(4))
    }
  }

  @Test(.timeLimit(.minutes(1)))
  func anUnavailableCoordinatorIsAskedAgainUnderTheSameNumber() async throws {
    try await withCoordinator { _, place in
      place < 4 ? .refusal(Refusal(code: .unavailable, text: "starting")) : .done
    } _: { client, record in
      try await client.pause(JobID(1))
      #expect(record.requests.withLock { $0 } == Array(repeating: .pause(JobID(1)), count: 4))
      #expect(record.numbers.withLock { Set($0).count } == 1)
    }
  }

  @Test(.timeLimit(.minutes(1)))
  func refusalsBecomeSentences() async throws {
    try await withCoordinator { request, _ in
      switch request {
      case .describe: .refusal(Refusal(code: .notFound, text: "no job 0000000000000009"))
      case .submit: .refusal(Refusal(code: .alreadyExists, text: "exists"))
      case .ping: .done
      default: .refusal(Refusal(code: .state, text: "the job is\u{1B}[2J RUNNING"))
      }
    } _: { client, _ in
      #expect(try await client.find(JobID(9)) == nil)
      await #expect(throws: CommandError("no job 0000000000000009: see `nightshift list`")) {
        try await client.describe(JobID(9)).job
      }
      await #expect(throws: CommandError("the job is\u{FFFD}[2J RUNNING")) {
        try await client.delete(JobID(9))
      }
      await #expect(throws: CommandError.self) { try await client.ping() }
      let request = try RunCommand.parse(["--model", "m", "--input", "a", "--output", "o"])
        .request.request(in: "/")
      try await client.submit(JobID(9), request)  // our own, sent again
    }
  }

  /// The answer to the first sending of the request was lost.
  @Test(.timeLimit(.minutes(1)))
  func aJobThatIsGoneMeanwhileIsDeleted() async throws {
    let gone = ClientAnswer.refusal(Refusal(code: .notFound, text: "there is no such job"))
    try await withCoordinator { request, _ in
      guard case .describe(let id) = request, id == JobID(1) else { return gone }
      return .description(Self.summary(1), details: [])
    } _: { client, record in
      try await client.delete(JobID(1))
      await #expect(throws: CommandError.self) { try await client.delete(JobID(2)) }
      let wanted: [ClientRequest] = [
        .describe(JobID(1)), .delete(JobID(1)), .describe(JobID(2)), .delete(JobID(2)),
      ]
      #expect(record.requests.withLock { $0 } == wanted)
    }
  }

  @Test(.timeLimit(.minutes(1)))
  func aSubmittedRequestArrivesWhole() async throws {
    let request = try RunCommand.parse(["--model", "m", "--input", "a", "--output", "o"])
      .request.request(in: "/")
    try await withCoordinator { _, _ in
      .accepted(JobID(5))
    } _: { client, record in
      try await client.submit(JobID(5), request)
      let first = record.requests.withLock { $0.first }
      guard case .submit(JobID(5), let content, true) = first else {
        Issue.record("no submit arrived")
        return
      }
      #expect(try JSONDecoder().decode(JobRequest.self, from: Data(content)) == request)
    }
  }

  /// Planning may take longer than a client waits for a silent coordinator.
  @Test(.timeLimit(.minutes(1)))
  func aSubmissionIsAskedAboutUntilItIsPlanned() async throws {
    let request = try RunCommand.parse(["--model", "m", "--input", "a", "--output", "o"])
      .request.request(in: "/")
    try await withCoordinator(patience: .milliseconds(1_500)) { _, place in
      place < 4
        ? .planning(PlanningReport(inputCount: UInt64(place), text: "")) : .accepted(JobID(5))
    } _: { client, record in
      let started = ContinuousClock.now
      try await client.submit(JobID(5), request)
      #expect(ContinuousClock.now - started > .milliseconds(2_900))
      let requests = record.requests.withLock { $0 }
      #expect(requests.count == 4 && Set(requests).count == 1)
      #expect(record.numbers.withLock { Set($0).count } == 4, "an answer to an older question")
    }
  }

  @Test func planningIsToldInALine() {
    let reports: [(PlanningReport, String)] = [
      (PlanningReport(inputCount: 0, text: ""), "planning: listing the inputs"),
      (PlanningReport(inputCount: 1, text: ""), "planning: 1 input listed"),
      (
        PlanningReport(inputCount: 12_000, text: "retrying GET s3://b/\u{1B}: 503"),
        "planning: 12,000 inputs listed, retrying GET s3://b/\u{FFFD}: 503"
      ),
    ]
    for (report, text) in reports { #expect(PlanningDisplay.text(report) == text) }
  }

  @Test(.timeLimit(.minutes(1)))
  func silenceNamesTheAddressAndWhatToCheck() async throws {
    let server = try Server(
      address: Address("tcp://127.0.0.1:0"), channel: .control, tls: nil, insecure: false,
      contextCount: 1, connectionLimit: 1
    ) { _ in [] }
    let address = server.boundAddress
    await server.close(within: .seconds(2))
    let client = try CoordinatorClient(
      address: address, token: Self.token, patience: .milliseconds(300))
    do {
      try await client.cancel(JobID(1))
      Issue.record("nothing listens at \(address)")
    } catch let error as CommandError {
      #expect(error.context.contains("\(address)"))
      #expect(error.context.contains("connection refused"))
      #expect(error.context.contains("NIGHTSHIFT_COORDINATOR"))
    }
    await client.close()
  }

  @Test func jobsAsJSONHaveStableKeys() throws {
    var job = Self.summary(0x3f9a)
    job.state = .partiallySucceeded
    job.reason = "2 error records"
    job.elapsedMilliseconds = 1_500
    job.counts = RecordCounts(ok: 998, error: 2)
    job.shardCount = 1
    job.committedShardCount = 1
    job.blockCount = 4
    job.confirmedBlockCount = 4
    job.inputByteCount = 4_000_000
    job.doneByteCount = 4_000_000
    job.grantCount = 1
    job.resultFolder = "/out/prediction-x"
    let expected =
      #"{"completionStats":{"failedCount":2,"filteredCount":0,"successfulCount":998},"#
      + #""createTime":"2026-03-01T06:00:00.000Z","displayName":"job 16282","#
      + #""elapsedSeconds":1.5,"error":"2 error records","errorThreshold":1000,"#
      + #""id":"0000000000003f9a","leaseCount":1,"#
      + #""outputInfo":{"outputDirectory":"/out/prediction-x"},"phase":"SCORING","#
      + #""progress":{"blockCount":4,"committedBlockCount":4,"committedShardCount":1,"#
      + #""doneByteCount":4000000,"failedShardCount":0,"fraction":1,"inputByteCount":4000000,"#
      + #""leasedBlockCount":0,"recordsPerSecond":0,"shardCount":1},"repeatedResultCount":0,"#
      + #""state":"JOB_STATE_PARTIALLY_SUCCEEDED","workerCount":0}"#
    #expect(try jsonText(JobDocument(job)) == expected)
  }

  @Test func descriptionsSayWhatHappened() {
    var job = Self.summary(0x3f9a)
    job.counts = RecordCounts(ok: 12_345, error: 1)
    job.blockCount = 10
    job.confirmedBlockCount = 5
    job.errorThreshold = -1
    job.displayName = "a\u{1B}b"
    #expect(
      description(of: job) == """
        Job:             0000000000003f9a
        Name:            a\u{FFFD}b
        State:           RUNNING (SCORING)
        Created:         2026-03-01T06:00:00.000Z
        Running for:     not started
        Progress:        50 %
        Records:         12,345 scored, 1 error, 0 filtered
        Shards:          0 of 0 committed
        Blocks:          5 of 10 committed, 0 leased
        Input:           0 bytes
        Workers:         0
        Errors allowed:  any number
        """)
  }
}
