import CoordinatorCore
import Fleet
import Foundation
import Testing

/// Workers as processes of this machine; scripts stand for the worker.
@Suite(.timeLimit(.minutes(1)))
struct LocalProviderTests {
  /// A folder with a program in it, and the processes that are left of it.
  private final class Place: Sendable {
    let folder: String
    let fleet = "test-\(UInt64.random(in: 0..<1 << 40))"

    init(_ script: String) async throws {
      folder = NSTemporaryDirectory() + "/nightshift-" + fleet
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      // Written by another process: a program that this one has open cannot be started, and what
      // another test spawns meanwhile keeps it open for a moment.
      var command = EngineCommand(
        "bash", ["-c", "cat >\"$0\" && chmod 755 \"$0\"", folder + "/program"])
      command.input = "#!/bin/bash\n" + script + "\n"
      try await command.run()
    }

    func launch(pool: String = "here", program: String? = nil) -> WorkerLaunch {
      WorkerLaunch(
        fleet: fleet, pool: pool, program: program ?? folder + "/program",
        address: "tcp://127.0.0.1:7070", threadCount: 2, tokenFile: "/token")
    }

    func provider(pool: String = "here") -> LocalProvider {
      LocalProvider(launch(pool: pool), logFolder: folder)
    }

    /// What a worker has printed until now; nothing before it has a log.
    func log(of name: String) -> String {
      let log = FileManager.default.contents(atPath: folder + "/\(name).log")
      return String(decoding: log ?? Data(), as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }  // a leftover disturbs nobody
  }

  private func eventually(
    _ provider: LocalProvider, _ condition: ([FleetEntry]) -> Bool
  ) async throws -> Bool {
    for _ in 0..<500 {
      if condition(try await provider.list()) { return true }
      try await Task.sleep(for: .milliseconds(10))
    }
    return false
  }

  @Test func workersAreStartedListedAndTakenBack() async throws {
    let place = try await Place("echo \"$@\"; exec sleep 100")
    let provider = place.provider()
    try await provider.launch(["w-1", "w-2"])
    let other = place.provider(pool: "there")
    try await other.launch(["w-3"])
    #expect(
      try await eventually(provider) {
        $0 == ["w-1", "w-2"].map { FleetEntry(name: $0, state: .running) }
      })
    // The next life of the coordinator finds them too.
    #expect(try await place.provider().list().map(\.name) == ["w-1", "w-2"])
    try await provider.terminate(["w-1", "w-2", "w-9"])
    #expect(
      try await eventually(provider) {
        $0.contains(FleetEntry(name: "w-1", state: .ended("signal 15")))
      })
    #expect(try await eventually(provider) { $0.isEmpty })
    #expect(try await other.list().map(\.name) == ["w-3"])
    try await other.terminate(["w-3"])
    #expect(try await eventually(other) { $0.isEmpty })
    #expect(
      place.log(of: "w-1")
        == "worker --join tcp://127.0.0.1:7070 --name w-1 --threads 2 --token-file /token\n")
  }

  @Test func whoDoesNotHearIsKilled() async throws {
    let place = try await Place(
      "trap 'echo heard' TERM; echo ready; while true; do sleep 0.05; done")
    let provider = place.provider()
    try await provider.launch(["w-1"])
    #expect(try await eventually(provider) { _ in place.log(of: "w-1") == "ready\n" })
    try await provider.terminate(["w-1"])
    #expect(try await eventually(provider) { _ in place.log(of: "w-1").hasSuffix("heard\n") })
    #expect(try await provider.list().map(\.state) == [.running])
    try await provider.terminate(["w-1"])
    #expect(try await eventually(provider) { $0.map(\.state) == [.ended("signal 9")] })
    #expect(try await eventually(provider) { $0.isEmpty })
  }

  @Test func anEndIsToldWithItsCode() async throws {
    let place = try await Place("exit 3")
    let provider = place.provider()
    try await provider.launch(["w-1"])
    #expect(try await eventually(provider) { $0.map(\.state) == [.ended("exit code 3")] })
  }

  /// A worker that ends while it is being listed is told once more: nothing is left of it unseen.
  @Test func everyEndIsTold() async throws {
    let place = try await Place("exit 0")
    let provider = place.provider()
    for number in 0..<200 {
      try await provider.launch(["w-\(number)"])
      var list: [FleetEntry] = []
      repeat { list = try await provider.list() } while list.first?.state == .running
      try #require(
        list == [FleetEntry(name: "w-\(number)", state: .ended("exit code 0"))],
        "worker \(number)")
    }
  }

  @Test func aLogThatCannotBeWrittenIsNamed() async throws {
    let place = try await Place("exit 0")
    let provider = LocalProvider(place.launch(), logFolder: place.folder + "/absent")
    let error = await #expect(throws: FleetError.self) { try await provider.launch(["w-1"]) }
    #expect(error?.names == ["w-1"])
    #expect(error?.description.hasSuffix("/absent/w-1.log: No such file or directory") == true)
  }

  @Test func aProgramThatIsNotThereIsNamed() async throws {
    let place = try await Place("exit 0")
    let provider = LocalProvider(
      place.launch(program: place.folder + "/absent"), logFolder: place.folder)
    let error = await #expect(throws: FleetError.self) {
      try await provider.launch(["w-1", "w-2"])
    }
    #expect(error?.names == ["w-1", "w-2"])
    #expect(error?.description.contains("/absent") == true)
  }
}
