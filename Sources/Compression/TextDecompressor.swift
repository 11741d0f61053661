import CZlib
import CZstd

/// How the text of an input file is packed.
package enum TextCompression: Hashable, Sendable {
  /// RFC 1952, one or more members.
  case gzip
  /// RFC 8878, one or more frames, skippable ones passed over.
  case zstd

  /// Tells by the end of a file's name; nil for plain text.
  package init?(fileName: some StringProtocol) {
    if fileName.hasSuffix(".gz") || fileName.hasSuffix(".bgz") {
      self = .gzip
    } else if fileName.hasSuffix(".zst") || fileName.hasSuffix(".zstd") {
      self = .zstd
    } else {
      return nil
    }
  }
}

/// Unpacks the text of an input file step by step, in memory that does not grow.
///
/// Errors name the offset in the compressed bytes. zstd windows up to 128 MiB are accepted, what
/// `zstd -d` takes without being asked; gzip members may be followed by zero bytes (tape padding),
/// as with `gzip -d`.
package final class TextDecompressor {
  /// The offset in the file of the next compressed byte.
  package private(set) var consumedByteCount: UInt64
  /// Whether the bytes so far end where a member or frame ends; one step never goes past an end.
  package private(set) var isAtEnd = false

  private let stream: any TextStream
  private let compression: TextCompression
  /// Where the member or frame under way begins.
  private var partOffset: UInt64

  /// Base-2 logarithm of the largest zstd window accepted.
  package static let zstdWindowLogLimit = 27

  /// Starts at the first byte of a file, or at another one where a member or frame begins.
  ///
  /// - Parameters:
  ///   - compression: The file's format.
  ///   - storedOffset: That byte's offset in the file.
  package init(_ compression: TextCompression, storedOffset: UInt64 = 0) {
    consumedByteCount = storedOffset
    partOffset = storedOffset
    self.compression = compression
    stream =
      switch compression {
      case .gzip: GzipStream()
      case .zstd: ZstdStream()
      }
  }

  /// Unpacks what it can.
  ///
  /// With an empty `input` what is still held back comes out. Call `finish` when the input has
  /// ended and an empty `input` gave no more text.
  ///
  /// - Returns: How many bytes of `input` were taken and how many of `output` filled.
  /// - Throws: `CompressionError`: `corrupt` or `tooLarge` (window).
  package func decompress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> (consumedCount: Int, producedCount: Int) {
    if isAtEnd { partOffset = consumedByteCount }
    do throws(CompressionError) {
      let step = try unsafe stream.step(input, output)
      consumedByteCount += UInt64(step.consumedCount)
      if step.consumedCount > 0 || step.producedCount > 0 { isAtEnd = step.isAtEnd }
      return (step.consumedCount, step.producedCount)
    } catch {
      throw CompressionError(
        code: error.code,
        context: "\(error.context), in the \(compression == .gzip ? "member" : "frame") that "
          + "begins at byte \(partOffset), near compressed byte \(consumedByteCount)")
    }
  }

  /// Says that the input has ended.
  ///
  /// - Throws: `CompressionError.truncated` when it ended inside a member or frame.
  package func finish() throws(CompressionError) {
    guard isAtEnd else {
      throw CompressionError(
        code: .truncated, context: "compressed text breaks off at byte \(consumedByteCount)")
    }
  }
}

/// What one step of unpacking did.
private struct TextStep {
  let consumedCount: Int
  let producedCount: Int
  /// Whether a member or frame ended with the bytes consumed.
  let isAtEnd: Bool
}

private protocol TextStream: AnyObject {
  func step(
    _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> TextStep
}

@safe private final class ZstdStream: TextStream {
  private let context: OpaquePointer

  init() {
    guard let context = unsafe ZSTD_createDCtx() else { fatalError("ZSTD_createDCtx failed") }
    unsafe self.context = context
    let status = unsafe ZSTD_DCtx_setParameter(
      context, ZSTD_d_windowLogMax, Int32(TextDecompressor.zstdWindowLogLimit))
    guard ZSTD_isError(status) == 0 else { fatalError("ZSTD_DCtx_setParameter failed") }
  }

  deinit { _ = unsafe ZSTD_freeDCtx(context) }

  func step(
    _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> TextStep {
    var source = unsafe ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
    var text = unsafe ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let hint = try checked(
      unsafe ZSTD_decompressStream(context, &text, &source), "ZSTD_decompressStream")
    return unsafe TextStep(consumedCount: source.pos, producedCount: text.pos, isAtEnd: hint == 0)
  }
}

@safe private final class GzipStream: TextStream {
  /// Has to stay where it is: zlib's state points back at it.
  private let stream: UnsafeMutablePointer<z_stream>
  private var isBetweenMembers = false

  init() {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    // 15: the largest window; 16: a gzip header and nothing else.
    let status = unsafe inflateInit2_(
      stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { fatalError("inflateInit2 failed: \(status)") }
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  func step(
    _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> TextStep {
    var start = 0
    if isBetweenMembers {
      while unsafe start < input.count && input[start] == 0 { start += 1 }
      guard start < input.count else {
        return TextStep(consumedCount: start, producedCount: 0, isAtEnd: true)
      }
      isBetweenMembers = false
      guard unsafe inflateReset(stream) == Z_OK else { fatalError("inflateReset failed") }
    }
    // zlib counts in 32 bits and takes a pointer to bytes that it does not change.
    let inputCount = min(input.count - start, 1 << 30)
    let outputCount = min(output.count, 1 << 30)
    let bytes = unsafe input.baseAddress?.advanced(by: start).assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.next_in = unsafe UnsafeMutablePointer(mutating: bytes)
    unsafe stream.pointee.avail_in = UInt32(inputCount)
    unsafe stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.avail_out = UInt32(outputCount)
    let status = unsafe inflate(stream, Z_NO_FLUSH)
    switch status {
    case Z_STREAM_END: isBetweenMembers = true
    case Z_OK, Z_BUF_ERROR: break  // Z_BUF_ERROR: nothing to do with what there is
    default:
      let message = unsafe stream.pointee.msg.map { unsafe String(cString: $0) } ?? "no message"
      throw CompressionError(
        code: status == Z_DATA_ERROR || status == Z_NEED_DICT ? .corrupt : .other(Int(status)),
        context: "inflate: \(message)")
    }
    return unsafe TextStep(
      consumedCount: start + inputCount - Int(stream.pointee.avail_in),
      producedCount: outputCount - Int(stream.pointee.avail_out), isAtEnd: isBetweenMembers)
  }
}
