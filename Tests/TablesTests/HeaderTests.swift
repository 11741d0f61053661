import Tables
import Testing

struct HeaderTests {
  static func header(_ text: String, delimiter: Character = ",") throws -> CSVHeader {
    let options = try CSVOptions(delimiter: delimiter.asciiValue ?? 0, recordByteLimit: 1_000)
    return try CSVHeader.read(
      from: MemorySource(bytes: Array(text.utf8), readLimit: 3), path: "x.csv", options: options)
  }

  @Test(
    arguments: [
      ("a,b\n1,2\n", ["a", "b"], 0), ("a,b", ["a", "b"], 0), ("\u{FEFF}a,b\r\n", ["a", "b"], 3),
      ("\n\r\na\n", ["a"], 3), ("\"a\n,\"\"b\"\"\",c\n", ["a\n,\"b\"", "c"], 0),
      ("\"\",x\n", ["", "x"], 0), ("日本,é\n", ["日本", "é"], 0),
    ] as [(String, [String], UInt64)])
  func namesAreRead(text: String, names: [String], offset: UInt64) throws {
    let header = try Self.header(text)
    #expect(header.names == names)
    #expect(header.offset == offset)
  }

  @Test func theDelimiterIsHonoured() throws {
    #expect(try Self.header("a,b;c\n", delimiter: ";").names == ["a,b", "c"])
    #expect(try Self.header("a,b\tc\n", delimiter: "\t").names == ["a,b", "c"])
  }

  @Test(arguments: [
    ("", "empty"), ("\n\n", "empty"), ("\u{FEFF}", "empty"), ("a,b,a,c,b\n", "\"a\", \"b\""),
    ("\"a\"x,b\n", "error 2"), ("\"a,b\n", "error 3"),
    (String(repeating: "n,", count: 600) + "\n", "error 4"),
  ]) func whatIsNoHeaderIsRefused(text: String, reason: String) {
    do {
      _ = try Self.header(text)
      Issue.record("\(text.debugDescription) was taken")
    } catch {
      let error = error as? TableError
      #expect(error?.code == .header)
      #expect(error?.context.contains(reason) == true, "\(error?.context ?? "")")
      #expect(error?.context.hasPrefix("x.csv: ") == true)
    }
  }

  @Test func bytesThatAreNotTextAreRefused() throws {
    let options = try CSVOptions()
    #expect(throws: TableError.self) {
      try CSVHeader.read(
        from: MemorySource(bytes: [0x61, 0xFF, 0x0A]), path: "x.csv", options: options)
    }
  }

  @Test func thousandsOfColumnsAreRead() throws {
    let names = (0..<9_000).map { "c\($0)" }
    let row = names.map { _ in "1" }.joined(separator: ",") + "\n"
    let text = names.joined(separator: ",") + "\n" + String(repeating: row, count: 20)
    let source = MemorySource(bytes: Array(text.utf8))
    let options = try CSVOptions()
    let header = try CSVHeader.read(from: source, path: "x.csv", options: options)
    #expect(header.names == names)
    let reading = Reading(fieldCount: 9_000, options: options, headerOffset: 0)
    var tile = RecordTile()
    let result = try reading.read(
      from: source, 0..<UInt64(text.utf8.count), block: 1 << 20, tile: &tile)
    let one = [UInt8(ascii: "1")]
    #expect(result.records.count == 20)
    #expect(result.records.allSatisfy { $0.record.fields == Array(repeating: one, count: 9_000) })
  }

  @Test func filesOfOneJobNeedOneHeader() throws {
    let first = try Self.header("a,b\n")
    try first.requireSame(as: Self.header("\n\"a\",b\r\n"), at: "2.csv", path: "1.csv")
    let error = #expect(throws: TableError.self) {
      try first.requireSame(as: Self.header("b,a\n"), at: "2.csv", path: "1.csv")
    }
    #expect(error?.code == .headerMismatch)
    #expect(
      error?.context
        == "2.csv: its columns \"b\", \"a\" are not those of 1.csv: \"a\", \"b\"")
  }

  @Test func optionsAreChecked() {
    for delimiter in ["\"", "\n", "\r", "\0", "\u{FF}"] as [Unicode.Scalar] {
      #expect(throws: TableError.self) {
        try CSVOptions(delimiter: UInt8(truncatingIfNeeded: delimiter.value))
      }
    }
    #expect(throws: TableError.self) { try CSVOptions(nullWords: ["a\"b"]) }
    #expect(throws: TableError.self) { try CSVOptions(recordByteLimit: 0) }
    #expect(throws: TableError.self) { try CSVOptions(recordByteLimit: 1 << 30) }
  }
}
