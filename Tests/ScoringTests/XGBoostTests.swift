import Models
import Scoring
import Testing

/// Equality with XGBoost 3.2.0 on every kind of model that it trains.
struct XGBoostTests {
  static let fixtures = GoldenFixture.all(in: "xgboost")

  @Test func allFixturesAreThere() {
    #expect(Self.fixtures.count >= 44)
  }

  /// Sums are floats there, in the order of the trees, and equal bit for bit.
  @Test(arguments: fixtures)
  func marginsAreEqualBitForBit(fixture: GoldenFixture) throws {
    let model = try Model(fixture.bytes())
    let expected = try fixture.expectation()
    var scores = try model.scores(expected, mode: .raw)
    if model.objective == "multi:softmax" { scores = Self.withoutLabels(scores, model) }
    #expect(scores.count == expected.raw.count && expected.rows.count > 50)
    let differing = scores.indices.filter { scores[$0].bitPattern != expected.raw[$0].bitPattern }
    #expect(differing == [], "places of \(scores.count)")
  }

  @Test(arguments: fixtures)
  func predictionsAreWithinTwoFloats(fixture: GoldenFixture) throws {
    let model = try Model(fixture.bytes())
    let expected = try fixture.expectation()
    var scores = try model.scores(expected, mode: .transformed)
    if model.objective == "multi:softmax" {
      scores = scores.indices.filter { $0 % model.outputCount == 0 }.map { scores[$0] }
    }
    #expect(scores.count == expected.transformed.count)
    let distances = zip(scores, expected.transformed).map { distanceInFloats($0, $1) }
    #expect((distances.max() ?? 0) <= 2)
  }

  /// The scores of `multi:softmax`, whose label stands before them.
  private static func withoutLabels(_ scores: [Double], _ model: Model) -> [Double] {
    scores.indices.filter { $0 % model.outputCount != 0 }.map { scores[$0] }
  }
}
