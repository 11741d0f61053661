/// The table that lets a reader jump into a file of many zstd frames.
///
/// Format: `contrib/seekable_format/zstd_seekable_compression_format.md` of zstd, version 0.1.1,
/// without checksums (each frame has its own). The table stands in a skippable frame at the end
/// of the file, which plain decoders pass over.
package struct SeekTable: Hashable, Sendable {
  /// One entry for each frame, in file order.
  package private(set) var entries: [Entry] = []

  /// One frame's two sizes.
  package struct Entry: Hashable, Sendable {
    /// Size of the frame, in bytes.
    package let compressedByteCount: UInt32
    /// Size of its text, in bytes.
    package let decompressedByteCount: UInt32

    /// Makes an entry.
    package init(compressedByteCount: UInt32, decompressedByteCount: UInt32) {
      self.compressedByteCount = compressedByteCount
      self.decompressedByteCount = decompressedByteCount
    }
  }

  /// Most frames a table may have (`ZSTD_SEEKABLE_MAXFRAMES`).
  package static let frameLimit = 1 << 27
  /// Largest text of one frame (`ZSTD_SEEKABLE_MAX_FRAME_DECOMPRESSED_SIZE`).
  package static let frameTextByteLimit: UInt32 = 1 << 30
  /// Size of the footer at the very end of a file.
  package static let footerByteCount = 9

  private static let skippableMagic: UInt32 = 0x184D_2A5E
  private static let seekableMagic: UInt32 = 0x8F92_EAB1

  /// Makes a table of no frames.
  package init() {}

  /// Adds the next frame.
  ///
  /// - Throws: `CompressionError.tooLarge` past `frameLimit` or `frameTextByteLimit`.
  package mutating func append(_ entry: Entry) throws(CompressionError) {
    guard entries.count < Self.frameLimit else {
      throw CompressionError(
        code: .tooLarge, context: "seek table of more than \(Self.frameLimit) frames")
    }
    guard entry.decompressedByteCount <= Self.frameTextByteLimit else {
      throw CompressionError(
        code: .tooLarge,
        context: "frame of \(entry.decompressedByteCount) bytes of text in a seek table")
    }
    entries.append(entry)
  }

  /// Size of the skippable frame that holds the table, in bytes.
  package var byteCount: Int { Self.byteCount(frameCount: entries.count) }

  /// Appends the skippable frame that holds the table.
  package func encode(into output: inout [UInt8]) {
    output.reserveCapacity(output.count + byteCount)
    append(Self.skippableMagic, to: &output)
    append(UInt32(byteCount - 8), to: &output)
    for entry in entries {
      append(entry.compressedByteCount, to: &output)
      append(entry.decompressedByteCount, to: &output)
    }
    append(UInt32(entries.count), to: &output)
    output.append(0)  // descriptor: no checksums, reserved bits zero
    append(Self.seekableMagic, to: &output)
  }

  /// Tells from a file's last nine bytes how long the table is that ends there.
  ///
  /// - Returns: The size in bytes of the whole skippable frame, footer included.
  package static func byteCount(footer: ArraySlice<UInt8>) throws(CompressionError) -> Int {
    guard footer.count == footerByteCount,
      word(footer, at: footer.startIndex + 5) == seekableMagic,
      footer[footer.startIndex + 4] == 0
    else {
      throw CompressionError(code: .corrupt, context: "no seek table without checksums here")
    }
    let frameCount = word(footer, at: footer.startIndex)
    guard frameCount <= frameLimit else {
      throw CompressionError(code: .tooLarge, context: "seek table of \(frameCount) frames")
    }
    return byteCount(frameCount: Int(frameCount))
  }

  /// Reads a table from the skippable frame that holds it.
  ///
  /// - Parameter bytes: Exactly the skippable frame, of the size `byteCount(footer:)` told.
  /// - Throws: `CompressionError`: `corrupt` or `tooLarge`.
  package init(decoding bytes: ArraySlice<UInt8>) throws(CompressionError) {
    let byteCount = try Self.byteCount(footer: bytes.suffix(Self.footerByteCount))
    guard byteCount == bytes.count,
      Self.word(bytes, at: bytes.startIndex) == Self.skippableMagic,
      Self.word(bytes, at: bytes.startIndex + 4) == UInt32(byteCount - 8)
    else {
      throw CompressionError(
        code: .corrupt, context: "seek table of \(byteCount) bytes in \(bytes.count)")
    }
    let last = bytes.endIndex - Self.footerByteCount
    for position in stride(from: bytes.startIndex + 8, to: last, by: 8) {
      try append(
        Entry(
          compressedByteCount: Self.word(bytes, at: position),
          decompressedByteCount: Self.word(bytes, at: position + 4)))
    }
  }

  private static func byteCount(frameCount: Int) -> Int { 8 + 8 * frameCount + footerByteCount }

  private static func word(_ bytes: ArraySlice<UInt8>, at position: Int) -> UInt32 {
    bytes[position..<position + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  private func append(_ word: UInt32, to output: inout [UInt8]) {
    for shift in stride(from: 0, to: 32, by: 8) {
      output.append(UInt8(truncatingIfNeeded: word >> shift))
    }
  }
}
