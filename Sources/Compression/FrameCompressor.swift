import CZstd

/// Makes zstd frames with a checksum each, one after the other, on one reused context.
///
/// The same bytes at the same level give the same frame, whatever was compressed before and
/// however the parts of a streamed frame were cut. At level 1 a whole frame is made as
/// `FrameMethod` says, which is faster for numbers. Levels above 9 are refused: libzstd 1.5.0 to
/// 1.5.4 can corrupt data in its optimal parser (https://github.com/facebook/zstd/issues/3517).
@safe package struct FrameCompressor: ~Copyable {
  private let context: OpaquePointer
  private var scratch: UnsafeMutableRawBufferPointer
  /// What the context is set to.
  private var method = FrameMethod.general
  /// Whether the method is chosen by the text.
  private let choosesMethod: Bool

  /// The highest level that is safe in every libzstd 1.5.
  package static let highestLevel = 9

  /// Makes a compressor.
  ///
  /// - Parameter level: 1 (quick) to `highestLevel`.
  package init(level: Int = 1) {
    precondition((1...Self.highestLevel).contains(level))
    guard let context = unsafe ZSTD_createCCtx() else { fatalError("ZSTD_createCCtx failed") }
    unsafe self.context = context
    // A libzstd that does not know the parameter has the level alone.
    let status = unsafe ZSTD_CCtx_setParameter(context, FrameMethod.literalMode, 0)
    choosesMethod = level == 1 && ZSTD_isError(status) == 0
    unsafe scratch = .allocate(byteCount: ZSTD_CStreamOutSize(), alignment: 16)
    setParameter(ZSTD_c_compressionLevel, Int32(level))
    setParameter(ZSTD_c_checksumFlag, 1)
    setParameter(ZSTD_c_contentSizeFlag, 1)
  }

  deinit {
    _ = unsafe ZSTD_freeCCtx(context)
    unsafe scratch.deallocate()
  }

  /// Appends one whole frame that holds `text`.
  package mutating func compress(
    _ text: UnsafeRawBufferPointer, into output: inout [UInt8]
  ) throws(CompressionError) {
    let bound = ZSTD_compressBound(text.count)
    if unsafe scratch.count < bound {
      unsafe scratch.deallocate()
      unsafe scratch = .allocate(byteCount: bound, alignment: 16)
    }
    let method = choosesMethod ? unsafe FrameMethod(for: text) : .general
    var count = try unsafe makeFrame(of: text, method)
    if method == .numbers, count < FrameMethod.leastOfDigits(text.count) {
      count = try unsafe makeFrame(of: text, .digits)
    }
    unsafe output.append(contentsOf: UnsafeRawBufferPointer(rebasing: scratch[..<count]))
  }

  /// Makes a frame at the beginning of `scratch`; answers its size.
  private mutating func makeFrame(
    of text: UnsafeRawBufferPointer, _ method: FrameMethod
  ) throws(CompressionError) -> Int {
    _ = unsafe ZSTD_CCtx_reset(context, ZSTD_reset_session_only)
    set(method)
    return try checked(
      unsafe ZSTD_compress2(
        context, scratch.baseAddress, scratch.count, text.baseAddress, text.count),
      "ZSTD_compress2 of \(text.count) bytes")
  }

  /// Appends one whole frame that holds `text`.
  package mutating func compress(
    _ text: [UInt8], into output: inout [UInt8]
  ) throws(CompressionError) {
    try unsafe text.withUnsafeBufferPointer { (bytes) throws(CompressionError) in
      try unsafe compress(UnsafeRawBufferPointer(bytes), into: &output)
    }
  }

  /// Starts a frame that is fed in parts, dropping one that was not ended.
  ///
  /// - Parameter byteCount: What the parts will add up to, where it is known: it is then written
  ///   into the frame and held against the parts.
  /// - Throws: `CompressionError`.
  package mutating func beginFrame(byteCount: Int? = nil) throws(CompressionError) {
    _ = unsafe ZSTD_CCtx_reset(context, ZSTD_reset_session_only)
    set(.general)
    guard let byteCount else { return }
    _ = try checked(
      unsafe ZSTD_CCtx_setPledgedSrcSize(context, UInt64(byteCount)),
      "ZSTD_CCtx_setPledgedSrcSize(\(byteCount))")
  }

  /// Feeds the frame's next part, appending what is ready.
  package mutating func feed(
    _ part: UnsafeRawBufferPointer, into output: inout [UInt8]
  ) throws(CompressionError) {
    var input = unsafe ZSTD_inBuffer(src: part.baseAddress, size: part.count, pos: 0)
    while unsafe input.pos < input.size {
      _ = try unsafe step(&input, ZSTD_e_continue, into: &output)
    }
  }

  /// Feeds the frame's next part, appending what is ready.
  package mutating func feed(
    _ part: [UInt8], into output: inout [UInt8]
  ) throws(CompressionError) {
    try unsafe part.withUnsafeBufferPointer { (bytes) throws(CompressionError) in
      try unsafe feed(UnsafeRawBufferPointer(bytes), into: &output)
    }
  }

  /// Ends the frame that `beginFrame` started.
  package mutating func endFrame(into output: inout [UInt8]) throws(CompressionError) {
    var input = unsafe ZSTD_inBuffer(src: nil, size: 0, pos: 0)
    while try unsafe step(&input, ZSTD_e_end, into: &output) != 0 {}
  }

  private mutating func step(
    _ input: inout ZSTD_inBuffer, _ directive: ZSTD_EndDirective, into output: inout [UInt8]
  ) throws(CompressionError) -> Int {
    var ready = unsafe ZSTD_outBuffer(dst: scratch.baseAddress, size: scratch.count, pos: 0)
    let left = try checked(
      unsafe ZSTD_compressStream2(context, &ready, &input, directive), "ZSTD_compressStream2")
    unsafe output.append(contentsOf: UnsafeRawBufferPointer(rebasing: scratch[..<ready.pos]))
    return left
  }

  private mutating func set(_ wanted: FrameMethod) {
    guard wanted != method else { return }
    for (parameter, value) in wanted.parameters { setParameter(parameter, value) }
    method = wanted
  }

  private func setParameter(_ parameter: ZSTD_cParameter, _ value: Int32) {
    let status = unsafe ZSTD_CCtx_setParameter(context, parameter, value)
    guard ZSTD_isError(status) == 0 else { fatalError("ZSTD_CCtx_setParameter failed") }
  }
}

/// Turns a libzstd answer into a number or an error.
func checked(_ answer: Int, _ call: @autoclosure () -> String) throws(CompressionError) -> Int {
  guard ZSTD_isError(answer) != 0 else { return answer }
  let name = unsafe String(cString: ZSTD_getErrorName(answer))
  let code: CompressionError.Code =
    switch ZSTD_getErrorCode(answer) {
    case ZSTD_error_prefix_unknown, ZSTD_error_version_unsupported,
      ZSTD_error_frameParameter_unsupported, ZSTD_error_corruption_detected,
      ZSTD_error_checksum_wrong, ZSTD_error_dictionary_wrong,
      ZSTD_error_dictionary_corrupted, ZSTD_error_srcSize_wrong:
      .corrupt
    case ZSTD_error_frameParameter_windowTooLarge, ZSTD_error_dstSize_tooSmall: .tooLarge
    default: .other(-answer)
    }
  throw CompressionError(code: code, context: "\(call()): \(name)")
}
