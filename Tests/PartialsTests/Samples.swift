import Compression
import Digests
import Foundation
import Jobs
import Partials

/// A folder of its own for one test, removed at the end.
final class TemporaryFolder {
  let path = NSTemporaryDirectory() + "nightshift-partials-" + UUID().uuidString

  init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// SplitMix64, so that a failure can be run again.
struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// What one block of a test's partial holds.
struct SampleBlock: Hashable {
  var results: [UInt8] = []
  var errorOrdinals: [UInt64] = []
  var counts = RecordCounts()
  var exit = RangeState.recordStart

  /// A block with some records of each kind, in an order that the seed decides.
  init(seed: UInt64, recordCount: Int) {
    var generator = Generator(state: seed)
    for ordinal in 0..<recordCount {
      switch generator.next() % 8 {
      case 0:
        errorOrdinals.append(UInt64(ordinal))
        counts.error += 1
      case 1: counts.filtered += 1
      default:
        counts.ok += 1
        results += Array("{\"instance\":[\(generator.next())],\"prediction\":\(ordinal)}\n".utf8)
      }
    }
    exit = seed % 3 == 0 ? .insideField(recordOffset: seed << 20) : .recordStart
  }

  var inputDigest: Digest128 { XXH3.digest(of: results + [1]) }

  var errors: [UInt8] {
    errorOrdinals.flatMap { Array("\($0)\t{\"error\":{\"code\":\"BAD\"},\"at\":\($0)}\n".utf8) }
  }
}

/// Writes a partial of some blocks and answers its header.
@discardableResult
func writePartial(
  _ path: String, _ blocks: [SampleBlock], firstBlock: Int = 3, pieceByteCount: Int = .max,
  unfinished: [UInt8] = []
) throws -> PartialHeader {
  let file = try File(path, .create)
  var writer = PartialWriter(
    descriptor: file.descriptor, path: path, job: JobID(0xFEED), shard: ShardID(77),
    attempt: Attempt(incarnation: Incarnation(2), counter: 9), firstBlock: firstBlock,
    entry: .insideField(recordOffset: 12))
  for block in blocks {
    var rest = block.results[...]
    while !rest.isEmpty {
      try writer.append(results: Array(rest.prefix(pieceByteCount)))
      rest = rest.dropFirst(pieceByteCount)
    }
    try writer.endBlock(
      counts: block.counts, exit: block.exit, inputDigest: block.inputDigest, errors: block.errors)
  }
  if !unfinished.isEmpty { try writer.append(results: unfinished) }
  return try writer.finish()
}

/// Overwrites a file's first bytes in place: ext4 writes a file to disk at once where it is cut
/// short first, and thousands of those take a minute.
func overwrite(_ path: String, _ bytes: [UInt8]) throws {
  let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
  try handle.write(contentsOf: bytes)
  try handle.close()
}
