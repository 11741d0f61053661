import Database
import Foundation
import Testing

/// Connecting, asking, waiting and failing.
@Suite struct ConnectionTests {
  @Test func stringsAreTakenApart() throws {
    let target = try ConnectionTarget(
      "postgresql://anna:p%40ss@db.example:5433/sales?sslmode=prefer&table=public.my%20table")
    #expect(target.table == "public.my table")
    #expect(target.description == "postgresql://db.example:5433/sales")
    let keywords = try ConnectionTarget("host=db.example dbname=sales password=hush user=anna")
    #expect(keywords.table == nil)
    #expect(keywords.description == "postgresql://db.example/sales")
    #expect(ConnectionTarget.isOne("postgres://x") && !ConnectionTarget.isOne("sqlite:///x"))
  }

  @Test(arguments: [
    "postgresql://anna:hush%zz@host/db", "postgresql://anna:hush@host:notaport/db?what=hush",
    "host=x password='hush", "password=hush word", "postgresql://a:hush@h/d?table=%00",
    "postgresql://a:hush@h/d?table=a&table=b", "postgresql://a:hush@[::1/d",
  ])
  func badStringsAreNotRepeated(text: String) {
    let error = failure { _ = try ConnectionTarget(text) }
    #expect(error?.code == .invalidTarget)
    #expect(error?.context.contains("hush") == false)
    #expect(error?.context.contains("anna") == false)
  }

  @Test func theSessionIsTheSameWhateverTheServerSays() throws {
    let database = try TestDatabase()
    #expect(try database.rows("SHOW TimeZone") == [["UTC"]])
    #expect(try database.rows("SHOW DateStyle") == [["ISO, YMD"]])
    #expect(try database.rows("SELECT $$a$$, NULL, 'é'") == [["a", nil, "é"]])
  }

  @Test func secretsStayOutOfErrors() throws {
    let port = TestServer.shared.port
    for text in [
      "postgresql://tester:wrong-secret@127.0.0.1:\(port)/postgres",
      "host=127.0.0.1 port=\(port) user=nobody password=wrong-secret dbname=postgres",
    ] {
      let error = failure { _ = try Connection(ConnectionTarget(text)) }
      #expect(error?.code == .refused, "\(error?.context ?? "")")
      #expect(error?.context.contains("wrong-secret") == false)
    }
    let missing = failure { _ = try TestServer.shared.connect("no_such_database") }
    #expect(missing?.code == .missing)
    #expect(missing?.context.contains("no_such_database") == true)
    let unreachable = failure {
      _ = try Connection(ConnectionTarget("postgresql://x@127.0.0.1:1/postgres"))
    }
    #expect(unreachable?.code == .unreachable && unreachable?.isTransient == true)
  }

  @Test func errorsHaveTheirState() throws {
    let database = try TestDatabase("CREATE TABLE t (a int PRIMARY KEY)")
    let connection = database.connection
    func code(_ sql: String) -> (DatabaseError.Code?, String?) {
      let error = failure { try connection.execute(sql) }
      return (error?.code, error?.sqlState)
    }
    #expect(code("SELECT * FROM nowhere") == (.missing, "42P01"))
    #expect(code("SELECT b FROM t") == (.missing, "42703"))
    #expect(code("SELEC 1") == (.other, "42601"))
    #expect(code("SELECT 1; DROP TABLE t").1 == "42601")
    #expect(code("SELECT 1/0").0 == .wrongValue)
    try connection.execute("INSERT INTO t VALUES (1)")
    #expect(code("INSERT INTO t VALUES (1)") == (.conflict, "23505"))
    let secret = failure { try connection.execute("SELECT 'payload-4711'::int") }
    #expect(secret?.code == .wrongValue)
    #expect(secret?.context.contains("4711") == false)
    #expect(code("COPY t TO STDOUT").0 == .unsupported)
  }

