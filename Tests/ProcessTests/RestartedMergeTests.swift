import Foundation
import Glibc
import Testing

/// A coordinator that dies between scoring and merge needs nothing of the inputs for the merge.
@Suite struct RestartedMergeTests {
  enum Change: String, CaseIterable, Sendable {
    case none, missing, replaced
  }

  /// Folders of which only all together tell their column's type, and a typed schema.
  private func writeTable(_ folder: String) throws {
    let lines = TestTable.text(rowCount: 600).split(
      separator: "\n", omittingEmptySubsequences: false
    )
    .map(String.init).filter { !$0.isEmpty && !$0.contains("\"") && $0.contains(",plain") }
    let header = TestTable.text(rowCount: 0)
    for (index, region) in ["1", "2", "north"].enumerated() {
      let path = "\(folder)/region=\(region)"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      let own = lines.enumerated().filter { $0.offset % 3 == index }.map(\.element)
      let text = header + own.joined(separator: "\n") + "\n"
      try text.write(toFile: "\(path)/part.csv", atomically: true, encoding: .utf8)
    }
  }

  private func jobFile(_ name: String, _ table: String, in sandbox: Sandbox) throws -> String {
    let text = """
      displayName: hive
      model: \(TestTable.model)
      inputConfig:
        uris: [\(table)]
        hivePartitioning: true
        schema: {flight: text, distance: float}
      outputConfig:
        uri: \(sandbox.path(name))
        predictionsFormat: parquet
      blockByteCount: 8192
      """
    let file = sandbox.path("\(name).yaml")
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }

  @Test(arguments: Change.allCases)
  func theMergeGivesTheSameBytes(change: Change) async throws {
    let fleet = try await TestFleet(
      rowCount: 10, badRows: [],
      environment: ["NIGHTSHIFT_FAILPOINT": "coordinator.merging=kill"])
    let (sandbox, table) = (fleet.sandbox, fleet.sandbox.path("table"))
    try writeTable(table)
    let worker = try fleet.startWorker()
    let submit = try fleet.client(["submit", jobFile("killed", table, in: sandbox), "--wait"])
    #expect(
      await fleet.coordinator.wait(.seconds(40)) == 128 + SIGKILL,
      "\(fleet.coordinator.errors) \(submit.errors)")
    let first = "\(table)/region=1/part.csv"
    let text = try String(contentsOfFile: first, encoding: .utf8)
    switch change {
    case .none: break
    case .missing: try FileManager.default.removeItem(atPath: "\(table)/region=1")
    case .replaced:
      // Other columns, and other types of them.
      try "a,b\n1,x\n".write(toFile: first, atomically: true, encoding: .utf8)
    }
    try await fleet.restartCoordinator()
    #expect(await submit.wait() == 0, "\(submit.errors) \(fleet.coordinator.errors)")

    try FileManager.default.createDirectory(
      atPath: "\(table)/region=1", withIntermediateDirectories: true)
    try text.write(toFile: first, atomically: true, encoding: .utf8)
    let undisturbed = try fleet.client(
      ["submit", jobFile("undisturbed", table, in: sandbox), "--wait"])
    #expect(await undisturbed.wait() == 0, "\(undisturbed.errors)")
    let published = try Publication(below: sandbox.path("killed"))
    #expect(try published == Publication(below: sandbox.path("undisturbed")))
    #expect(published.files.keys.contains { $0.hasSuffix(".parquet") })
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }

  /// Before the last look at the inputs nobody knows whether they were changed under a reader.
  @Test func aChangeBeforeTheLastLookStopsTheJob() async throws {
    let fleet = try await TestFleet(
      environment: ["NIGHTSHIFT_FAILPOINT": "coordinator.committed=kill@4"])
    let worker = try fleet.startWorker()
    let submit = try fleet.submit()
    #expect(
      await fleet.coordinator.wait(.seconds(40)) == 128 + SIGKILL, "\(fleet.coordinator.errors)")
    try FileManager.default.removeItem(atPath: fleet.input)
    try await fleet.restartCoordinator()
    #expect(await submit.wait() == 1)
    #expect(submit.output.contains("input changed"), "\(submit.output) \(submit.errors)")
    #expect(Publication.isEmpty(fleet.output))
    worker.signal(SIGTERM)
    #expect(await worker.wait(.seconds(25)) == 0)
  }
}
