package import Digests
package import Jobs

/// Reads CSV records of one lease.
package final class CSVTileReader: TileReader {
  private var parser: CSVRangeParser
  private let source: HashingSource

  /// Prepares to read; nothing is read yet.
  ///
  /// - Parameters:
  ///   - text: The input's text, from offset 0.
  ///   - range: What to read.
  ///   - headerOffset: `CSVHeader.offset` where the range begins at 0, otherwise nil.
  ///   - fieldCount: Fields that every record must have.
  ///   - options: How to read.
  package init(
    text: any ByteSource, range: LeaseRange, headerOffset: UInt64?, fieldCount: Int,
    options: CSVOptions
  ) {
    source = HashingSource(
      text, begin: range.begin, end: range.end, blockByteCount: range.blockLength,
      blockCount: range.blockCount)
    parser = CSVRangeParser(
      source: source, range: range.begin..<range.end, blockByteCount: range.blockLength,
      entryState: range.entry, headerOffset: headerOffset, fieldCount: fieldCount,
      options: options)
  }

  /// See `CSVRangeParser.boundStates`.
  package var boundStates: [RangeState] { parser.boundStates }

  /// See `CSVRangeParser.readTile`.
  package func readTile(into tile: inout RecordTile) throws -> Bool {
    try parser.readTile(into: &tile)
  }

  /// The digest of a block's nominal bytes.
  package func inputDigest(ofBlock index: Int) -> Digest128 { source.digest(ofBlock: index) }
}
