import Compression
import Tables
import Testing

/// zstd frames of raw blocks, so that each field of a header can be set.
struct PlainFrame {
  var text: [UInt8]
  var tellsSize = true
  var hasChecksum = false
  var claimedCount: Int?
  var blockByteCount = 1_000

  var bytes: [UInt8] {
    // RFC 8878, 3.1.1: size of 8 bytes or none, and a window of 1 MiB.
    var output: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, tellsSize ? 0b1100_0000 : 0, 80]
    if tellsSize { output += BlockedGzip.bytes(UInt64(claimedCount ?? text.count)) }
    var start = 0
    repeat {
      let end = min(start + blockByteCount, text.count)
      let header = UInt32((end - start) << 3 | (end == text.count ? 1 : 0))
      output += BlockedGzip.bytes(header).prefix(3) + text[start..<end]
      start = end
    } while start < text.count
    return output
  }

  static let skippable: [UInt8] = [0x53, 0x2A, 0x4D, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5]
}

struct FrameCutTests {
  static func cuts(
    _ bytes: [UInt8], _ compression: TextCompression = .zstd, shard: UInt64 = 1_000,
    readLimit: Int = .max
  ) throws -> FrameCuts {
    try FrameCuts.find(
      in: MemorySource(bytes: bytes, readLimit: readLimit), compression: compression,
      shardByteCount: shard, name: "a")
  }

  static func frames(_ texts: [[UInt8]], table: Bool) throws -> (bytes: [UInt8], sizes: [Int]) {
    var bytes: [UInt8] = []
    var seekTable = SeekTable()
    var sizes: [Int] = []
    for text in texts {
      let frame = try SourceTests.pack([text])
      bytes += frame
      sizes.append(frame.count)
      try seekTable.append(
        .init(
          compressedByteCount: UInt32(frame.count), decompressedByteCount: UInt32(text.count)))
    }
    if table { seekTable.encode(into: &bytes) }
    return (bytes, sizes)
  }

  static func code(_ body: () throws -> FrameCuts) -> CompressionError.Code? {
    do {
      _ = try body()
      return nil
    } catch {
      return (error as? CompressionError)?.code
    }
  }

