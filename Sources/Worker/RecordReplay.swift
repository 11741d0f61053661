import Compression
package import Digests
import Features
package import Jobs
import Models
import Scoring
import Tables

/// Scores one record of an input again, as a worker does, and keeps what it was on the way.
///
/// The record's parser, tile, scorer and row writer are those of a lease, so that the same record
/// gives the same bytes. Text is parsed from the input's begin to the end of the record's shard:
/// that needs no state of a cut from elsewhere, and lets every block be held against the receipt.
/// It goes at the parser's speed, and memory does not grow with the input but for 16 bytes a block.
package struct RecordReplay: Sendable {
  /// All that decides the bytes of the output.
  package let request: JobRequest
  package let input: PlannedInput
  /// Text of the model.
  package let model: [UInt8]
  /// The record's number in the input, from 0.
  package let row: UInt64
  /// Nominal end of the record's shard in the text; `nil` where that ends wherever it ends.
  package let end: UInt64?
  package let blockByteCount: UInt64
  /// Blocks from the input's first to the shard's last.
  package let blockCount: Int

  /// What the parser met on the way.
  package struct Outcome: Sendable {
    /// `nil` where the text has fewer records.
    package fileprivate(set) var trace: RecordTrace?
    /// Records that begin before `end`.
    package fileprivate(set) var recordCount: UInt64
    /// XXH3-128 of each block's nominal bytes.
    package fileprivate(set) var blockDigests: [Digest128]
  }

  package init(
    request: JobRequest, input: PlannedInput, model: [UInt8], row: UInt64, end: UInt64?,
    blockByteCount: UInt64, blockCount: Int
  ) {
    precondition(blockByteCount > 0 && blockCount > 0)
    self.request = request
    self.input = input
    self.model = model
    self.row = row
    self.end = end
    self.blockByteCount = blockByteCount
    self.blockCount = blockCount
  }

  /// Reads the input and scores the record.
  ///
  /// - Throws: `WorkerError` where the input or the model cannot be read, or do not go together.
  package func run() throws(WorkerError) -> Outcome {
    do {
      return try read()
    } catch let error as WorkerError {
      throw error
    } catch let error as ModelError {
      throw WorkerError("the model: \(error.context)")
    } catch let error as TableError {
      throw WorkerError(error.context)
    } catch {
      throw WorkerError("\(input.path): \(error)")
    }
  }

  private func read() throws -> Outcome {
    let options = try CSVOptions(request: request)
    let header = try CSVHeader.read(from: openText(), path: input.path, options: options)
    let context = try JobContext(
      id: JobID(0),
      configuration: JobConfiguration(
        request: request, columns: header.names, types: types(of: header.names)),
      model: Model(bundle: model, summation: request.summation))
    let reader = try context.table.reader(
      of: LeaseRange(
        path: input.path, begin: 0, end: end ?? .max, blockLength: blockByteCount,
        blockCount: blockCount),
      compression: input.compression
    ) { try FileSource(path: input.path) }
    var tile = RecordTile()
    var outcome = Outcome(recordCount: 0, blockDigests: [])
    while try reader.readTile(into: &tile) {
      if row >= outcome.recordCount, row - outcome.recordCount < UInt64(tile.count) {
        outcome.trace = try trace(Int(row - outcome.recordCount), of: tile, context)
      }
      outcome.recordCount += UInt64(tile.count)
    }
    outcome.blockDigests = (0..<blockCount).map { reader.inputDigest(ofBlock: $0) }
    return outcome
  }

  /// What the request says of the columns; the rest is text.
  private func types(of columns: [String]) -> [ColumnType]? {
    request.inputConfig.schema.map { types in columns.map { types[$0] ?? .text } }
  }

  private func openText() throws -> any ByteSource {
    let stored = try FileSource(path: input.path)
    return switch input.compression {
    case .none: stored
    case .gzip: DecompressingSource(stored, compression: .gzip, name: input.path)
    case .zstd: DecompressingSource(stored, compression: .zstd, name: input.path)
    }
  }

  /// Scores the whole tile, as a lease does: one day a record's bits may hang on its place in it.
  private func trace(
    _ record: Int, of tile: borrowing RecordTile, _ context: JobContext
  ) throws -> RecordTrace {
    var scorer = try TileScorer(context: context, inputPath: input.path)
    var results = TextBuffer()
    var errors = TextBuffer()
    scorer.evaluate(tile)
    let isScored = scorer.append(
      record, of: tile, firstOrdinal: 0, results: &results, errors: &errors)
    let line: RecordTrace.Line
    if isScored, context.output.isColumnar {
      try scorer.endTile(tile, results: &results)
      try scorer.endBlock(results: &results)
      line = .result(try columnarText(ofBlock: results.copy()))
    } else if isScored {
      line = .result(results.copy())
    } else {
      // An ordinal and a tab stand before the object, a line feed behind it.
      line = .error(Array(errors.copy().drop { $0 != UInt8(ascii: "{") }.dropLast()))
    }
    return scorer.trace(
      record, of: tile, block: min(tile.blockIndex, blockCount - 1), line: line)
  }
}
