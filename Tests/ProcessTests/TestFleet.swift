import Foundation
import Glibc

/// A real coordinator on loopback, its workers, and one job over the test table.
final class TestFleet {
  let sandbox: Sandbox
  /// The table, as a file and as the job reads it.
  let table: String
  let input: String
  let output: String
  /// How results and errors are packed.
  var compression = "zstd"
  /// Where the output is, unless it is a folder.
  private let store: StoreServers?
  private(set) var coordinator: Program
  private let port: Int
  /// More options of each coordinator, and what starts it.
  private let options: [String]
  private let launcher: [String]
  var address: String { "tcp://127.0.0.1:\(port)" }
  /// The control and the bulk listener.
  var ports: [Int] { [port, port + 1] }

  /// Short times, so that an expiry takes a second and not ten.
  private static let timing = ["--lease-duration", "2", "--heartbeat-interval", "0.3"]

  /// Starts a coordinator.
  ///
  /// - Parameters:
  ///   - rowCount: Of the table.
  ///   - badRows: Rows that cannot be scored.
  ///   - store: What takes the output, and has the input as well where `readsStore`.
  ///   - readsStore: Whether the table is an object.
  ///   - environment: More variables for the coordinator.
  ///   - options: More options for it.
  ///   - launcher: What starts it, with its arguments.
  /// - Throws: `TestFailure` where it does not start.
  init(
    rowCount: Int = 6_000, badRows: Set<Int> = [5, 3_000], store: StoreServers? = nil,
    readsStore: Bool = false, environment: [String: String] = [:], options: [String] = [],
    launcher: [String] = []
  ) async throws {
    sandbox = try Sandbox()
    self.options = options
    self.launcher = launcher
    self.store = store
    table = sandbox.path("table.csv")
    let name = UUID().uuidString
    output = store == nil ? sandbox.path("predictions") : "s3://bucket/fleet/\(name)"
    input = readsStore ? "s3://bucket/tables/\(name).csv" : table
    let text = TestTable.text(rowCount: rowCount, badRows: badRows)
    try text.write(toFile: table, atomically: true, encoding: .utf8)
    if readsStore { try store?.put(table, at: "tables/\(name).csv") }
    (port, coordinator) = try await Self.startOnFreePorts(
      sandbox, options, environment.merging(store?.variables ?? [:]) { $1 }, launcher)
  }

  /// Starts a coordinator; where another process takes a port first, on other ones.
  private static func startOnFreePorts(
    _ sandbox: Sandbox, _ options: [String], _ environment: [String: String], _ launcher: [String]
  ) async throws -> (Int, Program) {
    while true {
      let port = try freePorts()
      let coordinator = try startCoordinator(sandbox, port, options, environment, launcher)
      do {
        try await wait(for: coordinator)
        return (port, coordinator)
      } catch let failure as TestFailure where failure.description.contains("ddress") {
        continue
      }
    }
  }

  /// A port that is free together with the next one, for the bulk listener.
  static func freePorts() throws -> Int {
    for _ in 0..<100 {
      let port = Int.random(in: 20_000..<32_000)
      if isFree(port), isFree(port + 1) { return port }
    }
    throw CocoaError(.fileReadUnknown)
  }

