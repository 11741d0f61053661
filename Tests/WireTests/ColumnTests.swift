import Foundation
import Tables
import Testing

struct ColumnTests {
  /// Parses a text and hands out its first tile.
  static func withTile<Result>(
    _ text: String, options: CSVOptions, _ body: (borrowing RecordTile, CSVHeader) throws -> Result
  ) throws -> Result {
    let source = MemorySource(bytes: Array(text.utf8))
    let header = try CSVHeader.read(from: source, path: "test.csv", options: options)
    var parser = CSVRangeParser(
      source: source, range: 0..<UInt64(text.utf8.count), blockByteCount: 1 << 20,
      headerOffset: header.offset, fieldCount: header.names.count, options: options)
    var tile = RecordTile()
    #expect(try parser.readTile(into: &tile))
    return try body(tile, header)
  }

  @Test func columnsBecomeNumbers() throws {
    let text = """
      a,b
      1,x
      "2.5",
      NA,"NA"
      bad,3

      1,2,3
       -4e2 , null\u{20}
      "1""2",nan
      "",inf
      """
    let options = try CSVOptions()
    try Self.withTile(text, options: options) { tile, _ in
      #expect(tile.count == 8)
      var numbers = [Double](repeating: -1, count: 16)
      var failed = [RecordSet(), RecordSet()]
      for column in 0..<2 {
        let failureCount = unsafe numbers.withUnsafeMutableBufferPointer { buffer in
          unsafe tile.readNumbers(
            column: column, nullWords: options.nullWords,
            into: UnsafeMutableBufferPointer(rebasing: buffer[column...]), stride: 2,
            failures: &failed[column])
        }
        #expect(failureCount == (column == 0 ? 2 : 1))
      }
      let wanted: [Double?] = [
        1, nil, 2.5, nil, nil, nil, nil, 3, nil, nil, -400, nil, nil, nil, nil, .infinity,
      ]
      #expect(numbers.map { $0.isNaN ? nil : $0 } == wanted)
      #expect((0..<8).filter(failed[0].contains) == [3, 6])
      #expect((0..<8).filter(failed[1].contains) == [0])
      #expect(tile.error(of: 4) == .fieldCount(expected: 2, found: 3))
      failed[0].removeAll()
      #expect(failed[0] == RecordSet())
    }
  }

  @Test func nullWordsThatAreNumbersWin() throws {
    let options = try CSVOptions(nullWords: ["-999", "0.0"])
    try Self.withTile("a\n-999\n-999.0\n0.0\n0\n", options: options) { tile, _ in
      var numbers = [Double](repeating: -1, count: 4)
      var failed = RecordSet()
      let failureCount = unsafe numbers.withUnsafeMutableBufferPointer { buffer in
        unsafe tile.readNumbers(
          column: 0, nullWords: options.nullWords, into: buffer, failures: &failed)
      }
      #expect(failureCount == 0)
      #expect(numbers.map(\.isNaN) == [true, false, true, false])
      #expect(numbers[1] == -999 && numbers[3] == 0)
    }
  }

  @Test(arguments: 0..<4) func randomFieldsAreTheNearestDoubles(seed: UInt64) throws {
    var random = SplitMix(state: seed + 7)
    let texts = (0..<20_000).map { _ in Self.randomDecimal(using: &random) }
    let options = try CSVOptions()
    let source = MemorySource(bytes: Array(("a\n" + texts.joined(separator: "\n")).utf8))
    var parser = CSVRangeParser(
      source: source, range: 0..<UInt64(source.bytes.count), blockByteCount: 1 << 20,
      headerOffset: 0, fieldCount: 1, options: options)
    var tile = RecordTile()
    var numbers = [Double](repeating: 0, count: RecordTile.recordLimit)
    var position = 0
    while try parser.readTile(into: &tile) {
      var failures = RecordSet()
      _ = unsafe numbers.withUnsafeMutableBufferPointer { buffer in
        unsafe tile.readNumbers(
          column: 0, nullWords: options.nullWords, into: buffer, failures: &failures)
      }
      for index in 0..<tile.count {
        let text = texts[position]
        position += 1
        #expect(failures.contains(index) == (Double(text) == nil), "\(text)")
        guard let wanted = Double(text) else { continue }
        #expect(numbers[index].bitPattern == wanted.bitPattern, "\(text)")
      }
    }
    #expect(position == texts.count)
  }

  /// Up to 18 digits with signs and points where they may and may not be.
  private static func randomDecimal(using random: inout SplitMix) -> String {
    var text = UInt8.random(in: 0..<3, using: &random) == 0 ? "-" : ""
    let count = Int.random(in: 1...18, using: &random)
    let point = Int.random(in: -count...count, using: &random)
    for index in 0..<count {
      if index == point { text += "." }
      text += "\(Int.random(in: 0...9, using: &random))"
      switch UInt8.random(in: 0..<200, using: &random) {
      case 0: text += "."
      case 1: text += "-"
      case 2: text += "e1"
      case 3: text += "/"
      case 4: text += ":"
      default: break
      }
    }
    return text + (point == count ? "." : "")
  }

