import Jobs
import Tables
import Testing

struct SchemaInferenceTests {
  private func infer(
    _ text: String, given: [String: ColumnType] = [:], nullWords: [String]? = nil
  ) throws -> [ColumnType] {
    let options = try CSVOptions(nullWords: nullWords ?? CSVOptions.standardNullWords)
    let source = MemorySource(bytes: Array(text.utf8))
    let header = try CSVHeader.read(from: source, path: "t.csv", options: options)
    var schema = SchemaInference(columns: header.names, options: options)
    try schema.sample(source, headerOffset: header.offset)
    return try schema.types(given: given, path: "t.csv")
  }

  @Test(
    arguments: [
      (["1", "-2", "+3", " 4 ", "\"5\"", "0", "-0", "NA", ""], .integer),
      (["9223372036854775807", "-9223372036854775808"], .integer),
      (["9223372036854775808"], .number), (["1", "2.5"], .number), (["1e5"], .number),
      ([".5", "5.", "inf"], .number), (["007"], .text), (["1", "-01"], .text),
      (["0.5", "00.5"], .number), (["1", "x"], .text), (["1.5", "true"], .text),
      (["true", "FALSE", "null", "\"True\""], .boolean), (["true", "1"], .text),
      (["truth"], .text), (["yes"], .text),
      (["2024-02-29", "0001-01-01", "9999-12-31"], .date), (["2023-02-29"], .text),
      (["2024-13-01"], .text), (["2024-00-10"], .text), (["2024-04-31"], .text),
      (["0000-01-01"], .text), (["2024-1-1"], .text), (["20240229"], .integer),
      (["2024-02-29T13:45"], .timestamp), (["2024-02-29 13:45:59.123456000Z"], .timestamp),
      (["2024-02-29t13:45:00+05:30", "2024-02-29T13:45:00-0530"], .timestamp),
      (["2024-02-29T13:45:00+05"], .timestamp), (["2024-02-29", "2024-02-29T00:00"], .timestamp),
      (["2024-02-29T13:45:59.1234567"], .text),
      (["2024-02-29T24:00"], .text), (["2024-02-29T13:60"], .text),
      (["2024-02-29T13:45:60"], .text), (["2024-02-29T13"], .text),
      (["2024-02-29T13:45:00."], .text), (["2024-02-29T13:45Zx"], .text),
      (["2024-02-29T13:45+24:00"], .text), (["13:45"], .text), (["2024-02-29", "1"], .text),
      (["NA", "", "\"\"", "null"], .text), ([], .text),
    ] as [([String], ColumnType)])
  func typesFollowFromValues(values: [String], type: ColumnType) throws {
    let text = "a,b\n" + values.map { "\($0),\n" }.joined()
    #expect(try infer(text) == [type, .text], "\(values)")
    // The same from one record on, whatever the order.
    let reversed = "a,b\n" + values.reversed().map { "\($0),\n" }.joined()
    #expect(try infer(reversed) == [type, .text], "\(values)")
  }

  @Test func theJobHasTheLastWord() throws {
    let text = "a,b,c\n1,2,x\n"
    #expect(try infer(text) == [.integer, .integer, .text])
    #expect(try infer(text, given: ["b": .number, "c": .date]) == [.integer, .number, .date])
    let error = #expect(throws: TableError.self) { try infer(text, given: ["z": .text]) }
    #expect(error?.code == .unsupported)
    #expect(error?.context == "inputConfig.schema names the column z; t.csv has a, b, c")
  }

  @Test func recordsThatAreErrorsSayNothing() throws {
    #expect(try infer("a,b\n1,2\nx\n\"y\"z,3\n4,5\n") == [.integer, .integer])
    #expect(try infer("a,b\n-9,0\nx,1\n", nullWords: ["x", "0"]) == [.integer, .integer])
    #expect(try infer("a,b\n1,\n", nullWords: []) == [.integer, .text])
  }

  @Test func onlyTheFirstRecordsCount() throws {
    let limit = SchemaInference.recordLimit
    let within = "a\n" + String(repeating: "1\n", count: limit - 1) + "x\n"
    #expect(try infer(within) == [.text])
    let beyond = "a\n" + String(repeating: "1\n", count: limit) + "x\n"
    #expect(try infer(beyond) == [.integer])
    // Seventeen records of 1 MiB.
    let long = "1," + String(repeating: "y", count: 1 << 20) + "\n"
    let longTable = "a,b\n" + String(repeating: long, count: 17)
    #expect(try infer(longTable + "x,y\n") == [.integer, .text])
    #expect(try infer(longTable.replacing("a,b\n", with: "a,b\nx,y\n")) == [.text, .text])
  }

  @Test func severalFilesAreOneTable() throws {
    let options = try CSVOptions()
    var schema = SchemaInference(columns: ["a"], options: options)
    for text in ["a\n1\n", "a\n2.5\n"] {
      try schema.sample(MemorySource(bytes: Array(text.utf8)), headerOffset: 0)
    }
    #expect(!schema.isFull)
    #expect(try schema.types(path: "t.csv") == [.number])
  }

  @Test func plansAskForTypesWhereTheyAreWritten() throws {
    var request = JobRequest(
      displayName: "t", model: "/m", inputConfig: JobRequest.InputConfig(uris: ["/t.csv"]),
      outputConfig: JobRequest.OutputConfig(uri: "/out"))
    #expect(try survey(request) == nil)
    request.inputConfig.schema = ["b": .date]
    #expect(try survey(request) == [.text, .date])
    request.outputConfig.predictionsFormat = .parquet
    #expect(try survey(request) == [.integer, .date])
    request.inputConfig.schema = nil
    #expect(try survey(request) == [.integer, .text])
    request.outputConfig.predictionsFormat = .jsonl
    request.outputConfig.uri = "postgresql://host/db"
    #expect(try survey(request) == [.integer, .text])
  }

  private func survey(_ request: JobRequest) throws -> [ColumnType]? {
    let text = "a,b\n1,x\n"
    let file = InputFile(
      path: "/t.csv", byteCount: UInt64(text.utf8.count), modificationNanoseconds: 0, inode: 1,
      compression: nil)
    return try TableSurvey(request: request) { _ in
      MemorySource(bytes: Array(text.utf8))
    }.run([file]).types
  }
}
