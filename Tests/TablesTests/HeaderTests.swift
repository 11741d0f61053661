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
    ("", "empty"), ("\n\n", "empty"), ("\u{FEFF}", "empty"),
    ("a,b,a,c,b\n", "columns 1 and 3 are both named \"a\", 2 and 5 are both named \"b\"; every"),
    ("a,,b,\n", "columns 2 and 4 have no name"),
    ("\"a\"x,b\n", "the header at byte 0 has text after a closing quote"),
    ("\n\"a,b\n", "the header at byte 1 has a quote that is never closed"),
    (String(repeating: "n,", count: 600) + "\n", "is too long"),
    (String(repeating: "1,2\r", count: 600), "is too long with CR alone inside; lines have to end"),
    ("a,b\r1,2\r3,4\r", "is one with CR alone inside"), ("a,b\0c\n", "holds NUL bytes"),
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

  @Test(
    arguments: [
      ([0xFF, 0xFE, 0x61, 0x00, 0x0A, 0x00], "is UTF-16; convert the file to UTF-8"),
      ([0xFE, 0xFF, 0x00, 0x61, 0x00, 0x0A], "is UTF-16; convert the file to UTF-8"),
      ([0x61, 0x00, 0x2C, 0x00, 0x62, 0x00, 0x0A, 0x00], "perhaps UTF-16 or binary"),
      ([0x61, 0x2C, 0xFF, 0x0A], "the name of column 2 is not UTF-8"),
    ] as [([UInt8], String)])
  func whatIsNotUTF8IsRefused(bytes: [UInt8], reason: String) throws {
    let options = try CSVOptions()
    let error = #expect(throws: TableError.self) {
      try CSVHeader.read(from: MemorySource(bytes: bytes), path: "x.csv", options: options)
    }
    #expect(error?.code == .header)
    #expect(error?.context.contains(reason) == true, "\(error?.context ?? "")")
  }

  @Test func aQuotedNameMayHoldCR() throws {
    #expect(try Self.header("\"a\rb\",c\r\n").names == ["a\rb", "c"])
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
