import Database
import Destinations
import Foundation
import Jobs
import Testing

/// Tables of PostgreSQL as destinations: whole, once, or not at all.
@Suite struct PostgresDestinationTests {
  private let server = TestServer.shared

  private func uri(_ database: TestDatabase) -> String { server.text(database.name) }

  @Test func everythingArrivesOnce() throws {
    let database = try TestDatabase("CREATE SCHEMA \"odd \"\"one\"")
    let fixture = try MergeFixture(shards: MergeFixture.mixedLines())
    let input = fixture.input(uri(database), table: "\"odd \"\"one\".\"Tab;le\n\"")
    let destination = try input.makeDestination()
    #expect(try destination.existingPublication() == nil)
    let outputs = try destination.merge(fixture.placed)
    #expect(outputs.map(\.records) == [7, 2])
    let published = try destination.publish()
    #expect(published.hasPrefix("postgresql://127.0.0.1") && !published.contains("secret"))
    #expect(!published.contains("\n"))
    let table = "\"odd \"\"one\".\"Tab;le\n\""
    #expect(
      try database.rows("SELECT * FROM \(table)") == [
        ["1", "plain", "0.5", "yes", "0.25"], ["2", "with \"quotes\", and,\\", "1", "no", "2"],
        ["3", nil, nil, nil, nil], ["4", "NA", "Infinity", "NA", "-1e+300"],
        ["5", "two\nlines", "1.5", "None", "7"], ["6", "", nil, "x", "8"],
        ["7", "\\.", "-0", "y", "9"],
      ])
    #expect(
      try database.rows(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
          + "WHERE attrelid = '\(table)'::regclass AND attnum > 0 ORDER BY attnum") == [
          ["id", "bigint"], ["na\"me\n", "text"], ["score", "double precision"],
          ["label", "text"], ["prediction", "double precision"],
        ])
    let errors = "\"odd \"\"one\".\"Tab;le\n_errors\""
    #expect(
      try database.rows("SELECT * FROM \(errors) ORDER BY record_ordinal") == [
        [
          "\(fixture.job)", "1", "/in/0.csv", "4", "17", "BAD", "it's bad", "a\u{FFFD}b\\u0000",
        ],
        ["\(fixture.job)", "2", "/in/2.csv", "4", "0", "WORSE", "", ""],
      ])
    let receipt = try #require(
      try database.rows("SELECT receipt FROM \"odd \"\"one\".nightshift_commits")[0][0])
    #expect(receipt.contains("\"conservation\": \"9 read = 7 ok + 2 error + 0 filtered\""))
    #expect(receipt.contains("\"written\": 7") && !receipt.contains("secret"))
    #expect(!receipt.contains("tester"))
    #expect(try JSONSerialization.jsonObject(with: Data(receipt.utf8)) is [String: Any])
    // Nothing is left, and a second publication changes nothing.
    #expect(
      try database.rows("SELECT count(*) FROM pg_class WHERE relname LIKE '%staging%'") == [["0"]])
    #expect(try destination.publish() == published)
    #expect(try input.makeDestination().publish() == published)
    #expect(try input.makeDestination().existingPublication() == published)
    #expect(try database.rows("SELECT count(*) FROM \(table)") == [["7"]])
  }

  @Test func errorsGoToTheTableThatIsNamed() throws {
    let fixture = try MergeFixture(shards: MergeFixture.mixedLines())
    for (name, table) in [("bad", "public.bad"), ("quarantine.bad", "quarantine.bad")] {
      let database = try TestDatabase("CREATE SCHEMA quarantine")
      var input = fixture.input(uri(database), table: "scores")
      input.request.outputConfig.errorsUri = name
      let destination = try input.makeDestination()
      try destination.merge(fixture.placed)
      // Not there before the commit row is, and there with it; a retry changes nothing.
      #expect(try database.rows("SELECT to_regclass('\(table)')") == [[nil]])
      _ = try destination.publish()
      _ = try input.makeDestination().publish()
      #expect(try database.rows("SELECT count(*) FROM \(table)") == [["2"]])
      #expect(
        try database.rows("SELECT job FROM \(table) LIMIT 1") == [["\(input.job)"]])
      let receipt = try database.rows(
        "SELECT receipt FROM nightshift_commits WHERE job = '\(input.job)'")
      #expect(receipt[0][0]?.contains("\"errorsTable\": \"\(name)\"") == true)
      #expect(try database.rows("SELECT to_regclass('scores_errors')") == [[nil]])
    }
    let database = try TestDatabase()
    for (name, words) in [
      ("scores", "the table of the predictions"), ("s3://bucket/x", "one of its tables"),
      ("/var/errors", "one of its tables"),
    ] {
      var input = fixture.input(uri(database), table: "scores")
      input.request.outputConfig.errorsUri = name
      let error = refusal { _ = try input.makeDestination() }
      #expect(error?.context.contains(words) == true, "\(name)")
    }
  }

  @Test func appendReplaceAndUpsert() throws {
    let database = try TestDatabase(
      "CREATE TABLE t (score float8, id int UNIQUE, prediction float4, note text DEFAULT 'new')",
      "INSERT INTO t VALUES (0, 1, 0, 'old'), (0, 50, 0, 'old')")
    let columns = [
      ResultColumn(name: "id", type: .integer), ResultColumn(name: "score", type: .number),
      ResultColumn(name: "prediction", type: .number),
    ]
    func publish(_ lines: [String], _ mode: JobRequest.WriteMode?, _ keys: [String]? = nil) throws {
      let fixture = try MergeFixture(shards: [lines])
      let destination = try fixture.input(
        uri(database) + "?table=t", mode: mode, keys: keys, columns: columns
      ).makeDestination()
      try destination.merge(fixture.placed)
      _ = try destination.publish()
    }
    func table() throws -> [[String?]] {
      try database.rows("SELECT id, score, prediction, note FROM t ORDER BY id")
    }
    try publish(["2,1.5,3"], nil)
    #expect(
      try table() == [["1", "0", "0", "old"], ["2", "1.5", "3", "new"], ["50", "0", "0", "old"]])
    // Of equal keys the last wins, in the order of the input.
    try publish(["1,1,1", "3,1,1", "1,2,2", "3,2,2", "1,3,3"], .upsert, ["id"])
    #expect(
      try table() == [
        ["1", "3", "3", "old"], ["2", "1.5", "3", "new"], ["3", "2", "2", "new"],
        ["50", "0", "0", "old"],
      ])
    #expect(
      try database.rows("SELECT superseded_count FROM nightshift_commits ORDER BY committed_at")
        == [["0"], ["3"]])
    let receipt = try database.rows(
      "SELECT receipt::json->'destination'->>'superseded', receipt::json->'destination'->>'written' "
        + "FROM nightshift_commits ORDER BY committed_at")
    #expect(receipt == [["0", "1"], ["3", "2"]])
    try publish(["9,9,9"], .replace)
    #expect(try table() == [["9", "9", "9", "new"]])
  }

  @Test func upsertMakesItsTableWithTheKey() throws {
    let database = try TestDatabase()
    for value in [1, 2] {
      let fixture = try MergeFixture(shards: [["7,\(value)"], ["8,\(value)"]])
      let destination = try fixture.input(
        uri(database), table: "t", mode: .upsert, keys: ["id"],
        columns: [
          ResultColumn(name: "id", type: .integer), ResultColumn(name: "prediction", type: .float),
        ]
      ).makeDestination()
      try destination.merge(fixture.placed)
      _ = try destination.publish()
    }
    #expect(try database.rows("SELECT * FROM t ORDER BY id") == [["7", "2"], ["8", "2"]])
  }

  /// What is refused, when, and that nothing is changed by it.
  @Test func whatDoesNotFitIsRefused() throws {
    let database = try TestDatabase(
      "CREATE TABLE t (id int, score int)", "INSERT INTO t VALUES (1, 1)",
      "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
      "CREATE TABLE swallowing (id int, score float8)",
      "CREATE TRIGGER skip BEFORE INSERT ON swallowing FOR EACH ROW EXECUTE FUNCTION skip()")
    let columns = [
      ResultColumn(name: "id", type: .integer), ResultColumn(name: "score", type: .number),
    ]
    func error(
      _ lines: [String], _ table: String?, _ mode: JobRequest.WriteMode? = nil,
      keys: [String]? = nil, columns: [ResultColumn] = columns
    ) throws -> DestinationError? {
      let fixture = try MergeFixture(shards: [lines])
      return refusal {
        let destination = try fixture.input(
          uri(database), table: table, mode: mode, keys: keys, columns: columns
        ).makeDestination()
        try destination.merge(fixture.placed)
        _ = try destination.publish()
      }
    }
    // A fraction is not rounded into an integer column, and the value is not told.
    let fraction = try error(["1,1", "2,47.11"], "t")
    #expect(fraction?.code == .database)
    #expect(fraction?.context.contains("column \"score\"") == true, "\(fraction?.context ?? "")")
    #expect(fraction?.context.contains("47.11") == false)
    #expect(fraction?.context.contains("row 2 of /in/0.csv, result 2") == true)
    let missing = try error(
      ["1,1"], "t",
      columns: [
        ResultColumn(name: "id", type: .integer), ResultColumn(name: "extra", type: .number),
      ])
    #expect(missing?.context.contains("no column \"extra\"") == true)
    let noIndex = try error(["1,1"], "t", .upsert, keys: ["id"])
    #expect(noIndex?.context.contains("42P10") == true)
    let nullKey = try error([",1", "2,1"], "fresh", .upsert, keys: ["id"])
    #expect(nullKey?.context.contains("no value in the upsert key") == true)
    #expect(try error(["1,1"], "swallowing")?.context.contains("0 rows of 1") == true)
    #expect(try error(["1,1"], nil)?.context.contains("name the table once") == true)
    #expect(try error(["1,1"], "nowhere.t")?.context.contains("3F000") == true)
    #expect(try error(["1,1"], "t", .upsert)?.code == .inconsistent)
    #expect(try error(["1,1"], "t", .append, keys: ["id"])?.code == .inconsistent)
    #expect(try error(["1,1"], "t", .upsert, keys: ["other"])?.code == .inconsistent)
    let twice = [ResultColumn(name: "a", type: .text), ResultColumn(name: "a", type: .text)]
    #expect(try error(["1,1"], "t", columns: twice)?.code == .inconsistent)
    let long = String(repeating: "x", count: 60)
    #expect(try error(["1,1"], long)?.context.contains("at most 63") == true)
    #expect(try error(["1,1,1"], "t")?.code != nil)
    #expect(try database.rows("SELECT * FROM t") == [["1", "1"]])
    #expect(
      try database.rows("SELECT count(*) FROM pg_class WHERE relname IN ('fresh', 'fresh_errors')")
        == [["0"]])
  }

  /// A value that a table does not take is named by its place, and what to do about it.
  @Test func whatATableDoesNotTakeIsLocated() throws {
    let database = try TestDatabase(
      "CREATE TABLE t (id int, note varchar(9), score float8 NOT NULL)",
      "CREATE DOMAIN small AS int CHECK (VALUE < 10)", "CREATE TABLE s (id small)")
    let columns = [
      ResultColumn(name: "id", type: .integer), ResultColumn(name: "note", type: .text),
      ResultColumn(name: "score", type: .number),
    ]
    let error = #"{"instance":"","error":{"code":"","message":""},"source":"","offset":0}"#
    func context(_ lines: [[String]], table: String = "t", count: Int = 3) throws -> String {
      let fixture = try MergeFixture(shards: lines)
      let refused = refusal {
        let destination = try fixture.input(
          uri(database), table: table, columns: Array(columns.prefix(count))
        ).makeDestination()
        try destination.merge(fixture.placed)
      }
      #expect(refused?.code == .database)
      return refused?.context ?? ""
    }
    // Line feeds in quotes count as lines of the COPY, not as records.
    let first = ["1,\"two\nlines\",1", "2,\"a\n\"\"b\n\",1"]
    let range = try context([first, ["3,,1", "9999999999,,1"]])
    #expect(range.contains("a number lies outside of what the column takes, column \"id\" (22003)"))
    #expect(range.contains("row 2 of /in/1.csv, result 4"), "\(range)")
    #expect(range.contains("change the column, or submit the job again without the record"))
    let long = try context([first, ["3,0123456789,1"]])
    #expect(long.contains("a text is longer than the column takes"), "\(long)")
    #expect(long.contains("row 1 of /in/1.csv, result 3"), "\(long)")
    let missing = try context([first, [error, "3,x,", "4,x,1"]])
    #expect(missing.contains("no value where the column needs one (NOT NULL), column \"score\""))
    #expect(missing.contains("one of the rows 1 to 2 of /in/1.csv, result 3"), "\(missing)")
    // What ends the first record tells the server what ends a line: both CR and CRLF before that.
    let returns = "1,\"a\r\n\r\rb\n\",1"
    for rows in [[returns, "2,,1", "3,x,"], [returns, "2,\"a\r\nb\r\",1", "3,x,"]] {
      let returned = try context([[], rows, []])
      #expect(returned.contains("row 3 of /in/1.csv, result 3"), "\(returned)")
    }
    let inFirst = try context([["1,\"one\r\ntwo\",", "2,,1"]])
    #expect(inFirst.contains("row 1 of /in/0.csv, result 1"), "\(inFirst)")
    let domain = try context([["9", "10"]], table: "s", count: 1)
    #expect(domain.contains("row 2 of /in/0.csv, result 2"), "\(domain)")
    #expect(try database.rows("SELECT * FROM t") == [])
  }

  /// Blocks without a result, as a filter leaves them, do not move where results come from.
  @Test func emptyBlocksDoNotHideTheRow() throws {
    let database = try TestDatabase("CREATE TABLE t (id int)")
    let empty = [[String]](repeating: [], count: 300)
    let fixture = try MergeFixture(shards: [["1", "2"]] + empty + [["3", "4", "x"]] + empty)
    let refused = refusal {
      let destination = try fixture.input(
        uri(database), table: "t", columns: [ResultColumn(name: "id", type: .integer)]
      ).makeDestination()
      try destination.merge(fixture.placed)
    }
    #expect(
      refused?.context.contains("row 3 of /in/301.csv, result 5") == true,
      "\(refused?.context ?? "")")
  }

  /// A trigger may fill a column that has to have a value.
  @Test func aTriggerFillsWhatIsMissing() throws {
    let database = try TestDatabase(
      "CREATE TABLE t (id int, note text NOT NULL)",
      """
      CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS \
      'BEGIN NEW.note := coalesce(NEW.note, ''filled''); RETURN NEW; END'
      """,
      "CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION fill()",
      "CREATE TABLE after (id int, note text NOT NULL)",
      "CREATE TRIGGER fill AFTER INSERT ON after FOR EACH ROW EXECUTE FUNCTION fill()")
    func publish(_ lines: [String], _ table: String) throws {
      let fixture = try MergeFixture(shards: [lines])
      let destination = try fixture.input(
        uri(database), table: table,
        columns: [
          ResultColumn(name: "id", type: .integer), ResultColumn(name: "note", type: .text),
        ]
      ).makeDestination()
      try destination.merge(fixture.placed)
      _ = try destination.publish()
    }
    try publish(["1,own", "2,"], "t")
    #expect(try database.rows("SELECT * FROM t ORDER BY id") == [["1", "own"], ["2", "filled"]])
    // A trigger that comes too late, and one that is off, do not: the row is named as before.
    _ = try database.rows("ALTER TABLE t DISABLE TRIGGER fill")
    for table in ["after", "t"] {
      let context = refusal { try publish(["1,own", "2,"], table) }?.context
      #expect(context?.contains("row 2 of /in/0.csv, result 2") == true, "\(context ?? "")")
    }
  }

  /// A job that ends without a publication leaves no tables of its own.
  @Test func whatIsNotPublishedIsDropped() throws {
    let database = try TestDatabase()
    let fixture = try MergeFixture(shards: [["1"], ["2"]])
    let columns = [ResultColumn(name: "id", type: .integer)]
    let input = fixture.input(uri(database), table: "t", columns: columns)
    let staging = "SELECT count(*) FROM pg_class WHERE relname LIKE '%staging%'"
    try input.makeDestination().discard()
    try input.makeDestination().merge(fixture.placed)
    #expect(try database.rows(staging) != [["0"]])
    // A later life knows neither the columns nor what was merged.
    try fixture.input(uri(database), table: "t", columns: []).makeDestination().discard()
    #expect(try database.rows(staging) == [["0"]])
    let destination = try input.makeDestination()
    try destination.merge(fixture.placed)
    _ = try destination.publish()
    try input.makeDestination().discard()
    #expect(try database.rows("SELECT * FROM t ORDER BY id") == [["1"], ["2"]])
    #expect(try destination.existingPublication() != nil)
  }

  /// A job whose inputs are allowed to be none publishes nothing, which empties a table to replace.
  @Test func aJobWithoutInputsEnds() throws {
    let database = try TestDatabase("CREATE TABLE t (id int)")
    let fixture = try MergeFixture(shards: [])
    let file = fixture.root + "/x.db"
    _ = try SQLiteConnection(path: file).execute("CREATE TABLE t (id)")
    for (uri, rows) in [
      (uri(database), { try database.rows($0) }),
      ("sqlite://" + file, { try SQLiteConnection(path: file).execute($0) }),
    ] as [(String, (String) throws -> [[String?]])] {
      _ = try rows("INSERT INTO t VALUES (1)")
      func publish(_ table: String, _ mode: JobRequest.WriteMode) throws {
        let input = fixture.input(
          uri, table: table, mode: mode, keys: mode == .upsert ? ["id"] : nil, columns: [],
          job: JobID(.random(in: 1 ... .max)))
        let destination = try input.makeDestination()
        try destination.merge([])
        _ = try destination.publish()
        #expect(try destination.existingPublication() != nil)
      }
      for table in ["t", "fresh"] {
        try publish(table, .append)
        try publish(table, .upsert)
        if table == "t" { #expect(try rows("SELECT * FROM t") == [["1"]]) }
        try publish(table, .replace)
      }
      #expect(try rows("SELECT count(*) FROM t") == [["0"]])
      #expect(try rows("SELECT count(*) FROM nightshift_commits") == [["6"]])
    }
  }

  /// Whether a job has published is asked before the columns of its results are known.
  @Test func aPublicationIsFoundWithoutColumns() throws {
    let database = try TestDatabase()
    let fixture = try MergeFixture(shards: [["1"]])
    for uri in [uri(database), "sqlite://\(fixture.root)/x.db"] {
      let asked = fixture.input(uri, table: "t", mode: .upsert, keys: ["id"], columns: [])
      #expect(try asked.makeDestination().existingPublication() == nil)
      let destination = try fixture.input(
        uri, table: "t", mode: .upsert, keys: ["id"],
        columns: [ResultColumn(name: "id", type: .integer)]
      ).makeDestination()
      try destination.merge(fixture.placed)
      let published = try destination.publish()
      #expect(try asked.makeDestination().existingPublication() == published)
    }
  }

  @Test func namesCannotBecomeStatements() throws {
    let database = try TestDatabase("CREATE TABLE victim (a int)")
    let evil = #"x"; DROP TABLE victim; --"#
    let fixture = try MergeFixture(shards: [["1,2"]])
    let destination = try fixture.input(
      uri(database), table: "\"x\"\"; DROP TABLE victim; --\"", mode: .upsert, keys: [evil],
      columns: [
        ResultColumn(name: evil, type: .integer),
        ResultColumn(name: "c1\" = 1); DROP TABLE victim; --", type: .integer),
      ]
    ).makeDestination()
    try destination.merge(fixture.placed)
    _ = try destination.publish()
    #expect(try database.rows("SELECT * FROM \"x\"\"; DROP TABLE victim; --\"") == [["1", "2"]])
    #expect(try database.rows("SELECT count(*) FROM victim") == [["0"]])
  }

  @Test func withoutPermissionNothingHappens() throws {
    let name = "reader_\(UInt32.random(in: 0 ... .max))"
    let database = try TestDatabase(
      "CREATE TABLE t (id bigint)", "CREATE ROLE \(name) LOGIN PASSWORD 'hush-hush'")
    let fixture = try MergeFixture(shards: [["1"]])
    let uri = "postgresql://\(name):hush-hush@127.0.0.1:\(server.port)/\(database.name)"
    let destination = try fixture.input(
      uri, table: "t", columns: [ResultColumn(name: "id", type: .integer)]
    ).makeDestination()
    let error = refusal { try destination.merge(fixture.placed) }
    #expect(error?.code == .database && error?.canBeRetried == true)
    #expect(error?.context.contains("42501") == true && error?.context.contains("hush") == false)
    #expect(try database.rows("SELECT count(*) FROM t") == [["0"]])
  }

  @Test func anotherDelimiterIsCopiedAsItIs() throws {
    let database = try TestDatabase()
    let fixture = try MergeFixture(shards: [["1\ta,b\t-\t\"x\ty\"\t4"]])
    let destination = try fixture.input(
      uri(database), table: "t", delimiter: "\t", nullWords: ["-"]
    ).makeDestination()
    try destination.merge(fixture.placed)
    _ = try destination.publish()
    #expect(try database.rows("SELECT * FROM t") == [["1", "a,b", nil, "x\ty", "4"]])
  }
}
