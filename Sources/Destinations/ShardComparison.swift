import Columnar
import Compression
import Jobs
import Partials
import Tables

/// One record that scoring makes otherwise now than it was published.
package struct RescoredDifference: Hashable, Sendable, Encodable {
  package let shard: Int
  /// Name in the published folder.
  package let file: String
  /// Among the file's records, from 1.
  package let record: UInt64
  /// The published line; of a Parquet or Arrow file the row as JSON.
  ///
  /// Long ones are cut.
  package let published: String
  /// The line that scoring makes now.
  package let rescored: String
}

/// Holds shards that were scored again against what was published of them.
///
/// Lines of text are compared byte by byte, rows of Parquet and Arrow files value by value, numbers
/// by their bits, though one NaN is as good as another. Shards come in rising order; each file is
/// gone over once. Memory: a frame or row group of the files, and a block of what was scored again.
package final class ShardComparison {
  /// What came of one shard.
  package struct Outcome: Sendable {
    /// What is wrong with it as a whole, such as other counts.
    package fileprivate(set) var findings: [Verification.Finding] = []
    /// The first of the records that differ.
    package fileprivate(set) var differences: [RescoredDifference] = []
    package fileprivate(set) var differenceCount: UInt64 = 0
    /// Records that were scored again.
    package fileprivate(set) var recordCount: UInt64 = 0

    package var isSame: Bool { findings.isEmpty && differenceCount == 0 }
  }

  /// Records of one shard that are shown.
  package static let differenceLimit = 10
  /// Characters of a line that are shown.
  private static let lineLimit = 2_000

  private let folder: PublishedFolder
  private var cursor: ShardCursor
  private var decompressor = FrameDecompressor()
  private var results: RecordWalk?
  private var resultsName = ""
  private var columns: (rows: PublishedColumns, comparison: ColumnarComparison)?
  private var errors: RecordWalk?
  private let errorsPlace: ErrorsCopy

  package init(_ folder: PublishedFolder) throws(DestinationError) {
    self.folder = folder
    cursor = ShardCursor(folder)
    errorsPlace = try ErrorsCopy(of: folder)
  }

  /// Compares one shard.
  ///
  /// - Parameters:
  ///   - shard: The former one, or a later one.
  ///   - partial: The file of what it was scored to now: all of its blocks.
  /// - Returns: What differs; what cannot be read of the output is a finding.
  /// - Throws: What stops reading the partial.
  package func compare(_ shard: Int, with partial: String) throws(DestinationError) -> Outcome {
    cursor.advance(to: shard)
    let reader = try inPartial { () throws(PartialError) in try PartialReader(path: partial) }
    let counts = reader.header.counts(of: reader.header.range)
    var outcome = Outcome()
    outcome.recordCount = counts.total
    if let change = folder.change(of: shard, reader.header.blocks.map(\.inputDigest)) {
      outcome.findings.append(change)
      return outcome
    }
    let expected = folder.counts(of: shard)
    if counts != expected {
      outcome.findings.append(
        Verification.Finding(
          OutputName.receipt, place: "shard \(shard)",
          "has \(Self.words(expected)) records, scored again there are \(Self.words(counts))"))
    }
    do throws(DestinationError) {
      try compareResults(of: shard, reader, expected.ok, &outcome)
      try compareErrors(of: shard, reader, expected.error, &outcome)
    } catch {
      outcome.findings.append(Verification.Finding("shard \(shard)", error.context))
    }
    // What was read ends anywhere then: the next comparison begins anew.
    if !outcome.isSame {
      results = nil
      columns = nil
      errors = nil
    }
    return outcome
  }

  private static func words(_ counts: RecordCounts) -> String {
    "\(counts.ok) ok, \(counts.error) error and \(counts.filtered) filtered"
  }

  private func add(
    _ file: String, _ record: UInt64, _ shard: Int, published: [UInt8],
    rescored: some Sequence<UInt8>, to outcome: inout Outcome
  ) {
    outcome.differenceCount += 1
    guard outcome.differences.count < Self.differenceLimit else { return }
    outcome.differences.append(
      RescoredDifference(
        shard: shard, file: file, record: record, published: Self.line(published),
        rescored: Self.line(Array(rescored))))
  }

  private static func line(_ bytes: [UInt8]) -> String {
    let text = String(decoding: bytes.last == 10 ? bytes.dropLast() : bytes[...], as: UTF8.self)
    let shown = text.prefix(lineLimit)
    return shown.endIndex == text.endIndex ? text : shown + "…"
  }

  // MARK: Results

  private func compareResults(
    of shard: Int, _ reader: borrowing PartialReader, _ count: UInt64, _ outcome: inout Outcome
  ) throws(DestinationError) {
    let name = OutputName.results(
      shard / folder.receipt.plan.shardsPerResultFile, of: folder.receipt.plan.resultFileCount,
      folder.request.outputConfig)
    if name != resultsName {
      results = nil
      columns = nil
    }
    resultsName = name
    if let format = PublishedColumns.format(of: name) {
      // Of another number of rows, only the first would be compared with what they are.
      guard outcome.findings.isEmpty else { return }
      return try compareColumns(of: shard, reader, format, &outcome)
    }
    try passResults(cursor.okBefore)
    var place = cursor.okBefore
    for block in reader.header.range.indices {
      let number = reader.header.blocks[block - reader.header.firstBlock].counts.ok
      let text = try text(of: block, reader)
      guard try results?.isNext(text, records: number) == true else {
        results = nil
        try passResults(place)
        return try listResults(of: shard, reader, from: block, cursor.okBefore + count, &outcome)
      }
      place += number
    }
  }

  /// Goes to a record of the result file, from 0.
  private func passResults(_ place: UInt64) throws(DestinationError) {
    if results == nil {
      results = try folder.open(
        resultsName, in: folder.path, headerByteCount: folder.receipt.plan.resultHeaderByteCount,
        hasQuotes: hasQuotes)
    }
    let passed = results?.count ?? 0
    try results?.skip(place - min(place, passed))
  }

  private var hasQuotes: Bool { folder.receipt.configuration.predictionsFormat == .csv }

  /// Compares record by record, from a block on, up to the shard's last published record.
  private func listResults(
    of shard: Int, _ reader: borrowing PartialReader, from first: Int, _ end: UInt64,
    _ outcome: inout Outcome
  ) throws(DestinationError) {
    for block in first..<Int(reader.header.range.end) {
      let text = try text(of: block, reader)
      for record in RecordWalk.records(of: text, hasQuotes: hasQuotes) {
        guard let passed = results?.count, passed < end, let line = try results?.next() else {
          return
        }
        guard !line.elementsEqual(text[record]) else { continue }
        add(resultsName, passed + 1, shard, published: line, rescored: text[record], to: &outcome)
      }
    }
  }

  private func compareColumns(
    of shard: Int, _ reader: borrowing PartialReader, _ format: ColumnarFileFormat,
    _ outcome: inout Outcome
  ) throws(DestinationError) {
    let opened = self.columns
    let columns = if let opened { opened } else { try openColumns(format) }
    self.columns = columns
    var row = cursor.okBefore
    for block in reader.header.range.indices {
      guard reader.header.blocks[block - reader.header.firstBlock].counts.ok > 0 else { continue }
      let bytes = try text(of: block, reader)
      do throws(ColumnarWriteError) {
        let found = try columns.comparison.compare(bytes, fromRow: row)
        row += found.rowCount
        let room = Self.differenceLimit - outcome.differences.count
        for difference in found.differences.prefix(room) {
          var line = TextBuffer()
          line.append(row: try ColumnarRows(.stream, bytes: bytes).row(difference.blockRow))
          let published: [UInt8]
          do throws(DestinationError) {
            published = try columns.rows.line(ofRow: difference.row)
          } catch {
            throw ColumnarWriteError(code: .corrupt, context: error.context)
          }
          add(
            resultsName, difference.row + 1, shard, published: published, rescored: line.copy(),
            to: &outcome)
        }
        outcome.differenceCount += UInt64(found.differences.dropFirst(room).count)
      } catch {
        throw columns.rows.failure(error)
      }
    }
  }

  private func openColumns(
    _ format: ColumnarFileFormat
  ) throws(DestinationError) -> (rows: PublishedColumns, comparison: ColumnarComparison) {
    let name = resultsName
    let path = folder.path
    let rows = try onDisk { () throws(FileError) in
      try PublishedColumns(folder: path, name: name, format: format)
    }
    return (rows, try rows.makeComparison())
  }

  // MARK: Errors

  private func compareErrors(
    of shard: Int, _ reader: borrowing PartialReader, _ count: UInt64, _ outcome: inout Outcome
  ) throws(DestinationError) {
    guard count > 0 else { return }  // others are told of by the counts
    if errors == nil { errors = try errorsPlace.open() }
    let passed = errors?.count ?? 0
    try errors?.skip(cursor.errorsBefore - min(cursor.errorsBefore, passed))
    let name = OutputName.errors(folder.request.outputConfig)
    var row = cursor.recordsBefore
    var left = count
    for block in reader.header.range.indices {
      for line in try errorLines(of: block, reader, firstRow: row + 1) {
        guard left > 0, let published = try errors?.next() else { return }
        left -= 1
        guard published != line else { continue }
        add(
          name, errors?.count ?? 0, shard, published: published, rescored: line, to: &outcome)
      }
      row += reader.header.blocks[block - reader.header.firstBlock].counts.total
    }
  }

  private func errorLines(
    of block: Int, _ reader: borrowing PartialReader, firstRow: UInt64
  ) throws(DestinationError) -> [[UInt8]] {
    var lines: [[UInt8]] = []
    do throws(PartialError) {
      try reader.errors(of: block, &decompressor) { (ordinal, object) throws(PartialError) in
        lines.append(ErrorLine.make(row: firstRow + ordinal, object: object))
      }
    } catch {
      throw Self.unreadable(error)
    }
    return lines
  }

  // MARK: Partials

  /// A block's result text, or its columns.
  private func text(
    of block: Int, _ reader: borrowing PartialReader
  ) throws(DestinationError) -> [UInt8] {
    var text: [UInt8] = []
    do throws(PartialError) {
      try reader.results(of: block, &decompressor) { (part) throws(PartialError) in text += part }
    } catch {
      throw Self.unreadable(error)
    }
    return text
  }

  private static func unreadable(_ error: PartialError) -> DestinationError {
    DestinationError(code: .inconsistent, context: "what was scored again: \(error.context)")
  }

  private func inPartial<Result: ~Copyable>(
    _ body: () throws(PartialError) -> Result
  ) throws(DestinationError) -> Result {
    do throws(PartialError) { return try body() } catch { throw Self.unreadable(error) }
  }
}

