import Foundation
import Models
import Scoring
import Testing

/// Equality with ONNX Runtime 1.32.0 on every operator and every converted model.
struct ONNXTests {
  @Test func allFixturesAreThere() {
    #expect(ONNXFixture.all.count >= 120)
  }

  /// Numbers within 1e-5 of their size or of one, labels exactly.
  @Test(arguments: ONNXFixture.all)
  func resultsAreThoseOfONNXRuntime(fixture: ONNXFixture) throws {
    let scorer = try fixture.scorer()
    let expected = try fixture.expectation()
    #expect(scorer.inputs.map(\.name) == expected.columns.map(\.name))
    #expect(scorer.outputs.map(\.name) == expected.outputs.map(\.name))
    #expect(scorer.outputs.map(\.elementNames) == expected.outputs.map(\.names))
    var scratch = ScoringScratch()
    let scores = scorer.scores(expected.columns, rowCount: expected.rowCount, scratch: &scratch)
    let width = scorer.outputs.reduce(0) { $0 + $1.width }
    var start = 0
    for (output, wanted) in zip(scorer.outputs, expected.outputs) {
      var largest = 0.0
      for (row, values) in wanted.values.enumerated() {
        #expect(values.count == output.width, "row \(row) of \(output.name)")
        for (index, value) in values.enumerated().prefix(output.width) {
          let score = scores[row * width + start + index]
          switch (value, output.kind) {
          case (.text(let text), .label(let texts)):
            #expect(texts[Int(score)] == text, "row \(row) of \(output.name)")
          case (.number(let number), .integer):
            #expect(score == number, "row \(row) of \(output.name)")
          case (.number(let number), _):
            guard score != number, !(score.isNaN && number.isNaN) else { continue }
            largest = max(largest, abs(score - number) / max(1, abs(number)))
            if !(abs(score - number) <= 1e-5 * max(1, abs(number))) {
              Issue.record("row \(row), \(output.name)[\(index)]: \(score), wanted \(number)")
              return
            }
          default: Issue.record("\(output.name) is of another kind")
          }
        }
      }
      start += output.width
    }
  }

  /// A row's results do not depend on other rows, on its place, or on the instruction set.
  @Test(arguments: ONNXFixture.all)
  func rowsAreIndependent(fixture: ONNXFixture) throws {
    let scorer = try fixture.scorer()
    let columns = try fixture.expectation().columns
    var scratch = ScoringScratch()
    let width = scorer.outputs.reduce(0) { $0 + $1.width }
    let all = bits(scorer.scores(columns, rowCount: 600, scratch: &scratch))
    for instructions in InstructionSet.available {
      let scorer = try fixture.scorer(instructions)
      for count in [0, 1, 15, 16, 17, 255, 256, 257] {
        let scores = scorer.scores(
          columns, rowCount: count, spare: 3, scratch: &scratch)
        #expect(bits(scores) == Array(all.prefix(count * width)), "\(count) rows, \(instructions)")
      }
    }
  }

  /// Sums over trees are equal bit for bit where no function follows them.
  @Test(arguments: ONNXFixture.all.filter { $0.name.hasPrefix("trees_") })
  func treesAreEqualBitForBit(fixture: ONNXFixture) throws {
    let inexact = ["logistic", "softmax"]
    guard !inexact.contains(where: { fixture.name.contains($0) }) else { return }
    let scorer = try fixture.scorer()
    let expected = try fixture.expectation()
    var scratch = ScoringScratch()
    let scores = scorer.scores(expected.columns, rowCount: expected.rowCount, scratch: &scratch)
    let wanted = (0..<expected.rowCount).flatMap { row in
      expected.outputs.flatMap { $0.values[row].map { Float($0.number) } }
    }
    #expect(scores.map { Float($0) } == wanted)
  }

  private func bits(_ scores: [Double]) -> [UInt64] {
    scores.map { $0.isNaN ? Double.nan.bitPattern : $0.bitPattern }
  }

  /// An operator that is not known is refused with its node, and all of them at once.
  @Test func whatIsNotSupportedIsNamed() throws {
    let data = try Data(contentsOf: ONNXFixture.folder.appending(path: "refused.json"))
    let refused = try JSONDecoder().decode([String: [String]].self, from: data)
    #expect(refused.count >= 3)
    for (name, words) in refused {
      let bytes = try ONNXFixture.bytes(name)
      let error = try #require(throws: ModelError.self) { try GraphScorer(ONNXModel(bytes)) }
      #expect(error.code == .unsupported)
      for word in words { #expect(error.context.contains(word), "\(error.context)") }
    }
  }
}
