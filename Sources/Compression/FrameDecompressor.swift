import CZstd

/// Decodes zstd frames made by `FrameCompressor`, one at a time, trusting nothing in them.
///
/// A frame has to carry a checksum, fill its bytes to the last one and fit the caller's cap. The
/// size a frame claims is compared with the cap before any memory is set aside for it; a frame
/// that claims none is decoded in steps through a window of at most 8 MiB (the bound of RFC 9659).
@safe package struct FrameDecompressor: ~Copyable {
  private let context: OpaquePointer
  private let scratch: UnsafeMutableRawBufferPointer

  /// Base-2 logarithm of the largest window accepted.
  package static let windowLogLimit = 23

  /// Makes a decompressor.
  package init() {
    guard let context = unsafe ZSTD_createDCtx() else { fatalError("ZSTD_createDCtx failed") }
    unsafe self.context = context
    unsafe scratch = .allocate(byteCount: ZSTD_DStreamOutSize(), alignment: 16)
    let status = unsafe ZSTD_DCtx_setParameter(
      context, ZSTD_d_windowLogMax, Int32(Self.windowLogLimit))
    guard ZSTD_isError(status) == 0 else { fatalError("ZSTD_DCtx_setParameter failed") }
  }

  deinit {
    _ = unsafe ZSTD_freeDCtx(context)
    unsafe scratch.deallocate()
  }

  /// Appends the text of one frame.
  ///
  /// - Parameters:
  ///   - frame: The frame, the whole frame and nothing but the frame.
  ///   - output: Where the text is appended; unchanged if this throws.
  ///   - limit: Largest size of the text, in bytes.
  /// - Throws: `CompressionError`: `corrupt`, `tooLarge`, `trailingBytes` or `truncated`.
  package mutating func decompress(
    _ frame: UnsafeRawBufferPointer, into output: inout [UInt8], limit: Int
  ) throws(CompressionError) {
    let claimedByteCount = try unsafe checkedHeader(of: frame, limit: limit)
    let start = output.count
    do throws(CompressionError) {
      _ = unsafe ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
      var input = unsafe ZSTD_inBuffer(src: frame.baseAddress, size: frame.count, pos: 0)
      if let claimedByteCount {
        try unsafe decodeAtOnce(&input, into: &output, byteCount: claimedByteCount)
      } else {
        try unsafe decodeInSteps(&input, into: &output, limit: limit)
      }
      guard unsafe input.pos == input.size else {
        throw CompressionError(
          code: .trailingBytes,
          context: unsafe "zstd frame ends at byte \(input.pos) of \(input.size)")
      }
    } catch {
      output.removeSubrange(start...)
      throw error
    }
  }

  /// Appends the text of one frame.
  ///
  /// - Parameters:
  ///   - frame: The frame, the whole frame and nothing but the frame.
  ///   - output: Where the text is appended; unchanged if this throws.
  ///   - limit: Largest size of the text, in bytes.
  /// - Throws: `CompressionError`: `corrupt`, `tooLarge`, `trailingBytes` or `truncated`.
  package mutating func decompress(
    _ frame: [UInt8], into output: inout [UInt8], limit: Int
  ) throws(CompressionError) {
    try unsafe frame.withUnsafeBufferPointer { (bytes) throws(CompressionError) in
      try unsafe decompress(UnsafeRawBufferPointer(bytes), into: &output, limit: limit)
    }
  }

  /// Decodes into exactly the bytes claimed: libzstd then needs no window and no copy.
  private func decodeAtOnce(
    _ input: inout ZSTD_inBuffer, into output: inout [UInt8], byteCount: Int
  ) throws(CompressionError) {
    let start = output.count
    output.append(contentsOf: repeatElement(0, count: byteCount))
    let context = unsafe context
    let (answer, producedCount) = unsafe output.withUnsafeMutableBytes { bytes in
      var text = unsafe ZSTD_outBuffer(dst: bytes.baseAddress, size: bytes.count, pos: start)
      let answer = unsafe ZSTD_decompressStream(context, &text, &input)
      return unsafe (answer, text.pos - start)
    }
    let hint = try checked(answer, "ZSTD_decompressStream")
    guard hint == 0 else {
      throw unsafe truncated(at: input)
    }
    guard producedCount == byteCount else {
      throw CompressionError(
        code: .corrupt,
        context: "zstd frame claims \(byteCount) bytes of text and holds \(producedCount)")
    }
  }

  private func decodeInSteps(
    _ input: inout ZSTD_inBuffer, into output: inout [UInt8], limit: Int
  ) throws(CompressionError) {
    let start = output.count
    while true {
      var text = unsafe ZSTD_outBuffer(dst: scratch.baseAddress, size: scratch.count, pos: 0)
      let hint = try checked(
        unsafe ZSTD_decompressStream(context, &text, &input), "ZSTD_decompressStream")
      guard unsafe output.count - start + text.pos <= limit else {
        throw CompressionError(
          code: .tooLarge, context: "zstd frame holds more than \(limit) bytes of text")
      }
      unsafe output.append(contentsOf: UnsafeRawBufferPointer(rebasing: scratch[..<text.pos]))
      if hint == 0 { return }
      // Room left over means that the decoder wants bytes; it has had all there are.
      if unsafe input.pos == input.size && text.pos < text.size {
        throw unsafe truncated(at: input)
      }
    }
  }

  private func truncated(at input: ZSTD_inBuffer) -> CompressionError {
    CompressionError(
      code: .truncated, context: unsafe "zstd frame goes on after its \(input.size) bytes")
  }

  /// Checks what the frame says of itself.
  ///
  /// - Returns: The size of the text, or nil where the frame does not say.
  private func checkedHeader(
    of frame: UnsafeRawBufferPointer, limit: Int
  ) throws(CompressionError) -> Int? {
    // RFC 8878, 3.1.1.1: magic number, then the descriptor: bit 2 says that a checksum follows
    // the blocks, bits 3 and 4 have no meaning yet. The decoder ignores bit 4; here a flipped
    // one is damage like any other.
    guard frame.count > 4 else {
      throw CompressionError(
        code: .truncated, context: "zstd frame of \(frame.count) bytes")
    }
    let magic = unsafe frame.loadUnaligned(as: UInt32.self)
    let descriptor = unsafe frame[4]
    guard magic == 0xFD2F_B528, descriptor & 0b0001_1100 == 0b0000_0100 else {
      throw CompressionError(
        code: .corrupt, context: "not a zstd frame with checksum: descriptor \(descriptor)")
    }
    let byteCount = unsafe ZSTD_getFrameContentSize(frame.baseAddress, frame.count)
    switch byteCount {
    case UInt64.max: return nil  // ZSTD_CONTENTSIZE_UNKNOWN
    case UInt64.max - 1:  // ZSTD_CONTENTSIZE_ERROR
      throw CompressionError(
        code: .truncated, context: "zstd frame header of \(frame.count) bytes")
    default:
      guard byteCount <= UInt64(limit) else {
        throw CompressionError(
          code: .tooLarge, context: "zstd frame claims \(byteCount) bytes, \(limit) allowed")
      }
      return Int(byteCount)
    }
  }
}
