import Jobs
import Tables
import Testing

/// Texts that are hard to cut.
private let adversarialTexts: [(name: String, text: String)] = [
  ("plain", "a,b\n1,2\n3,4\n5,6\n"),
  ("no last line feed", "a,b\n1,2\n3,4"),
  ("quotes inside unquoted fields", "a\"b,c\n1\"2\"\"3,\"x\"\nq\",w\"\n5\" disk,6\n"),
  ("quoted line feeds", "a,\"b\nc\"\n\"1\n\n2\",\"3\n\"\n4,5\n\"\n\",\"\n\n\"\n6,7\n"),
  ("doubled quotes", "\"\"\"\",\"a\"\"\n\"\"b\"\n\"\"\"\n\"\"\",x\n\"\",\"\"\n\"\"\"\"\"\",1\n"),
  ("one field over many ranges", "a,b\n1,\"" + String(repeating: "x\n", count: 30) + "\"\n2,3\n"),
  ("records inside a field", "k,\"1,2\n3,4\n\"\"5\"\",6\n7,\"\"8\n\"\"\n9,0\"\nz,z\n"),
  ("CRLF", "a,b\r\n\"1\r\n2\",\"3\"\r\n\r\n4,5\r\n"),
  ("lone CR", "a\rb,c\r\n\r\n\r\r\n1,\r\r\n\"x\"\r,y\n\r"),
  ("CR at the end", "a,b\n1,2\r"),
  ("CR after a last quote", "a,b\n1,\"2\"\r"),
  ("byte order mark", "\u{FEFF}a,b\n\"1\n\",2\n"),
  ("mark and quote", "\u{FEFF}\"a\n\",b\n1,2\n"),
  ("mark and nothing", "\u{FEFF}\n\u{FEFF}\n1,2\n"),
  ("only a mark", "\u{FEFF}"),
  ("blank lines", "\n\n1,2\n\n\r\n3,4\n\n\n"),
  ("text after a quote", "\"a\"b,c\n\"1\"\"2\"x\"y\",\"z\n\"\n\"\" ,1\n\"a\"\"b\"c,\"d\"e\n3,4\n"),
  ("unterminated", "a,b\n1,\"2\n3,4\n5,6\n"),
  ("unterminated at the end", "a,b\n\""),
  ("unterminated after a pair", "a,b\n1,\"x\"\"\n"),
  ("wrong field counts", "1\n1,2,3\n1,2\n,\n,,\n"),
  ("empty", ""),
  ("a line feed", "\n"),
  ("over-long", "1,2\n" + String(repeating: "y", count: 50) + ",1\n3,4\n"),
  (
    "over-long in quotes",
    "1,2\n3,\"" + String(repeating: "z\n", count: 24) + "\"\n4,5\n6,\"7\n\"\n8,9\n"
  ),
  ("over-long to the end", "1,2\n\"" + String(repeating: "w", count: 60)),
  ("wide from the begin", String(repeating: "x", count: 150) + ",1\n2,3\n"),
  ("not only ASCII", "é,ß\n\"日\n本\",語\n1,2\n"),
]

struct CSVRangeTests {
  @Test(arguments: adversarialTexts.indices, [20, 1 << 20])
  func everyCutAndBlockSizeGivesTheSameRecords(index: Int, limit: Int) throws {
    let bytes = Array(adversarialTexts[index].text.utf8)
    let reference = ReferenceParser(bytes, fieldCount: 2, limit: limit)
    var reading = Reading(fieldCount: 2, options: try CSVOptions(recordByteLimit: limit))
    var tile = RecordTile()
    let end = max(bytes.count, 1)
    for block in 1...end {
      for cut in 1...end {
        reading.windowByteCount = 1 + (cut * 7 + block) % 40
        reading.readLimit = 1 + (cut + block * 5) % 23
        reading.instructions = TextInstructions.available.cycled(cut + block)
        let ranges = cut < end ? [0..<cut, cut..<end] : [0..<end]
        _ = try reading.checkChain(
          bytes, ranges: ranges, block: block, reference: reference, tile: &tile)
      }
    }
  }

  @Test(arguments: adversarialTexts.indices)
  func chainsOfManyRangesGiveTheSameRecords(index: Int) throws {
    let bytes = Array(adversarialTexts[index].text.utf8)
    var tile = RecordTile()
    for limit in [4, 7, 20, 1 << 20] {
      let reference = ReferenceParser(bytes, fieldCount: 2, limit: limit)
      var reading = Reading(fieldCount: 2, options: try CSVOptions(recordByteLimit: limit))
      for size in 1...max(bytes.count, 1) {
        let ranges = stride(from: 0, to: max(bytes.count, 1), by: size).map {
          $0..<min($0 + size, max(bytes.count, 1))
        }
        for block in Set([1, 2, (size + 1) / 2, size]) {
          reading.windowByteCount = 1 + size % 9
          _ = try reading.checkChain(
            bytes, ranges: ranges, block: block, reference: reference, tile: &tile)
        }
      }
    }
  }

