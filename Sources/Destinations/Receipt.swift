import CoordinatorCore
import Digests
import Jobs

/// The proof of a finished job as it stands in `receipt.json`.
///
/// Keys and their order are part of the format. Everything that may differ between two runs of
/// the same job stands under `execution`, of which nothing decides anything.
struct Receipt: Hashable, Decodable {
  var formatVersion: Int
  var job: String
  var model: Model
  var configuration: Configuration
  /// SHA-256 of `configuration.canonicalText`.
  var configurationDigest: String
  var counts: Counts
  /// The equation of `counts` for people.
  var conservation: String
  var plan: PlanSummary
  /// The columns of the inputs as planned; absent in receipts of earlier releases.
  var table: PlannedColumns?
  var inputs: [Input]
  var shards: Shards
  /// Names and types of the results' columns; absent for results of text.
  var resultColumns: [ResultColumn]?
  var outputs: [OutputEntry]
  /// The folder or prefix of the error records; absent where they are beside the predictions.
  var errorsUri: String?
  var execution: Execution?

  struct Execution: Hashable, Decodable {
    /// Where the job's model was; absent in receipts of earlier releases.
    var modelPath: String?
  }

  struct Model: Hashable, Decodable {
    var name: String
    /// SHA-256 of the file.
    var digest: String
    var byteCount: UInt64
  }

  struct Counts: Hashable, Decodable {
    var read: UInt64
    var ok: UInt64
    var error: UInt64
    var filtered: UInt64

    init(_ counts: RecordCounts) {
      read = counts.total
      ok = counts.ok
      error = counts.error
      filtered = counts.filtered
    }

    var conservation: String {
      "\(read) read = \(ok) ok + \(error) error + \(filtered) filtered"
    }
  }

  struct PlanSummary: Hashable, Decodable {
    var blockByteCount: UInt64
    var shardCount: Int
    var shardsPerResultFile: Int
    var resultFileCount: Int
    /// Bytes at the start of each result file that are no record.
    var resultHeaderByteCount: Int
  }

  struct Input: Hashable, Decodable {
    var path: String
    var byteCount: UInt64
    var modified: String
    var compression: String
    /// Of an object; absent for a file.
    var version: String?
    /// Offsets and places of the plan's cuts, one after the other; absent where there are none.
    var cuts: [UInt64]?
    var firstShard: Int
    var shardCount: Int
    /// XXH3-128 of its shards' digests one after the other; `nil` if one of them is not known.
    var digest: String?
  }

  /// One entry for each shard.
  struct Shards: Hashable, Decodable {
    var ok: [UInt64]
    var error: [UInt64]
    var filtered: [UInt64]
    /// XXH3-128 of the digests of the shard's blocks one after the other, each the XXH3-128 of
    /// the text between the block's bounds; `nil` where a range was journaled without a partial.
    var inputDigests: [String?]
  }

  static let formatVersion = 1

  /// The plan again, with zero for times and inodes; `nil` where the inputs are no such plan.
  func remadePlan() -> Plan? {
    var planned: [PlannedInput] = []
    for input in inputs {
      guard let compression = InputCompression(rawValue: input.compression) else { return nil }
      planned.append(
        PlannedInput(
          path: input.path, byteCount: input.byteCount, modifiedNanoseconds: 0, inode: 0,
          compression: compression, version: input.version ?? "",
          cuts: input.plannedCuts))
    }
    // A refusal means that the receipt is not one of ours.
    let remade = try? Plan(
      inputs: planned, blockByteCount: plan.blockByteCount, allowsNone: true)
    guard let remade, remade.shardCount == shards.inputDigests.count else { return nil }
    return remade
  }

  /// XXH3-128 over digests one after the other; `nil` if one is missing.
  static func digest(over digests: some Sequence<Digest128?>) -> Digest128? {
    var hash = XXH3()
    for digest in digests {
      guard let digest else { return nil }
      hash.update(digest.bytes)
    }
    return hash.finish()
  }
}

extension Receipt.Input {
  /// The cuts again; an odd number at the end is dropped, and the plan then refuses them.
  var plannedCuts: [InputCut] {
    let numbers = cuts ?? []
    return stride(from: 0, to: numbers.count - 1, by: 2).map {
      InputCut(offset: numbers[$0], place: numbers[$0 + 1])
    }
  }
}

