package import Compression

/// The text of a compressed input, read forwards only.
///
/// Reading may skip ahead, which decompresses what lies between, but not go back.
@safe package final class DecompressingSource: ByteSource {
  private var base: any ByteSource
  private let decompressor: TextDecompressor
  private let name: String
  private let packed: UnsafeMutableRawBufferPointer
  /// What of `packed` is still to be unpacked.
  private var pending = 0..<0
  private var packedOffset: UInt64 = 0
  private var hasReachedEnd = false
  /// The offset in the text of the next byte that comes out.
  private var textOffset: UInt64 = 0
  private var endOffset: UInt64?

  /// Bytes of compressed input read at a time.
  package static let stepByteCount = 256 << 10

  /// Unpacks another source's bytes.
  ///
  /// - Parameters:
  ///   - base: The compressed bytes.
  ///   - compression: Their format.
  ///   - name: What errors call the input, usually its path.
  package init(_ base: any ByteSource, compression: TextCompression, name: String) {
    self.base = base
    self.name = name
    decompressor = TextDecompressor(compression)
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
      if step.producedCount > 0 { return step.producedCount }
      if hasReachedEnd {
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
}
