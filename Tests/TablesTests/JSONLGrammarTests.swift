import Tables
import Testing

/// Lines that are JSON objects by RFC 8259, and lines that are not, one reason each.
private let accepted = [
  "{}", " { } ", "\t{}\r", #"{"a":0}"#, #"{"a":-0}"#, #"{"a":-0.0}"#, #"{"a":1E+9}"#,
  #"{"a":1e-9}"#, #"{"a":123456789012345678901234567890}"#, #"{"a":0.1234567890123456789e+0}"#,
  #"{"a":1e400}"#, #"{"a":""}"#, #"{"":1}"#, #"{"a":"\u0000\u001f\uFFFF"}"#, #"{"a":"\uD800"}"#,
  #"{"a":"\uDC00\uD800x"}"#, #"{"a":"\"\\\/\b\f\n\r\t"}"#, "{\"a\":\"\u{7F}\u{80}\u{10FFFF}\"}",
  #"{"a":[]}"#, #"{"a":{}}"#, #"{"a":[[],{"b":[1 , 2]},"x",null,true,false]}"#,
  #"{"a" : { "b" : { "c" : [ ] } } , "d" : 1}"#, #"{"a":1,"a":2}"#, #"{"a":"]}"}"#,
  #"{"a":"https://x.y/?q=[1]&r={}"}"#, #"{"\u0061\"\\":1}"#, #"{"a":1,"b":true,"c":null}"#,
]
private let rejected = [
  "{", "}", "{]", "[}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a":1,,"b":2}"#,
  #"{"a":1 "b":2}"#, #"{"a"1}"#, #"{"a"::1}"#, #"{a:1}"#, #"{'a':1}"#, #"{"a":'x'}"#, #"{1:1}"#,
  #"{null:1}"#, #"{"a":01}"#, #"{"a":-01}"#, #"{"a":00}"#, #"{"a":1.}"#, #"{"a":.5}"#,
  #"{"a":+1}"#, #"{"a":-}"#, #"{"a":--1}"#, #"{"a":1e}"#, #"{"a":1e+}"#, #"{"a":1.e5}"#,
  #"{"a":1.2.3}"#, #"{"a":1-2}"#, #"{"a":1/2}"#, #"{"a":0x1}"#, #"{"a":1_0}"#, #"{"a":NaN}"#,
  #"{"a":Infinity}"#, #"{"a":-Infinity}"#, #"{"a":nul}"#, #"{"a":nulll}"#, #"{"a":True}"#,
  #"{"a":tru"#, #"{"a":truefalse}"#, #"{"a":"x}"#, #"{"a":"\"}"#, #"{"a":"\x41"}"#,
  #"{"a":"\u12"}"#, #"{"a":"\u12G4"}"#, #"{"a":"\U1234"}"#, #"{"a":"\u"}"#, "{\"a\":\"\t\"}",
  "{\"a\":\"\u{1}\"}", "{\"a\":\"\u{0}\"}", "{\"a\u{1}\":1}", #"{"a":[1,]}"#, #"{"a":[,1]}"#,
  #"{"a":[1 2]}"#, #"{"a":[1}"#, #"{"a":{"b":1]}"#, #"{"a":[1"#, #"{"a":{"b"}}"#, #"{"a":{"b":}}"#,
  #"{"a":{1:2}}"#, #"{"a":{"b":1,}}"#, #"{"a":1}}"#, #"{"a":1}]"#, #"{"a":1}{"a":1}"#,
  #"{"a":1} x"#, #"{"a":1}//"#, #"/**/{"a":1}"#, "\u{FEFF}{\"a\":1}", "{\u{A0}}", "{\"a\":1\u{C}}",
  "x", "tru", "[1", "[1]]", "\"x", "01", "1 2", "[1,]", "\u{0}", "{\u{0}}",
]
/// JSON, but no objects.
private let others = ["1", "-1.5e3", "true", "null", "\"{}\"", "[]", "[1,{\"a\":2}]", " [ ] \t"]

struct JSONLGrammarTests {
  /// Reads the lines with one instruction set; "{}" first so that no line is the text's first.
  private func errors(
    _ lines: [String], isa: TextInstructions
  ) throws -> [RecordError?] {
    let bytes = Array((["{}"] + lines).joined(separator: "\n").utf8)
    var reading = JSONLReading(columns: ["a", "b"])
    reading.isa = isa
    var tile = RecordTile()
    let result = try reading.read(
      MemorySource(bytes: bytes), 0..<UInt64(bytes.count), block: 1 << 20, tile: &tile)
    return result.lines.dropFirst().map(\.error)
  }

