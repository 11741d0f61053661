package import Compression
import Jobs

/// The text in a partial.
extension PartialReader {
  /// Decodes a block's result text, one frame at a time.
  package func results(
    of block: Int, _ decompressor: inout FrameDecompressor,
    _ body: ([UInt8]) throws(PartialError) -> Void
  ) throws(PartialError) {
    for frame in frames(of: block).results {
      try body(try text(of: frame, try stored(frame), &decompressor))
    }
  }

  /// Walks a block's error records in order.
  ///
  /// - Parameters:
  ///   - block: The block.
  ///   - decompressor: Reused from block to block.
  ///   - body: Gets the record's ordinal in the block and its JSON object, braces included.
  /// - Throws: `damaged` unless there are exactly as many lines as the header counts, ordinals
  ///   rising and below the block's record count; and what `body` throws.
  package func errors(
    of block: Int, _ decompressor: inout FrameDecompressor,
    _ body: (_ ordinal: UInt64, _ object: ArraySlice<UInt8>) throws(PartialError) -> Void
  ) throws(PartialError) {
    let counts = header.blocks[block - header.firstBlock].counts
    var rest: [UInt8] = []
    var next: UInt64 = 0
    var lineCount: UInt64 = 0
    for frame in frames(of: block).errors {
      rest += try text(of: frame, try stored(frame), &decompressor)
      var start = 0
      while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
        let (ordinal, object) = try split(rest[start..<end], block)
        guard ordinal >= next, ordinal < counts.total else {
          throw damaged("block \(block): error record \(ordinal) is out of order")
        }
        try body(ordinal, object)
        next = ordinal + 1
        lineCount += 1
        start = end + 1
      }
      rest.removeFirst(start)
    }
    guard rest.isEmpty, lineCount == counts.error else {
      throw damaged("block \(block): \(lineCount) error records, the header says \(counts.error)")
    }
  }

  private func split(
    _ line: ArraySlice<UInt8>, _ block: Int
  ) throws(PartialError) -> (UInt64, ArraySlice<UInt8>) {
    guard let tab = line.firstIndex(of: UInt8(ascii: "\t")),
      let ordinal = UInt64(String(decoding: line[..<tab], as: UTF8.self)),
      line[(tab + 1)...].first == UInt8(ascii: "{"), line.last == UInt8(ascii: "}")
    else { throw damaged("block \(block): a line of the error records is malformed") }
    return (ordinal, line[(tab + 1)...])
  }

  /// Decodes a frame that has been read.
  package func text(
    of frame: PartialFrame, _ stored: [UInt8], _ decompressor: inout FrameDecompressor
  ) throws(PartialError) -> [UInt8] {
    var text: [UInt8] = []
    do throws(CompressionError) {
      try decompressor.decompress(stored, into: &text, limit: Int(frame.rawByteCount))
    } catch {
      throw damaged("frame at byte \(frame.offset): \(error)")
    }
    guard text.count == Int(frame.rawByteCount) else {
      throw damaged("frame at byte \(frame.offset) holds \(text.count) bytes of text")
    }
    return text
  }
}
