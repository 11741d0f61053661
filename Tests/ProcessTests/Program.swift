import Foundation
import Glibc

/// One run of the real `nightshift` program, its output in files.
final class Program {
  let process = Process()
  private let outputPath: String
  private let errorPath: String
  private let parentPipe = Pipe()

  /// The program that the test run built, beside the test bundle.
  static let path: String = {
    let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    let candidates = [
      bundle.deletingLastPathComponent(),
      URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../.build/release"),
    ]
    let found = candidates.map { $0.appendingPathComponent("nightshift").path }
      .first { access($0, X_OK) == 0 }
    return found ?? "nightshift (not built)"
  }()

  /// Starts the program; its files lie in the sandbox.
  init(
    _ arguments: [String], in sandbox: Sandbox, environment: [String: String] = [:],
    launcher: [String] = []
  ) throws {
    let number = sandbox.nextNumber()
    outputPath = sandbox.path("\(number).out")
    errorPath = sandbox.path("\(number).err")
    for path in [outputPath, errorPath] {
      try Data().write(to: URL(fileURLWithPath: path))
    }
    let command = launcher + [Self.path] + arguments
    process.executableURL = URL(fileURLWithPath: command[0])
    process.arguments = Array(command.dropFirst())
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["NIGHTSHIFT_STATE": sandbox.state]
    ) { $1 }.merging(environment) { $1 }
    process.standardOutput = FileHandle(forWritingAtPath: outputPath)
    process.standardError = FileHandle(forWritingAtPath: errorPath)
    process.standardInput = parentPipe
    try process.run()
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
  }

  var output: String { (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? "" }
  var errors: String { (try? String(contentsOfFile: errorPath, encoding: .utf8)) ?? "" }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// The exit status; 128 + signal for a killed program; `nil` if it still runs after the limit.
  func wait(_ limit: Duration = .seconds(60)) async -> Int32? {
    let ended = await waitUntil(limit) { !process.isRunning }
    guard ended else { return nil }
    return process.terminationReason == .uncaughtSignal
      ? 128 + process.terminationStatus : process.terminationStatus
  }
}

/// Looks every 20 ms whether something has become true.
func waitUntil(_ limit: Duration, _ condition: () -> Bool) async -> Bool {
  let end = ContinuousClock.now + limit
  while !condition() {
    guard ContinuousClock.now < end else { return false }
    try? await Task.sleep(for: .milliseconds(20))  // cancelled: the last look decides
  }
  return true
}

/// A folder of one test, removed after it.
final class Sandbox {
  let folder: String
  private var count = 0

  init(at parent: String? = nil) throws {
    let base = parent ?? FileManager.default.temporaryDirectory.path
    folder = "\(base)/nightshift-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: folder)  // a leftover harms no test
  }

  func path(_ name: String) -> String { "\(folder)/\(name)" }

  var state: String { path("state") }

  func nextNumber() -> Int {
    count += 1
    return count
  }
}
