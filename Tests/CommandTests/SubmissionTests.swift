import ArgumentParser
import Commands
import Coordinator
import Foundation
import Glibc
import Jobs
import Logging
import Testing
import Transport
import Wire

/// Submitting to a real coordinator in this process, which no worker joins.
@Suite struct SubmissionTests {
  /// Serves a coordinator with an empty state folder while `body` runs.
  private func withCoordinator(
    patience: Duration = .seconds(60),
    _ body: (CoordinatorClient, _ folder: String) async throws -> Void
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
    let client = try CoordinatorClient(
      address: service.address, token: service.coordinator.tokens.client, patience: .seconds(5))
    do {
      try await body(client, folder)
    } catch {
      Issue.record(error)
    }
    await client.close()
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

  /// A web server that takes the connection and says nothing holds up one planning and no other;
  /// when its client is gone, no job comes of it, and its place is free again.
  @Test(.timeLimit(.minutes(1)))
  func aSubmissionThatNobodyAsksAboutLeavesNoJob() async throws {
    let server = try SilentServer()
    try await withCoordinator(patience: .milliseconds(300)) { client, folder in
      let stuck = try request("http://127.0.0.1:\(server.port)/table.csv", in: folder)
      let asking = Task { try await client.submit(JobID(1), stuck) }
      try await Task.sleep(for: .milliseconds(500))
      let request = try request(try table(in: folder), in: folder)
      try await client.submit(JobID(2), request)
      #expect(try await client.allJobs().map(\.id) == [JobID(2)])
      asking.cancel()
      await #expect(throws: (any Error).self) { try await asking.value }
      server.close()
      try await Task.sleep(for: .seconds(2))
      #expect(try await client.allJobs().map(\.id) == [JobID(2)])
    }
  }
}

/// A listener that never accepts: the system takes the connections.
private final class SilentServer: Sendable {
  let port: UInt16
  private let descriptor: Int32

  init() throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    descriptor = listener
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        bind(listener, pointer, length) == 0 && listen(listener, 8) == 0
          && getsockname(listener, pointer, &length) == 0
      }
    }
    try #require(status)
    port = UInt16(bigEndian: address.sin_port)
  }

  func close() { Glibc.close(descriptor) }
}