  static func parts(_ counts: [Int]) -> [[UInt8]] {
    counts.map { count in (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31 / 7) } }
  }

  @Test(arguments: [true, false]) func cutsLieAtFramesNearestToTheSize(table: Bool) throws {
    let (bytes, sizes) = try Self.frames(
      Self.parts([400, 0, 400, 400, 400, 900, 5_000, 10, 10]), table: table)
    let found = try Self.cuts(bytes)
    let ends = sizes.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let expected: [(Int, Int)] = [
      (0, 0), (1_200, ends[4]), (1_600 + 900, ends[6]), (7_500, ends[7]), (7_520, bytes.count),
    ]
    #expect(
      found.cuts
        == expected.map { FrameCut(textOffset: UInt64($0.0), storedOffset: UInt64($0.1)) })
    #expect(found.note == nil)
    #expect(try Self.cuts(bytes, readLimit: 1) == found)
  }

  @Test func tablesWithChecksumsAreRead() throws {
    let frames = try Self.frames(Self.parts([600, 700, 800]), table: false)
    var bytes = frames.bytes + BlockedGzip.bytes(UInt32(0x184D_2A5E))
    bytes += BlockedGzip.bytes(UInt32(3 * 12 + 9))
    for (size, text) in zip(frames.sizes, [600, 700, 800] as [UInt32]) {
      bytes += BlockedGzip.bytes(UInt32(size)) + BlockedGzip.bytes(text) + [1, 2, 3, 4]
    }
    bytes += BlockedGzip.bytes(UInt32(3)) + [0x80] + BlockedGzip.bytes(UInt32(0x8F92_EAB1))
    // Unlike the walk, the table costs one look at each cut.
    var looks = 0
    let found = try FrameCuts.find(
      in: .zstd, byteCount: UInt64(bytes.count), shardByteCount: 500, name: "a"
    ) { offset, count in
      looks += 1
      return Array(bytes[Int(offset)..<min(Int(offset) + min(count, 20), bytes.count)])
    }
    #expect(found.cuts.map(\.textOffset) == [0, 600, 1_300, 2_100])
    #expect(looks <= 10)
  }

  @Test func aTableThatDoesNotFitIsNotBelieved() throws {
    let parts = Self.parts([600, 700, 800])
    let plain = try Self.frames(parts, table: false).bytes
    let (bytes, sizes) = try Self.frames(parts, table: true)
    let walked = try Self.cuts(plain, shard: 500).cuts.dropLast()
    for place in plain.count..<bytes.count {
      for bit in 0..<8 {
        var damaged = bytes
        damaged[place] ^= 1 << UInt8(bit)
        // The frame around the table has to be whole; what is in it may be anything.
        guard let found = try? Self.cuts(damaged, shard: 500) else { continue }
        #expect(found.cuts.dropLast() == walked, "byte \(place) bit \(bit)")
      }
    }
    // Sizes swapped between frames: sums agree, the frames do not.
    var table = SeekTable()
    for (size, text) in zip(sizes, [700, 600, 800] as [UInt32]) {
      try table.append(
        .init(compressedByteCount: UInt32(size), decompressedByteCount: text))
    }
    var swapped = plain
    table.encode(into: &swapped)
    #expect(try Self.cuts(swapped, shard: 500).cuts.dropLast() == walked)
  }

  @Test func skippableFramesMayStandBetween() throws {
    let frames = try Self.parts([700, 800]).map { try SourceTests.pack([$0]) }
    let skip = PlainFrame.skippable
    let bytes = skip + frames[0] + skip + skip + frames[1] + skip
    let found = try Self.cuts(bytes, shard: 100)
    let second = UInt64(3 * skip.count + frames[0].count)
    #expect(
      found.cuts == [
        .begin, FrameCut(textOffset: 700, storedOffset: second),
        FrameCut(textOffset: 1_500, storedOffset: UInt64(bytes.count)),
      ])
  }

  @Test func oneFrameIsOneShard() throws {
    let text = Self.parts([5_000])[0]
    let frame = try SourceTests.pack([text])
    let found = try Self.cuts(frame)
    #expect(found.note == .oneFrame)
    #expect(found.cuts.map(\.textOffset) == [0, 5_000])
    #expect(try Self.cuts(frame, shard: 5_000).note == nil)
  }

  @Test func anUnknownSizeIsOneShardWithANote() throws {
    let big = [UInt8](repeating: 65, count: 5 << 20)
    let first = PlainFrame(text: big).bytes
    let bytes = first + PlainFrame(text: big, tellsSize: false).bytes
    let found = try Self.cuts(bytes, shard: 1 << 20)
    #expect(found == FrameCuts(cuts: [], note: .sizeUnknown(at: UInt64(first.count))))
    #expect(found.note?.description.contains("\(first.count)") == true)
    let small = try Self.cuts(PlainFrame(text: [1, 2], tellsSize: false).bytes)
    #expect(small == FrameCuts(cuts: []))
  }

  @Test(arguments: [true, false]) func aFileCutAnywhereIsFoundOut(table: Bool) throws {
    let (bytes, sizes) = try Self.frames(Self.parts([300, 2_000]), table: table)
    let whole = [sizes[0], sizes[0] + sizes[1], bytes.count]
    for count in 0..<bytes.count where !whole.contains(count) {
      let code = Self.code { try Self.cuts(Array(bytes.prefix(count))) }
      #expect(code == .truncated, "\(count)")
    }
  }

  @Test func claimsAreHeldAgainstTheBlocks() {
    let bomb = PlainFrame(text: [1, 2, 3], claimedCount: 1 << 50).bytes
    #expect(Self.code { try Self.cuts(bomb) } == .corrupt)
    // One block of one byte repeated: 128 KiB of text at most.
    var repeated = PlainFrame(text: [7], claimedCount: 128 << 10).bytes
    repeated.replaceSubrange((repeated.count - 4)..., with: [0x03, 0, 0x10, 7])
    #expect((try? Self.cuts(repeated))?.cuts.last?.textOffset == 128 << 10)
    repeated[6 + 2] += 1
    #expect(Self.code { try Self.cuts(repeated) } == .corrupt)
  }

  @Test func whatNoReaderAcceptsIsFoundAtOnce() {
    var wide = PlainFrame(text: [1]).bytes
    wide[5] = 0xFF
    #expect(Self.code { try Self.cuts(wide) } == .tooLarge)
    let dictionary: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x01, 80, 7, 1, 0, 0]
    #expect(Self.code { try Self.cuts(dictionary) } == .corrupt)
    #expect(Self.code { try Self.cuts(Array("id,x\n1,2\n3,4\n".utf8)) } == .corrupt)
    #expect(Self.code { try Self.cuts([]) } == .truncated)
  }

  @Test func damageNeverTraps() throws {
    var random = SplitMix(state: 77)
    let (bytes, _) = try Self.frames(Self.parts([300, 0, 2_000, 50]), table: true)
    let gzip = BlockedGzip.block([1, 2, 3]) + BlockedGzip.block([4]) + BlockedGzip.endMark
    for _ in 0..<20_000 {
      for (sound, compression) in [(bytes, TextCompression.zstd), (gzip, .gzip)] {
        var damaged = sound
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          damaged[Int.random(in: 0..<damaged.count, using: &random)] =
            UInt8.random(in: 0...255, using: &random)
        }
        if Bool.random(using: &random) {
          damaged.removeLast(Int.random(in: 0..<damaged.count, using: &random))
        }
        guard let found = try? Self.cuts(damaged, compression, shard: 100) else { continue }
        let places = found.cuts.map(\.storedOffset)
        #expect(places == places.sorted() && places.allSatisfy { $0 <= damaged.count })
      }
    }
  }

  // MARK: Blocked gzip

  @Test func blockedGzipIsCutAtBlocks() throws {
    let blocks = Self.parts([600, 600, 600, 100]).map { BlockedGzip.block($0) }
    let bytes = Array(blocks.joined()) + BlockedGzip.endMark
    let found = try Self.cuts(bytes, .gzip)
    #expect(found.cuts.map(\.textOffset) == [0, 1_200, 1_900])
    #expect(found.cuts[1].storedOffset == UInt64(blocks[0].count + blocks[1].count))
    #expect(found.cuts[2].storedOffset == UInt64(bytes.count))
    #expect(found.note == nil)
    #expect(try Self.cuts(bytes, .gzip, readLimit: 3) == found)
    #expect(try Self.cuts(Array(bytes.dropLast(28)), .gzip).note == .noEndMark)
    for count in 1..<bytes.count
    where Self.code({ try Self.cuts(Array(bytes.prefix(count)), .gzip) }) == nil {
      #expect(try Self.cuts(Array(bytes.prefix(count)), .gzip).note == .noEndMark)
      #expect(blocks.indices.contains { blocks[...$0].joined().count == count }, "\(count)")
    }
  }

  @Test func otherGzipIsOneShard() throws {
    let plain: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    #expect(try Self.cuts(plain, .gzip) == FrameCuts(cuts: []))
    #expect(try Self.cuts(BlockedGzip.block([1]) + plain, .gzip) == FrameCuts(cuts: []))
    #expect(try Self.cuts(BlockedGzip.block([1]) + [0, 0], .gzip) == FrameCuts(cuts: []))
    let block = BlockedGzip.block([UInt8](repeating: 9, count: 60_000))
    let long = Array(repeatElement(block, count: 80).joined())
    let found = try Self.cuts(long + plain, .gzip)
    #expect(found.note == .plainGzip(at: UInt64(long.count)))
    #expect(Self.code { try Self.cuts([1, 2, 3, 4], .gzip) } == .corrupt)
  }
}
