import Foundation
import Testing

/// The committed C code is what the schema says.
///
/// `protoc-c` is one of the tools that the tests need: without it this fails.
@Suite struct GeneratedCodeTests {
  private var root: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
  }

  @Test func isCurrent() throws {
    let check = Process()
    check.executableURL = root.appending(path: "proto/generate")
    check.arguments = ["--check"]
    let output = Pipe()
    check.standardError = output
    try check.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    check.waitUntilExit()
    #expect(check.terminationStatus == 0, "\(String(decoding: text, as: UTF8.self))")
  }

  /// protobuf-c unpacks nested messages without a limit of depth, so no type may contain itself.
  @Test func noMessageContainsItself() throws {
    var parts: [String: Set<String>] = [:]
    for name in ["common", "fleet", "client"] {
      let text = try String(
        contentsOf: root.appending(path: "proto/\(name).proto"), encoding: .utf8)
      var message: String?
      for line in text.split(separator: "\n") where !line.contains("//") {
        let words = line.split { " ={};".contains($0) }.map(String.init)
        if words.first == "message", words.count > 1 {
          message = words[1]
          parts[words[1]] = []
        } else if let message {
          parts[message]?.formUnion(words)
        }
      }
    }
    #expect(parts.count > 40)
    for message in parts.keys {
      var reached: Set<String> = []
      var open = [message]
      while let next = open.popLast() {
        for part in parts[next, default: []] where reached.insert(part).inserted {
          if parts[part] != nil { open.append(part) }
        }
      }
      #expect(!reached.contains(message), "\(message) contains itself")
    }
  }
}
