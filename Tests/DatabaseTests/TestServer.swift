import Database
import Foundation
import Synchronization
import Testing

/// A private PostgreSQL server, made by `Tests/Fixtures/postgres_server`.
final class TestServer: Sendable {
  let folder: String
  let port: Int

  /// The one that all tests share; none of them stops it.
  static let shared: TestServer = {
    guard let server = try? TestServer() else { fatalError("no PostgreSQL server for the tests") }
    atexit { try? TestServer.shared.command("remove") }
    return server
  }()

  /// Starts a server of a test's own.
  init() throws {
    folder = NSTemporaryDirectory() + "nightshift-postgres-" + UUID().uuidString.prefix(8)
    try Self.run("start", folder)
    let text = try String(contentsOfFile: folder + "/port", encoding: .utf8)
    port = try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
  }

  /// Passes a verb on to the script.
  func command(_ verb: String) throws { try Self.run(verb, folder) }

  private static func run(_ verb: String, _ folder: String) throws {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Fixtures/postgres_server")
    let process = Process()
    process.executableURL = script
    process.arguments = [verb, folder]
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure(verb: verb) }
  }

  struct Failure: Error {
    let verb: String
  }

  // MARK: Databases

  private static let databaseCount = Mutex(0)

  /// The connection string of a database.
  func text(_ database: String = "postgres", table: String? = nil) -> String {
    let query = table.map { "?table=\($0)" } ?? ""
    return "postgresql://tester:secret@127.0.0.1:\(port)/\(database)\(query)"
  }

  /// A new database of a test's own, so that tests do not see each other's tables.
  func makeDatabase() throws -> String {
    let name = "test_\(Self.databaseCount.withLock { $0 += 1; return $0 })"
    try connect().execute("CREATE DATABASE \(name) TEMPLATE template0")
    return name
  }

  func connect(
    _ database: String = "postgres", patience: ConnectionPatience = ConnectionPatience()
  ) throws -> Connection {
    try Connection(ConnectionTarget(text(database)), patience: patience)
  }
}

/// A database with a connection to it.
struct TestDatabase {
  let name: String
  let connection: Connection
  let server: TestServer

  init(_ statements: String..., server: TestServer = .shared) throws {
    self.server = server
    name = try server.makeDatabase()
    connection = try server.connect(name)
    for statement in statements { try connection.execute(statement) }
  }

  var target: ConnectionTarget {
    get throws { try ConnectionTarget(server.text(name)) }
  }

  /// The rows of a statement as text.
  func rows(_ sql: String) throws -> [[String?]] {
    let answer = try connection.execute(sql)
    return (0..<answer.rowCount).map { row in
      (0..<answer.columnCount).map { answer.text(row, $0) }
    }
  }
}

/// What a call fails with.
func failure(_ body: () throws -> Void) -> DatabaseError? {
  do {
    try body()
    return nil
  } catch {
    return error as? DatabaseError
  }
}
