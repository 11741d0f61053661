import Features
import Foundation
import Models
import Scoring
import Testing

/// Fitting finds what scikit-learn finds.
struct FittingTests {
  @Test(arguments: FeatureCase.all)
  func fitsAsTheReferenceDoes(item: FeatureCase) throws {
    let content = try item.read()
    guard content.fit.rowCount > 0 else { return }
    let fitted = try PreprocessPlan(fit(unfitted(content.plan), to: content.fit, blockRowCount: 37))
    let output = try features(fitted, width: content.width, of: content.apply)
    let worst = worst(output, content.expected)
    #expect(
      worst.distance <= content.fitTolerance,
      "row \(worst.place / content.width), column \(worst.place % content.width)")
  }

  /// States of blocks, sent as text and merged in order, give the same document whoever made them.
  @Test(arguments: FeatureCase.all)
  func textKeepsAllOfAState(item: FeatureCase) throws {
    let content = try item.read()
    guard content.fit.rowCount > 0 else { return }
    let unfitted = try unfitted(content.plan)
    let sent = try fit(unfitted, to: content.fit, blockRowCount: 50, isSent: true)
    let kept = try fit(unfitted, to: content.fit, blockRowCount: 50, isSent: false)
    #expect(sent == kept)
  }

  @Test func stepsWaitForThoseBeforeThem() throws {
    let content = try #require(FeatureCase.all.first { $0.name == "chain" }).read()
    let first = try #require(try Fitting.next(of: PreprocessPlan(unfitted(content.plan))))
    #expect(first.inputs.map(\.name) == ["normal", "positive"])
    var state = first.emptyState
    try add(content.fit, to: &state)
    let plan = try PreprocessPlan(state.finish())
    #expect(!plan.isFitted)
    let second = try #require(try Fitting.next(of: plan))
    state = second.emptyState
    try add(content.fit, to: &state)
    let fitted = try PreprocessPlan(state.finish())
    #expect(fitted.isFitted)
    #expect(try Fitting.next(of: fitted) == nil)
  }

  @Test func nothingToFitToIsAnError() throws {
    let plan = try PreprocessPlan(
      Array(#"{"version":1,"steps":[{"op":"scale","method":"standard","inputs":["x"]}]}"#.utf8))
    let fitting = try #require(try Fitting.next(of: plan))
    let error = #expect(throws: ModelError.self) { try fitting.emptyState.finish() }
    #expect(error?.context.contains("steps[0]") == true)
  }
}

/// A plan without what was fitted.
func unfitted(_ plan: [UInt8]) throws -> [UInt8] {
  var text = String(decoding: plan, as: UTF8.self)
  while let start = text.range(of: #", "fitted": {"#) ?? text.range(of: #","fitted":{"#) {
    // Braces in texts would have to be counted too; the fixtures have none.
    let end = try #require(text[start.upperBound...].firstIndex(of: "}"))
    text.removeSubrange(start.lowerBound...end)
  }
  return Array(text.utf8)
}

/// Adds a table to a state.
func add(_ table: Table, to state: inout FitState) throws {
  var scratch = ScoringScratch()
  try unsafe table.withTile(state.fitting.inputs) { tile in
    unsafe state.update(tile, scratch: &scratch)
  }
}

/// Fits all levels of a plan to a table that is cut in blocks.
func fit(
  _ plan: [UInt8], to table: Table, blockRowCount: Int, isSent: Bool = true
) throws -> [UInt8] {
  var document = plan
  while let fitting = try Fitting.next(of: PreprocessPlan(document)) {
    var total = fitting.emptyState
    for start in stride(from: 0, to: table.rowCount, by: blockRowCount) {
      var state = fitting.emptyState
      try add(table.rows(start..<min(start + blockRowCount, table.rowCount)), to: &state)
      if isSent {
        try total.merge(encoded: state.encoded)
      } else {
        total.merge(state)
      }
    }
    document = try total.finish()
  }
  return document
}
