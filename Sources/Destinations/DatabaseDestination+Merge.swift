import Compression
import Database
import Digests
import Jobs
import Leasing
import Partials
import Tables

/// Takes result and error records in the order of the plan.
protocol RecordSink: ~Copyable {
  /// Takes one result.
  ///
  /// - Parameters:
  ///   - ordinal: Its number among all results of the job, from 1.
  ///   - text: What the fields lie in.
  ///   - fields: One for each column of the results.
  /// - Throws: What stops the destination.
  mutating func append(
    ordinal: UInt64, _ text: UnsafeBufferPointer<UInt8>, _ fields: [ResultField]
  ) throws(DestinationError)

  /// Takes one error record as a JSON object with its row, see `ErrorLine`.
  mutating func append(errorLine: [UInt8], ordinal: UInt64) throws(DestinationError)

  /// Takes what is held back.
  mutating func finish() throws(DestinationError)

  /// The first result that is held back; `nil` where none is.
  var pendingOrdinal: UInt64? { get }

  /// The result that the last error was about, where that is known.
  var failedOrdinal: UInt64? { get }
}

/// Where the results of a block come from.
private struct ResultOrigin {
  let firstOrdinal: UInt64
  let path: String
  let firstRow: UInt64
  let counts: RecordCounts

  /// The record of a result: its row, as far as that is known without the records that have none.
  func place(of ordinal: UInt64) -> String {
    let row = firstRow + ordinal - firstOrdinal
    let last = row + counts.total - counts.ok
    let rows = last == row ? "row \(row)" : "one of the rows \(row) to \(last)"
    return "\(rows) of \(path), result \(ordinal)"
  }
}

/// Reads committed blocks in the order of the plan, checks them, and hands over their records.
///
/// Damage does not stop it: what follows is still read and checked, so that all of it is known at
/// once, but nothing more is handed over.
struct RecordMerge: ~Copyable {
  private let order: PlanOrder
  private let expected: RecordCounts
  private var lines: ResultLines
  private var decompressor = FrameDecompressor()
  /// Blocks whose results the sink may hold back, to tell where a result came from.
  private var origins: [ResultOrigin] = []
  private var results = TextSum()
  private var errors = TextSum()

  /// Size, count and digest of records' text.
  private struct TextSum: ~Copyable {
    var recordCount: UInt64 = 0
    var byteCount: UInt64 = 0
    var hash = SHA256()

    mutating func add(_ text: [UInt8]) {
      byteCount += UInt64(text.count)
      hash.update(text)
    }

    consuming func finish(_ name: String) -> OutputEntry {
      let (byteCount, recordCount) = (byteCount, recordCount)
      return OutputEntry(
        name: name, byteCount: byteCount, sha256: hash.finish().description, records: recordCount)
    }
  }

  /// What stops a block: its partial, or where it goes.
  private enum Failure: Error {
    case partial(PartialError)
    case destination(DestinationError)
  }

  init(_ input: MergeInput, _ write: TableWrite) {
    order = PlanOrder(input)
    expected = input.counts
    lines = ResultLines(delimiter: write.delimiter, fieldCount: write.columns.count)
  }

  /// Ends; the plan's last block has been appended.
  consuming func finish(_ write: TableWrite) throws(DestinationError) -> StagedTable {
    let totals = try order.finish(expected)
    let entries = [
      results.finish(write.table.description), errors.finish(write.errorsTable.description),
    ]
    return StagedTable(totals: totals, outputs: entries)
  }

  /// Hands over the records of the next blocks of the plan.
  mutating func append(
    _ placed: PlacedBlocks, to sink: inout some RecordSink & ~Copyable
  ) throws(DestinationError) {
    let committed = placed.committed
    try order.check(committed)
    if order.isAtStartOfShard { order.beginShard() }
    if committed.partial.byteCount == 0 {
      try order.addNothing(committed)
    } else {
      do throws(Failure) {
        try appendPartial(placed, to: &sink)
      } catch {
        switch error {
        case .destination(let error): throw located(error, sink.failedOrdinal)
        case .partial(let error): try order.note(error, committed)
        }
      }
    }
    order.advance(past: committed)
  }

  /// Lets the sink take what it holds back; after damage nothing is handed over any more.
  mutating func finishRecords(
    of sink: inout some RecordSink & ~Copyable
  ) throws(DestinationError) {
    guard order.isSound else { return }
    do throws(DestinationError) { try sink.finish() } catch {
      throw located(error, sink.failedOrdinal)
    }
  }

  /// Adds the record that an error is about, by its file and row.
  private func located(_ error: DestinationError, _ ordinal: UInt64?) -> DestinationError {
    guard let ordinal, let origin = origins.last(where: { $0.firstOrdinal <= ordinal }) else {
      return error
    }
    return DestinationError(
      code: error.code, context: "\(error.context); it is \(origin.place(of: ordinal))")
  }

  // MARK: Blocks

