import Columnar
import Jobs
import Models
import Tables
import Testing

/// Records as columns: typed values, nulls, wrong values, predictions.
struct ColumnarRowWriterTests {
  private static let one = [ModelOutput(name: "prediction", kind: .float64)]

  @Test func everyTypeIsReadFromText() throws {
    let text = #"""
      flag,n,x,f,t,b,d,at,same
      true,-9223372036854775808,0.1,0.1,naïve,AAEC,2024-02-29,2024-02-29T13:45:01.5Z,1
      FALSE,+7,1e3,3,"a ""b""",\x00ff,1969-12-31,1970-01-01 00:00,2
      ,NA,NULL,nan,"NA",,,"",3

      """#
    let types: [ColumnType] = [
      .boolean, .integer, .number, .float, .text, .binary, .date, .timestamp, .text,
    ]
    let rows = try rows(of: text, types: types, predictions: [1, 2, 3])
    #expect(
      rows.values[0] == [
        .boolean(true), .integer(.min), .number(0.1), .float(0.1), word("naïve"),
        .binary([0, 1, 2]), .date(19_782), .timestamp(1_709_214_301_500_000), word("1"),
        .number(1),
      ])
    #expect(
      rows.values[1] == [
        .boolean(false), .integer(7), .number(1_000), .float(3), word("a \"b\""),
        .binary([0, 255]), .date(-1), .timestamp(0), word("2"), .number(2),
      ])
    #expect(
      rows.values[2] == [
        .null, .null, .null, .null, word("NA"), .null, .null, .null, word("3"), .number(3),
      ])
    #expect(rows.names.suffix(2) == ["same", "prediction"])
  }

  @Test(arguments: [
    (ColumnType.boolean, ["yes", "2", "truee"]),
    (.integer, ["1.0", "9223372036854775808", "--1", "+", "0x1", "1 2"]),
    (.date, ["2023-02-29", "2024-13-01", "24-01-01", "2024-01-01T00:00", "2024-1-1"]),
    (
      .timestamp,
      ["2024-01-01T24:00Z", "2024-01-01 10", "2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00+1"]
    ),
    (.binary, ["A", "AA=", "A*==", "\\x0", "AAAB=AAA"]), (.number, ["one"]), (.float, ["1,"]),
  ])
  func wrongValuesAreErrorsOrNull(type: ColumnType, fields: [String]) throws {
    let text = "x;k\n" + fields.map { "\($0);1\n" }.joined()
    var request = request(.parquet)
    request.inputConfig.delimiter = ";"
    let found = try rows(
      of: text, types: [type, .text], predictions: fields.map { _ in 0 }, request: request)
    #expect(found.wrong == fields.map { _ in "x" })
    #expect(found.values.isEmpty)
    request.inputConfig.onParseError = .null
    let asNull = try rows(
      of: text, types: [type, .text], predictions: fields.map { _ in 0 }, request: request)
    #expect(asNull.values.map(\.[0]) == fields.map { _ in .null })
  }

  @Test func timesMayHaveOffsetsAndDigits() throws {
    let text = """
      x
      2024-03-01T00:30:00+01:00
      2024-03-01T00:30:00.000001-0130
      2024-03-01
      0001-03-01T00:00:00.1000000000Z

      """
    let found = try rows(of: text, types: [.timestamp], predictions: [0, 0, 0, 0])
    #expect(
      found.values.map(\.[0]) == [
        .timestamp(1_709_249_400_000_000), .timestamp(1_709_258_400_000_001),
        .timestamp(1_709_251_200_000_000), .timestamp(-62_130_499_199_900_000),
      ])
  }

  @Test func errorRecordsAreLeftOut() throws {
    let text = "a,b\n1,x\n2\n3,z\n4,\"u\"v\n5,w\n"
    let found = try rows(of: text, types: [.integer, .text], predictions: [1, 2, 3, 4, 5])
    #expect(
      found.values == [
        [.integer(1), word("x"), .number(1)], [.integer(3), word("z"), .number(3)],
        [.integer(5), word("w"), .number(5)],
      ])
  }

  @Test func keysAndChosenColumns() throws {
    var keyed = request(.arrow)
    keyed.instanceConfig.keyField = "b"
    let text = "a,b\n1,x\n"
    let types: [ColumnType] = [.integer, .text]
    let first = try rows(of: text, types: types, predictions: [1], request: keyed)
    #expect(first.names == ["key", "prediction"])
    #expect(first.values == [[word("x"), .number(1)]])
    var chosen = request(.arrow)
    chosen.instanceConfig.excludedFields = ["b"]
    let second = try rows(of: text, types: types, predictions: [1], request: chosen)
    #expect(second.names == ["a", "prediction"])
  }

  @Test func namesThatSQLCannotTellApartAreRefused() {
    let error = #expect(throws: TableError.self) {
      try rows(of: "a,A\n1,2\n", types: nil, predictions: [1])
    }
    #expect(error?.context.contains("columns a and A") == true)
    #expect(throws: TableError.self) {
      try rows(of: "prediction\n1\n", types: nil, predictions: [1])
    }
  }

  @Test func everyKindOfOutputHasItsType() throws {
    let outputs = [
      ModelOutput(name: "label", kind: .label(["no", "yes"])),
      ModelOutput(name: "p", kind: .float32, width: 2, elementNames: ["no", "yes"]),
      ModelOutput(name: "n", kind: .integer),
      ModelOutput(name: "o", kind: .float64, isOptional: true),
    ]
    let found = try rows(
      of: "k\na\nb\n", types: nil,
      predictions: [1, 0.25, 0.75, 12, .nan, .nan, 0.5, 0.5, .nan, 4], outputs: outputs)
    #expect(found.names == ["k", "label", "p_no", "p_yes", "n", "o"])
    #expect(
      found.values == [
        [word("a"), word("yes"), .float(0.25), .float(0.75), .integer(12), .null],
        [word("b"), .null, .float(0.5), .float(0.5), .null, .number(4)],
      ])
  }

  @Test func bestClassesAreColumns() throws {
    var request = request(.parquet)
    request.outputConfig.topK = 2
    let outputs = [ModelOutput(name: "prediction", kind: .float64, width: 3)]
    let found = try rows(
      of: "k\na\n", types: nil, predictions: [0.25, 0.5, 0.25], outputs: outputs,
      request: request)
    #expect(
      found.names == [
        "k", "prediction_class_1", "prediction_score_1", "prediction_class_2",
        "prediction_score_2",
      ])
    #expect(
      found.values == [[word("a"), .integer(1), .number(0.5), .integer(0), .number(0.25)]])
  }

  @Test func explanationsAreColumns() throws {
    let found = try rows(
      of: "k\na\nb\n", types: nil, predictions: [1, 2], explained: ["age"],
      explanations: [0.5, 0.25, 0.75, -1])
    #expect(found.names == ["k", "prediction", "attribution_age", "attribution_baseline"])
    #expect(found.values[1] == [word("b"), .number(2), .number(0.75), .number(-1)])
  }

  @Test func longBlocksHaveSeveralBatches() throws {
    let long = String(repeating: "0123456789abcdef", count: 4_096)
    let text = "k\n" + (0..<300).map { "\($0)\(long)\n" }.joined()
    let found = try rows(of: text, types: [.text], predictions: (0..<300).map(Double.init))
    #expect(found.values.count == 300)
    #expect(found.values[299] == [word("299\(long)"), .number(299)])
    #expect(found.byteCount > 2 * ColumnarRowWriter.batchByteLimit)
  }

  @Test func columnsOfNumbersAreNotReadAsText() throws {
    let configuration = JobConfiguration(
      request: request(.parquet), columns: ["a", "b", "c"], types: [.number, .integer, .float])
    let format = try RowFormat(
      configuration: configuration, prediction: PredictionFormat(outputs: Self.one))
    #expect(format.columnsRead == [1])
    #expect(format.columnsReadAsNumbers == [0, 2])
  }

  @Test func whatAModelReadsAsNumbersIsNumbers() {
    var request = request(.parquet)
    request.inputConfig.schema = ["d": .text]
    let inputs = [
      ModelInput(name: "b", kind: .numeric), ModelInput(name: "c", kind: .text),
      ModelInput(name: "d", kind: .numeric),
    ]
    let planned = JobConfiguration(
      request: request, columns: ["a", "b", "c", "d"], types: [.text, .text, .text, .text])
    let found = planned.readingNumbers(of: inputs, columns: [1, 2, 3])
    #expect(found.types == [.text, .number, .text, .text])
    request.inputConfig.instancesFormat = .parquet
    let stored = JobConfiguration(
      request: request, columns: planned.columns, types: planned.types)
    #expect(stored.readingNumbers(of: inputs, columns: [1, 2, 3]) == stored)
  }

  @Test func aRowIsShownAsJSON() {
    var text = TextBuffer()
    text.append(row: [
      ("t", .text(Array("a\"b".utf8))), ("n", .integer(-3)), ("x", .number(0.1)), ("y", .null),
      ("f", .boolean(true)), ("b", .binary([0, 1, 2, 255])), ("d", .date(-1)), ("g", .float(0.1)),
    ])
    #expect(
      String(decoding: text.copy(), as: UTF8.self)
        == #"{"t":"a\"b","n":-3,"x":0.1,"y":null,"f":true,"b":"AAEC/w==","d":-1,"g":0.1}"# + "\n")
  }

  // MARK: Writing

  private struct Rows {
    var names: [String] = []
    var values: [[ColumnarValue]] = []
    /// For each record with a wrong value the column that has it.
    var wrong: [String] = []
    var byteCount = 0
  }

  private func word(_ text: String) -> ColumnarValue { .text(Array(text.utf8)) }

  private func request(_ format: JobRequest.PredictionsFormat) -> JobRequest {
    var request = JobRequest(
      displayName: "", model: "", inputConfig: .init(uris: []), outputConfig: .init(uri: ""))
    request.outputConfig.predictionsFormat = format
    return request
  }

  /// Parses a table, writes it as one block, and reads the block's rows.
  private func rows(
    of text: String, types: [ColumnType]?, predictions: [Double], outputs: [ModelOutput] = one,
    explained: [String] = [], explanations: [Double] = [], request: JobRequest? = nil
  ) throws -> Rows {
    let request = request ?? self.request(.parquet)
    let options = try CSVOptions(request: request)
    let source = MemorySource(bytes: Array(text.utf8))
    let header = try CSVHeader.read(from: source, path: "t.csv", options: options)
    let format = try RowFormat(
      configuration: JobConfiguration(request: request, columns: header.names, types: types),
      prediction: PredictionFormat(
        outputs: outputs, explained: explained, options: request.outputConfig))
    guard var writer = try format.columnarWriter() else {
      Issue.record("no columns")
      return Rows()
    }
    var parser = CSVRangeParser(
      source: source, range: 0..<UInt64(text.utf8.count), blockByteCount: .max,
      headerOffset: header.offset, fieldCount: header.names.count, options: options)
    var found = Rows(names: format.resultColumns.map(\.name))
    var tile = RecordTile()
    var output = TextBuffer()
    var first = 0
    while try parser.readTile(into: &tile) {
      writer.read(tile)
      var kept: [UInt16] = []
      for record in 0..<tile.count where tile.error(of: record) == nil {
        if let wrong = writer.wrongColumn(of: record) {
          found.wrong.append(wrong.name)
        } else {
          kept.append(UInt16(record))
        }
      }
      let width = outputs.reduce(0) { $0 + $1.width }
      let numbers = Array(predictions[(first * width)...])
      try unsafe kept.withUnsafeBufferPointer { kept in
        try unsafe numbers.withUnsafeBufferPointer { numbers in
          try unsafe explanations.withUnsafeBufferPointer { explanations in
            try unsafe writer.append(
              kept, of: tile, features: UnsafeBufferPointer(start: nil, count: 0),
              predictions: numbers, explanations: explanations, to: &output)
          }
        }
      }
      first += tile.count
    }
    try writer.endBlock(to: &output)
    found.byteCount = output.count
    guard output.count > 0 else { return found }
    let rows = ColumnarRows(.stream, bytes: output.copy())
    for row in 0..<(try rows.count()) {
      let values = try rows.row(row)
      #expect(values.map(\.name) == found.names)
      found.values.append(values.map(\.value))
    }
    return found
  }
}
