import CoordinatorCore
import Destinations
import Digests
import Foundation
import Jobs
import Leasing
import Partials

/// Committed blocks of a job with one shard for each list of lines; a line is one result, or one
/// error record if it begins with a brace.
final class MergeFixture: Sendable {
  let root = NSTemporaryDirectory() + "nightshift-database-" + UUID().uuidString
  let job = JobID(UInt64.random(in: 1 ... .max))
  let plan: Plan
  let placed: [PlacedBlocks]
  let counts: RecordCounts

  /// Makes the partials.
  init(shards: [[String]]) throws {
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    plan = try Plan(
      inputs: shards.indices.map { index in
        PlannedInput(
          path: "/in/\(index).csv", byteCount: 100, modifiedNanoseconds: 1, inode: 1,
          compression: .none)
      }, blockByteCount: Limits.smallestBlockByteCount, allowsNone: shards.isEmpty)
    var placed: [PlacedBlocks] = []
    var counts = RecordCounts()
    for (shard, lines) in shards.enumerated() {
      let made = try Self.partial(shard, lines, job, root)
      counts += made.committed.counts
      placed.append(made)
    }
    self.placed = placed
    self.counts = counts
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  private static func partial(
    _ shard: Int, _ lines: [String], _ job: JobID, _ root: String
  ) throws -> PlacedBlocks {
    let path = "\(root)/\(shard)"
    let file = try File(path, .create)
    let attempt = Attempt(incarnation: Incarnation(1), counter: 1)
    var writer = PartialWriter(
      descriptor: file.descriptor, path: path, job: job, shard: ShardID(UInt32(shard)),
      attempt: attempt, firstBlock: 0, entry: .recordStart)
    var counts = RecordCounts()
    var errors = ""
    for (ordinal, line) in lines.enumerated() {
      if line.hasPrefix("{") {
        counts.error += 1
        errors += "\(ordinal)\t\(line)\n"
      } else {
        counts.ok += 1
        // In two pieces: lines need not come whole.
        let bytes = Array((line + "\n").utf8)
        try writer.append(results: Array(bytes.prefix(3)))
        try writer.append(results: Array(bytes.dropFirst(3)))
      }
    }
    try writer.endBlock(
      counts: counts, exit: .recordStart, inputDigest: XXH3.digest(of: [UInt8(shard & 0xFF)]),
      errors: Array(errors.utf8))
    let header = try writer.finish()
    return PlacedBlocks(
      committed: CommittedBlocks(
        shard: header.shard, blocks: BlockRange(0, 1), attempt: attempt, entry: .recordStart,
        exit: .recordStart, counts: counts, partial: header.name),
      path: path)
  }

  static let columns = [
    ResultColumn(name: "id", type: .integer), ResultColumn(name: "na\"me\n", type: .text),
    ResultColumn(name: "score", type: .number), ResultColumn(name: "label", type: .text),
    ResultColumn(name: "prediction", type: .number),
  ]

  /// The merge of the job into a database.
  func input(
    _ uri: String, table: String? = nil, mode: JobRequest.WriteMode? = nil, keys: [String]? = nil,
    columns: [ResultColumn] = MergeFixture.columns, delimiter: String = ",",
    nullWords: [String]? = nil, job: JobID? = nil
  ) -> MergeInput {
    var source = JobRequest.InputConfig(uris: ["/in/*.csv"])
    source.delimiter = delimiter
    source.nullWords = nullWords
    var output = JobRequest.OutputConfig(uri: uri)
    output.table = table
    output.writeMode = mode
    output.upsertKeys = keys
    var request = JobRequest(
      displayName: "test", model: "/models/churn", inputConfig: source, outputConfig: output)
    request.blockByteCount = Limits.smallestBlockByteCount
    return MergeInput(
      job: job ?? self.job, request: request, plan: plan,
      model: PlannedModel(digest: ContentDigest(words: [1, 2, 3, 4]), byteCount: 99),
      modelName: "churn", createdNanoseconds: 1_772_344_800_000_000_000, counts: counts,
      resultColumns: columns, instanceColumnCount: 3)
  }

  /// 3 shards with all kinds of values: nulls, quotes, line ends, and error records.
  static let mixed = [
    [
      #"1,plain,0.5,yes,0.25"#, #"2,"with ""quotes"", and,\"#, #"3,NA,NA,,null"#,
      #"{"instance":"a\u0000b\\u0000","error":{"code":"BAD","message":"it's bad"},"source":"/in/0.csv","offset":17}"#,
      #"4,"NA",inf,"NA",-1e300"#,
    ],
    [],
    [
      "5,\"two\nlines\", 1.5 ,None,7", #"6,"","",x,8"#, #"7,\.,-0.0,y,9"#,
      #"{"instance":"","error":{"code":"WORSE","message":""},"source":"/in/2.csv","offset":0}"#,
    ],
  ]

  static func mixedLines() -> [[String]] {
    var lines = mixed
    lines[0][1] = #"2,"with ""quotes"", and,\",1,no,2"#
    lines[2][1] = #"6,"",NULL,x,8"#
    return lines
  }
}

extension Destination {
  /// Merges a list.
  @discardableResult
  func merge(_ placed: [PlacedBlocks]) throws(DestinationError) -> [OutputEntry] {
    var rest = placed[...]
    return try merge { () throws(DestinationError) in rest.popFirst() }
  }
}

/// What a destination fails with.
func refusal(_ body: () throws -> Void) -> DestinationError? {
  do {
    try body()
    return nil
  } catch {
    return error as? DestinationError
  }
}
