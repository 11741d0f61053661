package import Compression

extension FrameCuts {
  /// Finds the cuts of a compressed input.
  ///
  /// - Parameters:
  ///   - source: The bytes as stored; their number has to be known.
  ///   - compression: Their format.
  ///   - shardByteCount: How much text a shard should have.
  ///   - readAheadByteCount: How much is read at a time.
  ///   - name: What errors call the input, usually its path.
  /// - Returns: The cuts.
  /// - Throws: `CompressionError`, or what the source fails with.
  package static func find(
    in source: any ByteSource, compression: TextCompression,
    shardByteCount: UInt64 = FrameCuts.shardByteCount,
    readAheadByteCount: Int = PeekWindow.peekLimit, name: String
  ) throws -> FrameCuts {
    guard let byteCount = source.byteCount else {
      throw TableError(code: .unsupported, context: "\(name): its size is not known")
    }
    var source = source
    return try find(
      in: compression, byteCount: byteCount, shardByteCount: shardByteCount,
      readAheadByteCount: readAheadByteCount, name: name
    ) { offset, count in
      try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filledCount in
        filledCount = try unsafe source.read(
          at: offset, into: UnsafeMutableRawBufferPointer(buffer))
      }
    }
  }
}
