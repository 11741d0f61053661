import CoordinatorCore
import Destinations
import Digests
import Foundation
import Jobs
import Leasing
import Partials

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

/// Runs a program and answers its status and what it printed.
@discardableResult
func run(_ words: String...) throws -> (status: Int32, output: [UInt8]) {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = words
  let pipe = Pipe()
  process.standardOutput = pipe
  try process.run()
  let output = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, Array(output))
}

/// What scoring one block gave.
struct ScoredBlock {
  var results: [UInt8] = []
  var errors: [UInt8] = []
  var errorOrdinals: [UInt64] = []
  var counts = RecordCounts()
  /// Of columnar results.
  var rows: [ColumnarFixture.Row] = []
}

/// Inputs, a plan and partials of a job whose "model" is a hash of the block's place.
final class Fixture {
  let root = NSTemporaryDirectory() + "nightshift-destinations-" + UUID().uuidString
  let plan: Plan
  private(set) var scored: [[ScoredBlock]] = []
  private let texts: [[UInt8]]
  private var fileCount = 0
  let format: JobRequest.PredictionsFormat
  private let hasFilter: Bool

  /// Four inputs, one of them compressed, 24 shards, two result files.
  init(format: JobRequest.PredictionsFormat = .jsonl, hasFilter: Bool = true) throws {
    self.format = format
    self.hasFilter = hasFilter
    try FileManager.default.createDirectory(
      atPath: root + "/inputs", withIntermediateDirectories: true)
    var generator = Generator(state: 11)
    var inputs: [PlannedInput] = []
    var texts: [[UInt8]] = []
    for (name, byteCount) in [
      ("a.csv", 40_000), ("b.csv", 100), ("c.csv", 9_000), ("d.csv", 300_000),
    ] {
      let text = (0..<byteCount).map { _ in UInt8(ascii: "a") + UInt8(generator.next() % 26) }
      var path = root + "/inputs/" + name
      try Data(text).write(to: URL(fileURLWithPath: path))
      if name == "c.csv" {
        try run("gzip", path)
        path += ".gz"
      }
      texts.append(text)
      let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? UInt64 ?? 0
      inputs.append(
        PlannedInput(
          path: path, byteCount: size, modifiedNanoseconds: 1_234_567_890_123_456_789, inode: 1,
          compression: name == "c.csv" ? .gzip : .none))
    }
    self.texts = texts
    plan = try Plan(inputs: inputs, blockByteCount: Limits.smallestBlockByteCount)
    for shard in 0..<plan.shardCount {
      let count = plan.range(of: ShardID(UInt32(shard))).blockCount
      scored.append((0..<count).map { score(shard, $0) })
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  var destination: String { root + "/out" }

  /// Results of a block, the same whoever asks.
  private func score(_ shard: Int, _ block: Int) -> ScoredBlock {
    var generator = Generator(state: UInt64(shard * 64 + block))
    var scored = ScoredBlock()
    var rows: [ColumnarFixture.Row] = []
    // Every seventh block has no record at all, such as one inside a long quoted field.
    let recordCount = (shard + block) % 7 == 3 ? 0 : generator.next() % 9
    for ordinal in 0..<recordCount {
      switch generator.next() % 10 {
      case 0:
        scored.counts.error += 1
        scored.errorOrdinals.append(ordinal)
        let object =
          generator.next() % 5 == 0 ? "{}" : "{\"error\":{\"code\":\"BAD\"},\"n\":\(block)}"
        scored.errors += Array("\(ordinal)\t\(object)\n".utf8)
      case 1 where hasFilter: scored.counts.filtered += 1
      default:
        scored.counts.ok += 1
        guard format == .csv || format == .jsonl else {
          rows.append(
            ColumnarFixture.Row(shard: Int64(shard), prediction: Double(generator.next() % 1_000)))
          continue
        }
        let line =
          format == .csv
          ? "\"\(shard)\n\"\"x\"\"\",\(generator.next() % 1_000)\n"
          : "{\"instance\":[\(shard),\(block)],\"prediction\":\(generator.next() % 1_000)}\n"
        scored.results += Array(line.utf8)
      }
    }
    if !rows.isEmpty { scored.results = ColumnarFixture.block(rows) }
    scored.rows = rows
    return scored
  }

  /// What the parser knows at a cut: a function of the place, the start of an input excepted.
  private func state(_ shard: Int, before block: Int) -> RangeState {
    let input = plan.inputIndex(of: ShardID(UInt32(shard)))
    if block == 0, plan.shards(ofInput: input).lowerBound == shard { return .recordStart }
    let place = block == scored[shard].count ? (shard + 1) * 64 : shard * 64 + block
    return place % 5 == 0 ? .insideField(recordOffset: UInt64(place)) : .recordStart
  }

  private func inputDigest(_ shard: Int, _ block: Int) -> Digest128 {
    let range = plan.range(of: ShardID(UInt32(shard)))
    let text = texts[range.inputIndex]
    let start = min(Int(range.blockOffset(block) ?? 0), text.count)
    let end = min(Int(range.blockOffset(block + 1) ?? UInt64(text.count)), text.count)
    return XXH3.digest(of: Array(text[start..<end]))
  }

  /// Writes a partial for some blocks of a shard.
  func writePartial(_ shard: Int, _ blocks: Range<Int>) throws -> (String, PartialHeader) {
    fileCount += 1
    try FileManager.default.createDirectory(
      atPath: root + "/spool", withIntermediateDirectories: true)
    let path = root + "/spool/\(fileCount)"
    let file = try File(path, .create)
    var writer = PartialWriter(
      descriptor: file.descriptor, path: path, job: job, shard: ShardID(UInt32(shard)),
      attempt: Attempt(incarnation: Incarnation(1), counter: UInt32(fileCount)),
      firstBlock: blocks.lowerBound, entry: state(shard, before: blocks.lowerBound))
    for block in blocks {
      let scored = scored[shard][block]
      try writer.append(results: scored.results)
      try writer.endBlock(
        counts: scored.counts, exit: state(shard, before: block + 1),
        inputDigest: inputDigest(shard, block), errors: scored.errors)
    }
    return (path, try writer.finish())
  }

  let job = JobID(0xABCD_EF01)

  private func place(_ path: String, _ header: PartialHeader, _ blocks: Range<Int>) -> PlacedBlocks
  {
    let range = BlockRange(blocks.lowerBound, blocks.upperBound)
    return PlacedBlocks(
      committed: CommittedBlocks(
        shard: header.shard, blocks: range, attempt: header.attempt,
        entry: header.state(before: blocks.lowerBound),
        exit: header.state(before: blocks.upperBound), counts: header.counts(of: range),
        partial: header.name),
      path: path)
  }

  /// Commits every block, each shard from partials that overlap as the seed says.
  ///
  /// Seed 0 has one partial for each shard.
  func commitAll(seed: UInt64) throws -> [PlacedBlocks] {
    var generator = Generator(state: seed)
    var placed: [PlacedBlocks] = []
    // Partials are made in any order of shards; the list is in that of the plan.
    for shard in (0..<plan.shardCount).shuffled(using: &generator) {
      let count = scored[shard].count
      var next = 0
      while next < count {
        let end = seed == 0 ? count : next + 1 + Int(generator.next() % UInt64(count - next))
        // The attempt began earlier and went on longer than what counts of it.
        let first = seed == 0 ? next : next - Int(generator.next() % UInt64(next + 1))
        let last = end + (seed == 0 ? 0 : Int(generator.next() % UInt64(count - end + 1)))
        let (path, header) = try writePartial(shard, first..<last)
        placed.append(place(path, header, next..<end))
        next = end
      }
    }
    return placed.sorted {
      ($0.committed.shard, $0.committed.blocks.first)
        < ($1.committed.shard, $1.committed.blocks.first)
    }
  }

  var counts: RecordCounts {
    scored.joined().reduce(into: RecordCounts()) { $0 += $1.counts }
  }

  func input(
    _ destination: String? = nil, job: JobID? = nil,
    compression: JobRequest.OutputCompression = .zstd, execution: JSONValue = .object([])
  ) -> MergeInput {
    var request = JobRequest(
      displayName: "test", model: "/models/churn", inputConfig: .init(uris: ["/in/*.csv"]),
      outputConfig: .init(uri: destination ?? self.destination))
    request.outputConfig.compression = compression
    request.outputConfig.predictionsFormat = format
    request.blockByteCount = plan.blockByteCount
    return MergeInput(
      job: job ?? self.job, request: request, plan: plan,
      model: PlannedModel(digest: ContentDigest(words: [1, 2, 3, 4]), byteCount: 99),
      modelName: "churn v2/ü", createdNanoseconds: 1_772_344_800_000_000_000, counts: counts,
      resultHeader: format == .csv ? Array("shard,prediction\n".utf8) : [],
      resultColumns: ColumnarFixture.columns,
      execution: execution)
  }

  // MARK: What has to come out

  /// The text of one result file.
  func expectedResults(_ file: Int) -> [UInt8] {
    let each = Limits.shardsPerResultFile
    let shards = file * each..<min((file + 1) * each, plan.shardCount)
    let header = format == .csv ? Array("shard,prediction\n".utf8) : []
    return header + scored[shards].joined().flatMap(\.results)
  }

  /// The text of the error file.
  var expectedErrors: [UInt8] {
    var text = ""
    for input in plan.inputs.indices {
      var row: UInt64 = 0
      for block in scored[plan.shards(ofInput: input)].joined() {
        let lines = String(decoding: block.errors, as: UTF8.self).split(separator: "\n")
        for (line, ordinal) in zip(lines, block.errorOrdinals) {
          let object = line.drop { $0 != "{" }.dropFirst()
          text += "{\"row\":\(row + ordinal + 1)\(object == "}" ? "" : ",")\(object)\n"
        }
        row += block.counts.total
      }
    }
    return Array(text.utf8)
  }
}

extension PosixDestination {
  /// Merges a list.
  @discardableResult
  func merge(_ placed: [PlacedBlocks]) throws(DestinationError) -> [OutputEntry] {
    var rest = placed[...]
    return try merge { () throws(DestinationError) in rest.popFirst() }
  }
}

func bytes(_ path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}

func names(_ folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}
