import Models
import Scoring
import Testing

/// Equality with CatBoost 1.2.10.
struct CatBoostTests {
  static let fixtures = GoldenFixture.all(in: "catboost")

  @Test func allFixturesAreThere() {
    #expect(Self.fixtures.count >= 20)
  }

  @Test(arguments: fixtures)
  func rawScoresAreEqualBitForBit(fixture: GoldenFixture) throws {
    let model = try Model(fixture.bytes())
    let expected = try fixture.expectation()
    let scores = try model.scoresOfTexts(expected, mode: .raw)
    #expect(scores.count == expected.raw.count && expected.rows.count > 50)
    let differing = scores.indices.filter { scores[$0].bitPattern != expected.raw[$0].bitPattern }
    #expect(differing == [], "places of \(scores.count)")
  }

  /// CatBoost's exponential function is its own.
  @Test(arguments: fixtures)
  func predictionsAreWithinOneInTenToTheTwelfth(fixture: GoldenFixture) throws {
    let model = try Model(fixture.bytes())
    let expected = try fixture.expectation()
    let scores = try model.scoresOfTexts(expected, mode: .transformed)
    #expect(scores.count == expected.transformed.count)
    for (score, wanted) in zip(scores, expected.transformed) {
      #expect(abs(score - wanted) <= 1e-12 * abs(wanted))
    }
  }

  @Test func classesHaveTheirNames() throws {
    let fixture = GoldenFixture(folder: "catboost", file: "multiclass_names.json")
    let model = try Model(fixture.bytes())
    #expect(model.outputs[0].elementNames == ["low", "mid", "top"])
    #expect(model.objective == "MultiClass" && model.format == "CatBoost JSON")
    #expect(model.inputs.map(\.name) == ["a", "b", "c", "d"])
  }

  @Test func statisticsOfCategoriesAreRefused() throws {
    let fixture = GoldenFixture(folder: "catboost", file: "refused_ctr.txt")
    let error = try #require(throws: ModelError.self) { try Model(fixture.bytes()) }
    #expect(error.code == .unsupported)
    #expect(error.context.contains("features_info.ctrs") && error.context.contains("CTR"))
  }
}

extension Model {
  /// What it makes of all rows of an input, some of whose columns are texts.
  func scoresOfTexts(_ expectation: Expectation, mode: ScoreMode) throws -> [Double] {
    let count = expectation.rows.count
    let stride = count + 3
    let features = try expectation.features(for: self, stride: stride)
    let mapping = try ColumnMapping(inputs: inputs, columns: expectation.columns)
    var bytes: [UInt8] = [0]
    var ranges: [Range<Int>] = []
    for column in mapping.columnIndices {
      for row in 0..<stride {
        let start = bytes.count
        if row < count { bytes += Array(expectation.rows[row][column].utf8) }
        ranges.append(start..<bytes.count)
      }
    }
    var scratch = ScoringScratch()
    var output = Array(repeating: -1.0, count: count * outputCount)
    unsafe bytes.withUnsafeBufferPointer { bytes in
      let texts = unsafe ranges.map { range in
        unsafe TextSpan(
          start: bytes.baseAddress.map { unsafe $0 + range.lowerBound }, count: range.count)
      }
      unsafe texts.withUnsafeBufferPointer { texts in
        unsafe features.withUnsafeBufferPointer { features in
          unsafe output.withUnsafeMutableBufferPointer { output in
            unsafe score(
              FeatureTile(numbers: features, texts: texts, stride: stride, rowCount: count),
              mode: mode, into: output, scratch: &scratch)
          }
        }
      }
    }
    return output
  }
}
