import Jobs
import Models
import Tables
import Testing

/// Lines of results: many at a call, the same as one after the other.
struct RowLinesTests {
  private static let one = [ModelOutput(name: "prediction", kind: .float64)]

  private static let table = #"""
    id,name,note
    1,plain,"a ""b"""
    -2,"NA","x,y"
    0042,NA,
    x"y,"one
    two","plain"
    naïve,tab	and space , 

    """#

  @Test func fieldsHaveQuotesWhereTheyNeedThem() throws {
    let lines = try lines(of: Self.table, outputs: Self.one, numbers: [0.1, 2, -3.5, 1e-7, 1e300]) {
      $0.outputConfig.predictionsFormat = .csv
    }
    #expect(
      lines == #"""
        1,plain,"a ""b""",0.1
        -2,"NA","x,y",2.0
        0042,NA,,-3.5
        "x""y","one
        two",plain,1e-07
        naïve,tab	and space , ,1e+300

        """#)
  }

  @Test func aLoneEmptyFieldIsQuoted() throws {
    let lines = try lines(of: "a,b\n,1\nx,2\n", outputs: Self.one, numbers: [1, 2]) {
      $0.outputConfig.predictionsFormat = .csv
      $0.instanceConfig.keyField = "a"
    }
    #expect(lines == "\"\",1.0\nx,2.0\n")
  }

  @Test func keysAndInstancesAreJSON() throws {
    let keyed = try lines(of: "k,b\n7,1\nx\"y,2\n", outputs: Self.one, numbers: [0.5, .nan]) {
      $0.instanceConfig.keyField = "k"
    }
    #expect(
      keyed == #"{"key":7,"prediction":0.5}"# + "\n" + #"{"key":"x\"y","prediction":null}"# + "\n")
    let text = "k,b\n7,NA\n"
    let array = try lines(of: text, outputs: Self.one, numbers: [0.5]) { _ in }
    #expect(array == #"{"instance":[7,null],"prediction":0.5}"# + "\n")
    let object = try lines(of: text, outputs: Self.one, numbers: [0.5]) {
      $0.instanceConfig.instanceType = .object
    }
    #expect(object == #"{"instance":{"k":7,"b":null},"prediction":0.5}"# + "\n")
  }

  private static let several = [
    ModelOutput(name: "p\"", kind: .float32, width: 2, elementNames: ["a", "b,c"]),
    ModelOutput(name: "n", kind: .integer, width: 2), ModelOutput(name: "x", kind: .float64),
  ]

  @Test func severalOutputsHaveTheirNames() throws {
    let numbers = [0.1, 1e300, -4, 1.5, 0.1, 0.25, 0.75, -9_223_372_036_854_775_808, 1e19, -0.0]
    let text = "k\n1\n2\n"
    let json = try lines(of: text, outputs: Self.several, numbers: numbers) {
      $0.instanceConfig.keyField = "k"
    }
    #expect(
      json == #"""
        {"key":1,"prediction":{"p\"":{"a":0.1,"b,c":null},"n":[-4,null],"x":0.1}}
        {"key":2,"prediction":{"p\"":{"a":0.25,"b,c":0.75},"n":[-9223372036854775808,null],"x":-0.0}}

        """#)
    let csv = try lines(of: text, outputs: Self.several, numbers: numbers) {
      $0.outputConfig.predictionsFormat = .csv
    }
    #expect(csv == "1,0.1,null,-4,null,0.1\n2,0.25,0.75,-9223372036854775808,null,-0.0\n")
  }

  @Test func explanationsFollow() throws {
    let json = try lines(
      of: "k\n1\n2\n", outputs: Self.one, numbers: [0.5, 1], explained: ["a", "b"],
      explanations: [1, 2, 3, 4, 5, 6]
    ) { $0.instanceConfig.keyField = "k" }
    #expect(
      json == #"""
        {"key":1,"prediction":0.5,"explanation":{"baseline":3.0,"attributions":{"a":1.0,"b":2.0}}}
        {"key":2,"prediction":1.0,"explanation":{"baseline":6.0,"attributions":{"a":4.0,"b":5.0}}}

