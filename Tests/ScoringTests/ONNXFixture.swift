import Foundation
import Models
import Scoring
import Testing

/// A graph of `Fixtures/onnx` with rows and what ONNX Runtime makes of them; see
/// Tests/Fixtures/make_onnx.py.
struct ONNXFixture: CustomTestStringConvertible {
  let name: String

  var testDescription: String { name }

  static let folder = Fixture.folder.appending(path: "onnx")

  /// All graphs that can be scored.
  static let all: [ONNXFixture] = {
    let suffix = ".json"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(suffix) && $0 != "refused.json" }.sorted()
      .map { ONNXFixture(name: String($0.dropLast(suffix.count))) }
  }()

  static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: folder.appending(path: "\(name).onnx")))
  }

  /// The rows and results.
  func expectation() throws -> ONNXExpectation {
    let data = try Data(contentsOf: Self.folder.appending(path: "\(name).json"))
    return try JSONDecoder().decode(ONNXExpectation.self, from: data)
  }

  func scorer(_ instructions: InstructionSet = .best) throws -> GraphScorer {
    try GraphScorer(ONNXModel(try Self.bytes(name)), instructions: instructions)
  }
}

/// Rows of a graph's inputs, and its outputs.
struct ONNXExpectation: Decodable {
  let columns: [Column]
  let outputs: [Output]

  struct Column: Decodable {
    let name: String
    let values: [Value]
  }

  struct Output: Decodable {
    let name: String
    /// Row after row.
    let values: [[Value]]
    let names: [String]
  }

  enum Value: Decodable {
    case number(Double)
    case text(String)

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if container.decodeNil() {
        self = .number(.nan)
      } else if let number = try? container.decode(Double.self) {
        self = .number(number)
      } else {
        let text = try container.decode(String.self)
        self =
          text == "inf" ? .number(.infinity) : text == "-inf" ? .number(-.infinity) : .text(text)
      }
    }

    var number: Double {
      if case .number(let number) = self { number } else { .nan }
    }
  }

  var rowCount: Int { columns[0].values.count }
}

extension GraphScorer {
  /// Scores rows of columns, repeated or cut to a number of rows.
  func scores(
    _ columns: [ONNXExpectation.Column], rowCount: Int, spare: Int = 0,
    scratch: inout ScoringScratch
  ) -> [Double] {
    let width = outputs.reduce(0) { $0 + $1.width }
    let stride = rowCount + spare
    var numbers = Array(repeating: 1e300, count: max(1, inputs.count * stride))
    var spans: [(place: Int, start: Int, count: Int)] = []
    var bytes: [UInt8] = [0]
    for (index, input) in inputs.enumerated() {
      guard let column = columns.first(where: { $0.name == input.name }) else { continue }
      for row in 0..<rowCount {
        switch column.values[row % column.values.count] {
        case .number(let number): numbers[index * stride + row] = number
        case .text(let text):
          spans.append((index * stride + row, bytes.count, text.utf8.count))
          bytes += Array(text.utf8)
        }
      }
    }
    var output = Array(repeating: -1.0, count: rowCount * width)
    unsafe bytes.withUnsafeBufferPointer { bytes in
      var texts = unsafe Array(repeating: TextSpan.missing, count: numbers.count)
      for span in spans {
        unsafe texts[span.place] = unsafe TextSpan(
          start: bytes.baseAddress.map { unsafe $0 + span.start }, count: span.count)
      }
      unsafe numbers.withUnsafeBufferPointer { numbers in
        unsafe texts.withUnsafeBufferPointer { texts in
          unsafe output.withUnsafeMutableBufferPointer { output in
            unsafe score(
              FeatureTile(numbers: numbers, texts: texts, stride: stride, rowCount: rowCount),
              mode: .transformed, into: output, scratch: &scratch)
          }
        }
      }
    }
    return output
  }
}
