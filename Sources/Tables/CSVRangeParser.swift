import CKernels
package import Jobs

/// Reads the CSV records that begin in one byte range of a text, block by block.
///
/// A cut at nominal offset N > 0 really lies after the first line feed at or beyond N, or at the
/// end of the text where there is none; a cut at 0 lies at 0. The record that begins at r belongs
/// to the range or block whose bounds enclose r - 1 (r = 0 to the one that begins at 0), and the
/// parser reads on past its range to finish the last one. At a cut the text is in one of two
/// states, `RangeState`. The parser is told the one at its begin, a guess unless the range before
/// has been parsed, and reports the ones at all block bounds: if the range before reports another
/// one than was assumed, everything read here is void.
///
/// Memory: a window that holds one tile, one record up to the record limit and one read.
@safe package struct CSVRangeParser: ~Copyable {
  /// The states at the really used bounds of all blocks, as far as they are known.
  ///
  /// Entry 0 is the state assumed at the range's begin, entry k the one after block k - 1; the
  /// last is the range's exit state. Complete once `readTile` has answered false. At the end of
  /// the text the state is `recordStart`, whatever came before.
  package private(set) var boundStates: [RangeState] = []
  /// Number of records so far that begin in the range, the ones that are errors included.
  package private(set) var recordCount: UInt64 = 0

  private let options: CSVOptions
  private let range: Range<UInt64>
  private let blockByteCount: UInt64
  private let blockCount: UInt64
  private let entryState: RangeState
  private let headerOffset: UInt64?
  private var window: CSVWindow
  private var scanner: ns_csv_scanner
  private var phase = Phase.seeking
  private var blockIndex: UInt64 = 0
  private var nextOrdinal: UInt64 = 0
  /// Where the tile's window began, once bytes have been left out of it.
  private var skippedTileOffset: UInt64?
  /// The last line feed inside a field that was a bound, and the first state taken there.
  private var lastInside: (stateIndex: Int, offset: UInt64)?

  private enum Phase { case seeking, parsing, finished }

  /// Prepares to parse; nothing is read yet.
  ///
  /// - Parameters:
  ///   - source: The text.
  ///   - range: Nominal bounds in the text; an upper bound of `UInt64.max` means its end.
  ///   - blockByteCount: Nominal size of a block.
  ///   - entryState: The state where the range really begins.
  ///   - headerOffset: `CSVHeader.offset`: the record there is not given out; nil where the text
  ///     has no header.
  ///   - fieldCount: Number of fields every record must have.
  ///   - options: How to read.
  ///   - instructions: What the scanner may use; the CPU has to have it.
  ///   - windowByteCount: Initial size of the window, and how much is read at most at a time.
  package init(
    source: any ByteSource, range: Range<UInt64>, blockByteCount: UInt64,
    entryState: RangeState = .recordStart, headerOffset: UInt64?, fieldCount: Int,
    options: CSVOptions, instructions: TextInstructions = .best, windowByteCount: Int = 512 << 10
  ) {
    precondition(blockByteCount > 0 && fieldCount > 0 && fieldCount <= CSVHeader.columnLimit)
    precondition(range.lowerBound > 0 || entryState == .recordStart)
    self.options = options
    self.range = range
    self.blockByteCount = blockByteCount
    let byteCount = range.upperBound - range.lowerBound
    blockCount = byteCount / blockByteCount + (byteCount % blockByteCount == 0 ? 0 : 1)
    self.entryState = entryState
    self.headerOffset = headerOffset
    window = CSVWindow(source: source, start: range.lowerBound, byteCount: windowByteCount)
    unsafe scanner = ns_csv_scanner()
    unsafe scanner.delimiter = options.delimiter
    unsafe scanner.isa = UInt8(instructions.kernel.rawValue)
    unsafe scanner.expected_field_count = UInt32(fieldCount)
    unsafe scanner.tile_record_limit = UInt32(RecordTile.recordLimit)
    unsafe scanner.tile_byte_limit = Int64(RecordTile.byteLimit)
    unsafe scanner.record_byte_limit = Int64(options.recordByteLimit)
  }

  /// Reads the next tile.
  ///
  /// - Parameter tile: Refilled; what was in it is gone.
  /// - Returns: false when the range is finished; the tile is then empty.
  /// - Throws: What the source fails with. The parser is then of no more use.
  package mutating func readTile(into tile: inout RecordTile) throws -> Bool {
    tile.recordCount = 0
    tile.expectedFieldCount = unsafe Int(scanner.expected_field_count)
    unsafe scanner.record_count = 0
    unsafe scanner.field_count = 0
    unsafe scanner.non_ascii = 0
    skippedTileOffset = nil
    if phase == .seeking { try seek() }
    if phase == .parsing { try readAhead() }
    while phase == .parsing {
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

  /// Scans until something happens and deals with it.
  ///
  /// - Returns: Whether the tile ends here.
  private mutating func step(_ tile: inout RecordTile) throws -> Bool {
    unsafe scanner.records = tile.records
    unsafe scanner.fields = tile.fields
    unsafe scanner.field_capacity = tile.fieldCapacity
    unsafe scanner.next_bound = window.index(nextBound ?? .max)
    // An offset of .max lies beyond every window, so no record begins there.
    unsafe scanner.skipped_text_start = window.index(headerOffset ?? .max)
    let event = unsafe ns_csv_scan(
      &scanner, window.bytes, Int64(window.filledCount), window.isAtEnd ? 1 : 0)
    switch Int(event) {
    case NS_CSV_MORE:
      return try needMore()
    case NS_CSV_GROW:
      unsafe tile.growFields(keeping: Int(scanner.field_count))
      return false
    case NS_CSV_BOUND:
      let offset = unsafe window.offset(scanner.event_position)
      if unsafe scanner.event_ends_record != 0 {
        endBlock(at: offset)
        return true
      }
      let state = unsafe RangeState.insideField(recordOffset: window.offset(scanner.record_start))
      crossBounds(through: offset, state)
      unsafe scanner.stops_after_record = 1
      return false
    case NS_CSV_END:
      endText()
      return true
    default:  // NS_CSV_TILE_END
      return true
    }
  }

  /// Makes tiles end after fewer records than `RecordTile.recordLimit`.
  mutating func limitTiles(to recordCount: Int) {
    precondition((1...RecordTile.recordLimit).contains(recordCount))
    unsafe scanner.tile_record_limit = UInt32(recordCount)
  }

  /// Hands the tile over.
  private mutating func deliver(_ tile: inout RecordTile) {
    tile.recordCount = unsafe scanner.record_count
    unsafe tile.window = UnsafePointer(window.bytes)
    tile.windowOffset = skippedTileOffset ?? window.offset
    if unsafe scanner.non_ascii != 0 {
      _ = unsafe ns_csv_mark_invalid_utf8(
        ns_isa(UInt32(scanner.isa)), window.bytes, tile.records, tile.recordCount)
    }
    recordCount += UInt64(tile.recordCount)
    if tile.blockIndex == blockIndex {
      nextOrdinal = tile.firstOrdinal + UInt64(tile.recordCount)
    }
  }
}

// MARK: - Bounds

extension CSVRangeParser {
  /// The nominal bound whose state is to be found next; nil when all are known.
  private var nextBound: UInt64? {
    let index = UInt64(boundStates.count)
    guard index <= blockCount else { return nil }
    return index == blockCount ? range.upperBound : range.lowerBound + index * blockByteCount
  }

  /// Notes the state after the line feed at `offset` for all bounds that lead there.
  private mutating func crossBounds(through offset: UInt64, _ state: RangeState) {
    if state != .recordStart { lastInside = (boundStates.count, offset) }
    while let bound = nextBound, bound <= offset { boundStates.append(state) }
  }

  /// Notes that a record ended with the line feed at `offset`, and with it its block.
  private mutating func endBlock(at offset: UInt64) {
    crossBounds(through: offset, .recordStart)
    guard nextBound != nil else {
      phase = .finished
      return
    }
    blockIndex = (offset - range.lowerBound) / blockByteCount
    nextOrdinal = 0
  }

  /// Notes that the text has ended: no record can begin there, so nothing is inside one.
  private mutating func endText() {
    phase = .finished
    let end = window.offset(Int64(window.filledCount))
    if let lastInside, lastInside.offset + 1 == end {
      for index in lastInside.stateIndex..<boundStates.count { boundStates[index] = .recordStart }
    }
    guard range.upperBound < .max else {
      boundStates.append(.recordStart)
      return
    }
    while nextBound != nil { boundStates.append(.recordStart) }
  }
}

// MARK: - The window

extension CSVRangeParser {
  /// Finds the place where the range really begins.
  private mutating func seek() throws {
    phase = .parsing
    guard range.lowerBound > 0 else {
      while window.filledCount < 3 && !window.isAtEnd {
        if window.roomCount == 0 { window.grow() }
        try window.read()
      }
      boundStates.append(.recordStart)
      unsafe ns_csv_begin_record(&scanner, 0)
      if window.beginsWithByteOrderMark {
        unsafe scanner.text_start = 3
        unsafe scanner.field_start = 3
        unsafe scanner.scan_position = 3
      }
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

  /// Begins to parse after the line feed at `index`, in the state assumed.
  private mutating func begin(after index: Int) {
    let offset = window.offset(Int64(index))
    unsafe scanner.scan_position = Int64(index + 1)
    switch entryState {
    case .recordStart:
      unsafe ns_csv_begin_record(&scanner, Int64(index + 1))
    case .insideField(let recordOffset):
      unsafe ns_csv_resume_in_quotes(&scanner, window.index(recordOffset))
      unsafe scanner.discards_record = 1
    }
    crossBounds(through: offset, entryState)
    if nextBound == nil {
      phase = .finished
    } else {
      blockIndex = (offset - range.lowerBound) / blockByteCount
    }
  }

  /// Fills the window before a tile is begun, while nothing but its end has to be moved.
  private mutating func readAhead() throws {
    let position = unsafe Int(scanner.scan_position)
    guard unsafe scanner.record_start == scanner.scan_position, !window.isAtEnd,
      window.filledCount - position < position
    else { return }
    unsafe ns_csv_shift(&scanner, Int64(window.makeRoom(keptStart: position)))
    if window.roomCount > 0 { try window.read() }
  }

  /// Reads on because the window is scanned to its end.
  ///
  /// - Returns: Whether the tile ends here.
  private mutating func needMore() throws -> Bool {
    let isDiscarding = unsafe scanner.discards_record != 0
    let length = unsafe Int(scanner.scan_position - scanner.text_start)
    if !isDiscarding && length > max(options.recordByteLimit, Int(NS_CSV_EXCERPT_LIMIT)) {
      return try skipLongRecord()
    }
    let keptStart: Int
    if unsafe scanner.record_count > 0 {
      keptStart = unsafe Int(scanner.records[0].start)
    } else if isDiscarding {
      // The byte before is looked at when a line feed comes.
      keptStart = unsafe max(Int(scanner.scan_position) - 1, 0)
    } else {
      keptStart = unsafe Int(scanner.text_start)
    }
    unsafe ns_csv_shift(&scanner, Int64(window.makeRoom(keptStart: keptStart)))
    try window.read()
    return false
  }

  /// Passes over the rest of a record that is too long, keeping only its excerpt.
  ///
  /// - Returns: true: such a record ends its tile.
  private mutating func skipLongRecord() throws -> Bool {
    let excerptEnd = unsafe Int(scanner.text_start) + Int(NS_CSV_EXCERPT_LIMIT)
    skippedTileOffset = window.offset
    var searchStart = unsafe Int(scanner.scan_position)
    while true {
      if let index = window.firstLineFeed(from: searchStart) {
        let isBlockEnd = unsafe scanner.stops_after_record != 0
        beginAfterLongRecord(stop: index, next: index + 1)
        let offset = window.offset(Int64(index))
        if isBlockEnd || (nextBound ?? .max) <= offset { endBlock(at: offset) }
        return true
      }
      if window.isAtEnd {
        beginAfterLongRecord(stop: window.filledCount, next: window.filledCount)
        endText()
        return true
      }
      window.discard(from: excerptEnd)
      searchStart = excerptEnd
      if window.roomCount < 4_096 { window.grow() }
      try window.read()
    }
  }

  private mutating func beginAfterLongRecord(stop: Int, next: Int) {
    unsafe ns_csv_end_too_long(&scanner, Int64(stop))
    unsafe ns_csv_begin_record(&scanner, Int64(next))
    unsafe scanner.scan_position = Int64(next)
  }
}
