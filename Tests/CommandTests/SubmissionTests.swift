import ArgumentParser
import Commands
import Coordinator
import Foundation
import Glibc
import Jobs
import Logging
import Synchronization
import Testing
import Transport
import Wire

/// Submitting to a real coordinator in this process, which no worker joins.
@Suite struct SubmissionTests {
  /// Serves a coordinator with an empty state folder while `body` runs.
  private func withCoordinator(
    _ body: (CoordinatorClient, _ folder: String) async throws -> Void
  ) async throws {
    try await withService { service, folder in
      let client = try CoordinatorClient(
        address: service.address, token: service.coordinator.tokens.client, patience: .seconds(5))
      do {
        try await body(client, folder)
      } catch {
        Issue.record(error)
      }
      await client.close()
    }
  }

  /// Serves a coordinator that drops a submission nobody asks about for longer than `patience`.
  private func withService(
    patience: Duration = .seconds(60),
    _ body: (CoordinatorService, _ folder: String) async throws -> Void
  ) async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/submission-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }  // a leftover harms no test
    var options = CoordinatorOptions(
      stateFolder: "\(folder)/state", listen: try Address("tcp://127.0.0.1:0"))
    options.submissionPatience = patience
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let service = try await CoordinatorService(options, logger: logger)
    let serving = Task { try await service.run() }
    do {
      try await body(service, folder)
    } catch {
      Issue.record(error)
    }
    service.stop()
    try await serving.value
  }

  private func request(_ input: String, in folder: String) throws -> JobRequest {
    let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "../../bench/models/flights.txt").standardizedFileURL.path
    return try RunCommand.parse(
      ["--model", model, "--input", input, "--output", "\(folder)/out", "--input-format", "csv"]
    ).request.request(in: "/")
  }

  private func table(_ name: String = "table.csv", in folder: String) throws -> String {
    let text = """
      id,month,day,dep_time,sched_dep_time,dep_delay,sched_arr_time,carrier,flight,origin,dest,\
      distance,hour,minute
      1,1,1,517,515,2,819,UA,1545,EWR,IAH,1400,5,15

      """
    let path = "\(folder)/\(name)"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test(.timeLimit(.minutes(1)))
  func theSameSubmissionTwiceIsOneJob() async throws {
    try await withCoordinator { client, folder in
      let request = try request(try table(in: folder), in: folder)
      async let first: Void = client.submit(JobID(7), request)
      async let second: Void = client.submit(JobID(7), request)
      _ = try await (first, second)
      try await client.submit(JobID(7), request)  // late
      #expect(try await client.allJobs().map(\.id) == [JobID(7)])
      try await client.submit(JobID(8), request)
      #expect(try await client.allJobs().map(\.id) == [JobID(7), JobID(8)])
    }
  }

  /// A model is kept for the jobs that need it, and not a job longer.
  @Test(.timeLimit(.minutes(1)))
  func aModelGoesWithItsLastJob() async throws {
    try await withCoordinator { client, folder in
      let request = try request(try table(in: folder), in: folder)
      let models = "\(folder)/state/models"
      let names = { try FileManager.default.contentsOfDirectory(atPath: models) }
      for number in 7...8 { try await client.submit(JobID(UInt64(number)), request) }
      let kept = try names()
      #expect(kept.count == 1)
      // As a crash between writing and renaming leaves it.
      try "half".write(toFile: "\(models)/half.part", atomically: true, encoding: .utf8)
      try await client.cancel(JobID(7))
      try await waitUntil { try names() == kept }
      try await client.submit(JobID(9), request)
      try await client.cancel(JobID(8))
      try await Task.sleep(for: .milliseconds(300))
      #expect(try names() == kept)
      try await client.cancel(JobID(9))
      try await waitUntil { try names().isEmpty }
    }
  }

  /// What kept a model is a planning that nobody waits for any more.
  @Test(.timeLimit(.minutes(1)))
  func aModelGoesWithADroppedSubmission() async throws {
    let server = try SilentServer()
    defer { server.close() }
    try await withService(patience: .seconds(1)) { service, folder in
      let questions = try Questions(service, contextCount: 2)
      let stuck = try request("http://127.0.0.1:\(server.port)/table.csv", in: folder)
      let request = try request(try table(in: folder), in: folder)
      let models = "\(folder)/state/models"
      let names = { try FileManager.default.contentsOfDirectory(atPath: models) }
      #expect(try await questions.ask(JobID(7), request) == .accepted(JobID(7)))
      let task = Task { try await questions.askUntilCancelled(JobID(8), stuck) }
      let isStuck = await server.accept(1)
      #expect(isStuck)
      #expect(try await questions.ask(.cancel(JobID(7))) == .done)
      try await Task.sleep(for: .milliseconds(300))
      #expect(try names().count == 1)
      task.cancel()
      try await task.value
      try await waitUntil { try names().isEmpty }
      await questions.client.close(within: .seconds(1))
    }
  }

  /// Waits some seconds for what happens after an answer.
  private func waitUntil(_ isSo: () throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(10)
    while try !isSo(), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(20)) }
    #expect(try isSo())
  }

  /// Whoever asks after the refusal is told it, and not that planning begins anew.
  @Test(.timeLimit(.minutes(1)))
  func aRefusalIsRemembered() async throws {
    try await withCoordinator { client, folder in
      let request = try request("\(folder)/late.csv", in: folder)
      for _ in 0..<2 {
        let error = await #expect(throws: CommandError.self) {
          try await client.submit(JobID(7), request)
        }
        #expect(error?.context.contains("late.csv: no such file") == true, "\(error as Any)")
        _ = try table("late.csv", in: folder)
      }
      // Another submission is another question.
      try await client.submit(JobID(8), request)
      #expect(try await client.allJobs().map(\.id) == [JobID(8)])
    }
  }

  /// A web server that takes connections and says nothing holds up as many plannings as there may
  /// be at once; when nobody asks about those any more, their places are free and no jobs are left.
  @Test(.timeLimit(.minutes(1)))
  func submissionsThatNobodyAsksAboutLeaveTheirPlaces() async throws {
    let limit = 16
    let server = try SilentServer()
    defer { server.close() }
    try await withService(patience: .seconds(3)) { service, folder in
      let questions = try Questions(service, contextCount: limit + 1)
      let stuck = try request("http://127.0.0.1:\(server.port)/table.csv", in: folder)
      let request = try request(try table(in: folder), in: folder)
      let tasks = (1...limit).map { number in
        Task { try await questions.askUntilCancelled(JobID(UInt64(number)), stuck) }
      }
      let areStuck = await server.accept(limit)
      #expect(areStuck)

      let next = JobID(UInt64(limit) + 1)
      let waiting = PlanningReport(
        inputCount: 0, text: "waiting until fewer than \(limit) other jobs are being planned")
      #expect(try await questions.ask(next, request) == .planning(waiting))
      for task in tasks { task.cancel() }
      for task in tasks { try await task.value }
      // Only a place that a stuck planning has left lets it in: the server is silent still.
      var answer = try await questions.ask(next, request)
      while case .planning = answer {
        try await Task.sleep(for: .milliseconds(100))
        answer = try await questions.ask(next, request)
      }
      #expect(answer == .accepted(next))
      let list = ClientRequest.list(after: nil, limit: 100, states: [])
      guard case .jobs(let jobs, _) = try await questions.ask(list) else {
        Issue.record("no list")
        return
      }
      #expect(jobs.map(\.id) == [next])
      await questions.client.close(within: .seconds(1))
    }
  }
}