  @Test func wrongGuessesAreNoticed() throws {
    let text = "a,b\n1,\"" + String(repeating: "x,y\n", count: 20) + "\"\n2,3\n"
    let bytes = Array(text.utf8)
    let reference = ReferenceParser(bytes, fieldCount: 2, limit: 1 << 20)
    let reading = Reading(fieldCount: 2, options: try CSVOptions())
    var tile = RecordTile()
    let ranges = stride(from: 0, to: bytes.count, by: 10).map { $0..<min($0 + 10, bytes.count) }
    let wrongCount = try reading.checkChain(
      bytes, ranges: ranges, block: 3, reference: reference, tile: &tile)
    #expect(wrongCount == 8)
  }

  @Test(arguments: 0..<40) func randomTextsAgreeWithTheReference(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    let alphabet = Array("aé,,,\"\"\"\n\n\r".utf8) + Array("\r\n".utf8) + [0xFF]
    var tile = RecordTile()
    for round in 0..<60 {
      let count = Int.random(in: 0...70, using: &random)
      let bytes = (0..<count).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
      }
      let limit = Bool.random(using: &random) ? 1 << 20 : Int.random(in: 4...30, using: &random)
      let fieldCount = Int.random(in: 1...3, using: &random)
      let reference = ReferenceParser(bytes, fieldCount: fieldCount, limit: limit)
      var reading = Reading(
        fieldCount: fieldCount, options: try CSVOptions(recordByteLimit: limit),
        windowByteCount: Int.random(in: 1...90, using: &random),
        readLimit: Int.random(in: 1...90, using: &random),
        instructions: TextInstructions.available.cycled(round))
      if Bool.random(using: &random), let first = reference.records.first {
        reading.headerOffset = UInt64(first.record.offset)
      }
      let end = max(count, 1) + Int.random(in: 0...5, using: &random)
      for size in [1, Int.random(in: 1...end, using: &random), end] {
        let ranges = stride(from: 0, to: end, by: size).map { $0..<min($0 + size, end) }
        let block = Int.random(in: 1...end, using: &random)
        _ = try reading.checkChain(
          bytes, ranges: ranges, block: block, reference: reference, tile: &tile)
      }
    }
  }

  @Test(arguments: TextInstructions.available)
  func longRandomTextAgrees(instructions: TextInstructions) throws {
    var random = SplitMix(state: 5)
    var bytes: [UInt8] = []
    while bytes.count < 600_000 {
      for column in 0..<4 {
        if column > 0 { bytes.append(UInt8(ascii: ",")) }
        switch UInt8.random(in: 0..<12, using: &random) {
        case 0: bytes += Array("\"a \"\"quoted\"\"\r\n, text\"".utf8)
        case 1: bytes += Array("x\"y".utf8)
        case 2: bytes += Array("\"\"".utf8)
        case 3: bytes += Array(repeating: 0xC3, count: Int.random(in: 0...1, using: &random))
        default: bytes += Array("\(Int.random(in: 0...99_999, using: &random))".utf8)
        }
      }
      bytes += Array((UInt8.random(in: 0..<40, using: &random) == 0 ? ",extra\r\n\n" : "\n").utf8)
    }
    let reference = ReferenceParser(bytes, fieldCount: 4, limit: 200)
    let reading = Reading(
      fieldCount: 4, options: try CSVOptions(recordByteLimit: 200), windowByteCount: 8_192,
      instructions: instructions, headerOffset: 0)
    var tile = RecordTile()
    for (size, block) in [(600_100, 600_100), (600_100, 65_536), (100_003, 9_001)] {
      let ranges = stride(from: 0, to: 600_100, by: size).map { $0..<min($0 + size, 600_100) }
      _ = try reading.checkChain(
        bytes, ranges: ranges, block: block, reference: reference, tile: &tile)
    }
  }

  /// Wide plain records, among which now and then something is not as it should be.
  @Test(arguments: TextInstructions.available, [12, 60])
  func plainTextWithOddPlacesAgrees(instructions: TextInstructions, fieldCount: Int) throws {
    var random = SplitMix(state: UInt64(fieldCount))
    var bytes: [UInt8] = []
    while bytes.count < 150_000 {
      let odd = Int.random(in: 0..<120, using: &random)
      let count = odd == 0 ? fieldCount + 1 : odd == 1 ? fieldCount - 1 : fieldCount
      for column in 0..<count {
        if column > 0 { bytes.append(UInt8(ascii: ",")) }
        if odd == 2, column == 3 { bytes += Array("\"a,\n\"\"b\"".utf8) }
        if odd == 3, column == 5 { bytes += Array(repeating: UInt8(ascii: "x"), count: 900) }
        if odd == 4, column == 7 { bytes += Array("é\"".utf8) }
        let length = Int.random(in: 0...12, using: &random)
        bytes += Array("\(Int.random(in: 0...999_999_999_999, using: &random))".utf8.prefix(length))
      }
      bytes += Array((odd == 5 ? "\r\n" : odd == 6 ? "\n\n\r\n" : odd == 7 ? ",\r\n" : "\n").utf8)
    }
    let reference = ReferenceParser(bytes, fieldCount: fieldCount, limit: 800)
    let end = bytes.count
    var tile = RecordTile()
    for (size, block, window) in [(end, end, 65_536), (end, 4_096, 8_192), (20_011, 7_001, 3_000)] {
      let reading = Reading(
        fieldCount: fieldCount, options: try CSVOptions(recordByteLimit: 800),
        windowByteCount: window, instructions: instructions, headerOffset: 0)
      let ranges = stride(from: 0, to: end, by: size).map { $0..<min($0 + size, end) }
      _ = try reading.checkChain(
        bytes, ranges: ranges, block: block, reference: reference, tile: &tile)
    }
  }

  @Test func tilesFollowFromTheBlockAlone() throws {
    let line = Array("1,2\n".utf8)
    let bytes = Array(repeatElement(line, count: 5_000).joined())
    for windowByteCount in [7, 4_096, 1 << 20] {
      var parser = CSVRangeParser(
        source: MemorySource(bytes: bytes, readLimit: 1_000), range: 0..<UInt64(bytes.count),
        blockByteCount: 9_000, headerOffset: 0, fieldCount: 2, options: try CSVOptions(),
        windowByteCount: windowByteCount)
      var tile = RecordTile()
      var counts: [[Int]] = []
      while try parser.readTile(into: &tile) {
        counts.append([tile.blockIndex, Int(tile.firstOrdinal), tile.count])
      }
      // The first block lacks the header and, like all others, has 2,250 records.
      #expect(
        counts == [
          [0, 0, 1_024], [0, 1_024, 1_024], [0, 2_048, 202], [1, 0, 1_024], [1, 1_024, 1_024],
          [1, 2_048, 202], [2, 0, 499],
        ])
    }
  }

  @Test func aLongRecordIsPassedOverInBoundedMemory() throws {
    // 8 MiB of one record under a limit of 64 KiB; the source would trap on a huge window.
    var bytes = Array("a,b\n1,2\n3,\"".utf8)
    bytes += [UInt8](repeating: UInt8(ascii: "x"), count: 8 << 20)
    bytes += Array("\n4,5\n".utf8)
    let options = try CSVOptions(recordByteLimit: 64 << 10)
    let source = CappedSource(bytes: bytes, cap: 1 << 20)
    let reading = Reading(fieldCount: 2, options: options, windowByteCount: 4_096, headerOffset: 0)
    var tile = RecordTile()
    let result = try reading.read(from: source, 0..<UInt64(bytes.count), block: 1_000, tile: &tile)
    #expect(result.records.map(\.record.error) == [nil, .recordTooLong, nil])
    #expect(result.records[1].record.text == Array(bytes[8..<264]))
    #expect(result.records.map(\.record.offset) == [4, 8, bytes.count - 4])
    #expect(result.records[2].record.fields == [[UInt8(ascii: "4")], [UInt8(ascii: "5")]])
  }

  @Test func aWholeTextOfUnknownLengthIsOneRange() throws {
    let bytes = Array("a,b\n1,\"2\n\"\n3,4\n".utf8)
    let reading = Reading(fieldCount: 2, options: try CSVOptions(), headerOffset: 0)
    var tile = RecordTile()
    let result = try reading.read(bytes, 0..<UInt64.max, block: 5, tile: &tile)
    #expect(result.records.map(\.block) == [0, 2])
    #expect(
      result.states == [
        .recordStart, .insideField(recordOffset: 4), .recordStart, .recordStart,
      ])
  }
}

/// A source that fails the test when it is asked for more than `cap` bytes at once.
struct CappedSource: ByteSource {
  let bytes: [UInt8]
  let cap: Int

  var byteCount: UInt64? { nil }

  func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    #expect(buffer.count <= cap)
    return try unsafe MemorySource(bytes: bytes).read(at: offset, into: buffer)
  }
}

/// The generator of Steele, Lea and Flood (OOPSLA 2014): small, seeded, the same everywhere.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}