        """#)
    let csv = try lines(
      of: "k\n1\n2\n", outputs: Self.one, numbers: [0.5, 1], explained: ["a", "b"],
      explanations: [1, 2, 3, 4, 5, 6]
    ) { $0.outputConfig.predictionsFormat = .csv }
    #expect(csv == "1,0.5,1.0,2.0,3.0\n2,1.0,4.0,5.0,6.0\n")
  }

  /// Fields of any length and kind, against the writers of one record.
  @Test(arguments: 0..<20, [JobRequest.PredictionsFormat.csv, .jsonl])
  func randomTablesAreWrittenAsRecordByRecord(
    seed: UInt64, format: JobRequest.PredictionsFormat
  ) throws {
    var random = SplitMix(state: seed)
    var text = "a,b,c\n"
    let count = Int.random(in: 1...300, using: &random)
    for _ in 0..<count {
      text += (0..<3).map { _ in field(&random) }.joined(separator: ",") + "\n"
    }
    var numbers: [Double] = []
    for _ in 0..<count * 5 { numbers.append(Double(bitPattern: random.next())) }
    let outputs = seed % 2 == 0 ? Self.several : [ModelOutput(name: "v", kind: .float64, width: 5)]
    let change: (inout JobRequest) -> Void = { $0.outputConfig.predictionsFormat = format }
    let fast = try lines(of: text, outputs: outputs, numbers: numbers, change)
    let slow = try linesOneByOne(of: text, outputs: outputs, numbers: numbers, change)
    #expect(fast == slow)
  }

  private func field(_ random: inout SplitMix) -> String {
    let length = Int.random(in: 0...40, using: &random)
    switch Int.random(in: 0..<8, using: &random) {
    case 0: return "\"" + String(repeating: "a\"\"b,\n", count: length / 4) + "\""
    case 1: return "\"\(["NA", "", "null", "x"][length % 4])\""
    case 2: return ["NA", "", "null", "nan"][length % 4]
    case 3:
      return "x" + String(repeating: "x", count: length) + "\"" + String(repeating: "y", count: 9)
    case 4: return String(repeating: "é", count: length)
    case 5: return "a\rb"
    default: return "\(Int(bitPattern: UInt(random.next())) >> length)"
    }
  }

  @Test func marksAreFoundInOrder() {
    var set = RecordSet()
    #expect(set.first(from: 0) == nil)
    for record in [0, 63, 64, 500, 1_023] { set.insert(record) }
    var found: [Int] = []
    while let next = set.first(from: (found.last ?? -1) + 1) { found.append(next) }
    #expect(found == [0, 63, 64, 500, 1_023])
  }

  @Test(arguments: [1, 3]) func numbersThatAreNotFiniteMarkTheirRows(width: Int) {
    let ends: [Double] = [.greatestFiniteMagnitude, -.leastNonzeroMagnitude, 0, -0.0]
    var numbers = (0..<200 * width).map { ends[$0 % 4] }
    for (row, value) in [(3, Double.nan), (64, .infinity), (199, -.infinity)] {
      numbers[row * width + width - 1] = value
    }
    var set = RecordSet()
    unsafe numbers.withUnsafeBufferPointer {
      unsafe set.insertNotFinite($0, width: width, count: 200)
    }
    #expect((0..<1_024).filter(set.contains) == [3, 64, 199])
  }

  // MARK: Writing

  private func lines(
    of text: String, outputs: [ModelOutput], numbers: [Double], explained: [String] = [],
    explanations: [Double] = [], _ change: (inout JobRequest) -> Void
  ) throws -> String {
    var output = TextBuffer()
    try withTile(of: text, change) { tile, format in
      let rowFormat = try format(outputs, explained)
      var writer = rowFormat.writer()
      unsafe numbers.withUnsafeBufferPointer { numbers in
        unsafe explanations.withUnsafeBufferPointer { explanations in
          // In parts, because a run may begin anywhere.
          for part in [0..<tile.count / 3, tile.count / 3..<tile.count] {
            unsafe writer.append(
              part, of: tile, predictions: numbers, explanations: explanations, to: &output)
          }
        }
      }
    }
    return String(decoding: output.copy(), as: UTF8.self)
  }

  private func linesOneByOne(
    of text: String, outputs: [ModelOutput], numbers: [Double],
    _ change: (inout JobRequest) -> Void
  ) throws -> String {
    let prediction = PredictionFormat(outputs: outputs)
    var output = TextBuffer()
    try withTile(of: text, change) { tile, _ in
      let options = try CSVOptions()
      let source = MemorySource(bytes: Array(text.utf8))
      let header = try CSVHeader.read(from: source, path: "t.csv", options: options)
      var request = request()
      change(&request)
      var writer = InstanceWriter(
        columns: [0, 1, 2], header: header, nullWords: options.nullWords)
      for record in 0..<tile.count {
        let own = Array(numbers[record * prediction.width..<(record + 1) * prediction.width])
        unsafe own.withUnsafeBufferPointer { own in
          if request.outputConfig.predictionsFormat == .csv {
            writer.appendCSV(of: record, in: tile, to: &output)
            unsafe prediction.appendCSV(
              own, explanation: UnsafeBufferPointer(start: nil, count: 0),
              delimiter: UInt8(ascii: ","), to: &output)
            output.append("\n")
          } else {
            output.append("{\"instance\":")
            writer.appendJSONArray(of: record, in: tile, to: &output)
            output.append(",\"prediction\":")
            unsafe prediction.appendJSON(own, to: &output)
            output.append("}\n")
          }
        }
      }
    }
    return String(decoding: output.copy(), as: UTF8.self)
  }

  private func request() -> JobRequest {
    JobRequest(
      displayName: "", model: "", inputConfig: .init(uris: []), outputConfig: .init(uri: ""))
  }

  private func withTile(
    of text: String, _ change: (inout JobRequest) -> Void,
    _ body: (borrowing RecordTile, ([ModelOutput], [String]) throws -> RowFormat) throws -> Void
  ) throws {
    var request = request()
    change(&request)
    let options = try CSVOptions(request: request)
    let source = MemorySource(bytes: Array(text.utf8))
    let header = try CSVHeader.read(from: source, path: "t.csv", options: options)
    var parser = CSVRangeParser(
      source: source, range: 0..<UInt64(text.utf8.count), blockByteCount: .max,
      headerOffset: header.offset, fieldCount: header.names.count, options: options)
    var tile = RecordTile()
    #expect(try parser.readTile(into: &tile))
    for record in 0..<tile.count { #expect(tile.error(of: record) == nil) }
    try body(tile) { outputs, explained in
      try RowFormat(
        configuration: JobConfiguration(request: request, columns: header.names),
        prediction: PredictionFormat(outputs: outputs, explained: explained))
    }
  }
}
