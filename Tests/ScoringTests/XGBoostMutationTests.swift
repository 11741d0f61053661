import Models
import Scoring
import Testing

/// Damaged documents are refused or scored, but never crash.
struct XGBoostMutationTests {
  static let fixtures = ["xgboost", "catboost", "linear"].flatMap { GoldenFixture.all(in: $0) }

  @Test(arguments: fixtures)
  func damagedModelsNeverCrash(fixture: GoldenFixture) throws {
    let sound = try fixture.bytes()
    var generator = SplitMix(state: fixture.file.utf8.reduce(11) { $0 &* 31 &+ UInt64($1) })
    var refused = 0
    let roundCount = 120
    for _ in 0..<roundCount {
      var bytes = sound
      for _ in 0...Int.random(in: 0..<3, using: &generator) {
        bytes =
          fixture.file.hasSuffix(".ubj")
          ? mutateBinary(bytes, using: &generator) : mutateText(bytes, using: &generator)
      }
      do throws(ModelError) {
        try score(Model(bytes), using: &generator)
      } catch {
        #expect(!error.context.isEmpty && error.context.utf8.count < 4_000)
        refused += 1
      }
    }
    #expect(refused > roundCount / 10, "the mutations hardly damage anything")
  }

  private func score(_ model: Model, using generator: inout SplitMix) throws(ModelError) {
    let inputCount = model.inputs.count
    guard inputCount < 1_000, model.outputCount < 1_000 else { return }
    let values = [0, 1, -1, 3, 1e9, -1e9, .nan, .infinity, -.infinity, -0.5, 1e-46, 1e300]
    let features = (0..<inputCount * 10).map { _ in values.randomElement(using: &generator) ?? 0 }
    let texts = unsafe Array(repeating: TextSpan.missing, count: inputCount * 10)
    var output = Array(repeating: 0.0, count: 10 * model.outputCount)
    var scratch = ScoringScratch()
    unsafe features.withUnsafeBufferPointer { features in
      unsafe texts.withUnsafeBufferPointer { texts in
        unsafe output.withUnsafeMutableBufferPointer { output in
          unsafe model.score(
            FeatureTile(numbers: features, texts: texts, stride: 10, rowCount: 10),
            mode: .transformed, into: output, scratch: &scratch)
        }
      }
    }
  }

  private static let pieces = [
    "", "-1", "-2", "7", "99", "2147483648", "1e308", "NaN", "-", "18446744073709551616", "[", "]",
    "{", "}", ",", "\"", ":", "null", "true", "[]", "{}", "\\", "-Infinity", "1e-46", "\u{0}",
  ]

  /// One flipped bit, cut, lost stretch, repeated stretch, or another number or sign in a place.
  private func mutateText(_ bytes: [UInt8], using generator: inout SplitMix) -> [UInt8] {
    guard bytes.count > 10 else { return bytes }
    let place = Int.random(in: 0..<bytes.count, using: &generator)
    let length = Int.random(in: 1...12, using: &generator)
    let stretch = place..<min(place + length, bytes.count)
    var mutated = bytes
    switch Int.random(in: 0..<9, using: &generator) {
    case 0: mutated[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 1: mutated.removeSubrange(place...)
    case 2: mutated.removeSubrange(stretch)
    case 3: mutated.insert(contentsOf: bytes[stretch], at: place)
    case 4:
      let piece = Self.pieces.randomElement(using: &generator) ?? ""
      mutated.replaceSubrange(place..<place + 1, with: Array(piece.utf8))
    default:
      let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
      guard let digit = bytes[place...].firstIndex(where: { digits ~= $0 }) else { return bytes }
      let piece = Self.pieces.prefix(10).randomElement(using: &generator) ?? ""
      mutated.replaceSubrange(digit...digit, with: Array(piece.utf8))
    }
    return mutated
  }

  /// One flipped bit, other byte, cut, or lost or repeated stretch.
  private func mutateBinary(_ bytes: [UInt8], using generator: inout SplitMix) -> [UInt8] {
    guard bytes.count > 10 else { return bytes }
    let place = Int.random(in: 0..<bytes.count, using: &generator)
    let stretch = place..<min(place + Int.random(in: 1...12, using: &generator), bytes.count)
    var mutated = bytes
    switch Int.random(in: 0..<8, using: &generator) {
    case 0: mutated.removeSubrange(place...)
    case 1: mutated.removeSubrange(stretch)
    case 2: mutated.insert(contentsOf: bytes[stretch], at: place)
    case 3: mutated[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    default:
      mutated[place] =
        [0, 1, 0x7f, 0x80, 0xff, 0x5b, 0x7b, 0x24].randomElement(using: &generator) ?? 0
    }
    return mutated
  }
}

/// Rows are scored alike however many come with them.
struct XGBoostRowTests {
  @Test(arguments: [
    "xgboost/mixed", "xgboost/softmax", "xgboost/vectors", "xgboost/gblinear", "catboost/words",
    "catboost/depthwise_multiclass", "linear/logistic_ovr", "linear/kmeans", "linear/pca_whiten",
  ])
  func rowsAreIndependent(name: String) throws {
    let parts = name.split(separator: "/").map(String.init)
    let fixture = try #require(
      GoldenFixture.all(in: parts[0]).first { $0.name.hasSuffix(parts[1]) })
    let model = try Model(fixture.bytes())
    let expected = try fixture.expectation()
    let whole = try model.scoresOfTexts(expected, mode: .transformed)
    let many = Expectation(
      columns: expected.columns, rows: (0..<7).flatMap { _ in expected.rows })
    let wanted = (0..<7).flatMap { _ in whole }
    for count in [0, 1, 7, 8, 9, 255, 256, 257, many.rows.count] where count <= many.rows.count {
      let head = Expectation(columns: many.columns, rows: Array(many.rows.prefix(count)))
      let scores = try model.scoresOfTexts(head, mode: .transformed)
      #expect(
        scores.map { $0.bitPattern }
          == wanted.prefix(count * model.outputCount).map { $0.bitPattern })
    }
  }

  /// Every category that the model does not know is a missing value.
  @Test func categoriesNeverSeenAreMissing() throws {
    let model = try Model(GoldenFixture(folder: "xgboost", file: "frame_json.json").bytes())
    guard case .categorical(let table?) = model.inputs[0].kind,
      case .categorical(let grades?) = model.inputs[1].kind
    else {
      Issue.record("the model keeps its categories")
      return
    }
    #expect(table.code(for: "Bergen").isNaN && grades.code(for: "4").isNaN)
    #expect(grades.code(for: "900") == 2 && grades.code(for: "5.0") == 1)
    let rows = Expectation(
      columns: ["grade", "size", "city"], rows: [["3", "0.5", "Bergen"], ["3", "0.5", ""]])
    let scores = try model.scores(rows, mode: .raw)
    #expect(scores[0] == scores[1])
  }
}
