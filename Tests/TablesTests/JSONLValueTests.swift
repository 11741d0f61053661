import Jobs
import Tables
import Testing

struct JSONLValueTests {
  /// Parses a text and hands out its first tile.
  private func withTile<Result>(
    _ text: String, columns: [String], acceptsArrays: Bool = false,
    _ body: (borrowing RecordTile) throws -> Result
  ) throws -> Result {
    let bytes = Array(text.utf8)
    let end = UInt64(bytes.count)
    let reader = try JSONLTileReader(
      text: MemorySource(bytes: bytes),
      range: LeaseRange(path: "", begin: 0, end: end, blockLength: end, blockCount: 1),
      columns: columns, options: JSONLOptions(acceptsArrays: acceptsArrays))
    var tile = RecordTile()
    #expect(try reader.readTile(into: &tile))
    return try body(tile)
  }

  /// The numbers, with nil for NaN.
  private func known(_ values: [Double]) -> [Double?] { values.map { $0.isNaN ? nil : $0 } }

  private func header(_ names: [String]) throws -> CSVHeader {
    try CSVHeader.read(
      from: MemorySource(bytes: Array(names.joined(separator: ",").utf8)), path: "",
      options: CSVOptions())
  }

  private func numbers(
    _ column: Int, in tile: borrowing RecordTile, nullWords: [String] = []
  ) -> (values: [Double], failed: [Int]) {
    var values = [Double](repeating: -1, count: RecordTile.recordLimit)
    var failures = RecordSet()
    let count = unsafe values.withUnsafeMutableBufferPointer { buffer in
      unsafe tile.readNumbers(
        column: column, nullWords: NullWords(nullWords), into: buffer, failures: &failures)
    }
    let failed = (0..<tile.count).filter { failures.contains($0) }
    #expect(failed.count == count)
    return (Array(values.prefix(tile.count)), failed)
  }

  @Test func typesAreCheckedOnEveryRow() throws {
    let values = [
      "1", "-2.5e1", "true", "false", "null", "\"3\"", "\"\"", "\"NA\"", "[1]", "{\"a\":1}",
      "\"true\"", "1e400", "0.1", "\"\\u0031\"",
    ]
    let lines = values.map { "{\"a\":\($0)}" } + ["{\"b\":1}", "{\"a\":1", "{\"a\":12345678901}"]
    let text = lines.joined(separator: "\n")
    try withTile(text, columns: ["a"]) { tile in
      let plain = numbers(0, in: tile)
      #expect(plain.failed == [5, 6, 7, 8, 9, 10, 13])
      var expected = [Double?](repeating: nil, count: 17)
      expected.replaceSubrange(0..<4, with: [1, -25, 1, 0])
      expected.replaceSubrange(11...12, with: [Double.infinity, 0.1])
      expected[16] = 12_345_678_901
      #expect(known(plain.values) == expected)
      let worded = numbers(0, in: tile, nullWords: ["NA", "", "1"])
      #expect(worded.failed == [5, 8, 9, 10, 13])
      #expect(known(worded.values) == expected)
    }
  }

  @Test func columnsWithoutStringsAreReadAtOnce() throws {
    let text = (0..<1_000).map { "{\"a\":\($0 % 7 == 0 ? "null" : "\($0).5"),\"b\":true}\n" }
    try withTile(text.joined(), columns: ["b", "a"]) { tile in
      let (values, failed) = numbers(1, in: tile)
      #expect(failed.isEmpty)
      for (index, value) in values.enumerated() {
        let expected: Double? = index % 7 == 0 ? nil : Double(index) + 0.5
        if known([value]) != [expected] { Issue.record("\(index): \(value)") }
      }
      #expect(numbers(0, in: tile).values.allSatisfy { $0 == 1 })
    }
  }

  /// More columns than are looked at together, with each kind of value in each of them.
  @Test(arguments: TextInstructions.available)
  func manyColumnsAreReadLikeEachAlone(instructions: TextInstructions) throws {
    var random = SplitMix(state: 3)
    let columns = (0..<70).map { "c\($0)" }
    let values = [
      "1.5", "-7", "null", "true", "false", "\"2\"", "\"NA\"", "{}", "1e-320", "123456789",
    ]
    var text = ""
    for row in 0..<200 {
      let members = columns.indices.map { column in
        let kindCount = [2, 3, 5, values.count][column % 4]
        return "\"c\(column)\":\(values[Int.random(in: 0..<kindCount, using: &random)])"
      }
      text += row % 50 == 7 ? "{\n" : "{" + members.joined(separator: ",") + "}\n"
    }
    try withTile(text, columns: columns) { tile in
      let wordCount = RecordTile.recordLimit / 64
      var all = [Double](repeating: -1, count: columns.count * RecordTile.recordLimit)
      var failures = [UInt64](repeating: 0, count: columns.count * wordCount)
      let count = unsafe all.withUnsafeMutableBufferPointer { output in
        unsafe failures.withUnsafeMutableBufferPointer { failures in
          unsafe tile.readNumbers(
            columns: columns.indices.map { UInt32($0) }, nullWords: NullWords(["NA"]),
            into: output, failures: failures, instructions: instructions)
        }
      }
      var expectedCount = 0
      for column in columns.indices {
        let (values, failed) = numbers(column, in: tile, nullWords: ["NA"])
        expectedCount += failed.count
        let start = column * RecordTile.recordLimit
        #expect(known(Array(all[start..<start + tile.count])) == known(values))
        let words = failures[column * wordCount..<(column + 1) * wordCount]
        let bits = zip(0..., words).flatMap { index, word in
          (0..<64).filter { word >> UInt64($0) & 1 == 1 }.map { index * 64 + $0 }
        }
        #expect(bits == failed)
      }
      #expect(count == expectedCount && count > 0)
    }
  }

