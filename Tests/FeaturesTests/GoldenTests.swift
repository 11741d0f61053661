import Features
import Models
import Scoring
import Testing

/// Plans give what scikit-learn gives.
struct GoldenTests {
  @Test func fixturesAreThere() {
    #expect(FeatureCase.all.count >= 35)
  }

  @Test(arguments: FeatureCase.all)
  func appliesAsTheReferenceDoes(item: FeatureCase) throws {
    let content = try item.read()
    let plan = try PreprocessPlan(content.plan)
    #expect(plan.isFitted)
    let output = try features(plan, width: content.width, of: content.apply)
    let worst = worst(output, content.expected)
    #expect(
      worst.distance <= 1e-12,
      "row \(worst.place / content.width), column \(worst.place % content.width)")
  }

  /// A row's features depend neither on the rows beside it nor on the CPU.
  @Test(arguments: FeatureCase.all)
  func bitsAreTheSameEverywhere(item: FeatureCase) throws {
    let content = try item.read()
    let plan = try PreprocessPlan(content.plan)
    let single = try features(plan, width: content.width, of: content.apply).map(\.bitPattern)
    let repeats = content.width > 500 ? [9] : [0, 1, 7, 8, 9, 63, 64, 65, 1_023, 1_024, 1_025]
    for count in repeats {
      let table = content.apply.repeated(to: count)
      for instructions in InstructionSet.available {
        let output = try features(plan, width: content.width, of: table, instructions: instructions)
        let expected = (0..<output.count).map { single[$0 % single.count] }
        #expect(output.map(\.bitPattern) == expected, "\(count) rows, \(instructions)")
      }
    }
  }
}