  private static func isFree(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  private static func startCoordinator(
    _ sandbox: Sandbox, _ port: Int, _ options: [String], _ environment: [String: String],
    _ launcher: [String]
  ) throws -> Program {
    try Program(
      ["coordinator", "--state", sandbox.state, "--listen", "tcp://127.0.0.1:\(port)"] + timing
        + options,
      in: sandbox, environment: environment, launcher: launcher)
  }

  /// Starts the coordinator again on the same state folder.
  func restartCoordinator(environment: [String: String] = [:]) async throws {
    coordinator = try Self.startCoordinator(
      sandbox, port, options, environment.merging(store?.variables ?? [:]) { $1 }, launcher)
    try await Self.wait(for: coordinator)
  }

  private static func wait(for coordinator: Program) async throws {
    _ = await waitUntil(.seconds(20)) {
      coordinator.output.contains("\n") || !coordinator.process.isRunning
    }
    guard coordinator.output.contains("\n") else {
      throw TestFailure("no coordinator: \(coordinator.errors)")
    }
  }

  func startWorker(
    _ extra: [String] = [], environment: [String: String] = [:], launcher: [String] = []
  ) throws -> Program {
    try Program(
      ["worker", "--join", address, "--state", sandbox.state, "--threads", "1"] + extra,
      in: sandbox, environment: environment.merging(store?.variables ?? [:]) { $1 },
      launcher: launcher)
  }

  /// Submits the job and waits for its end, as a user would.
  func submit() throws -> Program { try client(["submit", try jobFile(), "--wait"]) }

  /// Writes the job file.
  ///
  /// - Parameters:
  ///   - name: Of the file.
  ///   - output: Where the job writes, unless it is where `published` looks.
  ///   - errors: Where its errors go, unless it is there too.
  /// - Returns: The file's path.
  /// - Throws: Where it cannot be written.
  func jobFile(
    _ name: String = "job.yaml", output: String? = nil, errors: String? = nil
  ) throws -> String {
    var lines = [
      "displayName: table", "model: \(TestTable.model)", "inputConfig:", "  uris: [\(input)]",
      "instanceConfig:", "  keyField: id", "outputConfig:", "  uri: \(output ?? self.output)",
      "  compression: \(compression)",
    ]
    if let errors { lines.append("  errorsUri: \(errors)") }
    lines += ["blockByteCount: 8192", ""]
    let file = sandbox.path(name)
    try lines.joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }

  /// Starts a worker and waits until it has joined: a signal before that ends it the plain way.
  func startJoinedWorker() async throws -> Program {
    let worker = try startWorker()
    let hasJoined = await waitUntil(.seconds(30)) { worker.errors.contains("joined") }
    guard hasJoined else { throw TestFailure("the worker did not join: \(worker.errors)") }
    return worker
  }

  func client(_ arguments: [String]) throws -> Program {
    try Program(
      arguments + ["--coordinator", address, "--state", sandbox.state], in: sandbox)
  }

  /// What one undisturbed process makes of the same table.
  ///
  /// - Parameter input: Another table; nil for the fleet's own.
  /// - Returns: What it publishes.
  /// - Throws: `TestFailure` where it fails.
  func undisturbed(_ input: String? = nil) async throws -> Publication {
    let folder = sandbox.path("undisturbed")
    let run = try Program(
      [
        "run", "--model", TestTable.model, "--input", input ?? table, "--output", folder,
        "--key-field",
        "id", "--block-size", "8192", "--workers", "1", "--threads", "1", "--compression",
        compression,
      ], in: sandbox)
    let status = await run.wait()
    guard status == 0 || status == 2 else {
      throw TestFailure("run: \(String(describing: status)) \(run.errors)")
    }
    return try Publication(below: folder)
  }

  func published() throws -> Publication {
    guard let store else { return try Publication(below: output) }
    return try Publication(below: key, in: store)
  }

  private var key: String { String(output.dropFirst("s3://bucket/".count)) }

  /// What is below the output and not published: partials, claims, uploads.
  func leftovers() throws -> [String] {
    guard let store else { return [] }
    return try store.keys(below: key + "/").filter { $0.contains("/.nightshift-") }
      + store.uploads(below: key)
  }
}

struct TestFailure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// The files of one published folder that must be the same on every run.
struct Publication: Equatable {
  let files: [String: Data]

  /// Reads the only folder below an output folder.
  init(below folder: String) throws {
    let disk = FileManager.default
    let names = try disk.contentsOfDirectory(atPath: folder).filter {
      $0.hasPrefix("prediction-")
    }
    guard names.count == 1 else { throw TestFailure("\(names.count) folders in \(folder)") }
    let path = "\(folder)/\(names[0])"
    var files: [String: Data] = [:]
    for name in try disk.contentsOfDirectory(atPath: path) {
      guard name.hasPrefix("prediction."), name != "prediction.stats.json" else { continue }
      files[name] = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)"))
    }
    guard disk.fileExists(atPath: "\(path)/_SUCCESS") else {
      throw TestFailure("no _SUCCESS in \(path)")
    }
    self.files = files
  }

  /// Reads the only publication below a prefix of a store.
  init(below prefix: String, in store: StoreServers) throws {
    let keys = try store.keys(below: prefix + "/prediction-")
    let folders = Set(keys.map { $0.split(separator: "/").dropLast().joined(separator: "/") })
    guard folders.count == 1, let folder = folders.first else {
      throw TestFailure("\(folders) in \(prefix)")
    }
    for name in ["_SUCCESS", "manifest.json", "receipt.json"] {
      guard keys.contains("\(folder)/\(name)") else { throw TestFailure("no \(name): \(keys)") }
    }
    var files: [String: Data] = [:]
    for key in keys where key.hasPrefix("\(folder)/prediction.") {
      let name = String(key.dropFirst(folder.count + 1))
      if name != "prediction.stats.json" { files[name] = try store.get(key) }
    }
    self.files = files
  }

  /// Whether anything at all is published below a folder.
  static func isEmpty(_ folder: String) -> Bool {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return !names.contains { $0.hasPrefix("prediction-") }
  }
}
