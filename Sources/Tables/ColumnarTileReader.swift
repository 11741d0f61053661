import CKernels
package import Columnar
package import Digests
package import Jobs

/// Reads the rows of a columnar file in one lease's range, block by block.
///
/// Units are rows; a record's place is its row, counted from 0 in the file. Columns that are needed
/// as numbers come as numbers, everything else as text: dates and times as ISO 8601, bytes as
/// Base64. Text that is not UTF-8 makes its record an error, as in text formats.
///
/// Memory: one batch of the file, one tile and its text.
@safe package final class ColumnarTileReader: TileReader {
  /// Most bytes of text in a tile of several records.
  static let textByteLimit = 4 << 20

  private let range: LeaseRange
  private let file: ColumnarFile
  private let runs: ColumnarRuns
  private let columns: ColumnarTileColumns
  private let tileRecordLimit: Int
  private let kept: KeptRows?
  private var runIndex = 0
  private var reader: ColumnarReader?
  private var batch: ColumnarTileBatch?
  /// The row in the file that is read next.
  private var position: UInt64
  private var prunedCounts: [UInt64]
  private var hasher = XXH3()
  private var digests: [Digest128] = []

  /// Prepares to read; nothing but metadata is read yet.
  ///
  /// - Parameters:
  ///   - file: The input.
  ///   - range: What to read, in rows; its places are row groups.
  ///   - table: Columns, types and needs of the job.
  ///   - kept: Where rows are that the lease before has decoded, and where those go that this one
  ///     leaves; nil where the file's bytes are to be had for one lease only.
  ///   - keeps: Whether a row group has rows that the filter may keep.
  /// - Throws: `TableError.inputChanged` where the file is not the one that was planned.
  package init(
    _ file: ColumnarFile, range: LeaseRange, table: InputTable, kept: KeptRows? = nil,
    keeps: (Int) -> Bool = { _ in true }
  ) throws {
    try Self.check(file, range, table)
    guard let places = range.places, places.upperBound <= file.groups.count else {
      throw TableError(
        code: .inputChanged,
        context: "input changed: \(range.path) has \(file.groups.count) row groups, fewer than "
          + "the job was planned with")
    }
    self.file = file
    self.range = range
    self.kept = kept
    runs = ColumnarRuns(
      file.groups, places: Int(places.lowerBound)..<Int(places.upperBound),
      shardOffset: range.shardOffset, rows: range.begin..<range.end, keeps: keeps)
    columns = ColumnarTileColumns(
      file.columns, types: table.types, needs: table.needs,
      recordByteLimit: table.csv.recordByteLimit, movesFields: table.movesFields)
    tileRecordLimit = min(RecordTile.recordLimit, max(1, (4 << 20) / columns.fieldCount))
    position = range.begin
    prunedCounts = Array(repeating: 0, count: range.blockCount)
    guard let rows = kept?.take(file, range), runs.runs.first?.rows.contains(position) == true
    else { return }
    (reader, batch) = (rows.reader, rows.batch)
  }

  private static func check(
    _ file: ColumnarFile, _ range: LeaseRange, _ table: InputTable
  ) throws(TableError) {
    guard file.columns.map(\.name) == table.columns else {
      throw TableError(
        code: .inputChanged,
        context: "input changed: \(range.path) has other columns than the job was planned with")
    }
    guard let places = range.places else {
      throw TableError(code: .unsupported, context: "\(range.path): the plan names no row groups")
    }
    let rowCount = file.groups.prefix(Int(clamping: places.upperBound)).reduce(0) {
      $0 + $1.rowCount
    }
    guard rowCount >= range.end else {
      throw TableError(
        code: .inputChanged,
        context: "input changed: \(range.path) has \(rowCount) rows up to row group "
          + "\(places.upperBound), the job was planned with at least \(range.end)")
    }
  }

  package var boundStates: [RangeState] {
    Array(repeating: .recordStart, count: range.blockCount + 1)
  }

  package func inputDigest(ofBlock index: Int) -> Digest128 {
    while digests.count <= index { endDigest() }
    return digests[index]
  }

  package func prunedCount(ofBlock index: Int) -> UInt64 { prunedCounts[index] }

  private func endDigest() { digests.append(exchange(&hasher, with: XXH3()).finish()) }

  // MARK: Tiles

  package func readTile(into tile: inout RecordTile) throws -> Bool {
    columns.begin(&tile, recordLimit: tileRecordLimit)
    try passGap()
    guard position < range.end else {
      keepRows()
      return false
    }
    let block = self.block(of: position)
    let blockBegin = range.begin + UInt64(block) * range.blockLength
    let blockEnd =
      block + 1 == range.blockCount ? range.end : min(range.end, blockBegin + range.blockLength)
    tile.blockIndex = block
    tile.firstOrdinal = position - blockBegin
    while digests.count < block { endDigest() }
    let limit = min(UInt64(tileRecordLimit), blockEnd - position)
    while tile.count < Int(limit) {
      // A gap parts tiles, because a tile's ordinals have none.
      guard position < runs.runs[runIndex].rows.upperBound else { break }
      let batch = try nextRows()
      let wanted = min(Int(limit) - tile.count, batch.leftCount)
      let isFull = columns.append(
        batch, count: wanted, firstRow: position, to: &tile)
      position = batch.position
      if isFull { break }
    }
    columns.end(&tile)
    columns.hash(tile, into: &hasher)
    return true
  }

  private func block(of row: UInt64) -> Int {
    min(Int((row - range.begin) / range.blockLength), range.blockCount - 1)
  }

  /// Moves to the next row that has to be read; what lies before it counts as pruned.
  private func passGap() throws {
    if runIndex < runs.runs.count, position >= runs.runs[runIndex].rows.upperBound {
      runIndex += 1
      reader = nil
      batch = nil
    }
    let isLast = runIndex == runs.runs.count
    let next = isLast ? range.end : min(range.end, runs.runs[runIndex].rows.lowerBound)
    while position < next {
      let block = self.block(of: position)
      let blockEnd =
        block + 1 == range.blockCount
        ? range.end : range.begin + UInt64(block + 1) * range.blockLength
      let end = min(next, blockEnd)
      prunedCounts[block] += end - position
      position = end
    }
  }

  /// Leaves what was decoded beyond the range to the lease that goes on there.
  private func keepRows() {
    if let reader, let batch, batch.leftCount > 0, batch.position == position,
      reader.memoryPeak <= KeptRows.memoryLimit
    {
      kept?.put(KeptRows.Rows(file: file, range: range, reader: reader, batch: batch))
    }
    reader = nil
    batch = nil
  }

  /// The batch that has the next row.
  private func nextRows() throws -> ColumnarTileBatch {
    if let batch, batch.leftCount > 0 { return batch }
    batch = nil  // its memory goes before there is more
    var rows = try reader?.next()
    if rows == nil {
      // The first one, or the one after what the lease before left.
      reader = try makeReader()
      rows = try reader?.next()
    }
    guard let rows, runs.firstRow(ofGroup: rows.group) + rows.firstRow == position else {
      throw TableError(
        code: .inputChanged, context: "input changed: \(range.path) ends at row \(position)")
    }
    let next = ColumnarTileBatch(rows, position: position, columns: columns)
    batch = next
    return next
  }

  /// A reader of the run from the next row on.
  private func makeReader() throws -> ColumnarReader {
    let run = runs.runs[runIndex]
    var selection = ColumnarSelection(groups: run.groups, columns: columns.read)
    selection.skippedRowCount = position - run.rows.lowerBound
    selection.dictionaryColumns = columns.dictionaryColumns
    // Row groups that a lease in the middle of a shard begins after are not opened at all.
    while selection.groups.count > 1,
      selection.skippedRowCount >= file.groups[selection.groups.lowerBound].rowCount
    {
      selection.skippedRowCount -= file.groups[selection.groups.lowerBound].rowCount
      selection.groups = selection.groups.lowerBound + 1..<run.groups.upperBound
    }
    return try ColumnarReader(file, selection)
  }
}
