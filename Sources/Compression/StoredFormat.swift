/// What a file is, where its first bytes leave no doubt.
///
/// Text formats have no such bytes.
package enum StoredFormat: String, Hashable, Sendable, CaseIterable {
  case gzip, zstd, bzip2, xz, lz4, snappy, zip
  case parquet = "Parquet"
  case orc = "ORC"
  case arrow = "an Arrow IPC file"
  case utf16 = "UTF-16 text"

  /// How many bytes of a file to look at.
  package static let prefixByteCount = 64

  /// Tells by a file's first bytes; nil where it may be text, or anything else.
  ///
  /// Parquet and ORC begin with letters that text may begin with too; they count only where bytes
  /// follow that no text has.
  ///
  /// - Parameter prefix: The first `prefixByteCount` bytes, fewer only where the file is smaller.
  package init?(prefix: some Collection<UInt8>) {
    let bytes = [UInt8](prefix.prefix(Self.prefixByteCount))
    let hasControls = bytes.contains { $0 < 9 || (14..<32).contains($0) }
    let isPackedFrame =
      bytes.count >= 4 && bytes[1...].starts(with: [0x2A, 0x4D, 0x18]) && bytes[0] & 0xF0 == 0x50
    guard !isPackedFrame else {
      self = .zstd  // a skippable frame; LZ4 has them too, but not as its first
      return
    }
    let marks: [(Self, [UInt8], isText: Bool)] = [
      (.gzip, [0x1F, 0x8B, 0x08], false), (.zstd, [0x28, 0xB5, 0x2F, 0xFD], false),
      (.bzip2, Array("BZh".utf8), true), (.xz, [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], false),
      (.lz4, [0x04, 0x22, 0x4D, 0x18], false), (.zip, [0x50, 0x4B, 3, 4], false),
      (.snappy, [0xFF, 6, 0, 0, 0x73, 0x4E, 0x61, 0x50, 0x70, 0x59], false),
      (.parquet, Array("PAR1".utf8), true), (.orc, Array("ORC".utf8), true),
      (.arrow, Array("ARROW1\0\0".utf8), false),
      (.utf16, [0xFF, 0xFE], false), (.utf16, [0xFE, 0xFF], false),
    ]
    for (format, mark, isText) in marks where bytes.starts(with: mark) {
      guard !isText || hasControls else { return nil }
      self = format
      return
    }
    return nil
  }
}
