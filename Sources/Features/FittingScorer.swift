package import Models
package import Scoring

/// What stands in a model's place while a plan is fitted: it has the plan's columns as its inputs
/// and gives nothing for a row.
///
/// Whoever reads the columns gives them to a `FitState` instead, and hands over what it knows at the
/// end of each block.
package struct FittingScorer: Scorer {
  package let fitting: Fitting

  package var inputs: [ModelInput] { fitting.inputs }
  package var outputs: [ModelOutput] { [] }

  package var summary: ScorerSummary {
    ScorerSummary(
      sizes: [("steps", fitting.steps.count)], kernels: ["fit: what columns hold, block by block"])
  }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {}
}

extension Model {
  /// What a plan is called in an archive by which a job fits it.
  private static let fitName = "fit.json"

  /// A file that a job may have as its model to fit a plan.
  package static func fittingFile(_ plan: [UInt8]) -> [UInt8] {
    Archive.write([(fitName, plan)])
  }

  /// Reads such a file; nil if it is another one.
  ///
  /// - Throws: `ModelError` if the plan cannot be read, or has nothing to be fitted.
  static func fitting(_ bytes: [UInt8]) throws(ModelError) -> Model? {
    guard Archive.isArchive(bytes) else { return nil }
    let entries = try Archive(bytes).entries
    guard entries.count == 1, entries[0].name == fitName else { return nil }
    guard let fitting = try Fitting.next(of: PreprocessPlan(Array(bytes[entries[0].bytes]))) else {
      throw ModelError(code: .unsupported, context: "\(fitName): all of its steps are fitted")
    }
    return Model(format: "preprocessing plan to be fitted", scorer: FittingScorer(fitting: fitting))
  }

  /// The plan that a job fits with this model; nil if it scores.
  package var fitting: Fitting? { (scorer as? FittingScorer)?.fitting }
}
