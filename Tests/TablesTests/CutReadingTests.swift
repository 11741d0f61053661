import Compression
import Jobs
import Tables
import Testing

/// Shards of compressed text, each read from its cut, against the whole text read at once.
struct CutReadingTests {
  enum Packing: CaseIterable { case seekable, frames, skippable, blockedGzip }

  /// Text with quoted line ends, cut into parts at random.
  static func parts(using random: inout SplitMix) -> [[UInt8]] {
    let text = SourceTests.text(recordCount: Int.random(in: 1...400, using: &random))
    var parts: [[UInt8]] = []
    var start = 0
    while start < text.count {
      let end = min(start + Int.random(in: 0...900, using: &random), text.count)
      parts.append(Array(text[start..<end]))
      start = end
    }
    return parts
  }

  static func pack(_ parts: [[UInt8]], _ packing: Packing) throws -> [UInt8] {
    switch packing {
    case .seekable: try FrameCutTests.frames(parts, table: true).bytes
    case .frames: try FrameCutTests.frames(parts, table: false).bytes
    case .skippable:
      try parts.flatMap { try PlainFrame.skippable + SourceTests.pack([$0]) }
    case .blockedGzip: parts.flatMap { BlockedGzip.block($0) } + BlockedGzip.endMark
    }
  }

  /// Reads the shards one by one, each with a guess of its entry state that is corrected.
  static func read(
    _ packed: [UInt8], _ compression: TextCompression, _ cuts: [FrameCut], readLimit: Int
  ) throws -> [PlainRecord] {
    let reading = Reading(
      fieldCount: 2, options: try CSVOptions(), windowByteCount: 500, headerOffset: 0)
    var tile = RecordTile()
    var records: [PlainRecord] = []
    var state = RangeState.recordStart
    for (cut, end) in zip(cuts, cuts.dropFirst()) {
      let source = DecompressingSource(
        MemorySource(bytes: packed, readLimit: readLimit), compression: compression, name: "a",
        start: cut, end: end)
      let shard = try reading.read(
        from: source, cut.textOffset..<end.textOffset, block: 256, entry: state, tile: &tile)
      records += shard.records.map(\.record)
      state = shard.states.last ?? .recordStart
    }
    return records
  }

  @Test(arguments: Packing.allCases) func shardsGiveWhatTheWholeGives(packing: Packing) throws {
    var random = SplitMix(state: 11)
    var shardCount = 0
    for _ in 0..<60 {
      let parts = Self.parts(using: &random)
      let packed = try Self.pack(parts, packing)
      let compression: TextCompression = packing == .blockedGzip ? .gzip : .zstd
      let shard = UInt64.random(in: 1...5_000, using: &random)
      let found = try FrameCutTests.cuts(packed, compression, shard: shard)
      shardCount += found.cuts.count - 1
      let whole = try SourceTests.read(MemorySource(bytes: Array(parts.joined())))
      let records = try Self.read(
        packed, compression, found.cuts, readLimit: Int.random(in: 1...3_000, using: &random))
      #expect(records == whole.records.map(\.record))
    }
    #expect(shardCount > 100)
  }

  /// Frames swap their claimed sizes, so that all sums agree and the cut between is wrong.
  @Test func textThatMissesItsCutIsAnError() throws {
    let parts = [SourceTests.text(recordCount: 20), SourceTests.text(recordCount: 30)]
    let packed = try Self.pack(parts, .frames)
    let sound = try FrameCutTests.cuts(packed, shard: 1)
    for shift in [-1, 1, 100, -100] {
      let cut = FrameCut(
        textOffset: UInt64(Int(sound.cuts[1].textOffset) + shift),
        storedOffset: sound.cuts[1].storedOffset)
      let error = #expect(throws: CompressionError.self) {
        try Self.read(packed, .zstd, [.begin, cut, sound.cuts[2]], readLimit: 99)
      }
      #expect(error?.code == .corrupt)
      #expect(error?.context.contains("byte \(cut.storedOffset)") == true)
      #expect(throws: CompressionError.self) {
        try Self.read(packed, .zstd, [cut, sound.cuts[2]], readLimit: 99)
      }
    }
    let inside = FrameCut(
      textOffset: sound.cuts[1].textOffset, storedOffset: sound.cuts[1].storedOffset + 2)
    #expect(throws: CompressionError.self) {
      try Self.read(packed, .zstd, [.begin, inside], readLimit: 99)
    }
  }

  @Test func damageInAShardIsAnErrorWithItsPlace() throws {
    let parts = (1...4).map { SourceTests.text(recordCount: $0 * 10) }
    let packed = try Self.pack(parts, .frames)
    let found = try FrameCutTests.cuts(packed, shard: 1)
    var damaged = packed
    damaged[Int(found.cuts[3].storedOffset) - 2] ^= 1
    let before = try Self.read(damaged, .zstd, Array(found.cuts[..<2]), readLimit: 50)
    #expect(before.count == 11)  // the record after the cut's line feed is read with it
    let error = #expect(throws: CompressionError.self) {
      try Self.read(damaged, .zstd, Array(found.cuts[2...3]), readLimit: 50)
    }
    #expect(error?.code == .corrupt)
    #expect(error?.context.hasPrefix("a: ") == true)
  }

  @Test func namesAndContentsHaveToAgree() throws {
    let text = SourceTests.text(recordCount: 3)
    let zstd = try SourceTests.pack([text])
    let gzip = BlockedGzip.block(text)
    #expect(try InputListing.textCompression(of: "a.csv", prefix: text) == nil)
    #expect(try InputListing.textCompression(of: "a.csv", prefix: []) == nil)
    #expect(try InputListing.textCompression(of: "a.csv.zst", prefix: zstd) == .zstd)
    #expect(try InputListing.textCompression(of: "a.gz", in: MemorySource(bytes: gzip)) == .gzip)
    let wrong: [(String, [UInt8], String)] = [
      ("a.csv", zstd, ".zst"), ("a.csv", gzip, ".gz"), ("a.csv.zst", gzip, "holds gzip"),
      ("a.csv.gz", zstd, "holds zstd"), ("a.csv.gz", text, "does not begin"),
      ("a.csv.zst", [], "does not begin"),
      ("a.csv", Array("PAR1\u{15}\u{0}".utf8), "instancesFormat"),
      ("a.csv", [0xFF, 0xFE, 0x61, 0], "UTF-8"), ("a.csv", [0x50, 0x4B, 3, 4], "zip"),
    ]
    for (path, content, words) in wrong {
      let error = #expect(throws: TableError.self) {
        try InputListing.textCompression(
          of: path, in: MemorySource(bytes: content, readLimit: 3))
      }
      #expect(error?.code == .unsupported)
      #expect(error?.context.hasPrefix("\(path): ") == true)
      #expect(error?.context.contains(words) == true, "\(error?.context ?? "")")
    }
  }
}