  private mutating func appendPartial(
    _ placed: PlacedBlocks, to sink: inout some RecordSink & ~Copyable
  ) throws(Failure) {
    let committed = placed.committed
    let reader = try openPartial(placed)
    var firstRow = order.rowCount + 1
    for block in committed.blocks.indices {
      let header = reader.header.blocks[block - reader.header.firstBlock]
      if order.isSound {
        noteOrigin(header.counts, firstRow: firstRow, pending: sink.pendingOrdinal)
        try appendResults(block, of: reader, header, to: &sink)
        try appendErrors(block, of: reader, firstRow: firstRow, to: &sink)
      } else {
        try reading { () throws(PartialError) in try reader.verify(block: block) }
      }
      firstRow += header.counts.total
      order.add(header)
    }
  }

  private mutating func noteOrigin(_ counts: RecordCounts, firstRow: UInt64, pending: UInt64?) {
    guard counts.ok > 0 else { return }  // a filter may leave millions of blocks without a result
    let firstKept = min(pending ?? .max, results.recordCount + 1)
    // The one before the first that begins later may still hold it.
    if let next = origins.firstIndex(where: { $0.firstOrdinal > firstKept }), next > 1 {
      origins.removeFirst(next - 1)
    } else if pending == nil {
      origins.removeAll(keepingCapacity: true)
    }
    origins.append(
      ResultOrigin(
        firstOrdinal: results.recordCount + 1, path: order.input.path, firstRow: firstRow,
        counts: counts))
  }

  private func openPartial(_ placed: PlacedBlocks) throws(Failure) -> PartialReader {
    do throws(PartialError) { return try order.open(placed) } catch { throw .partial(error) }
  }

  private func reading<Result>(
    _ body: () throws(PartialError) -> Result
  ) throws(Failure) -> Result {
    do throws(PartialError) { return try body() } catch { throw .partial(error) }
  }

  private mutating func appendResults(
    _ block: Int, of reader: borrowing PartialReader, _ header: PartialHeader.Block,
    to sink: inout some RecordSink & ~Copyable
  ) throws(Failure) {
    var rest: [UInt8] = []
    let before = results.recordCount
    do throws(PartialError) { try reader.verify(block: block) } catch { throw .partial(error) }
    for frame in reader.frames(of: block).results {
      do throws(PartialError) {
        let text = try reader.text(of: frame, try reader.stored(frame), &decompressor)
        results.add(text)
        rest = rest.isEmpty ? text : rest + text
      } catch {
        throw .partial(error)
      }
      rest.removeFirst(try appendLines(of: rest, reader, block, to: &sink))
    }
    guard rest.isEmpty, results.recordCount - before == header.counts.ok else {
      throw .partial(
        reader.damaged(
          "block \(block): \(results.recordCount - before) results, the header says "
            + "\(header.counts.ok)"))
    }
  }

  /// Hands over the whole lines of some text.
  ///
  /// - Returns: How many bytes they have.
  private mutating func appendLines(
    of text: [UInt8], _ reader: borrowing PartialReader, _ block: Int,
    to sink: inout some RecordSink & ~Copyable
  ) throws(Failure) -> Int {
    var start = 0
    var isMalformed = false
    var failure: DestinationError?
    unsafe text.withUnsafeBufferPointer { bytes in
      while failure == nil, let end = unsafe endOfLine(in: bytes, start, &isMalformed) {
        results.recordCount += 1
        do throws(DestinationError) {
          unsafe try sink.append(ordinal: results.recordCount, bytes, lines.fields)
        } catch {
          failure = error
        }
        start = end
      }
    }
    if let failure { throw .destination(failure) }
    guard !isMalformed else {
      throw .partial(reader.damaged("block \(block): a result line is malformed"))
    }
    return start
  }

  /// Where the line that begins at an offset ends, if the text has all of it.
  private mutating func endOfLine(
    in text: UnsafeBufferPointer<UInt8>, _ start: Int, _ isMalformed: inout Bool
  ) -> Int? {
    switch unsafe lines.next(in: text, from: start) {
    case .line(let end): return end
    case .partOfLine: return nil
    case .malformed:
      isMalformed = true
      return nil
    }
  }

  /// Hands over a block's error records with their row numbers in the input.
  private mutating func appendErrors(
    _ block: Int, of reader: borrowing PartialReader, firstRow: UInt64,
    to sink: inout some RecordSink & ~Copyable
  ) throws(Failure) {
    var found: [[UInt8]] = []
    do throws(PartialError) {
      try reader.errors(of: block, &decompressor) { (ordinal, object) throws(PartialError) in
        found.append(ErrorLine.make(row: firstRow + ordinal, object: object))
      }
    } catch {
      throw .partial(error)
    }
    for line in found {
      errors.recordCount += 1
      errors.add(line)
      do throws(DestinationError) {
        try sink.append(errorLine: line, ordinal: errors.recordCount)
      } catch {
        throw .destination(error)
      }
    }
  }
}
