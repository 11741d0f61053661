import Models
import Scoring
import Testing

/// Equality with LightGBM 4.6.0 on every kind of model that it trains.
struct ExactnessTests {
  @Test func allFixturesAreThere() {
    #expect(Fixture.all.count >= 50)
  }

  @Test(arguments: Fixture.all)
  func rawScoresAreEqualBitForBit(fixture: Fixture) throws {
    let model = try Model(lightGBM: fixture.modelBytes())
    let expected = try fixture.expectation()
    let count = expected.rows.count
    var scratch = ScoringScratch()
    let features = try expected.features(for: model, stride: count)
    let scores = model.scores(
      features, stride: count, rowCount: count, mode: .raw, scratch: &scratch)
    #expect(expected.raw.count == count * model.outputCount && count > 50)
    #expect(bits(scores) == bits(expected.raw))
  }

  @Test(arguments: Fixture.all)
  func predictionsAreWithinOneInTenToTheFifteenth(fixture: Fixture) throws {
    let model = try Model(lightGBM: fixture.modelBytes())
    let expected = try fixture.expectation()
    let count = expected.rows.count
    var scratch = ScoringScratch()
    let features = try expected.features(for: model, stride: count)
    let scores = model.scores(
      features, stride: count, rowCount: count, mode: .transformed, scratch: &scratch)
    #expect(scores.count == expected.transformed.count)
    for (score, wanted) in zip(scores, expected.transformed) where bits([score]) != bits([wanted]) {
      #expect(abs(score - wanted) <= 1e-15 * abs(wanted))
    }
  }

  /// A row's scores do not depend on how many rows come with it, nor on what was scored before.
  @Test(arguments: ["missing_nan", "categories_missing", "multiclass", "linear_missing"])
  func rowsAreIndependent(name: String) throws {
    let fixture = Fixture.named(name)
    let model = try Model(lightGBM: fixture.modelBytes())
    let expected = try fixture.expectation()
    var scratch = ScoringScratch()
    // One scratch that an unrelated, wider model has used.
    let other = try Model(lightGBM: Fixture.named("multiclass_empty").modelBytes())
    _ = other.scores(
      Array(repeating: 7, count: 600), stride: 100, rowCount: 100, mode: .raw, scratch: &scratch)
    for copies in [1, 3, 11] {
      let many = Expectation(
        columns: expected.columns, rows: (0..<copies).flatMap { _ in expected.rows })
      let stride = many.rows.count + 5
      let features = try many.features(for: model, stride: stride)
      let wanted = (0..<copies).flatMap { _ in bits(expected.raw) }
      for count in [0, 1, 7, 8, 9, 63, 64, 255, 256, 257, many.rows.count]
      where count <= many.rows.count {
        let scores = model.scores(
          features, stride: stride, rowCount: count, mode: .raw, scratch: &scratch)
        #expect(bits(scores) == Array(wanted.prefix(count * model.outputCount)))
      }
    }
  }

  /// Bit patterns; the sign of NaN, which the expected files do not hold, is left out.
  private func bits(_ scores: [Double]) -> [UInt64] {
    scores.map { $0.isNaN ? Double.nan.bitPattern : $0.bitPattern }
  }
}
