package import Models
package import Scoring

extension Model {
  /// Reads a bundle: its model, with its preprocessing before it.
  ///
  /// A plain model file is read as `Model` reads it, and what `fittingFile` gave as a model that
  /// fits a plan.
  ///
  /// - Throws: `ModelError` naming the part and the place in it, also where the signature says
  ///   something else than the parts.
  package init(
    bundle bytes: [UInt8], summation: TreeEnsemble.Summation = .exact
  ) throws(ModelError) {
    if let model = try Self.fitting(bytes) {
      self = model
    } else {
      try self.init(Bundle(bytes), summation: summation)
    }
  }

  /// Makes a bundle ready to score; see `init(bundle:)`.
  package init(
    _ bundle: Bundle, summation: TreeEnsemble.Summation = .exact
  ) throws(ModelError) {
    let model = try Model(bundle.model, summation: summation)
    guard let signature = bundle.signature else {
      self = model
      return
    }
    var scorer = model.scorer
    if let columns = signature.columns {
      scorer = try RenamedScorer(scorer, names: columns)
    }
    if let preprocess = bundle.preprocess {
      scorer = try Self.preprocessing(preprocess, before: scorer)
    }
    self.init(model, scoredBy: scorer)
    let found = Signature(inputs: inputs, outputs: outputs, columns: signature.columns)
    guard found == signature else {
      throw ModelError(
        code: .malformed,
        context: "signature.json: it says \(signature.words), the parts say \(found.words)")
    }
  }

  private static func preprocessing(
    _ bytes: [UInt8], before scorer: any Scorer
  ) throws(ModelError) -> any Scorer {
    do throws(ModelError) {
      return try PreprocessingScorer(PreprocessPlan(bytes), before: scorer)
    } catch {
      throw ModelError(code: error.code, context: "preprocess.json: \(error.context)")
    }
  }
}

extension Bundle {
  /// Puts a model file and a fitted plan together, and says what goes in and comes out.
  ///
  /// - Parameters:
  ///   - model: the model file.
  ///   - fileName: what it is called.
  ///   - plan: the fitted plan, if there is one.
  ///   - columns: names for the model's inputs, where it has none of its own.
  /// - Throws: `ModelError` if one of them cannot be read, or they do not go together.
  package init(
    model: [UInt8], fileName: String, plan: [UInt8]?, columns: [String]? = nil
  ) throws(ModelError) {
    var scorer = try Model(model).scorer
    if let columns { scorer = try RenamedScorer(scorer, names: columns) }
    if let plan { scorer = try PreprocessingScorer(PreprocessPlan(plan), before: scorer) }
    self.init(
      model: model, fileName: fileName,
      signature: Signature(inputs: scorer.inputs, outputs: scorer.outputs, columns: columns),
      preprocess: plan)
  }
}

extension Signature {
  /// Inputs and outputs, for an error.
  fileprivate var words: String {
    let limit = ModelLimits.shownNameCount
    let shown = inputs.prefix(limit).map { "\($0.name) (\($0.type.rawValue))" }
    let results = outputs.prefix(limit).map { "\($0.name) (\($0.type.rawValue), \($0.width))" }
    return "\(inputs.count) inputs \(shown.joined(separator: ", ")) and the outputs "
      + results.joined(separator: ", ")
  }
}

/// A scorer whose inputs have other names.
struct RenamedScorer: Scorer {
  let inputs: [ModelInput]
  private let scorer: any Scorer

  /// Gives names to the inputs of a scorer.
  ///
  /// - Throws: `ModelError` if there are not as many.
  init(_ scorer: any Scorer, names: [String]) throws(ModelError) {
    guard names.count == scorer.inputs.count else {
      throw ModelError(
        code: .columnsDiffer,
        context: "columns: \(names.count) names; the model has \(scorer.inputs.count) inputs")
    }
    inputs = zip(scorer.inputs, names).map { input, name in
      ModelInput(name: name, kind: input.kind, isUsed: input.isUsed)
    }
    self.scorer = scorer
  }

  var outputs: [ModelOutput] { scorer.outputs }
  var summary: ScorerSummary { scorer.summary }
  var explanationWidth: Int { scorer.explanationWidth }

  func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    unsafe scorer.score(tile, mode: mode, into: output, scratch: &scratch)
  }

  func explain(
    _ tile: FeatureTile, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    unsafe scorer.explain(tile, into: output, scratch: &scratch)
  }
}
