import CKernels
package import Digests
package import Jobs

/// Reads the JSON lines that begin in one lease's range, block by block.
///
/// A record is one line and has to be one JSON object (RFC 8259): every line is checked whole, its
/// members beyond the columns included. Lines of nothing but spaces, tabs and CRs are passed over,
/// and so is a byte order mark at the begin. Members of one name: the last counts. A line belongs
/// to the range or block whose bounds enclose the byte before it (the first one to that which
/// begins at 0), as in CSV; a line feed cannot stand inside a record, so all bounds' states are
/// `recordStart`. In a tile, strings are fields in quotes and null or missing members empty ones.
///
/// Memory: a window that holds one tile, one record up to the record limit and one read.
@safe package final class JSONLTileReader: TileReader {
  /// The states at the really used bounds of the blocks, all `recordStart`.
  package private(set) var boundStates: [RangeState] = []
  /// Number of records so far, the ones that are errors included.
  package private(set) var recordCount: UInt64 = 0

  private let range: LeaseRange
  private let recordByteLimit: Int
  private let blockCount: UInt64
  private let source: HashingSource
  private let keys: JSONKeys
  private var window: CSVWindow
  private var scanner: ns_json_scanner
  private var phase = Phase.seeking
  private var blockIndex: UInt64 = 0
  private var nextOrdinal: UInt64 = 0
  /// Where the whole lines in the window end; after the text's last line, past the line feed that
  /// was put behind it.
  private var linesEnd = 0
  /// Before this there is no line feed at or after `linesEnd`.
  private var searchedEnd = 0
  /// Where the tile's window began, once bytes have been left out of it.
  private var skippedTileOffset: UInt64?

  /// Fields of a tile: members that are missing take room too, so tables of more than 1,023 columns
  /// have fewer records in a tile.
  private static let fieldLimit = 1 << 20

  private enum Phase { case seeking, reading, finished }

  /// Prepares to read; nothing is read yet.
  ///
  /// - Parameters:
  ///   - text: The input's text, from offset 0.
  ///   - range: What to read, in bytes.
  ///   - columns: The members that become fields, in this order; all different.
  ///   - options: How to read.
  ///   - instructions: What the scanner may use; the CPU has to have it.
  ///   - windowByteCount: Initial size of the window, and how much is read at most at a time.
  /// - Throws: `TableError.system` where there is no memory.
  package init(
    text: any ByteSource, range: LeaseRange, columns: [String], options: JSONLOptions,
    instructions: TextInstructions = .best, windowByteCount: Int = 512 << 10
  ) throws(TableError) {
    precondition(range.blockLength > 0 && range.begin <= range.end)
    self.range = range
    recordByteLimit = options.recordByteLimit
    let byteCount = range.end - range.begin
    blockCount = byteCount / range.blockLength + (byteCount % range.blockLength == 0 ? 0 : 1)
    source = HashingSource(
      text, begin: range.begin, end: range.end, blockByteCount: range.blockLength,
      blockCount: range.blockCount)
    keys = try JSONKeys(columns)
    window = CSVWindow(source: source, start: range.begin, byteCount: windowByteCount)
    var scanner = unsafe ns_json_scanner()
    unsafe scanner.column_count = UInt32(columns.count)
    unsafe scanner.record_limit = UInt32(
      min(RecordTile.recordLimit, Self.fieldLimit / (columns.count + 1)))
    unsafe scanner.tile_byte_limit = Int64(RecordTile.byteLimit)
    unsafe scanner.record_byte_limit = Int64(options.recordByteLimit)
    unsafe scanner.accepts_arrays = options.acceptsArrays ? 1 : 0
    unsafe scanner.isa = UInt8(instructions.kernel.rawValue)
    unsafe self.scanner = scanner
  }

  /// Reads the next tile.
  ///
  /// - Parameter tile: Refilled; what was in it is gone.
  /// - Returns: false when the range is finished; the tile is then empty.
  /// - Throws: What the source fails with. The reader is then of no more use.
  package func readTile(into tile: inout RecordTile) throws -> Bool {
    tile.isJSON = true
    tile.recordCount = 0
    tile.expectedFieldCount = unsafe Int(scanner.column_count)
    unsafe scanner.record_count = 0
    unsafe scanner.field_count = 0
    skippedTileOffset = nil
    if phase == .seeking { try seek() }
    if phase == .reading { try readAhead() }
    while phase == .reading {
      if unsafe scanner.record_count == 0 {
        tile.blockIndex = Int(blockIndex)
        tile.firstOrdinal = nextOrdinal
      }
      let isTileEnded = try step(&tile)
      if isTileEnded, unsafe scanner.record_count > 0 { break }
    }
    deliver(&tile)
    return tile.recordCount > 0
  }

  /// The digest of a block's nominal bytes.
  package func inputDigest(ofBlock index: Int) -> Digest128 { source.digest(ofBlock: index) }

  /// Makes tiles end after fewer records than `RecordTile.recordLimit`.
  func limitTiles(to recordCount: Int) {
    precondition((1...RecordTile.recordLimit).contains(recordCount))
    unsafe scanner.record_limit = UInt32(recordCount)
  }

  /// Scans until something happens and deals with it.
  ///
  /// - Returns: Whether the tile ends here.
  private func step(_ tile: inout RecordTile) throws -> Bool {
    unsafe scanner.records = tile.records
    unsafe scanner.fields = tile.fields
    unsafe scanner.field_capacity = tile.fieldCapacity
    unsafe scanner.next_bound = window.index(nextBound ?? .max)
    let event = unsafe ns_json_scan(&scanner, keys.raw, window.bytes, Int64(linesEnd))
    switch Int(event) {
    case NS_JSON_MORE:
      return try needMore()
    case NS_JSON_GROW:
      unsafe tile.growFields(keeping: Int(scanner.field_count))
      return false
    case NS_JSON_BOUND:
      // The line feed that was put behind the last line is none of the text.
      if unsafe Int(scanner.line_feed) == window.filledCount {
        endText()
      } else {
        unsafe endBlock(at: window.offset(scanner.line_feed))
      }
      return true
    default:  // NS_JSON_TILE_END
      return true
    }
  }

  /// Hands the tile over.
  private func deliver(_ tile: inout RecordTile) {
    tile.recordCount = unsafe scanner.record_count
    unsafe tile.window = UnsafePointer(window.bytes)
    tile.windowOffset = skippedTileOffset ?? window.offset
    _ = unsafe ns_csv_mark_invalid_utf8(
      TextInstructions.best.kernel, window.bytes, tile.records, tile.recordCount)
    recordCount += UInt64(tile.recordCount)
    if tile.blockIndex == blockIndex {
      nextOrdinal = tile.firstOrdinal + UInt64(tile.recordCount)
    }
  }

  // MARK: Bounds

  /// The nominal bound that is to be crossed next; nil when all are.
  private var nextBound: UInt64? {
    let index = UInt64(boundStates.count)
    guard index <= blockCount else { return nil }
    return index == blockCount ? range.end : range.begin + index * range.blockLength
  }

  /// Notes that a line ended with the line feed at `offset`, and with it its block.
  private func endBlock(at offset: UInt64) {
    while let bound = nextBound, bound <= offset { boundStates.append(.recordStart) }
    guard nextBound != nil else {
      phase = .finished
      return
    }
    blockIndex = (offset - range.begin) / range.blockLength
    nextOrdinal = 0
  }

  /// Notes that the text has ended.
  private func endText() {
    phase = .finished
    guard range.end < .max else {
      boundStates.append(.recordStart)
      return
    }
    while nextBound != nil { boundStates.append(.recordStart) }
  }

  // MARK: The window

  /// Finds the place where the range really begins.
  private func seek() throws {
    phase = .reading
    guard range.begin > 0 else {
      while window.filledCount < 3 && !window.isAtEnd {
        if window.roomCount == 0 { window.grow() }
        try read()
      }
      boundStates.append(.recordStart)
      // There may be no line feed yet, or only one inside the mark's three bytes.
      if window.beginsWithByteOrderMark { unsafe scanner.position = 3 }
      return
    }
    while true {
      try window.read()
      if let index = window.firstLineFeed(from: 0) {
        begin(after: index)
        return
      }
      if window.isAtEnd {
        endText()
        return
      }
      window.discard(from: 0)
    }
  }

  private func begin(after index: Int) {
    unsafe scanner.position = Int64(index + 1)
    linesEnd = index + 1
    searchedEnd = index + 1
    findLinesEnd()
    endBlock(at: window.offset(Int64(index)))
  }

  /// Fills the window before a tile is begun, while nothing but its end has to be moved.
  private func readAhead() throws {
    let position = unsafe Int(scanner.position)
    guard !window.isAtEnd, window.filledCount - position < position else { return }
    makeRoom(keptStart: position)
    if window.roomCount > 0 { try read() }
  }

  /// Reads on because the window has no more whole lines.
  ///
  /// - Returns: Whether the tile ends here.
  private func needMore() throws -> Bool {
    let position = unsafe Int(scanner.position)
    if window.isAtEnd {
      guard position < window.filledCount else {
        endText()
        return true
      }
      unsafe window.bytes[window.filledCount] = UInt8(ascii: "\n")
      linesEnd = window.filledCount + 1
      return false
    }
    if window.filledCount - position > max(recordByteLimit, Int(NS_CSV_EXCERPT_LIMIT)) {
      return try skipLongRecord()
    }
    let keptStart =
      unsafe scanner.record_count > 0 ? unsafe Int(scanner.records[0].start) : position
    makeRoom(keptStart: keptStart)
    try read()
    return false
  }

  private func makeRoom(keptStart: Int) {
    let count = window.makeRoom(keptStart: keptStart)
    unsafe ns_json_shift(&scanner, Int64(count))
    linesEnd -= count
    searchedEnd -= count
  }

  private func read() throws {
    try window.read()
    findLinesEnd()
  }

  private func findLinesEnd() {
    let end = unsafe ns_json_lines_end(
      window.bytes, Int64(searchedEnd), Int64(window.filledCount))
    if Int(end) > searchedEnd { linesEnd = Int(end) }
    searchedEnd = window.filledCount
  }

  /// Passes over the rest of a line that is too long, keeping only its excerpt.
  ///
  /// - Returns: true: such a record ends its tile.
  private func skipLongRecord() throws -> Bool {
    let position = unsafe Int(scanner.position)
    let excerptEnd = position + Int(NS_CSV_EXCERPT_LIMIT)
    unsafe scanner.records[Int(scanner.record_count)] = ns_csv_record(
      start: UInt32(position), length: UInt32(NS_CSV_EXCERPT_LIMIT), first_field: 0,
      field_count: 0, error: UInt32(NS_CSV_RECORD_TOO_LONG))
    unsafe scanner.record_count += 1
    skippedTileOffset = window.offset
    var searchStart = window.filledCount
    while true {
      if let index = window.firstLineFeed(from: searchStart) {
        beginLine(at: index + 1)
        let offset = window.offset(Int64(index))
        if (nextBound ?? .max) <= offset { endBlock(at: offset) }
        return true
      }
      if window.isAtEnd {
        beginLine(at: window.filledCount)
        endText()
        return true
      }
      window.discard(from: excerptEnd)
      searchStart = excerptEnd
      if window.roomCount < 4_096 { window.grow() }
      try window.read()
    }
  }

  private func beginLine(at index: Int) {
    unsafe scanner.position = Int64(index)
    linesEnd = index
    searchedEnd = index
    findLinesEnd()
  }
}
