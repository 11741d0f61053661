import Foundation

/// The repository that these tests stand in.
struct SourceTree: Sendable {
  static let current = SourceTree()

  /// Absolute path of the top.
  let root: String
  /// What git knows; everything that is there where git cannot be asked.
  let trackedPaths: [String]

  private init() {
    var folder = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { folder.deleteLastPathComponent() }
    root = folder.path
    trackedPaths = Self.tracked(in: root)
  }

  private static func tracked(in root: String) -> [String] {
    let answer = try? ToolRun("git", "-c", "safe.directory=*", "ls-files", in: root)
    if let answer, answer.exitCode == 0, !answer.output.isEmpty {
      let paths = answer.output.split(separator: "\n").map(String.init)
      // A file that was removed and not yet committed is no longer there to read.
      return paths.filter { FileManager.default.fileExists(atPath: "\(root)/\($0)") }
    }
    return ["Sources", "Tests", "proto", "cluster", "bench"]
      .flatMap { everything(below: $0, in: root) }
  }

  private static func everything(below folder: String, in root: String) -> [String] {
    let paths = FileManager.default.enumerator(atPath: "\(root)/\(folder)")?
      .compactMap { $0 as? String }
    return (paths ?? []).map { "\(folder)/\($0)" }.sorted()
  }

  func text(of path: String) -> String? {
    guard let data = FileManager.default.contents(atPath: "\(root)/\(path)"),
      data.count < 1 << 20, !data.contains(0)
    else { return nil }
    return String(data: data, encoding: .utf8)
  }

  /// Swift, C and C++ of `Sources`, `Tests` and `bench`, in the order of their paths, committed or not.
  func sources() -> [SourceFile] {
    ["Sources", "Tests", "bench"].flatMap { Self.everything(below: $0, in: root) }
      .filter { path in
        [".swift", ".c", ".h", ".cpp"].contains { path.hasSuffix($0) }
      }
      .compactMap { path in text(of: path).map { SourceFile(path: path, text: $0) } }
  }
}

/// A program that has run to its end.
struct ToolRun {
  let exitCode: Int32
  /// Standard output and standard error together.
  let output: String

  init(_ arguments: String..., in folder: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    exitCode = process.terminationStatus
    output = String(decoding: bytes, as: UTF8.self)
  }
}
