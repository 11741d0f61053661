extension FrameCuts {
  /// Finds cuts by the seek table that ends a file.
  ///
  /// The table's own frame is checked, the sum of its sizes, and the header of each frame that
  /// begins a shard. Nothing else is believed: a reader checks the bounds of its shard.
  ///
  /// - Returns: nil where there is no such table, or one that does not fit the file.
  static func seekTable(
    _ window: inout PeekWindow, shardByteCount: UInt64
  ) throws -> FrameCuts? {
    guard let shape = try TableShape(&window) else { return nil }
    var list = CutList(shardByteCount: shardByteCount)
    var stored: UInt64 = 0
    for index in 0..<shape.frameCount {
      // Entries and frames are far from each other in the file; each has its own read-ahead.
      let entry = try shape.entry(index)
      guard stored + entry.stored <= shape.offset, entry.text <= shape.textLimit else { return nil }
      guard let isCut = list.append(textByteCount: entry.text, storedOffset: stored) else {
        return nil
      }
      if isCut || index == 0, entry.text > 0 {
        guard let header = try ZstdFrameHeader(window.peek(at: stored, count: 18)),
          header.textByteCount ?? entry.text == entry.text
        else { return nil }
        _ = try checkedHeader(&window, at: stored)
      }
      stored += entry.stored
    }
    guard stored == shape.offset else { return nil }
    return list.finished(storedByteCount: window.byteCount)
  }
}

/// Where a seek table stands and how its entries look.
private final class TableShape {
  /// Where the skippable frame begins that holds the table.
  let offset: UInt64
  let frameCount: Int
  let textLimit = UInt64(SeekTable.frameTextByteLimit)
  private let entryByteCount: Int
  private var window: PeekWindow

  /// Looks for a table at the end of a file.
  init?(_ window: inout PeekWindow) throws {
    let footerByteCount = SeekTable.footerByteCount
    guard window.byteCount >= UInt64(8 + footerByteCount) else { return nil }
    let footer = try window.peek(
      at: window.byteCount - UInt64(footerByteCount), count: footerByteCount)
    // Bit 7 of the descriptor: each entry ends with a checksum of the text; bits 2-6 are reserved.
    guard footer.number(at: 5, count: 4) == 0x8F92_EAB1,
      footer.number(at: 4, count: 1) & 0b0111_1100 == 0,
      footer.number(at: 0, count: 4) <= UInt64(SeekTable.frameLimit)
    else { return nil }
    frameCount = Int(footer.number(at: 0, count: 4))
    entryByteCount = footer.number(at: 4, count: 1) & 0x80 == 0 ? 8 : 12
    let size = UInt64(frameCount * entryByteCount + footerByteCount)
    guard size + 8 <= window.byteCount else { return nil }
    offset = window.byteCount - size - 8
    let head = try window.peek(at: offset, count: 8)
    guard head.number(at: 0, count: 4) == 0x184D_2A5E, head.number(at: 4, count: 4) == size
    else { return nil }
    self.window = window  // a copy: entries are read through a buffer of their own
  }

  func entry(_ index: Int) throws -> (stored: UInt64, text: UInt64) {
    let place = offset + 8 + UInt64(index * entryByteCount)
    let bytes = try window.peek(at: place, count: 8)
    return (bytes.number(at: 0, count: 4), bytes.number(at: 4, count: 4))
  }
}
