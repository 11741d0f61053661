package import Compression

extension InputListing {
  /// How an input of text is packed: what its name says, if its content agrees.
  ///
  /// - Parameters:
  ///   - path: The input's path or URI.
  ///   - source: Its bytes as stored.
  /// - Returns: nil for plain text.
  /// - Throws: `TableError.unsupported` where name and content say different things, or where the
  ///   content is no text that can be read; what the source fails with.
  package static func textCompression(
    of path: String, in source: any ByteSource
  ) throws -> TextCompression? {
    try textCompression(of: path, prefix: prefix(of: source))
  }

  /// The first bytes of an input, as many as tell its format.
  package static func prefix(of source: any ByteSource) throws -> [UInt8] {
    var source = source
    let limit = StoredFormat.prefixByteCount
    var prefix: [UInt8] = []
    while prefix.count < limit {
      let room = limit - prefix.count
      let bytes = try unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
        count = try unsafe source.read(
          at: UInt64(prefix.count), into: UnsafeMutableRawBufferPointer(buffer))
      }
      if bytes.isEmpty { break }
      prefix += bytes
    }
    return prefix
  }

  /// How an input of text is packed: what its name says, if its content agrees.
  ///
  /// - Parameters:
  ///   - path: The input's path or URI.
  ///   - prefix: Its first bytes, as many as tell its format.
  /// - Returns: nil for plain text.
  /// - Throws: `TableError.unsupported`.
  package static func textCompression(
    of path: String, prefix: [UInt8]
  ) throws(TableError) -> TextCompression? {
    let named = TextCompression(fileName: path)
    let found = StoredFormat(prefix: prefix)
    switch (named, found) {
    case (nil, nil), (.gzip, .gzip), (.zstd, .zstd): return named
    case (let named?, _):
      let content = found.map { "holds \($0.rawValue)" } ?? "does not begin as \(named) does"
      throw TableError(
        code: .unsupported, context: "\(path): is named as \(named) but \(content); rename it")
    case (nil, let found?):
      throw TableError(code: .unsupported, context: "\(path): \(advice(for: found))")
    }
  }

  private static func advice(for format: StoredFormat) -> String {
    switch format {
    case .gzip: "holds gzip; give it a name that ends in .gz"
    case .zstd: "holds zstd; give it a name that ends in .zst"
    case .bzip2, .xz, .lz4, .snappy, .zip:
      "holds \(format.rawValue), which is not read; pack it as zstd or gzip, or not at all"
    case .parquet, .orc, .arrow:
      "holds \(format.rawValue), not text; set instancesFormat to it"
    case .utf16: "holds \(format.rawValue); convert it to UTF-8"
    }
  }
}
