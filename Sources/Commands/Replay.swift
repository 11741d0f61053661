import Destinations
import Jobs
import Worker

/// One record scored again: what it was on its way, what was published, and whether both agree.
///
/// A value that is not finite, such as a missing one, is left out in JSON; in a list it is null.
package struct Replay: Encodable, Sendable {
  /// From 0, over all inputs.
  package var row: UInt64
  package var input: Input
  package var model: Model
  /// Empty where the record could not be divided into fields.
  package var features: [Feature]
  package var rawScores: [Double?]
  package var prediction: [Double?]
  /// Absent where the filter leaves the record out.
  package var published: Published?
  /// The line that scoring makes now; empty for a record that is left out.
  package var rescored: String
  /// Whether both lines have the same bytes.
  package var isSame: Bool
  /// Things worth knowing that change nothing.
  package var remarks: [String]

  package struct Input: Encodable, Sendable {
    package var path: String
    /// In the file, from 1, as the error file counts.
    package var row: UInt64
    /// Where the record begins, in bytes of (decompressed) text.
    package var byteOffset: UInt64
    package var shard: Int
    /// In the shard, from 0.
    package var block: Int
    package var text: String
  }

  package struct Model: Encodable, Sendable {
    package var path: String
    package var sha256: String
    package var objective: String
  }

  package struct Feature: Encodable, Sendable {
    package var input: String
    package var column: String
    package var text: String
    package var value: Double?
    /// `number`, `category`, `text`, `missing`, `unseen`, `not a number` or `unused`.
    package var meaning: String
    /// The category that the value is the code of.
    package var category: String?
  }

  package struct Published: Encodable, Sendable {
    /// Name in the folder.
    package var file: String
    /// Among the file's records, from 1.
    package var record: UInt64
    package var isError: Bool
    package var line: String
  }
}

extension Replay {
  /// Reads a published folder and scores one of its records again.
  ///
  /// - Throws: `CommandError` where the folder, its input or its model cannot be read, or are not
  ///   what the receipt says.
  init(folder: PublishedFolder, row: UInt64, model path: String) throws {
    guard folder.request.inputConfig.instancesFormat != .postgresql else {
      throw CommandError(
        "\(folder.path): the rows are those of a query, and cannot be replayed: the database has "
          + "not kept them as they were; export the table, and score and replay the files")
    }
    let place = try folder.place(ofRow: row)
    let model = try folder.readModel(at: path)
    let remark = try folder.checkInput(of: place)
    var found = try Self.find(place, in: folder, model: model, from: place.shard)
    // A shard of CSV may begin between quotes: what was read from there is only a guess, and a
    // difference counts where the input was read from its begin.
    let isGuess = folder.request.inputConfig.instancesFormat == .csv
    if isGuess, place.shard > place.firstShard, !found.isSame {
      found = try Self.find(place, in: folder, model: model, from: place.firstShard)
    }
    if let problem = found.problem { throw problem }
    let (trace, published) = (found.outcome.trace, found.published)
    self.row = row
    input = Input(
      path: place.input.path, row: place.rowInInput + 1, byteOffset: trace?.offset ?? 0,
      shard: place.shard, block: trace?.block ?? 0,
      text: String(decoding: trace?.text ?? [], as: UTF8.self))
    self.model = Model(
      path: path, sha256: folder.modelDigest, objective: trace?.objective ?? "")
    features = (trace?.features ?? []).map(Feature.init)
    rawScores = (trace?.rawScores ?? []).map(\.finite)
    prediction = (trace?.prediction ?? []).map(\.finite)
    self.published = published.map { published in
      Published(
        file: published.file, record: published.number, isError: published.isError,
        line: Self.line(published.bytes))
    }
    rescored = Self.line(found.rescored)
    isSame = found.isSame
    remarks = [remark, found.remark].compactMap(\.self)
  }

  /// One way to the record, and what came of it.
  private struct Found {
    var outcome: RecordReplay.Outcome
    var published: PublishedRecord?
    var rescored: [UInt8] = []
    /// Why the record is not where the receipt says.
    var problem: (any Error)?

    var isSame: Bool {
      problem == nil && (outcome.isFiltered || published?.bytes == rescored)
    }

    var remark: String? {
      guard problem == nil, outcome.isFiltered else { return nil }
      return outcome.trace == nil
        ? "the filter leaves the record out: the statistics of its row group tell, it is not read"
        : "the filter leaves the record out: nothing is published of it"
    }
  }

  /// Reads shards up to the record's, and looks up what was published of it.
  private static func find(
    _ place: RecordPlace, in folder: PublishedFolder, model: [UInt8], from firstShard: Int
  ) throws -> Found {
    let outcome = try RecordReplay(
      request: folder.request, columns: folder.columns, input: place.input,
      paths: folder.plan.inputs.map(\.path), model: model,
      ranges: (firstShard...place.shard).map { folder.plan.range(of: ShardID(UInt32($0))) },
      row: place.rowInShard
    ).run()
    try folder.check(blockDigests: outcome.blockDigests, of: place)
    var found = Found(outcome: outcome)
    guard outcome.recordCount == folder.count(of: place.shard) else {
      found.problem = CommandError(
        "\(place.input.path): \(outcome.recordCount) records in shard \(place.shard), the receipt "
          + "says \(folder.count(of: place.shard))")
      return found
    }
    guard !outcome.isFiltered, let trace = outcome.trace else { return found }
    do {
      found.published = try folder.record(at: place, filteredBefore: outcome.filteredBefore)
    } catch {
      found.problem = error
    }
    found.rescored = trace.line.bytes(row: place.rowInInput + 1)
    return found
  }

  /// A line for people and JSON, without its end.
  private static func line(_ bytes: [UInt8]) -> String {
    let text = bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...]
    return String(decoding: text, as: UTF8.self)
  }
}

extension RecordTrace.Line {
  /// What stands in the output for the record with this row of its input, from 1.
  fileprivate func bytes(row: UInt64) -> [UInt8] {
    switch self {
    case .result(let line): line
    case .error(let object): ErrorLine.make(row: row, object: object)
    case .leftOut: []
    }
  }
}

extension Replay.Feature {
  fileprivate init(_ feature: RecordTrace.Feature) {
    input = feature.input
    column = feature.column
    text = feature.text
    value = feature.meaning == .unused ? nil : feature.value.finite
    switch feature.meaning {
    case .number: meaning = "number"
    case .category(let spelling):
      meaning = "category"
      category = spelling
    case .missing: meaning = "missing"
    case .text: meaning = "text"
    case .unseen: meaning = "unseen"
    case .notANumber: meaning = "not a number"
    case .unused: meaning = "unused"
    }
  }
}

extension Double {
  /// The number, where JSON has a way to write it.
  fileprivate var finite: Double? { isFinite ? self : nil }
}
