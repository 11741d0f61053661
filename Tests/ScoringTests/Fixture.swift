import Foundation
import Models
import Scoring
import Testing

/// A model of `Fixtures` with an input and what LightGBM makes of it; see
/// bench/models/make_fixtures.py.
struct Fixture: CustomTestStringConvertible {
  let name: String

  var testDescription: String { name }

  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures")

  /// All models that are there.
  static let all: [Fixture] = {
    let suffix = ".model.txt"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(suffix) }.sorted()
      .map { Fixture(name: String($0.dropLast(suffix.count))) }
  }()

  static func named(_ name: String) -> Fixture { Fixture(name: name) }

  /// The model's text.
  func modelBytes() throws -> [UInt8] {
    Array(try Data(contentsOf: Self.folder.appending(path: "\(name).model.txt")))
  }

  /// The input as header and fields, the raw scores and the predictions, all row after row.
  func expectation() throws -> Expectation {
    let lines = try Self.lines("\(name).expected.txt")
    let table = try Self.lines("\(lines[0]).tsv").map { line in
      line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
    var expectation = Expectation(columns: table[0], rows: Array(table.dropFirst()))
    for line in lines.dropFirst() {
      let numbers = line.split(separator: " ").map { Double($0) ?? .nan }
      expectation.raw += numbers.prefix(numbers.count / 2)
      expectation.transformed += numbers.suffix(numbers.count / 2)
    }
    return expectation
  }

  private static func lines(_ file: String) throws -> [String] {
    let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
    return text.split(separator: "\n").map(String.init)
  }
}

/// An input and the scores that belong to it.
struct Expectation {
  let columns: [String]
  let rows: [[String]]
  var raw: [Double] = []
  var transformed: [Double] = []

  /// The features as a model wants them: column-major, `stride` rows apart.
  func features(for model: Model, stride: Int) throws -> [Double] {
    let mapping = try ColumnMapping(inputs: model.inputs, columns: columns)
    var features = Array(repeating: Double.nan, count: model.inputs.count * stride)
    for (index, input) in model.inputs.enumerated() {
      let column = mapping.columnIndices[index]
      for (row, fields) in rows.enumerated() where !fields[column].isEmpty {
        features[index * stride + row] = value(fields[column], input.kind)
      }
    }
    return features
  }

  private func value(_ field: String, _ kind: ModelInput.Kind) -> Double {
    switch kind {
    case .categorical(let table?): table.code(for: field)
    case .numeric, .categorical(nil), .text: Double(field) ?? .nan
    }
  }
}

extension CategoryTable {
  /// The code of a field given as a string.
  func code(for field: String) -> Double {
    unsafe Array(field.utf8).withUnsafeBytes { unsafe code(for: $0) }
  }
}

extension Model {
  /// Scores with features and output in arrays.
  func scores(
    _ features: [Double], stride: Int, rowCount: Int, mode: ScoreMode,
    scratch: inout ScoringScratch
  ) -> [Double] {
    var output = Array(repeating: -1.0, count: rowCount * outputCount)
    unsafe features.withUnsafeBufferPointer { features in
      unsafe output.withUnsafeMutableBufferPointer { output in
        unsafe score(
          FeatureTile(numbers: features, stride: stride, rowCount: rowCount), mode: mode,
          into: output, scratch: &scratch)
      }
    }
    return output
  }
}
