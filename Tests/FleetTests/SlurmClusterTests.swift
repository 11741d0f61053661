import CoordinatorCore
import Fleet
import Foundation
import Testing

/// Workers under a real Slurm; a script stands for the worker.
@Suite(.timeLimit(.minutes(2)))
struct SlurmClusterTests {
  @Test func workersAreStartedListedAndTakenBack() async throws {
    let cluster = try await SlurmCluster()
    do {
      try await check(cluster)
    } catch {
      try await cluster.end()
      throw error
    }
    try await cluster.end()
  }

  private func check(_ cluster: SlurmCluster) async throws {
    let provider = cluster.provider(pool: "here")
    let other = cluster.provider(pool: "there")
    try await provider.launch(["w-1", "w-2", "w-4", "odd"])
    try await other.launch(["w-9"])
    // The node has room for two of them, and two belong together in a job.
    try await cluster.eventually(provider) { list in
      list.map(\.name) == ["odd", "w-1", "w-2", "w-4"]
        && list.count { $0.state == .running } == 2
    }
    // The next life of the coordinator finds them too.
    #expect(
      try await cluster.provider(pool: "here").list().map(\.name) == ["odd", "w-1", "w-2", "w-4"])
    #expect(try await other.list().map(\.name) == ["w-9"])
    try await provider.terminate(["w-2", "odd", "nobody"])
    try await cluster.eventually(provider) { list in
      list.contains(FleetEntry(name: "w-2", state: .ended("CANCELLED, exit code 7")))
        && !list.contains { $0.name == "odd" && !$0.hasEnded } && list.contains { $0.name == "w-1" }
    }
    try await provider.terminate(["w-1", "w-2", "w-4", "odd"])
    try await other.terminate(["w-9"])
    for each in [provider, other] {
      try await cluster.eventually(each) { $0.allSatisfy(\.hasEnded) }
    }
    let log = try #require(try cluster.log(containing: "worker w-2:"))
    #expect(log.contains("worker --join tcp://127.0.0.1:7070 --name w-2 --threads 2"))
    #expect(log.contains("got TERM"))
  }
}

extension FleetEntry {
  fileprivate var hasEnded: Bool {
    if case .ended = state { true } else { false }
  }
}

/// One node with four processors, started by `Tests/slurm`.
private struct SlurmCluster {
  private static let script = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "slurm").path
  private let folder: String
  private let configuration: String

  init() async throws {
    folder = NSTemporaryDirectory() + "/nightshift it's \(UInt64.random(in: 0..<1 << 40))"
    let logs = folder + "/logs"
    try FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
    let program = folder + "/worker"
    try Data(
      """
      #!/bin/bash
      echo "$@"
      trap 'echo "got TERM"; exit 7' TERM
      while true; do sleep 0.1; done

      """.utf8
    ).write(to: URL(filePath: program))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
    // Slurm's own paths may have no spaces.
    configuration = NSTemporaryDirectory() + "/nightshift-slurm-\(UInt64.random(in: 0..<1 << 40))"
    var command = EngineCommand(Self.script, ["up", configuration])
    command.variables = ["SLURM_CPUS": "4", "SLURM_JOB_AGE": "60"]
    try await command.run()
  }

  func end() async throws {
    try await EngineCommand(Self.script, ["down", configuration]).run()
    for place in [folder, configuration] { try FileManager.default.removeItem(atPath: place) }
  }

  func provider(pool: String) -> SlurmProvider {
    var settings = SlurmSettings(logFolder: folder + "/logs")
    settings.variables = ["SLURM_CONF": configuration + "/slurm.conf"]
    settings.taskCountLimit = 2
    let launch = WorkerLaunch(
      fleet: "test-1", pool: pool, program: folder + "/worker", address: "tcp://127.0.0.1:7070",
      threadCount: 2, tokenFile: "/token")
    return SlurmProvider(launch, settings: settings)
  }

  func eventually(
    _ provider: SlurmProvider, _ condition: ([FleetEntry]) -> Bool
  ) async throws {
    var list: [FleetEntry] = []
    for _ in 0..<300 {
      list = try await provider.list()
      if condition(list) { return }
      try await Task.sleep(for: .milliseconds(100))
    }
    Issue.record("the last listing was \(list)")
  }

  func log(containing text: String) throws -> String? {
    let logs = folder + "/logs"
    for name in try FileManager.default.contentsOfDirectory(atPath: logs) {
      let content = try String(contentsOfFile: logs + "/" + name, encoding: .utf8)
      if content.contains(text) { return content }
    }
    return nil
  }
}
