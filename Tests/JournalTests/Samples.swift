import CoordinatorCore
import Foundation
import Jobs
import Journal
import Leasing
import Testing

/// A folder of its own for one test, removed at the end.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/nightshift-journal-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var state: String { path + "/state" }
}

/// Runs a program to its end and answers its status.
@discardableResult
func run(_ words: String...) throws -> Int32 {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = words
  try process.run()
  process.waitUntilExit()
  return process.terminationStatus
}

/// Values to journal, all different.
enum Sample {
  static func request(_ name: String) -> JobRequest {
    var request = JobRequest(
      displayName: name, model: "/models/\(name)/model ü.txt",
      inputConfig: .init(uris: ["/data/*.csv", "/more \"quoted\"\n/x.csv.gz"]),
      outputConfig: .init(uri: "/out"))
    request.labels = ["team": "night", "a": "β"]
    request.inputConfig.nullWords = ["", "NA"]
    request.instanceConfig.keyField = "id"
    request.errorThreshold = -1
    return request
  }

  static let model = PlannedModel(digest: digest(7), byteCount: .max)

  static func digest(_ seed: UInt64) -> ContentDigest {
    ContentDigest(words: [seed, ~seed, seed &* 0x9E37_79B9_7F4A_7C15, 1])
  }

  static func plan(inputs count: Int, shardsEach: UInt64 = 1) throws -> Plan {
    let byteCount: UInt64 = shardsEach * 64 * Limits.smallestBlockByteCount
    let inputs = (0..<count).map { (index: Int) -> PlannedInput in
      let compression: InputCompression = index == 1 ? .gzip : index == 2 ? .zstd : .none
      return PlannedInput(
        path: "/data/part-\(index).csv", byteCount: byteCount,
        modifiedNanoseconds: Int64(index) * 1_000_003 - 5, inode: UInt64.max - UInt64(index),
        compression: compression, version: index == 1 ? "\"étag\"" : "",
        cuts: index == 2
          ? [InputCut(offset: 0, place: 3), InputCut(offset: 65_535, place: .max)] : [])
    }
    return try Plan(inputs: inputs, blockByteCount: Limits.smallestBlockByteCount)
  }

  static func commit(_ shard: Int, _ first: Int = 0, _ end: Int = 64) -> CommittedBlocks {
    let seed = UInt64(shard) << 8 | UInt64(first)
    return CommittedBlocks(
      shard: ShardID(UInt32(shard)), blocks: BlockRange(first, end),
      attempt: Attempt(incarnation: Incarnation(3), counter: UInt32(shard + first)),
      entry: .recordStart, exit: .recordStart,
      counts: RecordCounts(ok: seed &* 3, error: seed & 7, filtered: seed & 3),
      partial: PartialName(digest: digest(seed), byteCount: seed &+ 4096))
  }
}

/// Everything a journal answers about its jobs, as text that can be compared.
func contents(_ journal: Journal) throws(JournalError) -> String {
  var text = ""
  for job in try journal.jobs() {
    // A dictionary's order differs between two instances of it.
    var request = job.request
    request.labels = [:]
    text += "\(job.id) \(job.request.labels.sorted { $0.key < $1.key }) \(request) "
    text += "\(job.createdNanoseconds) \(job.state) \(job.reason) "
    text += "\(job.folder ?? "-") \(String(describing: job.planned))\n"
    for commit in try journal.commits(of: job.id) { text += "\(commit)\n" }
    for charge in try journal.charges(of: job.id) { text += "\(charge)\n" }
  }
  return text
}