  @Test(arguments: 0..<20) func randomTextSurvivesJSON(seed: UInt64) throws {
    var random = SplitMix(state: seed + 50)
    let alphabet = Array("aaaaaaabcdefgh\"\\\n\t\u{1}é日😀,")
    let texts = (0..<100).map { _ in
      String(
        (0..<Int.random(in: 0...60, using: &random)).map { _ in
          alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
        })
    }
    let rows = texts.map { "\"" + $0.replacing("\"", with: "\"\"") + "\",1" }
    let options = try CSVOptions()
    let csv = "a,b\n" + rows.joined(separator: "\n")
    try Self.withTile(csv, options: options) { tile, header in
      #expect(tile.count == texts.count)
      var writer = InstanceWriter(columns: [0, 1], header: header, nullWords: options.nullWords)
      for (index, text) in texts.enumerated() {
        var output = TextBuffer(capacity: 1)
        writer.appendJSONArray(of: index, in: tile, to: &output)
        let array = try JSONSerialization.jsonObject(with: Data(output.copy())) as? [Any]
        #expect(array?[0] as? String == text)
        output.removeAll()
        writer.appendCSV(of: index, in: tile, to: &output)
        let csv = try Self.withTile(
          "a,b\n" + String(decoding: output.copy(), as: UTF8.self), options: options
        ) { tile, _ in unsafe tile.field(0, 0).unescaped() }
        #expect(csv == Array(text.utf8))
      }
    }
  }

  @Test func recordsGoBackToText() throws {
    let text = """
      id,"na""me",note
      007,1.50,"NA"
      -3,"a ""b""\t",NA
      1e5,"2",x"y
      "",é\\,"l
      m"

      """
    let options = try CSVOptions()
    try Self.withTile(text, options: options) { tile, header in
      var writer = InstanceWriter(columns: [0, 1, 2], header: header, nullWords: options.nullWords)
      var output = TextBuffer(capacity: 1)
      for record in 0..<tile.count {
        writer.appendJSONObject(of: record, in: tile, to: &output)
        output.append(UInt8(ascii: "\n"))
      }
      #expect(
        String(decoding: output.copy(), as: UTF8.self) == #"""
          {"id":"007","na\"me":1.50,"note":"NA"}
          {"id":-3,"na\"me":"a \"b\"\t","note":null}
          {"id":1e5,"na\"me":"2","note":"x\"y"}
          {"id":"","na\"me":"é\\","note":"l\nm"}

          """#)
      output.removeAll()
      writer.appendCSVHeader(to: &output)
      for record in 0..<tile.count {
        output.append(UInt8(ascii: "\n"))
        writer.appendCSV(of: record, in: tile, to: &output)
      }
      #expect(
        String(decoding: output.copy(), as: UTF8.self) == """
          id,"na""me",note
          007,1.50,"NA"
          -3,"a ""b""\t",NA
          1e5,2,"x""y"
          "",é\\,"l
          m"
          """)
      var pair = InstanceWriter(
        columns: [2, 0], header: header, nullWords: options.nullWords, delimiter: UInt8(ascii: ";"))
      output.removeAll()
      pair.appendJSONArray(of: 1, in: tile, to: &output)
      pair.appendCSV(of: 3, in: tile, to: &output)
      #expect(String(decoding: output.copy(), as: UTF8.self) == "[null,-3]\"l\nm\";\"\"")
    }
  }

  @Test func aLoneEmptyFieldIsNoBlankLine() throws {
    let options = try CSVOptions()
    try Self.withTile("a\n\"\"\n", options: options) { tile, header in
      var writer = InstanceWriter(columns: [0], header: header, nullWords: options.nullWords)
      var output = TextBuffer()
      writer.appendCSV(of: 0, in: tile, to: &output)
      #expect(output.copy() == Array("\"\"".utf8))
    }
  }

  @Test func jsonNumbersAreThoseOfTheStandard() throws {
    let texts = [
      "0", "-0", "10", "1.5", "1e5", "1E+5", "-1.0e-7", "01", "+1", ".5", "5.", "1e", "--1", "1.e5",
      "0x1", "Infinity", "1 ", "-", "1e+", "00",
    ]
    let options = try CSVOptions(nullWords: [])
    try Self.withTile("a\n" + texts.joined(separator: "\n"), options: options) { tile, header in
      var writer = InstanceWriter(columns: [0], header: header, nullWords: options.nullWords)
      for (index, text) in texts.enumerated() {
        var output = TextBuffer()
        writer.appendJSONArray(of: index, in: tile, to: &output)
        #expect(
          String(decoding: output.copy(), as: UTF8.self)
            == (index < 7 ? "[\(text)]" : "[\"\(text)\"]"))
      }
    }
  }

  @Test func controlCharactersAreEscaped() {
    var output = TextBuffer()
    output.appendJSONString("\u{0}\u{1F}\u{8}\u{C}\n\r\t\u{7F}/\u{10FFFF}")
    #expect(
      String(decoding: output.copy(), as: UTF8.self)
        == "\"\\u0000\\u001f\\b\\f\\n\\r\\t\u{7F}/\u{10FFFF}\"")
    output.removeAll()
    output.append(-120)
    output.append(0)
    output.append(Int.min)
    output.append("x")
    #expect(String(decoding: output.copy(), as: UTF8.self) == "-1200\(Int.min)x")
    output.truncate(to: 2)
    #expect(output.copy() == Array("-1".utf8))
  }
}
