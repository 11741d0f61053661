/// What the header of a zstd frame says.
struct ZstdFrameHeader: Equatable {
  /// Size of the header, magic number included.
  let byteCount: Int
  /// Size of the frame's text, where the header tells it.
  let textByteCount: UInt64?
  /// How far back the text refers, in bytes; 0 where only the text's size bounds it.
  let windowByteCount: UInt64
  let hasChecksum: Bool
  let dictionary: UInt64

  /// The most that a header can have.
  static let byteLimit = 18
  static let magic: UInt64 = 0xFD2F_B528

  /// Reads a header (RFC 8878, 3.1.1.1).
  ///
  /// - Returns: nil where the bytes are none, or too few.
  init?(_ bytes: ArraySlice<UInt8>) {
    guard bytes.count >= 5, bytes.number(at: 0, count: 4) == Self.magic else { return nil }
    let descriptor = bytes.number(at: 4, count: 1)
    guard descriptor & 0b1000 == 0 else { return nil }  // reserved
    let hasNoWindow = descriptor & 0b10_0000 != 0
    let sizeFlag = Int(descriptor >> 6)
    let sizeCount = sizeFlag == 0 ? (hasNoWindow ? 1 : 0) : 1 << sizeFlag
    let dictionaryCount = [0, 1, 2, 4][Int(descriptor & 0b11)]
    let windowCount = hasNoWindow ? 0 : 1
    byteCount = 5 + windowCount + dictionaryCount + sizeCount
    guard bytes.count >= byteCount else { return nil }
    if sizeCount == 0 {
      textByteCount = nil
    } else {
      let raw = bytes.number(at: byteCount - sizeCount, count: sizeCount)
      textByteCount = sizeCount == 2 ? raw + 256 : raw
    }
    if hasNoWindow {
      windowByteCount = textByteCount ?? 0
    } else {
      let window = bytes.number(at: 5, count: 1)
      let base = UInt64(1) << (10 + window >> 3)
      windowByteCount = base + base / 8 * (window & 7)
    }
    dictionary = bytes.number(at: 5 + windowCount, count: dictionaryCount)
    hasChecksum = descriptor & 0b100 != 0
  }
}

extension FrameCuts {
  /// Most text of one block (RFC 8878, 3.1.1.2.4).
  private static let blockTextByteLimit: UInt64 = 128 << 10

  /// Finds cuts by walking over the headers of all frames and blocks.
  static func frames(_ window: inout PeekWindow, _ list: inout CutList) throws -> FrameCuts {
    var place: UInt64 = 0
    while place < window.byteCount {
      if let end = try skippableFrameEnd(&window, at: place) {
        place = end
        continue
      }
      let header = try checkedHeader(&window, at: place)
      guard let textByteCount = header.textByteCount else {
        return whole(.sizeUnknown(at: place), window)
      }
      let end = try frameEnd(&window, at: place, header)
      guard list.append(textByteCount: textByteCount, storedOffset: place) != nil else {
        throw window.corrupt("zstd frame claims \(textByteCount) bytes of text", at: place)
      }
      place = end
    }
    return list.finished(storedByteCount: window.byteCount)
  }

  /// Where a skippable frame ends, or nil where none begins.
  static func skippableFrameEnd(
    _ window: inout PeekWindow, at place: UInt64
  ) throws -> UInt64? {
    let bytes = try window.peek(at: place, count: 8)
    guard bytes.count >= 4, bytes.number(at: 0, count: 4) & ~0xF == 0x184D_2A50 else { return nil }
    guard bytes.count == 8 else { throw window.truncated(at: window.byteCount) }
    let end = place + 8 + bytes.number(at: 4, count: 4)
    guard end <= window.byteCount else { throw window.truncated(at: window.byteCount) }
    return end
  }

  /// The header of the frame that begins at a place.
  static func checkedHeader(
    _ window: inout PeekWindow, at place: UInt64
  ) throws -> ZstdFrameHeader {
    let bytes = try window.peek(at: place, count: ZstdFrameHeader.byteLimit)
    guard let header = ZstdFrameHeader(bytes) else {
      let isShort = bytes.count < ZstdFrameHeader.byteLimit
      let beginsRight = bytes.count < 4 || bytes.number(at: 0, count: 4) == ZstdFrameHeader.magic
      throw isShort && beginsRight
        ? window.truncated(at: window.byteCount)
        : window.corrupt("no zstd frame", at: place)
    }
    guard header.dictionary == 0 else {
      throw window.corrupt("zstd frame that needs dictionary \(header.dictionary)", at: place)
    }
    guard header.windowByteCount <= 1 << TextDecompressor.zstdWindowLogLimit else {
      throw CompressionError(
        code: .tooLarge,
        context: "\(window.name): zstd frame with a window of \(header.windowByteCount) bytes at "
          + "byte \(place), at most \(1 << TextDecompressor.zstdWindowLogLimit) are accepted")
    }
    return header
  }

  /// Where a frame ends, by the headers of its blocks.
  private static func frameEnd(
    _ window: inout PeekWindow, at begin: UInt64, _ header: ZstdFrameHeader
  ) throws -> UInt64 {
    var place = begin + UInt64(header.byteCount)
    var textLimit: UInt64 = 0
    while true {
      let bytes = try window.peek(at: place, count: 3)
      guard bytes.count == 3 else { throw window.truncated(at: window.byteCount) }
      let block = bytes.number(at: 0, count: 3)
      let size = block >> 3
      let type = block >> 1 & 0b11
      guard type < 3, size <= blockTextByteLimit else {
        throw window.corrupt("zstd block of type \(type) and \(size) bytes", at: place)
      }
      textLimit += type == 2 ? blockTextByteLimit : size
      place += 3 + (type == 1 ? 1 : size)
      guard place <= window.byteCount else { throw window.truncated(at: window.byteCount) }
      if block & 1 == 1 { break }
    }
    place += header.hasChecksum ? 4 : 0
    guard place <= window.byteCount else { throw window.truncated(at: window.byteCount) }
    if let text = header.textByteCount, text > textLimit {
      throw window.corrupt(
        "zstd frame claims \(text) bytes of text, its blocks hold at most \(textLimit)", at: begin)
    }
    return place
  }
}
