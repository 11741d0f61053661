import Digests
import Jobs
import Synchronization
import Tables
import Wire

/// Digests of a few places of an input, by which a worker knows that its path shows the same file.
///
/// The file's first and last block are the same for all its shards and are kept; four more places
/// are picked anew in the range of each grant, so that a worker cannot know them.
final class InputProbes: Sendable {
  private static let pieceByteCount = 64 << 10
  private static let pieceCount = 4
  /// Inputs whose first and last block are remembered.
  private static let cacheLimit = 10_000

  private let edges = Mutex<[PlannedInput: [InputProbe]]>([:])

  /// What a worker has to find in the range of a lease; reads the file, so it runs off the pool.
  func probes(in file: PinnedInput, range: ShardRange) throws(CoordinatorError) -> [InputProbe] {
    let input = file.input
    // What has a version needs no other proof.
    guard !InputAccess.isRemote(input.path) else { return [] }
    var probes = try edges(of: file)
    let end = min(range.end ?? input.byteCount, input.byteCount)
    // Text offsets of a compressed input are not places of the file: probe all of it.
    let begin = input.compression == .none ? range.offset : 0
    guard end > begin else { return probes }
    let count = Int(min(UInt64(Self.pieceByteCount), max(1, (end - begin) / 16)))
    for _ in 0..<Self.pieceCount {
      let offset = UInt64.random(in: begin...max(begin, end - UInt64(count)))
      probes.append(try probe(file, at: offset, count: count))
    }
    return probes
  }

  private func edges(of file: PinnedInput) throws(CoordinatorError) -> [InputProbe] {
    if let known = edges.withLock({ $0[file.input] }) { return known }
    let count = Int(min(file.input.byteCount, UInt64(Self.pieceByteCount)))
    guard count > 0 else { return [] }
    let probes = [
      try probe(file, at: 0, count: count),
      try probe(file, at: file.input.byteCount - UInt64(count), count: count),
    ]
    edges.withLock { edges in
      if edges.count >= Self.cacheLimit { edges.removeAll() }
      edges[file.input] = probes
    }
    return probes
  }

  private func probe(
    _ file: PinnedInput, at offset: UInt64, count: Int
  ) throws(CoordinatorError) -> InputProbe {
    let bytes = try file.read(at: offset, count: count)
    let digest = XXH3.digest(of: bytes)
    return InputProbe(
      offset: offset, byteCount: UInt32(bytes.count), digest: [digest.high, digest.low])
  }
}
