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
  package var published: Published
  /// The line that scoring makes now.
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
    let place = try folder.place(ofRow: row)
    let model = try folder.readModel(at: path)
    let remark = try folder.checkInput(of: place)
    let published = try folder.record(at: place)
    let outcome = try RecordReplay(
      request: folder.request, input: place.input, model: model, row: place.rowInInput,
      end: place.range.end, blockByteCount: place.range.blockLength,
      blockCount: place.blockCount
    ).run()
    try folder.check(blockDigests: outcome.blockDigests, of: place)
    guard let trace = outcome.trace else {
      throw CommandError(
        "\(place.input.path): only \(outcome.recordCount) records to the end of shard "
          + "\(place.shard), the receipt says that row \(row) is among them")
    }
    let rescored = trace.line.bytes(row: place.rowInInput + 1)
    self.row = row
    input = Input(
      path: place.input.path, row: place.rowInInput + 1, byteOffset: trace.offset,
      shard: place.shard, block: trace.block - place.blocksBeforeShard,
      text: String(decoding: trace.text, as: UTF8.self))
    self.model = Model(path: path, sha256: folder.modelDigest, objective: trace.objective)
    features = trace.features.map(Feature.init)
    rawScores = trace.rawScores.map(\.finite)
    prediction = trace.prediction.map(\.finite)
    self.published = Published(
      file: published.file, record: published.number, isError: published.isError,
      line: Self.line(published.bytes))
    self.rescored = Self.line(rescored)
    isSame = published.bytes == rescored
    remarks = [remark].compactMap(\.self)
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