  @Test(arguments: TextInstructions.available)
  func theStandardDecides(isa: TextInstructions) throws {
    for (lines, error) in [
      (accepted, nil), (rejected, .invalidJSON), (others, .notAnObject),
    ] as [([String], RecordError?)] {
      // Each alone, and after a line that has taught the reader what to expect.
      for taught in ["{}", #"{"a":1,"b":2}"#, #"{"a":"x"}"#] {
        for line in lines {
          let found = try errors([taught, taught, line, taught], isa: isa)
          if found != [nil, nil, error, nil] {
            Issue.record("\(line.debugDescription) after \(taught): \(found) on \(isa)")
          }
        }
      }
    }
  }

  @Test(arguments: TextInstructions.available)
  func depthHasALimit(isa: TextInstructions) throws {
    func nested(_ depth: Int, _ open: String, _ close: String) -> String {
      #"{"a":"# + String(repeating: open, count: depth) + "1"
        + String(repeating: close, count: depth) + "}"
    }
    let found = try errors(
      [
        nested(127, "[", "]"), nested(128, "[", "]"), nested(127, "{\"b\":", "}"),
        nested(128, "{\"b\":", "}"), nested(100_000, "[", ""), String(repeating: "[", count: 9_999),
        String(repeating: "[", count: 128) + String(repeating: "]", count: 128),
        String(repeating: "[", count: 129) + String(repeating: "]", count: 129),
      ], isa: isa)
    #expect(
      found == [
        nil, .invalidJSON, nil, .invalidJSON, .invalidJSON, .invalidJSON, .notAnObject,
        .invalidJSON,
      ])
  }

  @Test func arraysAreRecordsWhereTheyMayBe() throws {
    let bytes = Array("[1,\"x\"]\n{\"b\":2}\n[1]\n[1,2,3]\n[ ]\n[1,2\n [ null , [3] ] \n".utf8)
    var reading = JSONLReading(columns: ["a", "b"])
    reading.acceptsArrays = true
    var tile = RecordTile()
    let result = try reading.read(
      MemorySource(bytes: bytes), 0..<UInt64(bytes.count), block: 1 << 20, tile: &tile)
    #expect(
      result.lines.map(\.error) == [
        nil, nil, .fieldCount(expected: 2, found: 1), .fieldCount(expected: 2, found: 3),
        .fieldCount(expected: 2, found: 0), .invalidJSON, nil,
      ])
    #expect(
      result.lines[0].fields == [
        PlainValue(text: [0x31], isString: false), PlainValue(text: [0x78], isString: true),
      ])
    #expect(
      result.lines[6].fields == [.missing, PlainValue(text: Array("[3]".utf8), isString: false)])
  }

  /// Every byte of a valid record is changed to every other one.
  @Test(arguments: TextInstructions.available)
  func aChangedByteIsJudgedAsByTheReference(isa: TextInstructions) throws {
    let good = Array(#"{"a":-1.50e+3,"b":"\u00e9x","c":[{"d":null},true]}"#.utf8)
    var bytes: [UInt8] = []
    for index in good.indices {
      for value in UInt8.min...UInt8.max {
        bytes += good
        bytes[bytes.count - good.count + index] = value
        bytes.append(0x0A)
      }
    }
    var reading = JSONLReading(columns: ["a", "b", "c"])
    reading.isa = isa
    reading.windowByteCount = 1 << 16
    var tile = RecordTile()
    try reading.check(bytes, ranges: [0..<bytes.count], block: 1 << 24, tile: &tile)
  }

  /// Valid records, cut anywhere and put together again.
  @Test(arguments: 0..<20) func mutationsNeverTrap(seed: UInt64) throws {
    var random = SplitMix(state: seed + 900)
    let seeds = (accepted + others).map { Array($0.utf8) }
    var tile = RecordTile()
    for round in 0..<40 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 1...60, using: &random) {
        var line = seeds[Int.random(in: 0..<seeds.count, using: &random)]
        for _ in 0..<Int.random(in: 0...2, using: &random) where !line.isEmpty {
          let index = Int.random(in: 0..<line.count, using: &random)
          switch UInt8.random(in: 0..<4, using: &random) {
          case 0: line.removeSubrange(index...)
          case 1: line[index] = UInt8.random(in: 0...255, using: &random)
          case 2: line.insert(line[line.count - 1 - index], at: index)
          default: line += line[index...]
          }
        }
        bytes += line + [0x0A]
      }
      let reading = JSONLReading(
        columns: ["a", "b", ""], limit: 1 << 16, acceptsArrays: round % 2 == 0,
        windowByteCount: Int.random(in: 1...2_000, using: &random),
        isa: TextInstructions.available[
          round % TextInstructions.available.count])
      try reading.check(
        bytes, ranges: [0..<bytes.count], block: Int.random(in: 1...9_999, using: &random),
        tile: &tile)
    }
  }
}
