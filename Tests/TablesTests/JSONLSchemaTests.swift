import Jobs
import Tables
import Testing

struct JSONLSchemaTests {
  private func infer(
    _ text: String, types: [String: ColumnType] = [:], acceptsArrays: Bool = false
  ) throws -> (columns: [String], types: [ColumnType]) {
    try JSONLSchema.infer(
      from: MemorySource(bytes: Array(text.utf8)), path: "t.jsonl", types: types,
      options: JSONLOptions(acceptsArrays: acceptsArrays))
  }

  @Test func columnsAreTheMembersInOrderOfAppearance() throws {
    let table = try infer(
      #"""
      {"b":1, "a":"x"}
      {"c":{"a":[1,"}"]},"b":2}
      not JSON {"z":1}
      {"é\n\"":null,"a":"y","d":[ ]}
      5

      {"b":3}
      """#)
    #expect(table.columns == ["b", "a", "c", "é\n\"", "d"])
    #expect(table.types == [.integer, .text, .text, .text, .text])
  }

  @Test func typesAreThoseOfAllValues() throws {
    let table = try infer(
      """
      {"i":1,"n":1,"f":0.5,"e":1e2,"b":true,"bn":null,"m":true,"t":1,"big":9223372036854775807}
      {"i":null,"n":2.5,"f":1.5,"e":1,"b":false,"bn":true,"m":1,"t":"1","big":9223372036854775808}
      {"i":-3}
      """)
    #expect(table.columns == ["i", "n", "f", "e", "b", "bn", "m", "t", "big"])
    #expect(
      table.types == [
        .integer, .number, .number, .number, .boolean, .boolean, .text, .text, .number,
      ])
  }

  @Test func theJobMaySayMore() throws {
    let table = try infer(
      "{\"b\":1,\"a\":2}\n", types: ["a": .text, "z": .number, "c": .boolean])
    #expect(table.columns == ["b", "a", "c", "z"])
    #expect(table.types == [.integer, .text, .boolean, .number])
    #expect(try infer("{}\n", types: ["y": .number]).columns == ["y"])
  }

  @Test func withoutColumnsThereIsNoTable() throws {
    for (text, part) in [
      ("", "none of the first lines"), ("1\n{}\n", "none of the first lines"),
      ("[1,2]\n", "the lines are arrays"),
    ] {
      let error = #expect(throws: TableError.self) { try infer(text) }
      #expect(error?.code == .header)
      #expect(error?.context.contains(part) == true)
    }
    let many = "{" + (0...CSVHeader.columnLimit).map { "\"\($0)\":1" }.joined(separator: ",") + "}"
    let error = #expect(throws: TableError.self) { try infer(many) }
    #expect(error?.context.contains("more than 65536") == true)
  }

  @Test func onlyTheBeginIsRead() throws {
    let line = Array("{\"a\":1}\n".utf8)
    var bytes = Array(repeatElement(line, count: JSONLSchema.recordLimit).joined())
    bytes += Array("{\"later\":1}\n".utf8)
    let options = try JSONLOptions()
    let found = try JSONLSchema.infer(
      from: MemorySource(bytes: bytes), path: "", options: options)
    #expect(found.columns == ["a"])
    // The source would never end.
    let endless = EndlessSource(line: line)
    var schema = JSONLSchema()
    try schema.sample(endless, path: "", options: options)
    #expect(schema.isFull && schema.columns == ["a"])
    // Nothing more is looked at.
    try schema.sample(
      MemorySource(bytes: Array("{\"b\":1}\n".utf8)), path: "", options: options)
    #expect(schema.columns == ["a"])
    let long =
      Array("{\"a\":\"".utf8) + [UInt8](repeating: 0x78, count: 1 << 20) + Array("\"}\n".utf8)
    schema = JSONLSchema()
    #expect(!schema.isFull)
    try schema.sample(EndlessSource(line: long), path: "", options: options)
    #expect(schema.isFull && schema.types == [.text])
  }

  @Test func severalFilesMakeOneTable() throws {
    var schema = JSONLSchema()
    for text in ["{\"a\":1}\n", "{\"b\":\"x\",\"a\":0.5}\n"] {
      try schema.sample(
        MemorySource(bytes: Array(text.utf8)), path: "", options: JSONLOptions())
    }
    #expect(schema.columns == ["a", "b"])
    #expect(schema.types == [.number, .text])
  }
}

/// The same line again and again.
struct EndlessSource: ByteSource {
  let line: [UInt8]
  var byteCount: UInt64? { nil }

  func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let start = Int(offset % UInt64(line.count))
    let count = min(buffer.count, line.count - start)
    unsafe buffer.copyBytes(from: line[start..<start + count])
    return count
  }
}