  private static let record = #"""
     {"id": 7, "é": "a\"\u00e9\n\ud83d\ude00\udead", "x":-1.50e3, "none":null, "b":true, "n":{"k": [1]}, "e":"", "z":0}

    """#
  private static let columns = ["e", "id", "é", "x", "none", "b", "n", "missing"]

  @Test func valuesStayAsTheyStand() throws {
    try withTile(Self.record, columns: Self.columns) { tile in
      let header = try header(Self.columns)
      var writer = InstanceWriter(
        columns: Array(Self.columns.indices), header: header, nullWords: NullWords([]))
      var output = TextBuffer(capacity: 1)
      writer.appendJSONObject(of: 0, in: tile, to: &output)
      output.append(UInt8(ascii: "\n"))
      writer.appendJSONArray(of: 0, in: tile, to: &output)
      #expect(
        String(decoding: output.copy(), as: UTF8.self) == #"""
          {"e":"","id":7,"é":"a\"\u00e9\n\ud83d\ude00\udead","x":-1.50e3,"none":null,"b":true,"n":{"k": [1]},"missing":null}
          ["",7,"a\"\u00e9\n\ud83d\ude00\udead",-1.50e3,null,true,{"k": [1]},null]
          """#)
    }
  }

  @Test func inCSVStringsAreTheTextTheyStandFor() throws {
    try withTile(Self.record, columns: Self.columns) { tile in
      let header = try header(Self.columns)
      var writer = InstanceWriter(
        columns: Array(Self.columns.indices), header: header, nullWords: NullWords([]))
      var output = TextBuffer(capacity: 1)
      writer.appendCSV(of: 0, in: tile, to: &output)
      #expect(
        String(decoding: output.copy(), as: UTF8.self)
          == "\"\",7,\"a\"\"é\n😀\u{FFFD}\",-1.50e3,,true,\"{\"\"k\"\": [1]}\",")
      output.removeAll()
      var single = InstanceWriter(columns: [7], header: header, nullWords: NullWords([]))
      single.appendCSV(of: 0, in: tile, to: &output)
      tile.appendText(of: 0, column: 2, to: &output)
      #expect(
        String(decoding: output.copy(), as: UTF8.self) == "\"\"a\"é\n😀\u{FFFD}")
    }
  }

  @Test func wholeInstancesAreCopied() throws {
    let text = Self.record + "[1, 2]\r\n"
    try withTile(text, columns: ["id", "x"], acceptsArrays: true) { tile in
      var writer = InstanceWriter(
        columns: [0, 1], header: try header(["id", "x"]),
        nullWords: NullWords([]), copiesWholeRecords: true)
      var output = TextBuffer(capacity: 1)
      writer.appendJSONObject(of: 0, in: tile, to: &output)
      output.append(UInt8(ascii: "\n"))
      writer.appendJSONObject(of: 1, in: tile, to: &output)
      let first = Self.record.drop { $0 == " " }.dropLast(1)
      #expect(String(decoding: output.copy(), as: UTF8.self) == "\(first)\n[1, 2]")
    }
  }

  @Test func fieldsTellWhatTheyAre() throws {
    try withTile(Self.record, columns: Self.columns) { tile in
      let words = NullWords(["", "7"])
      let missing = Self.columns.indices.map { unsafe tile.field(0, $0).isMissing(words) }
      #expect(missing == [false, false, false, false, true, false, false, true])
      let escaped = Self.columns.indices.map { unsafe tile.field(0, $0).isEscaped }
      #expect(escaped == [false, false, true, false, false, false, false, false])
    }
  }

  @Test func escapesBecomeTheirCharacters() throws {
    var text = ""
    var expected: [String] = []
    for code in [0x0, 0x1F, 0x22, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF] {
      let digits = String(code, radix: 16)
      text += "{\"a\":\"<\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)>\"}\n"
      expected.append("<" + (Unicode.Scalar(UInt32(code)).map(String.init) ?? "") + ">")
    }
    for (escapes, meant) in [
      (#"\uD83D\uDE00"#, "😀"), (#"\ud800\udc00"#, "\u{10000}"), (#"\uDBFF\uDFFF"#, "\u{10FFFF}"),
      (#"\uD800"#, "\u{FFFD}"), (#"\uD800\uD800\uDC00"#, "\u{FFFD}\u{10000}"),
      (#"\uDC00\uD800"#, "\u{FFFD}\u{FFFD}"), (#"\uD800\u0041"#, "\u{FFFD}A"),
      (#"\uD800\n"#, "\u{FFFD}\n"), (#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{C}\n\r\t"),
    ] {
      text += "{\"a\":\"\(escapes)\"}\n"
      expected.append(meant)
    }
    try withTile(text, columns: ["a"]) { tile in
      #expect(tile.count == expected.count)
      for (index, meant) in expected.enumerated() {
        #expect(unsafe tile.field(index, 0).unescaped() == Array(meant.utf8))
      }
    }
  }
}
