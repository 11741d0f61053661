import Foundation
import Models
import Scoring
import Testing

/// What inputs contribute, against LightGBM 4.6.0; see Tests/Fixtures/make_contributions.py.
struct ContributionTests {
  static let explained: [Fixture] = {
    let suffix = ".contributions.txt"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: Fixture.folder.path)) ?? []
    return names.filter { $0.hasSuffix(suffix) }.sorted()
      .map { Fixture(name: String($0.dropLast(suffix.count))) }
  }()

  @Test func allFixturesAreThere() {
    #expect(Self.explained.count == 9)
  }

  @Test(arguments: explained)
  func contributionsAreThoseOfLightGBM(fixture: Fixture) throws {
    let file = Fixture.folder.appending(path: "\(fixture.name).contributions.txt")
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    let wanted = lines.dropFirst().flatMap { $0.split(separator: " ").compactMap { Double($0) } }
    let (found, _) = try contributions(fixture, rowCount: lines.count - 1)
    #expect(found.count == wanted.count && wanted.count > 500)
    for (value, expected) in zip(found, wanted) {
      #expect(abs(value - expected) <= 1e-9 * max(1, abs(expected)))
    }
  }

  /// Contributions and the expected value add up to the raw score, of every model that says enough.
  @Test(arguments: Fixture.all)
  func contributionsAddUpToTheRawScore(fixture: Fixture) throws {
    let model = try Model(fixture.modelBytes())
    // Linear leaves are not explained; every other model of the fixtures is.
    let linearLeaves = try LightGBMModel(fixture.modelBytes()).ensemble.linearLeaves
    #expect((model.scorer.explanationWidth > 0) == linearLeaves.isEmpty)
    guard model.scorer.explanationWidth > 0 else { return }
    let (found, raw) = try contributions(fixture, rowCount: 60)
    let width = model.inputs.count + 1
    for (index, score) in raw.enumerated() {
      let sum = found[index * width..<(index + 1) * width].reduce(0, +)
      #expect(abs(sum - score) <= 1e-9 * max(1, abs(score)))
    }
  }

  private func contributions(
    _ fixture: Fixture, rowCount: Int
  ) throws -> (contributions: [Double], raw: [Double]) {
    let model = try Model(fixture.modelBytes())
    let expected = try fixture.expectation()
    let stride = expected.rows.count
    let features = try expected.features(for: model, stride: stride)
    var scratch = ScoringScratch()
    var output = Array(repeating: Double.nan, count: rowCount * model.scorer.explanationWidth)
    _ = try model.explainedInputs()
    unsafe features.withUnsafeBufferPointer { features in
      unsafe output.withUnsafeMutableBufferPointer { output in
        unsafe model.scorer.explain(
          FeatureTile(numbers: features, stride: stride, rowCount: rowCount), into: output,
          scratch: &scratch)
      }
    }
    let raw = model.scores(
      features, stride: stride, rowCount: rowCount, mode: .raw, scratch: &scratch)
    return (output, raw)
  }
}
