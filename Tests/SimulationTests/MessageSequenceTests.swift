import Foundation
import Simulation
import Testing

/// Strangers' messages, in orders that a fuzzer or these seeds make up.
struct MessageSequenceTests {
  /// Bytes of one seed: xorshift (Marsaglia 2003).
  private func bytes(_ seed: UInt64) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<Int(40 + seed % 800)).map { _ in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt8(truncatingIfNeeded: state >> 32)
    }
  }

  @Test func strangersHarmNothing() {
    var (requestCount, commitCount, refutationCount, honestCount) = (0, 0, 0, 0)
    for seed in 0..<UInt64(1_000) {
      var sequence = MessageSequence(bytes(seed))
      let violations = sequence.run()
      #expect(violations == [], "seed \(seed)")
      requestCount += sequence.requestCount
      commitCount += sequence.tally[.commits]
      refutationCount += sequence.tally[.refutations]
      honestCount += sequence.hasLied ? 0 : 1
    }
    #expect(requestCount > 20_000)
    #expect(commitCount > 5_000)
    #expect(refutationCount > 100)
    #expect(honestCount > 300, "jobs that are followed to their end")
  }

  /// What the fuzzer has learned, and what it has found.
  @Test func theCorpusHarmsNothing() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fuzz/Corpus/messages")
    let files = try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil)
    #expect(files.contains { $0.lastPathComponent == "found-0" })
    for file in files {
      var sequence = MessageSequence([UInt8](try Data(contentsOf: file)))
      #expect(sequence.run() == [], "\(file.lastPathComponent)")
    }
  }

  @Test func theSameBytesAreTheSameWorld() {
    var (first, second) = (MessageSequence(bytes(5)), MessageSequence(bytes(5)))
    #expect(first.run() == second.run())
    #expect(first.digest == second.digest)
  }
}
