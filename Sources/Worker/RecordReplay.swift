import Compression
package import Digests
import Features
package import Jobs
import Models
import Scoring
import Tables

/// Scores one record of an input again, as a worker does, and keeps what it was on the way.
///
/// The record's reader, tile, filter, scorer and row writer are those of a lease, so that the same
/// record gives the same bytes. Shards are read one after the other, each from its begin, and the
/// state in which one ends is that in which the next is entered. Memory does not grow with the
/// input but for 16 bytes a block.
package struct RecordReplay: Sendable {
  /// All that decides the bytes of the output.
  package let request: JobRequest
  /// The columns and types as planned; nil for receipts that do not have them.
  package let columns: PlannedColumns?
  package let input: PlannedInput
  /// Paths of all inputs, whose folders may be columns.
  package let paths: [String]
  /// Text of the model.
  package let model: [UInt8]
  /// What is read: neighbouring shards of the input; the record is in the last one.
  package let ranges: [ShardRange]
  /// The record's number in its shard, from 0.
  package let row: UInt64

  /// What was met on the way.
  package struct Outcome: Sendable {
    /// `nil` where the shard has fewer records, or where the record's row group was passed over.
    package fileprivate(set) var trace: RecordTrace?
    /// Whether the filter leaves the record out.
    package fileprivate(set) var isFiltered = false
    /// Records of the shard before this one that the filter leaves out.
    package fileprivate(set) var filteredBefore: UInt64 = 0
    /// Records of the shard.
    package fileprivate(set) var recordCount: UInt64 = 0
    /// For each shard the digests of its blocks.
    package fileprivate(set) var blockDigests: [[Digest128]] = []
  }

  package init(
    request: JobRequest, columns: PlannedColumns?, input: PlannedInput,
    paths: [String], model: [UInt8], ranges: [ShardRange], row: UInt64
  ) {
    self.request = request
    self.columns = columns
    self.input = input
    self.paths = paths
    self.model = model
    self.ranges = ranges
    self.row = row
  }

  /// Reads the shards and scores the record.
  ///
  /// - Throws: `WorkerError` where the input or the model cannot be read, or do not go together.
  package func run() throws(WorkerError) -> Outcome {
    precondition(!ranges.isEmpty)
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

  /// Reads the shards, scores nothing, and tells in which state the last one ends.
  ///
  /// - Throws: `WorkerError` where the input cannot be read.
  func exitState(_ context: JobContext) throws -> RangeState {
    var state = RangeState.recordStart
    for range in ranges {
      let reader = try reader(of: range, entry: state, context)
      var walk = ShardWalk(reader, blockCount: range.blockCount)
      while try walk.next() {}
      state = reader.boundStates.last ?? .recordStart
    }
    return state
  }

  private func read() throws -> Outcome {
    let context = try JobContext(
      id: JobID(0), configuration: try configuration(),
      model: Model(bundle: model, summation: request.summation))
    var outcome = Outcome()
    var state = RangeState.recordStart
    for (index, range) in ranges.enumerated() {
      let reader = try reader(of: range, entry: state, context)
      var walk = ShardWalk(reader, blockCount: range.blockCount)
      if index + 1 < ranges.count {
        while try walk.next() {}
      } else {
        try find(in: &walk, context, &outcome)
      }
      outcome.blockDigests.append((0..<range.blockCount).map { reader.inputDigest(ofBlock: $0) })
      state = reader.boundStates.last ?? .recordStart
    }
    return outcome
  }

  private func reader(
    of range: ShardRange, entry: RangeState, _ context: JobContext
  ) throws -> any TileReader {
    try context.table.reader(
      of: LeaseRange(
        path: input.path, version: input.version, begin: range.offset, end: range.end ?? .max,
        blockLength: range.blockLength, blockCount: range.blockCount, shardOffset: range.offset,
        places: range.places, shardEnd: range.end, entry: entry),
      compression: input.compression
    ) { try open(expectedEnd: range.places?.upperBound) }
  }

  private func open(expectedEnd: UInt64? = nil) throws -> any ByteSource {
    try InputAccess().open(
      input.path, byteCount: input.byteCount, version: input.version,
      // Places of columnar files are no bytes.
      expectedEnd: input.compression == .none ? nil : expectedEnd)
  }

  /// Walks the record's shard to its end, and traces the record on the way.
  private func find(
    in walk: inout ShardWalk, _ context: JobContext, _ outcome: inout Outcome
  ) throws {
    var sieve = context.filter.map { filter in
      RecordSieve(
        filter, nullWords: context.csv.nullWords,
        failuresAreNull: request.inputConfig.onParseError == .null)
    }
    while try walk.next() {
      let count = UInt64(walk.tile.count)
      // What comes behind the record is counted, and no more.
      guard row >= walk.firstRow else { continue }
      let isHere = row - walk.firstRow < count
      outcome.filteredBefore += walk.newlyPruned
      let sifted = sieve?.sift(walk.tile) ?? 0
      guard isHere else {
        outcome.filteredBefore += UInt64(sifted)
        continue
      }
      let record = Int(row - walk.firstRow)
      if let sieve {
        for other in 0..<record where !sieve.kept.contains(other) && !sieve.failed.contains(other) {
          outcome.filteredBefore += 1
        }
      }
      var fate = Fate.kept
      if let sieve, !sieve.kept.contains(record) {
        fate = sieve.failed.contains(record) ? .failed : .leftOut
      }
      outcome.isFiltered = fate == .leftOut
      outcome.trace = try trace(record, of: walk.tile, fate, context)
    }
    outcome.recordCount = walk.recordCount
    if outcome.trace == nil, row < outcome.recordCount { outcome.isFiltered = true }
  }

  /// What the filter makes of a record.
  private enum Fate { case kept, leftOut, failed }

  // MARK: Columns

  /// What the job was planned with.
  func configuration() throws -> JobConfiguration {
    if let columns {
      return JobConfiguration(request: request, columns: columns.names, types: columns.types)
    }
    guard request.inputConfig.instancesFormat == .csv,
      request.inputConfig.hivePartitioning != true
    else {
      let file = InputFile(
        path: input.path, byteCount: input.byteCount, modificationNanoseconds: 0,
        compression: input.textCompression, version: input.version)
      let table = try TableSurvey(request: request) { _ in try open() }.run([file], paths: paths)
      return JobConfiguration(request: request, columns: table.columns, types: table.types)
    }
    let header = try CSVHeader.read(
      from: openText(), path: input.path, options: CSVOptions(request: request))
    return JobConfiguration(
      request: request, columns: header.names, types: types(of: header.names))
  }

  /// What the request says of the columns; the rest is text.
  private func types(of columns: [String]) -> [ColumnType]? {
    request.inputConfig.schema.map { types in columns.map { types[$0] ?? .text } }
  }

  private func openText() throws -> any ByteSource {
    let stored = try open()
    return switch input.compression {
    case .none: stored
    case .gzip: DecompressingSource(stored, compression: .gzip, name: input.path)
    case .zstd: DecompressingSource(stored, compression: .zstd, name: input.path)
    }
  }

  // MARK: The record

  /// Scores the whole tile, as a lease does: one day a record's bits may hang on its place in it.
  private func trace(
    _ record: Int, of tile: borrowing RecordTile, _ fate: Fate, _ context: JobContext
  ) throws -> RecordTrace {
    var scorer = try TileScorer(context: context, inputPath: input.path)
    var results = TextBuffer()
    var errors = TextBuffer()
    var line = RecordTrace.Line.leftOut
    switch fate {
    case .leftOut: scorer.evaluate(tile)
    case .failed:
      _ = try scorer.score(tile, firstOrdinal: 0, results: &results, errors: &errors)
      line = .error(try Self.errorObject(ofRecord: record, in: errors.copy()))
      scorer.evaluate(tile)
    case .kept:
      scorer.evaluate(tile)
      let isScored = scorer.append(
        record, of: tile, firstOrdinal: 0, results: &results, errors: &errors)
      if isScored, context.output.isColumnar {
        try scorer.endTile(tile, results: &results)
        try scorer.endBlock(results: &results)
        line = .result(try columnarText(ofBlock: results.copy()))
      } else if isScored {
        line = .result(results.copy())
      } else {
        line = .error(try Self.errorObject(ofRecord: record, in: errors.copy()))
      }
    }
    let lastBlock = (ranges.last?.blockCount ?? 1) - 1
    return scorer.trace(record, of: tile, block: min(tile.blockIndex, lastBlock), line: line)
  }

  /// The object of a record among lines of an ordinal, a tab and a JSON object each.
  private static func errorObject(
    ofRecord record: Int, in lines: [UInt8]
  ) throws(WorkerError) -> [UInt8] {
    let start = Array("\(record)\t".utf8)
    let line = lines.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: start) }
    guard let line else { throw WorkerError("record \(record) of its tile is no error") }
    return Array(line.dropFirst(start.count))
  }
}

/// A shard's tiles, and the rows of the shard that they hold.
private struct ShardWalk: ~Copyable {
  private let reader: any TileReader
  private let blockCount: Int
  private(set) var tile = RecordTile()
  /// The row of the tile's first record.
  private(set) var firstRow: UInt64 = 0
  /// Records that were passed over right before the tile.
  private(set) var newlyPruned: UInt64 = 0
  /// Rows up to the tile's end, or to the shard's once there is no more tile.
  private(set) var recordCount: UInt64 = 0
  private var prunedCount: UInt64 = 0

  init(_ reader: any TileReader, blockCount: Int) {
    self.reader = reader
    self.blockCount = blockCount
  }

  mutating func next() throws -> Bool {
    let hasTile = try reader.readTile(into: &tile)
    let pruned = (0..<blockCount).reduce(0) { $0 + reader.prunedCount(ofBlock: $1) }
    newlyPruned = pruned - prunedCount
    prunedCount = pruned
    firstRow = recordCount + newlyPruned
    recordCount = firstRow + UInt64(hasTile ? tile.count : 0)
    return hasTile
  }
}
