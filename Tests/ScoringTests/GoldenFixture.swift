import Foundation
import Models
import Scoring
import Testing

/// A model of one of the folders of `Fixtures`, with an input and what its library makes of it; see
/// Tests/Fixtures/make_xgboost.py and its neighbours.
struct GoldenFixture: CustomTestStringConvertible, Sendable {
  let folder: String
  let file: String

  var testDescription: String { file }

  /// The file without its ending.
  var name: String { String(file.prefix { $0 != "." }) }

  /// All models of a folder.
  static func all(in folder: String) -> [GoldenFixture] {
    let path = Fixture.folder.appending(path: folder).path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.filter { $0.hasSuffix(".json") || $0.hasSuffix(".ubj") }.sorted()
      .map { GoldenFixture(folder: folder, file: $0) }
  }

  func bytes() throws -> [UInt8] {
    Array(try Data(contentsOf: Fixture.folder.appending(path: "\(folder)/\(file)")))
  }

  /// The input, and raw scores and predictions row after row.
  func expectation() throws -> Expectation {
    let lines = try lines("\(name).expected.txt")
    let table = try self.lines("\(lines[0]).tsv").map { line in
      line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
    var expectation = Expectation(columns: table[0], rows: Array(table.dropFirst()))
    for line in lines.dropFirst() {
      let parts = line.split(separator: ";", omittingEmptySubsequences: false)
      expectation.raw += Self.numbers(parts[0])
      expectation.transformed += Self.numbers(parts[1])
    }
    return expectation
  }

  private static func numbers(_ text: Substring) -> [Double] {
    text.split(separator: " ").map { Double($0) ?? .nan }
  }

  private func lines(_ file: String) throws -> [String] {
    let url = Fixture.folder.appending(path: "\(folder)/\(file)")
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map(String.init)
  }
}

extension Model {
  /// What it makes of all rows of an input.
  func scores(_ expectation: Expectation, mode: ScoreMode) throws -> [Double] {
    let count = expectation.rows.count
    var scratch = ScoringScratch()
    return scores(
      try expectation.features(for: self, stride: count), stride: count, rowCount: count,
      mode: mode, scratch: &scratch)
  }
}

/// How many floats lie between two of them.
func distanceInFloats(_ one: Double, _ other: Double) -> Int {
  func place(_ value: Double) -> Int {
    let bits = Int(Float(value).bitPattern)
    return bits < 0x8000_0000 ? bits : 0x8000_0000 - bits
  }
  if one.isNaN || other.isNaN { return one.isNaN && other.isNaN ? 0 : .max }
  return abs(place(one) - place(other))
}
