import Database
import Destinations
import Foundation
import Jobs
import Testing

/// Publications that are repeated, raced, cut off and crashed.
@Suite struct PublicationTests {
  private static let columns = [
    ResultColumn(name: "id", type: .integer), ResultColumn(name: "prediction", type: .number),
  ]

  private static func lines(_ count: Int) -> [[String]] {
    let lines = (1...count).map { "\($0),\($0 % 7).5" }
    return stride(from: 0, to: count, by: 500).map { Array(lines[$0..<min($0 + 500, count)]) }
  }

  private func destination(
    _ fixture: MergeFixture, _ uri: String, mode: JobRequest.WriteMode? = nil
  ) throws -> any Destination {
    try fixture.input(uri, table: "t", mode: mode, columns: Self.columns).makeDestination()
  }

  /// The answer to a COMMIT is lost, or the COMMIT is: either way the rows are there once.
  @Test(arguments: [1, 2, 3], [true, false])
  func aConnectionIsCutAtACommit(commit: Int, isForwarded: Bool) throws {
    let database = try TestDatabase()
    let fixture = try MergeFixture(shards: Self.lines(1_000))
    let proxy = try CuttingProxy(
      serverPort: database.server.port,
      cut: CuttingProxy.Cut(commit: commit, isForwarded: isForwarded))
    defer { proxy.stop() }
    let uri = "postgresql://tester:secret@127.0.0.1:\(proxy.port)/\(database.name)?sslmode=disable"
    let destination = try destination(fixture, uri)
    if commit == 1 {
      // The merge's own: it says so, and is made again by whoever resumes.
      let error = refusal { try destination.merge(fixture.placed) }
      #expect(error?.code == .database && error?.canBeRetried == true)
    }
    try destination.merge(fixture.placed)
    _ = try destination.publish()
    #expect(proxy.cuts == 1)
    #expect(try database.rows("SELECT count(*), sum(id) FROM t") == [["1000", "500500"]])
    #expect(try database.rows("SELECT count(*) FROM nightshift_commits") == [["1"]])
    #expect(
      try database.rows("SELECT count(*) FROM pg_class WHERE relname LIKE '%staging%'") == [["0"]])
  }

  @Test func ofTwoCoordinatorsOnePublishes() async throws {
    let database = try TestDatabase()
    let fixture = try MergeFixture(shards: Self.lines(3_000))
    let uri = database.server.text(database.name)
    for round in 1...3 {
      let input = fixture.input(
        uri, table: "t", mode: .append, columns: Self.columns, job: nil)
      let done = try await withThrowingTaskGroup(of: String.self) { group in
        for _ in 0..<2 {
          group.addTask {
            let destination = try input.makeDestination()
            // The other one may drop what this one has merged: then it merges again.
            for _ in 0..<10 {
              do {
                try destination.merge(fixture.placed)
                return try destination.publish()
              } catch let error as DestinationError where error.canBeRetried {
                if try destination.existingPublication() != nil {
                  return try destination.publish()
                }
              }
            }
            throw CancellationError()
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(Set(done).count == 1, "round \(round)")
      #expect(try database.rows("SELECT count(*), sum(id) FROM t") == [["3000", "4501500"]])
    }
  }

  @Test func aCrashEmptiesWhatWasMergedAndThatIsSeen() throws {
    let server = try TestServer()
    defer { try? server.command("remove") }
    let database = try TestDatabase("CREATE TABLE t (id bigint, prediction float8)", server: server)
    let fixture = try MergeFixture(shards: Self.lines(1_000))
    let destination = try destination(fixture, server.text(database.name), mode: .replace)
    try destination.merge(fixture.placed)
    try server.command("crash")
    // While it is away the job is only held up.
    let away = refusal { _ = try destination.existingPublication() }
    #expect(away?.code == .database && away?.canBeRetried == true)
    try server.command("restart")
    let lost = refusal { _ = try destination.publish() }
    #expect(lost?.code == .mergedIsLost && lost?.canBeRetried == true)
    #expect(lost?.context.contains("0 rows instead of 1000") == true, "\(lost?.context ?? "")")
    try destination.merge(fixture.placed)
    _ = try destination.publish()
    let connection = try server.connect(database.name)
    #expect(try connection.execute("SELECT count(*) FROM t").text(0, 0) == "1000")
    // What was published outlives the next crash.
    try server.command("crash")
    try server.command("restart")
    #expect(try destination.existingPublication() != nil)
    #expect(
      try server.connect(database.name).execute("SELECT count(*) FROM t").text(0, 0) == "1000")
  }

  @Test func damagedPartialsAreAllNamedAndNothingIsLeft() throws {
    let database = try TestDatabase()
    let fixture = try MergeFixture(shards: Self.lines(2_000))
    for index in [1, 3] {
      let handle = try FileHandle(forUpdating: URL(fileURLWithPath: fixture.placed[index].path))
      try handle.seek(toOffset: 7_000)
      try handle.write(contentsOf: [0xFF, 0x00, 0xFF])
      try handle.close()
    }
    let error = refusal {
      try destination(fixture, database.server.text(database.name)).merge(fixture.placed)
    }
    #expect(
      error?.code
        == .damaged([fixture.placed[1].committed, fixture.placed[3].committed]))
    #expect(
      try database.rows("SELECT count(*) FROM pg_class WHERE relname LIKE 'nightshift%'")
        == [["0"]])
  }

  @Test func missingAndForeignBlocksAreInconsistent() throws {
    let database = try TestDatabase()
    let fixture = try MergeFixture(shards: Self.lines(1_500))
    let uri = database.server.text(database.name)
    let short = refusal { try destination(fixture, uri).merge(Array(fixture.placed.dropLast())) }
    #expect(short?.code == .inconsistent)
    let swapped = refusal { try destination(fixture, uri).merge(fixture.placed.reversed()) }
    #expect(swapped?.code == .inconsistent)
    let unmerged = refusal { _ = try destination(fixture, uri).publish() }
    #expect(unmerged?.code == .mergedIsLost)
  }
}
