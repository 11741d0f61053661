import CoordinatorCore
import Foundation
import Jobs
import Journal
import Leasing
import Tables

/// A state folder with one planned job of very many shards, and as many of them committed.
///
/// Its input is a header and then a hole of the smallest blocks there may be, 16 KiB for each
/// shard: a million shards need no disk space. Nobody reads the hole but the coordinator's probes;
/// it is read once beforehand, because making pages of zeros is not what is measured.
struct BenchmarkState {
  static let job = JobID(1)
  private static let entriesPerTransaction = 10_000

  /// Where the state folder and the input are.
  let scratch: String

  var folder: String { "\(scratch)/state" }

  /// Makes the folder and closes its journal again.
  init(shardCount: Int, committedShardCount: Int, below parent: String?) throws {
    scratch = try makeScratchFolder(below: parent)
    let input = try Self.makeInput(
      "\(scratch)/input.csv", shardCount: shardCount, isRead: committedShardCount == 0)
    let plan = try Plan(inputs: [input], blockByteCount: Limits.smallestBlockByteCount)
    guard plan.shardCount == shardCount, committedShardCount <= shardCount else {
      throw BenchmarkError("\(plan.shardCount) shards instead of \(shardCount)")
    }
    let request = JobRequest(
      displayName: "benchmark", model: "/model.txt",
      inputConfig: JobRequest.InputConfig(uris: [input.path]),
      outputConfig: JobRequest.OutputConfig(uri: "\(scratch)/output"))
    let journal = try Journal(folder: folder)
    defer { journal.close() }
    let model = PlannedModel(digest: ContentDigest(words: .zero), byteCount: 1)
    try journal.append([
      .submitted(Self.job, request, createdNanoseconds: 1), .planned(Self.job, plan, model),
      .state(Self.job, .running, reason: ""),
    ])
    for first in stride(from: 0, to: committedShardCount, by: Self.entriesPerTransaction) {
      let end = min(committedShardCount, first + Self.entriesPerTransaction)
      try journal.append((first..<end).map { .commit(Self.job, Self.commit(ofShard: $0)) })
    }
  }

  /// Removes everything.
  func remove() throws { try FileManager.default.removeItem(atPath: scratch) }

  private static func makeInput(
    _ path: String, shardCount: Int, isRead: Bool
  ) throws -> PlannedInput {
    try Data("a,b,c\n".utf8).write(to: URL(fileURLWithPath: path))
    let shardByteCount = UInt64(Limits.blocksPerShard) * Limits.smallestBlockByteCount
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.truncate(atOffset: UInt64(shardCount) * shardByteCount)
    try file.seek(toOffset: 0)
    if isRead { while try file.read(upToCount: 8 << 20)?.isEmpty == false {} }
    try file.close()
    guard let listed = try InputListing.files(of: [path]).first else {
      throw BenchmarkError("\(path) is not there")
    }
    return PlannedInput(
      path: listed.path, byteCount: listed.byteCount,
      modifiedNanoseconds: listed.modificationNanoseconds, inode: listed.inode,
      compression: .none)
  }

  private static func commit(ofShard index: Int) -> CommittedBlocks {
    CommittedBlocks(
      shard: ShardID(UInt32(index)), blocks: BlockRange(0, Limits.blocksPerShard),
      attempt: Attempt(incarnation: Incarnation(1), counter: 1), entry: .recordStart,
      exit: .recordStart, counts: RecordCounts(ok: 64_000),
      partial: PartialName(
        digest: ContentDigest(words: SIMD4(UInt64(index), 2, 3, 4)), byteCount: 1_000_000))
  }
}
