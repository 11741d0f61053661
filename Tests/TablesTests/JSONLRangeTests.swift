import Jobs
import Tables
import Testing

/// Texts that are hard to cut.
private let adversarialTexts: [(name: String, text: String)] = [
  ("plain", #"{"a":1,"b":"x"}"# + "\n" + #"{"a":2,"b":"y"}"# + "\n" + #"{"a":3}"# + "\n"),
  ("no last line feed", #"{"a":1}"# + "\n" + #"{"b":"last"}"#),
  ("spaces", " {\t\"a\" : 1 , \"b\":[ 1 , 2 ] }\t\r\n{ }\n \t\r\n{\"a\" :null}\r\n"),
  ("blank lines", "\n\n{\"a\":1}\n\n\r\n{\"b\":2}\n \n\n"),
  ("byte order mark", "\u{FEFF}{\"a\":1}\n{\"a\":2}\n"),
  ("mark and nothing", "\u{FEFF}\n\u{FEFF}\n{\"a\":1}\n"),
  ("only a mark", "\u{FEFF}"),
  ("strings cut by line feeds", "{\"a\":\"x\n\",\"b\":\"y\"}\n\"\n{\"a\":1}\n"),
  ("escapes", #"{"a":"\"\\\n","b":"\u00e9\ud83d\ude00\ud800"}"# + "\n" + #"{"\u0061":"\\"}"#),
  ("broken escapes", #"{"a":"\"# + "\n" + #"{"a":"\u12"# + "\n" + #"{"a":"\x"}"# + "\n{\n{\"\n"),
  ("other orders", #"{"b":1,"a":2}"# + "\n" + #"{"a":1,"c":{"a":9},"b":2}"# + "\n{\"b\":3}\n"),
  ("same name twice", #"{"a":1,"a":2}"# + "\n" + #"{"a":"x","b":1,"a":null}"# + "\n"),
  ("empty", ""),
  ("a line feed", "\n"),
  ("no objects", "1\n[1,2]\nnull\n\"x\"\n[\n{}\n[]\ntrue \n"),
  ("over-long", "{\"a\":1}\n{\"a\":\"" + String(repeating: "y", count: 50) + "\"}\n{\"a\":3}\n"),
  ("over-long to the end", "{}\n" + String(repeating: "w", count: 60)),
  ("over-long blanks", "{}\n" + String(repeating: " ", count: 60) + "\n{\"a\":1}\n"),
  ("not only ASCII", "{\"a\":\"日本\",\"é\":1}\n{\"b\":\"ß\"}\n"),
  ("garbage behind", "{\"a\":1}x\n{\"a\":1}{}\n{\"a\":1},\n{\"a\":1}\r\r\n{\"a\":1} \n{\"a\":1}\r"),
]

struct JSONLRangeTests {
  @Test(arguments: adversarialTexts.indices, [20, 1 << 20])
  func everyCutAndBlockSizeGivesTheSameRecords(index: Int, limit: Int) throws {
    let bytes = Array(adversarialTexts[index].text.utf8)
    var tile = RecordTile()
    let end = max(bytes.count, 1)
    for block in 1...end {
      for cut in 1...end {
        let reading = JSONLReading(
          columns: ["a", "b"], limit: limit, acceptsArrays: cut % 3 == 0,
          windowByteCount: 1 + (cut * 7 + block) % 40, readLimit: 1 + (cut + block * 5) % 23,
          isa: TextInstructions.available[(cut + block) % TextInstructions.available.count])
        let ranges = cut < end ? [0..<cut, cut..<end] : [0..<end]
        try reading.check(bytes, ranges: ranges, block: block, tile: &tile)
      }
    }
  }

  @Test(arguments: 0..<40) func randomTextsAgreeWithTheReference(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    let pieces = [
      "{", "}", "\n", "\n", "{\"a\":", "\"a\"", ",\"b\":", ",", ":", "1", "-0.5e3", "01",
      "\"x\\n\"",
      "\"é\"", "null", "true", "[1,{\"a\":2}]", "[", "]", " ", "\r\n", "{\"a\":1,\"b\":2}\n",
      "{\"b\":\"text\",\"a\":2}\n", "\\", "\"", "\u{1}",
    ].map { Array($0.utf8) }
    var tile = RecordTile()
    for round in 0..<60 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 0...25, using: &random) {
        bytes += pieces[Int.random(in: 0..<pieces.count, using: &random)]
        if UInt8.random(in: 0..<60, using: &random) == 0 { bytes.append(0xFF) }
      }
      let reading = JSONLReading(
        columns: Array(["a", "b", "x\n"].prefix(Int.random(in: 0...3, using: &random))),
        limit: Bool.random(using: &random) ? 1 << 20 : Int.random(in: 4...30, using: &random),
        acceptsArrays: Bool.random(using: &random),
        windowByteCount: Int.random(in: 1...90, using: &random),
        readLimit: Int.random(in: 1...90, using: &random),
        isa: TextInstructions.available[round % TextInstructions.available.count])
      let end = max(bytes.count, 1) + Int.random(in: 0...5, using: &random)
      for size in [1, Int.random(in: 1...end, using: &random), end] {
        let ranges = stride(from: 0, to: end, by: size).map { $0..<min($0 + size, end) }
        let block = Int.random(in: 1...end, using: &random)
        try reading.check(bytes, ranges: ranges, block: block, tile: &tile)
      }
    }
  }

  /// Records that are mostly alike, as the reader expects them, with something else now and then.
  @Test(arguments: TextInstructions.available) func longRandomTextAgrees(isa: TextInstructions)
    throws
  {
    var random = SplitMix(state: 7)
    var bytes: [UInt8] = []
    while bytes.count < 300_000 {
      bytes += Array(randomRecord(using: &random).utf8)
      if UInt8.random(in: 0..<50, using: &random) == 0 {
        let index = bytes.count - Int.random(in: 1...40, using: &random)
        bytes[index] = UInt8.random(in: 0...255, using: &random)
      }
      bytes.append(0x0A)
    }
    let reading = JSONLReading(
      columns: [
        "id", "name", "x", "y", "none", "long name of a member that is longer than a token",
      ],
      limit: 500, windowByteCount: 8_192, isa: isa)
    var tile = RecordTile()
    for (size, block) in [(300_600, 300_600), (300_600, 65_536), (50_003, 9_001)] {
      let ranges = stride(from: 0, to: 300_600, by: size).map { $0..<min($0 + size, 300_600) }
      try reading.check(bytes, ranges: ranges, block: block, tile: &tile)
    }
  }

  private func randomRecord(using random: inout SplitMix) -> String {
    let isOdd = UInt8.random(in: 0..<10, using: &random) == 0
    var members = [
      "\"id\":\(Int.random(in: -9...99_999, using: &random))",
      "\"name\":\"n\(Int.random(in: 0...9, using: &random))\"",
      "\"x\":\(Double.random(in: -1...1, using: &random))",
      "\"y\":\(UInt8.random(in: 0...9, using: &random)).\(UInt64.random(in: 0...9, using: &random))",
      "\"long name of a member that is longer than a token\":true",
      "\"other\":\(["null", "[]", "{\"id\":5}", "1e9", "\"\\\"\""].randomElement(using: &random) ?? "")",
      "\"\(UInt64.random(in: 0...3_000, using: &random))\":0",
    ]
    if isOdd {
      members.shuffle(using: &random)
      members.removeLast(Int.random(in: 0...7, using: &random))
      if Bool.random(using: &random) {
        members.append("\"text\":\"" + String(repeating: "é–x", count: 40) + "\"")
      }
    }
    return "{" + members.joined(separator: isOdd ? ", " : ",") + "}"
  }

  @Test func tilesFollowFromTheBlockAlone() throws {
    let bytes = Array(repeatElement(Array("{}\n1\n".utf8), count: 5_000).joined())
    for windowByteCount in [7, 4_096, 1 << 20] {
      let reader = try JSONLTileReader(
        text: MemorySource(bytes: bytes, readLimit: 1_000),
        range: LeaseRange(
          path: "", begin: 0, end: UInt64(bytes.count), blockLength: 9_000, blockCount: 3),
        columns: ["a"], options: JSONLOptions(), windowByteCount: windowByteCount)
      var tile = RecordTile()
      var counts: [[Int]] = []
      while try reader.readTile(into: &tile) {
        counts.append([tile.blockIndex, Int(tile.firstOrdinal), tile.count])
      }
      #expect(
        counts == [
          [0, 0, 1_024], [0, 1_024, 1_024], [0, 2_048, 1_024], [0, 3_072, 529],
          [1, 0, 1_024], [1, 1_024, 1_024], [1, 2_048, 1_024], [1, 3_072, 528],
          [2, 0, 1_024], [2, 1_024, 1_024], [2, 2_048, 751],
        ])
      #expect(reader.recordCount == 10_000)
    }
  }

  @Test func aTextOfUnknownLengthIsOneRange() throws {
    let bytes = Array("{\"a\":1}\n{\"a\":2}\n".utf8)
    let reading = JSONLReading(columns: ["a"])
    var tile = RecordTile()
    let result = try reading.read(
      MemorySource(bytes: bytes), 0..<UInt64.max, block: 5, tile: &tile)
    #expect(result.lines.map(\.block) == [0, 1])
    #expect(result.states.allSatisfy { $0 == .recordStart })
  }
}
