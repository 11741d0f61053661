import Coordinator
import Foundation
import Testing

/// The folder of the tokens of single workers.
@Suite struct WorkerTokenFolderTests {
  /// A crash may leave a draft that is another name of a secret; the next process of its number does
  /// not write into it.
  @Test func aDraftLeftByACrashIsNotWrittenInto() throws {
    let state = FileManager.default.temporaryDirectory.path + "/nightshift-tokens-\(UUID())"
    defer { try? FileManager.default.removeItem(atPath: state) }
    try FileManager.default.createDirectory(
      atPath: state, withIntermediateDirectories: true)
    let tokens = try WorkerTokens(stateFolder: state)
    _ = try tokens.add("first")
    let first = "\(state)/workers/first"
    let number = try String(contentsOfFile: first, encoding: .utf8)
    try FileManager.default.linkItem(
      atPath: first, toPath: "\(state)/workers/.\(getpid()).draft")
    _ = try tokens.add("second")
    #expect(try String(contentsOfFile: first, encoding: .utf8) == number)
    #expect(try String(contentsOfFile: "\(state)/workers/second", encoding: .utf8) != number)
    #expect(tokens.entries().map(\.name) == ["first", "second"])
  }
}
