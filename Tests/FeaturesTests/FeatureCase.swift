import Features
import Foundation
import Models
import Scoring
import Testing

/// A case of `Fixtures`; see Tests/Fixtures/make_features.py.
struct FeatureCase: CustomTestStringConvertible {
  let name: String

  var testDescription: String { name }

  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures")

  /// All cases that are there.
  static let all: [FeatureCase] = {
    // Without the folder there are no cases, which a test of its own reports.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".json") }.sorted()
      .map { FeatureCase(name: String($0.dropLast(5))) }
  }()

  func read() throws -> Content {
    let bytes = Array(try Data(contentsOf: Self.folder.appending(path: "\(name).json")))
    return try Content(bytes)
  }

  /// What a case says.
  struct Content {
    let plan: [UInt8]
    let fit: Table
    let apply: Table
    let fitTolerance: Double
    let width: Int
    /// Row after row.
    var expected: [Double]

    init(_ bytes: [UInt8]) throws {
      let root = try Document(bytes, encoding: .json).root
      // The plan stands first, so that its text can be cut out.
      let marker = Array(#","fit":{"#.utf8)
      let end = try #require(bytes.indices.first { bytes[$0...].starts(with: marker) })
      plan = Array(bytes[#"{"plan":"#.utf8.count..<end])
      fit = try Table(root.required("fit"))
      apply = try Table(root.required("apply"))
      fitTolerance = try root.required("fit_tolerance").double()
      width = try root.required("width").integer(in: 1...1_000_000)
      expected = Array(repeating: 0, count: width * apply.rowCount)
      for cell in try root.required("expected").elements() {
        let numbers = try cell.doubles(count: 3)
        expected[Int(numbers[0]) * width + Int(numbers[1])] = numbers[2]
      }
    }
  }
}

/// A small table: numbers or texts in each column.
struct Table {
  enum Column: Equatable {
    case numbers([Double])
    case texts([[UInt8]?])
  }

  var columns: [String: Column]
  var rowCount: Int

  init(columns: [String: Column], rowCount: Int) {
    self.columns = columns
    self.rowCount = rowCount
  }

  init(_ value: DocumentValue) throws {
    columns = [:]
    rowCount = 0
    for member in try value.members() {
      rowCount = member.value.count
      if member.value.isNumbers {
        columns[member.key] = .numbers(try member.value.doubles())
      } else {
        columns[member.key] = .texts(
          try member.value.elements().map { $0.isNull ? nil : Array(try $0.stringBytes()) })
      }
    }
  }

  /// Some of the rows.
  func rows(_ range: Range<Int>) -> Table {
    let cut = columns.mapValues { column -> Column in
      switch column {
      case .numbers(let values): .numbers(Array(values[range]))
      case .texts(let values): .texts(Array(values[range]))
      }
    }
    return Table(columns: cut, rowCount: range.count)
  }

  /// The same rows over and over.
  func repeated(to count: Int) -> Table {
    let columns = columns.mapValues { column -> Column in
      switch column {
      case .numbers(let values): .numbers((0..<count).map { values[$0 % rowCount] })
      case .texts(let values): .texts((0..<count).map { values[$0 % rowCount] })
      }
    }
    return Table(columns: columns, rowCount: count)
  }

  /// Lends the columns of inputs as a tile.
  func withTile<Result>(_ inputs: [ModelInput], _ body: (FeatureTile) throws -> Result) throws
    -> Result
  {
    let stride = rowCount + 3
    var numbers = [Double](repeating: -77, count: inputs.count * stride)
    let bytes = inputs.flatMap { input -> [UInt8] in
      guard case .texts(let texts)? = columns[input.name] else { return [] }
      return texts.flatMap { $0 ?? [] }
    }
    return try unsafe (bytes + [0]).withUnsafeBufferPointer { bytes in
      var texts = unsafe [TextSpan](repeating: .missing, count: inputs.count * stride)
      var offset = 0
      for (index, input) in inputs.enumerated() {
        switch try #require(columns[input.name], "no column \(input.name)") {
        case .numbers(let values):
          try #require(!input.isText, "\(input.name) is wanted as text")
          for (row, value) in values.enumerated() { numbers[index * stride + row] = value }
        case .texts(let values):
          try #require(input.isText, "\(input.name) is wanted as numbers")
          for (row, text) in values.enumerated() {
            guard let text else { continue }
            unsafe texts[index * stride + row] = TextSpan(
              start: bytes.baseAddress.map { unsafe $0 + offset }, count: text.count)
            offset += text.count
          }
        }
      }
      return try unsafe numbers.withUnsafeBufferPointer { numbers in
        try unsafe texts.withUnsafeBufferPointer { texts in
          try unsafe body(
            FeatureTile(numbers: numbers, texts: texts, stride: stride, rowCount: rowCount))
        }
      }
    }
  }
}

/// Gives its inputs as its outputs.
struct EchoScorer: Scorer {
  let inputs: [ModelInput]

  init(inputs: [ModelInput]) { self.inputs = inputs }

  init(names: [String]) { inputs = names.map { ModelInput(name: $0, kind: .numeric) } }

  init(width: Int) { self.init(names: (0..<width).map { "f\($0)" }) }

  var outputs: [ModelOutput] {
    [ModelOutput(name: "echo", kind: .float64, width: inputs.count)]
  }

  var summary: ScorerSummary { ScorerSummary(sizes: [], kernels: ["echo"]) }

  func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    for row in 0..<(unsafe tile.rowCount) {
      for input in inputs.indices {
        unsafe output[row * inputs.count + input] = tile.numbers[input * tile.stride + row]
      }
    }
  }
}

/// What a plan makes of a table: row after row.
func features(
  _ plan: PreprocessPlan, width: Int, of table: Table,
  instructions: InstructionSet = .best
) throws -> [Double] {
  let scorer = try PreprocessingScorer(
    plan, before: EchoScorer(width: width), instructions: instructions)
  return try outputs(scorer, width: width, of: table)
}

func outputs(_ scorer: some Scorer, width: Int, of table: Table) throws -> [Double] {
  var scratch = ScoringScratch()
  var output = [Double](repeating: -99, count: width * table.rowCount)
  try unsafe table.withTile(scorer.inputs) { tile in
    unsafe output.withUnsafeMutableBufferPointer { output in
      unsafe scorer.score(tile, mode: .transformed, into: output, scratch: &scratch)
    }
  }
  return output
}

/// How far a number is from what it should be, in proportion; 0 for two missing ones.
func distance(_ one: Double, _ other: Double) -> Double {
  if one == other || (one.isNaN && other.isNaN) { return 0 }
  let distance = abs(one - other) / max(abs(other), 1e-300)
  return distance.isNaN ? .infinity : distance
}

/// The largest distance between two lists, and where.
func worst(_ one: [Double], _ other: [Double]) -> (distance: Double, place: Int) {
  var worst = (distance: one.count == other.count ? 0 : Double.infinity, place: -1)
  for (place, pair) in zip(one, other).enumerated() {
    let found = distance(pair.0, pair.1)
    if found > worst.distance { worst = (found, place) }
  }
  return worst
}