/// How many records stand before a shard.
struct ShardCursor {
  private let folder: PublishedFolder
  private var shard = 0
  /// In its result file.
  private(set) var okBefore: UInt64 = 0
  /// In the error file.
  private(set) var errorsBefore: UInt64 = 0
  /// In its input, whatever became of them.
  private(set) var recordsBefore: UInt64 = 0
  private var inputEnd: Int

  /// Begins at the first shard.
  init(_ folder: PublishedFolder) {
    self.folder = folder
    inputEnd = folder.plan.inputs.isEmpty ? 0 : folder.plan.shards(ofInput: 0).upperBound
  }

  /// Goes on to a shard that is not before the one it is at.
  mutating func advance(to target: Int) {
    precondition(target >= shard)
    while shard < target {
      let counts = folder.counts(of: shard)
      okBefore += counts.ok
      errorsBefore += counts.error
      recordsBefore += counts.total
      shard += 1
      if shard % folder.receipt.plan.shardsPerResultFile == 0 { okBefore = 0 }
      guard shard == inputEnd, shard < folder.plan.shardCount else { continue }
      recordsBefore = 0
      let input = folder.plan.inputIndex(of: ShardID(UInt32(shard)))
      inputEnd = folder.plan.shards(ofInput: input).upperBound
    }
  }
}

extension PublishedFolder {
  /// What the receipt counts in a shard.
  func counts(of shard: Int) -> RecordCounts {
    RecordCounts(
      ok: receipt.shards.ok[shard], error: receipt.shards.error[shard],
      filtered: receipt.shards.filtered[shard])
  }
}
