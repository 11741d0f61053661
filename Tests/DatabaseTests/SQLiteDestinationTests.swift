import Database
import Destinations
import Foundation
import Jobs
import Testing

/// Tables of SQLite files as destinations.
@Suite struct SQLiteDestinationTests {
  private func rows(_ path: String, _ sql: String) throws -> [[String?]] {
    try SQLiteConnection(path: path).execute(sql)
  }

  @Test func everythingArrivesOnce() throws {
    let fixture = try MergeFixture(shards: MergeFixture.mixedLines())
    let path = fixture.root + "/a b.db"
    let uri = "sqlite://" + path.replacing(" ", with: "%20")
    let input = fixture.input(uri, table: "\"Tab;le\n\"")
    let destination = try input.makeDestination()
    #expect(try destination.existingPublication() == nil)
    let outputs = try destination.merge(fixture.placed)
    #expect(outputs.map(\.records) == [7, 2])
    let published = try destination.publish()
    #expect(
      try rows(path, "SELECT * FROM \"Tab;le\n\" ORDER BY rowid") == [
        ["1", "plain", "0.5", "yes", "0.25"], ["2", "with \"quotes\", and,\\", "1.0", "no", "2.0"],
        ["3", nil, nil, nil, nil], ["4", "NA", "Inf", "NA", "-1.0e+300"],
        ["5", "two\nlines", "1.5", "None", "7.0"], ["6", "", nil, "x", "8.0"],
        ["7", "\\.", "0.0", "y", "9.0"],
      ])
    #expect(
      try rows(path, "SELECT * FROM \"Tab;le\n_errors\" ORDER BY record_ordinal") == [
        [
          "\(fixture.job)", "1", "/in/0.csv", "4", "17", "BAD", "it's bad", "a\u{FFFD}b\\u0000",
        ],
        ["\(fixture.job)", "2", "/in/2.csv", "4", "0", "WORSE", "", ""],
      ])
    let receipt = try #require(try rows(path, "SELECT receipt FROM nightshift_commits")[0][0])
    #expect(receipt.contains("\"conservation\": \"9 read = 7 ok + 2 error + 0 filtered\""))
    #expect(try input.makeDestination().publish() == published)
    #expect(try input.makeDestination().existingPublication() == published)
    #expect(try rows(path, "SELECT count(*) FROM \"Tab;le\n\"") == [["7"]])
    let unmerged = try fixture.input(uri, table: "t", job: JobID(7)).makeDestination()
    #expect(refusal { _ = try unmerged.publish() }?.code == .mergedIsLost)
  }

  /// Text with a NUL is stored whole.
  @Test func textWithNULIsStored() throws {
    let fixture = try MergeFixture(shards: [["1,a\u{0}b,1,c,2"]])
    let path = fixture.root + "/nul.db"
    let destination = try fixture.input("sqlite://" + path, table: "t").makeDestination()
    try destination.merge(fixture.placed)
    _ = try destination.publish()
    #expect(try rows(path, "SELECT hex(\"na\"\"me\n\") FROM t") == [["610062"]])
  }

  @Test func modesAndJournals() throws {
    let columns = [
      ResultColumn(name: "id", type: .integer), ResultColumn(name: "flag", type: .boolean),
      ResultColumn(name: "prediction", type: .float),
    ]
    let folder = try MergeFixture(shards: [["1"]])
    let path = folder.root + "/x.db"
    #expect(try rows(path, "PRAGMA journal_mode = WAL") == [["wal"]])
    _ = try rows(path, "CREATE TABLE t (prediction, flag, id UNIQUE, note DEFAULT 'new')")
    _ = try rows(path, "INSERT INTO t VALUES (0, 0, 1, 'old'), (0, 0, 50, 'old')")
    func publish(_ lines: [String], _ mode: JobRequest.WriteMode?, _ keys: [String]? = nil) throws {
      let fixture = try MergeFixture(shards: [lines])
      let destination = try fixture.input(
        "sqlite://\(path)?table=t", mode: mode, keys: keys, columns: columns
      ).makeDestination()
      try destination.merge(fixture.placed)
      _ = try destination.publish()
    }
    func table() throws -> [[String?]] {
      try rows(path, "SELECT id, flag, prediction, note FROM t ORDER BY id")
    }
    try publish(["2,true,3"], nil)
    #expect(
      try table() == [
        ["1", "0", "0", "old"], ["2", "1", "3.0", "new"], ["50", "0", "0", "old"],
      ])
    try publish(["1,true,1", "3,true,1", "1,false,2", "3,,2", "1,true,3"], .upsert, ["id"])
    #expect(
      try table() == [
        ["1", "1", "3.0", "old"], ["2", "1", "3.0", "new"], ["3", nil, "2.0", "new"],
        ["50", "0", "0", "old"],
      ])
    #expect(
      try rows(path, "SELECT superseded_count FROM nightshift_commits ORDER BY rowid")
        == [["0"], ["3"]])
    try publish(["9,0,9"], .replace)
    #expect(try table() == [["9", "0", "9.0", "new"]])
    #expect(try rows(path, "PRAGMA journal_mode") == [["wal"]])
    #expect(
      refusal { try publish(["x,0,9"], nil) }?.context.contains("\"id\" is no integer") == true)
    #expect(refusal { try publish([",0,9"], .upsert, ["id"]) }?.code == .database)
    #expect(try table() == [["9", "0", "9.0", "new"]])
  }

  @Test func ofTwoCoordinatorsOnePublishes() async throws {
    let lines = (1...2_000).map { "\($0),1" }
    let fixture = try MergeFixture(shards: [lines])
    let input = fixture.input(
      "sqlite://\(fixture.root)/x.db", table: "t",
      columns: [
        ResultColumn(name: "id", type: .integer), ResultColumn(name: "prediction", type: .number),
      ])
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<3 {
        group.addTask {
          let destination = try input.makeDestination()
          try destination.merge(fixture.placed)
          _ = try destination.publish()
        }
      }
      try await group.waitForAll()
    }
    #expect(try rows("\(fixture.root)/x.db", "SELECT count(*) FROM t") == [["2000"]])
    #expect(try rows("\(fixture.root)/x.db", "SELECT count(*) FROM nightshift_commits") == [["1"]])
  }

  @Test func whatCannotBeIsRefused() throws {
    let fixture = try MergeFixture(shards: [["1"]])
    let columns = [ResultColumn(name: "id", type: .integer)]
    func error(_ uri: String, table: String? = "t") -> DestinationError? {
      refusal {
        let destination = try fixture.input(uri, table: table, columns: columns).makeDestination()
        try destination.merge(fixture.placed)
        _ = try destination.publish()
      }
    }
    #expect(error("sqlite://relative.db")?.code == .inconsistent)
    #expect(error("sqlite:///\(fixture.root)/x.db?table=a")?.code == .inconsistent)
    #expect(error("sqlite://\(fixture.root)/x.db", table: "s.t")?.code == .inconsistent)
    #expect(error("sqlite:///no/such/folder/x.db")?.code == .database)
    try Data(repeating: 7, count: 9_000).write(to: URL(fileURLWithPath: fixture.root + "/no.db"))
    #expect(error("sqlite://\(fixture.root)/no.db")?.code == .database)
    _ = try rows(fixture.root + "/s.db", "CREATE TABLE t (id TEXT CHECK (id <> '1')) STRICT")
    #expect(error("sqlite://\(fixture.root)/s.db")?.context.contains("CHECK") == true)
    #expect(try rows(fixture.root + "/s.db", "SELECT count(*) FROM t") == [["0"]])
  }
}