/// Asks a coordinator without asking again.
private struct Questions: Sendable {
  let client: Client
  private let token: [UInt8]

  init(_ service: CoordinatorService, contextCount: Int) throws {
    client = try Client(
      address: service.address, channel: .control, tls: nil, contextCount: contextCount)
    token = service.coordinator.tokens.client
  }

  func ask(_ body: ClientRequest) async throws -> ClientAnswer {
    let envelope = ClientEnvelope(requestID: .random(in: 1 ... .max), body: body)
    let answer = try await client.request(try envelope.encode(key: token), timeout: .seconds(20))
    return try ClientAnswerEnvelope(decoding: answer).body
  }

  func ask(_ id: JobID, _ request: JobRequest) async throws -> ClientAnswer {
    let content = try RequestIdentity.canonical(request)
    return try await ask(.submit(id, request: content, asksAgain: true))
  }

  /// Asks about a submission that is being planned all the while.
  func askUntilCancelled(_ id: JobID, _ request: JobRequest) async throws {
    while !Task.isCancelled {
      let answer = try await ask(id, request)
      guard case .planning = answer else {
        Issue.record("\(answer)")
        return
      }
    }
  }
}

/// A web server that takes connections and never answers.
private final class SilentServer: Sendable {
  let port: UInt16
  private let listener: Int32
  private let connections = Mutex<[Int32]>([])

  init() throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        bind(listener, pointer, length) == 0 && listen(listener, 64) == 0
          && getsockname(listener, pointer, &length) == 0
      }
    }
    try #require(status)
    port = UInt16(bigEndian: address.sin_port)
  }

  func close() {
    for descriptor in connections.withLock({ $0 }) + [listener] { Glibc.close(descriptor) }
  }

  /// Takes so many connections.
  ///
  /// - Returns: Whether they came within half a minute.
  func accept(_ count: Int) async -> Bool {
    for _ in 0..<600 {
      var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
      while poll(&waiting, 1, 0) == 1 {
        let descriptor = Glibc.accept(listener, nil, nil)
        connections.withLock { $0.append(descriptor) }
      }
      if connections.withLock({ $0.count }) >= count { return true }
      try? await Task.sleep(for: .milliseconds(50))  // cancelled: looks on at once
    }
    return false
  }
}
