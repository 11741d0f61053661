package import Compression

/// The text of a compressed input, read forwards only, from its begin or from a cut on.
///
/// Reading may skip ahead, which decompresses what lies between, but not go back. It goes on
/// through later frames to the end of the file. Where cuts are given, the text has to meet them:
/// a file whose frames are not as large as they say would otherwise give records twice or lose
/// some.
@safe package final class DecompressingSource: ByteSource {
  private var base: any ByteSource
  private let decompressor: TextDecompressor
  private let name: String
  private let packed: UnsafeMutableRawBufferPointer
  /// What of `packed` is still to be unpacked.
  private var pending = 0..<0
  private var packedOffset: UInt64
  private var hasReachedEnd = false
  /// The offset in the text of the next byte that comes out.
  private var textOffset: UInt64
  private var endOffset: UInt64?
  /// The next cut that the text has to meet; nil where there is none.
  private var nextCut: FrameCut?

  /// Bytes of compressed input read at a time.
  package static let stepByteCount = 256 << 10

  /// Unpacks another source's bytes.
  ///
  /// - Parameters:
  ///   - base: The compressed bytes.
  ///   - compression: Their format.
  ///   - name: What errors call the input, usually its path.
  ///   - start: Where to begin; offsets below it cannot be read.
  ///   - end: The cut after `start`: the text is checked to be there where this says.
  package init(
    _ base: any ByteSource, compression: TextCompression, name: String,
    start: FrameCut = .begin, end: FrameCut? = nil
  ) {
    self.base = base
    self.name = name
    packedOffset = start.storedOffset
    textOffset = start.textOffset
    nextCut = end
    decompressor = TextDecompressor(compression, storedOffset: start.storedOffset)
    unsafe packed = .allocate(byteCount: Self.stepByteCount, alignment: 16)
  }

  deinit { unsafe packed.deallocate() }

  /// Size of the text, once its end has been read.
  package var byteCount: UInt64? { endOffset }

  /// Reads some of the bytes of the text from `offset` on.
  ///
  /// - Parameters:
  ///   - offset: Where to start, not before the end of the last read.
  ///   - buffer: What to fill; not empty.
  /// - Returns: How many bytes were filled, 0 only at the end of the text.
  /// - Throws: `TableError` or `CompressionError`.
  package func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws -> Int {
    guard offset >= textOffset else {
      throw TableError(
        code: .outOfOrder,
        context: "\(name): compressed text is at byte \(textOffset), cannot go back to \(offset)")
    }
    while textOffset < offset {
      let skippedCount = Int(min(UInt64(buffer.count), offset - textOffset))
      let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<skippedCount])
      if try unsafe readNext(into: part) == 0 { return 0 }
    }
    return try unsafe readNext(into: buffer)
  }

  private func readNext(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    guard endOffset == nil else { return 0 }
    while true {
      if pending.isEmpty && !hasReachedEnd {
        let count = try unsafe base.read(at: packedOffset, into: packed)
        packedOffset += UInt64(count)
        pending = 0..<count
        hasReachedEnd = count == 0
      }
      let input = unsafe UnsafeRawBufferPointer(rebasing: packed[pending])
      let step: (consumedCount: Int, producedCount: Int)
      do {
        step = try unsafe decompressor.decompress(input, into: buffer)
        pending = pending.lowerBound + step.consumedCount..<pending.upperBound
        if hasReachedEnd && step.producedCount == 0 { try decompressor.finish() }
      } catch {
        throw CompressionError(code: error.code, context: "\(name): \(error.context)")
      }
      textOffset += UInt64(step.producedCount)
      try checkCut()
      if step.producedCount > 0 { return step.producedCount }
      if hasReachedEnd {
        if let cut = nextCut { throw missed(cut) }
        endOffset = textOffset
        return 0
      }
      if step.consumedCount == 0 && !pending.isEmpty {
        throw CompressionError(
          code: .corrupt,
          context: "\(name): nothing comes of compressed byte \(decompressor.consumedByteCount)")
      }
    }
  }

  /// Checks that the text is not past the cut it has to meet.
  private func checkCut() throws(CompressionError) {
    guard let cut = nextCut else { return }
    let stored = decompressor.consumedByteCount
    if decompressor.isAtEnd, stored == cut.storedOffset, textOffset == cut.textOffset {
      nextCut = nil
    } else if textOffset > cut.textOffset || stored > cut.storedOffset
      || decompressor.isAtEnd && stored == cut.storedOffset
    {
      throw missed(cut)
    }
  }

  private func missed(_ cut: FrameCut) -> CompressionError {
    CompressionError(
      code: .corrupt,
      context: "\(name): a frame should end at byte \(cut.storedOffset), after "
        + "\(cut.textOffset) bytes of text, and does not; the file's sizes are wrong")
  }
}