/// What the merge notes of each shard for the receipt: 48 bytes a shard.
struct ShardTotals {
  var ok: [UInt64] = []
  var error: [UInt64] = []
  var filtered: [UInt64] = []
  var inputDigests: [Digest128?] = []

  /// Everything in `receipt.json`.
  func receipt(of input: MergeInput, outputs: [OutputEntry]) -> JSONValue {
    let counts = Receipt.Counts(input.counts)
    let configuration = Configuration(input.request)
    let value = JSONValue.members([
      "formatVersion": .integer(Int64(Receipt.formatVersion)),
      "job": .string(input.job.description),
      "model": .members([
        "name": .string(input.modelName), "digest": .string(input.model.digest.hexadecimal),
        "byteCount": .unsigned(input.model.byteCount),
      ]),
      "configuration": .verbatim(configuration.canonicalText),
      "configurationDigest": .string(configuration.digest),
      "counts": .members([
        "read": .unsigned(counts.read), "ok": .unsigned(counts.ok),
        "error": .unsigned(counts.error), "filtered": .unsigned(counts.filtered),
      ]),
      "conservation": .string(counts.conservation),
      "plan": .members([
        "blockByteCount": .unsigned(input.plan.blockByteCount),
        "shardCount": .integer(Int64(input.plan.shardCount)),
        "shardsPerResultFile": .integer(Int64(Limits.shardsPerResultFile)),
        "resultFileCount": .integer(Int64(input.plan.resultFileCount)),
        "resultHeaderByteCount": .integer(Int64(input.resultHeader.count)),
      ]),
      "inputs": .array(input.plan.inputs.indices.map { .compact(self.input($0, of: input.plan)) }),
      "shards": .members([
        "ok": .numbers(ok), "error": .numbers(error), "filtered": .numbers(filtered),
        "inputDigests": .digests(inputDigests),
      ]),
      "outputs": .array(
        outputs.map { output in
          .compact(
            .members([
              "name": .string(output.name), "byteCount": .unsigned(output.byteCount),
              "sha256": .string(output.sha256), "records": .unsigned(output.records),
            ]))
        }),
      "execution": input.execution,
    ])
    guard case .object(var members) = value else { return value }
    if let table = input.table {
      var columns = [JSONValue.Member("names", .array(table.names.map { .string($0) }))]
      if let types = table.types {
        columns.append(.init("types", .array(types.map { .string($0.rawValue) })))
      }
      let plan = members.firstIndex { $0.key == "plan" } ?? members.count
      members.insert(.init("table", .compact(.object(columns))), at: plan + 1)
    }
    if let folder = input.errorsFolder {
      members.insert(.init("errorsUri", .string(folder)), at: members.count - 1)
    }
    guard input.request.outputConfig.predictionsFormat.columnarFormat != nil else {
      return .object(members)
    }
    let columns = input.resultColumns.map { column in
      JSONValue.compact(
        .members(["name": .string(column.name), "type": .string(column.type.rawValue)]))
    }
    // Before the outputs, which have these columns.
    let outputs = members.firstIndex { $0.key == "outputs" } ?? members.count
    members.insert(.init("resultColumns", .array(columns)), at: outputs)
    return .object(members)
  }

  private func input(_ index: Int, of plan: Plan) -> JSONValue {
    let input = plan.inputs[index]
    let shards = plan.shards(ofInput: index)
    let digest = Receipt.digest(over: inputDigests[shards])
    var members: [JSONValue.Member] = [
      .init("path", .string(input.path)), .init("byteCount", .unsigned(input.byteCount)),
      .init("modified", .string(OutputName.timestamp(input.modifiedNanoseconds))),
      .init("compression", .string(input.compression.rawValue)),
    ]
    if !input.version.isEmpty { members.append(.init("version", .string(input.version))) }
    if !input.cuts.isEmpty {
      members.append(.init("cuts", .numbers(input.cuts.flatMap { [$0.offset, $0.place] })))
    }
    members += [
      .init("firstShard", .integer(Int64(shards.lowerBound))),
      .init("shardCount", .integer(Int64(shards.count))),
      .init("digest", digest.map { .string($0.description) } ?? .null),
    ]
    return .object(members)
  }
}