  @Test func aWaitCanBeStopped() throws {
    let began = ContinuousClock.now
    let stops = ConnectionPatience(goesOn: { ContinuousClock.now - began < .milliseconds(300) })
    let database = try TestDatabase()
    let connection = try TestServer.shared.connect(database.name, patience: stops)
    let error = failure { try connection.execute("SELECT pg_sleep(30)") }
    #expect(error?.code == .cancelled)
    #expect(ContinuousClock.now - began < .seconds(5))
    // The server has given the statement up as well.
    var isBusy = true
    for _ in 0..<40 where isBusy {
      isBusy =
        try database.rows(
          "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sl%' AND state = 'active' "
            + "AND datname = '\(database.name)'") != []
      if isBusy { usleep(50_000) }
    }
    #expect(!isBusy)
  }

  @Test func aSilentServerTimesOut() throws {
    let patience = ConnectionPatience(silence: .milliseconds(200))
    let connection = try TestServer.shared.connect(patience: patience)
    let error = failure { try connection.execute("SELECT pg_sleep(30)") }
    #expect(error?.code == .timedOut)
  }

  @Test func aListenerThatNeverAnswersTimesOut() throws {
    let listener = try SilentListener()
    let patience = ConnectionPatience(connecting: .milliseconds(200))
    let text = "host=127.0.0.1 port=\(listener.port) user=x dbname=x"
    let error = failure { _ = try Connection(ConnectionTarget(text), patience: patience) }
    #expect(error?.code == .timedOut)
  }

  @Test func aKilledConnectionIsUnreachable() throws {
    let database = try TestDatabase()
    let victim = try TestServer.shared.connect(database.name)
    let number = try #require(try victim.execute("SELECT pg_backend_pid()").text(0, 0))
    try database.connection.execute("SELECT pg_terminate_backend(\(number))")
    usleep(100_000)
    let error = failure { try victim.execute("SELECT 1") }
    #expect(error?.code == .unreachable, "\(String(describing: error))")
    #expect(failure { try victim.execute("SELECT 1") }?.code == .unreachable)
  }

  @Test(arguments: [
    ("t", #""t""#), ("s.t", #""s"."t""#), (#""a.b"."c""d""#, #""a.b"."c""d""#),
    (#""Robert'); DROP TABLE x;--""#, #""Robert'); DROP TABLE x;--""#), ("Großß", #""Großß""#),
  ])
  func tableNamesAreQuoted(text: String, expected: String) throws {
    #expect(try TableName(parsing: text).quoted == expected)
  }

  @Test(arguments: ["", ".", "a.", ".a", "a.b.c", #""a"#, #""a"b"#, "a\"b", #""""#, "a\0b"])
  func impossibleTableNamesAreRefused(text: String) {
    #expect(failure { _ = try TableName(parsing: text) }?.code == .invalidTarget)
  }

  @Test func namesThatWouldBeCutOffAreRefused() {
    let name = String(repeating: "é", count: 32)
    #expect(failure { _ = try SQL.quoted(name) }?.context.contains("64 bytes") == true)
    #expect(failure { _ = try SQL.quoted(name + "x\n") }?.context.contains("\n") == false)
  }

  @Test func literalsStandForThemselves() throws {
    let database = try TestDatabase()
    let text = "it's \\ \"x\"\n%"
    #expect(try database.rows("SELECT" + SQL.literal(text)) == [[text]])
    try database.connection.execute("SET standard_conforming_strings = off")
    #expect(try database.rows("SELECT" + SQL.literal(text)) == [[text]])
  }
}

/// A port that takes connections and says nothing.
final class SilentListener {
  private let descriptor: Int32
  let port: Int

  init() throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    port = try listenOnLoopback(descriptor)
  }

  deinit { close(descriptor) }
}

/// Binds a socket to a free port.
func listenOnLoopback(_ descriptor: Int32) throws -> Int {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  var size = socklen_t(MemoryLayout<sockaddr_in>.size)
  let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer -> Int32 in
      guard unsafe bind(descriptor, pointer, size) == 0, listen(descriptor, 16) == 0 else {
        return -1
      }
      return unsafe getsockname(descriptor, pointer, &size)
    }
  }
  try #require(status == 0)
  return Int(UInt16(bigEndian: address.sin_port))
}
