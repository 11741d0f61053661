internal import Glibc

/// What a model says of itself besides its trees or weights.
struct XGBoostHeader {
  /// `f0`, `f1`, … if the model has no names.
  let featureNames: [String]
  /// As `float` or `c`; empty if the model has none.
  let featureTypes: [String]
  let outputCount: Int
  let objective: XGBoostObjective

  private let baseScores: [Float]
  private let baseScoreField: DocumentValue
  /// Whether the base score stands for itself as long as nothing has been trained.
  private let isBaseEstimated: Bool

  init(_ learner: DocumentValue) throws(ModelError) {
    let parameters = try learner.required("learner_model_param")
    let featureCount = try parameters.required("num_feature").spelledInteger(
      in: 1...ModelLimits.featureCount)
    let counts = 0...ModelLimits.outputCount
    let classCount = try parameters.required("num_class").spelledInteger(in: counts)
    let targetField = try parameters.optional("num_target")
    let targetCount = try targetField?.spelledInteger(in: counts) ?? 1
    guard classCount <= 1 || targetCount <= 1 else {
      throw parameters.error(
        "\(classCount) classes and \(targetCount) targets", code: .unsupported)
    }
    outputCount = max(classCount, targetCount, 1)
    isBaseEstimated =
      try parameters.optional("boost_from_average")?.spelledInteger(in: 0...1) != 0
    objective = try XGBoostObjective(
      try learner.required("objective").required("name"), classCount: classCount)
    baseScoreField = try parameters.required("base_score")
    baseScores = try Self.readBaseScores(baseScoreField, outputCount: outputCount)
    featureNames = try Self.readNames(
      try learner.optional("feature_names"), count: featureCount)
    featureTypes =
      try learner.optional("feature_types")?.elements().map { (type) throws(ModelError) in
        try type.string()
      } ?? []
    if let field = try learner.optional("feature_types"), !featureTypes.isEmpty {
      guard featureTypes.count == featureCount else {
        throw field.error("\(featureTypes.count) types for \(featureCount) features")
      }
    }
  }

  /// What the sums of the outputs begin with: the base scores through the objective's link.
  ///
  /// An estimated base score that was never used, because no tree followed, stays as it is:
  /// `InitModelUserParam` of XGBoost 3.2.0, src/learner.cc.
  func margins(isFitted: Bool) throws(ModelError) -> [Float] {
    guard isFitted || !isBaseEstimated else { return baseScores }
    let margins = baseScores.map { objective.margin($0) }
    guard !margins.contains(where: \.isNaN) else {
      throw baseScoreField.error("not a value that \(objective.objective.name) predicts")
    }
    return margins
  }

  /// Reads `5E-1`, or `[5E-1,2.5E-1]` as since 3.1: one number, or one for each output.
  private static func readBaseScores(
    _ field: DocumentValue, outputCount: Int
  ) throws(ModelError) -> [Float] {
    let scores: [Float]
    do throws(ModelError) {
      let root = try Document(Array(try field.stringBytes()), encoding: .json).root
      scores = root.isNumbers ? try root.floats() : [try root.float()]
    } catch {
      throw field.error("expected a number or a list of numbers as text")
    }
    guard scores.allSatisfy(\.isFinite) else { throw field.error("not a finite number") }
    if scores.count == 1 { return Array(repeating: scores[0], count: outputCount) }
    guard scores.count == outputCount else {
      throw field.error("\(scores.count) numbers for \(outputCount) outputs")
    }
    return scores
  }

  private static func readNames(
    _ field: DocumentValue?, count: Int
  ) throws(ModelError) -> [String] {
    let names = try field?.elements() ?? []
    guard let field, !names.isEmpty else { return (0..<count).map { "f\($0)" } }
    guard names.count == count else {
      throw field.error("\(names.count) names for \(count) features")
    }
    var known: Set<String> = []
    return try names.map { (name) throws(ModelError) in
      let text = try name.string()
      guard known.insert(text).inserted else { throw name.error("stands there twice") }
      return text
    }
  }
}

extension DocumentValue {
  /// An integer that is spelled as a string, as XGBoost's parameters are.
  func spelledInteger(in range: ClosedRange<Int>) throws(ModelError) -> Int {
    guard let number = ByteText.integer(try stringBytes()) else {
      throw error("expected an integer as text")
    }
    guard range.contains(number) else {
      throw error("\(number) is not in \(range.lowerBound)...\(range.upperBound)")
    }
    return number
  }
}

/// An objective of XGBoost: its link, and the way back from a prediction to a margin.
///
/// The registered objectives of XGBoost 3.2.0, src/objective, and `reg:expectileerror` of 3.3.
struct XGBoostObjective {
  let objective: Objective
  let predictsClass: Bool
  private let inverse: Inverse

  private enum Inverse { case identity, logit, logarithm }

  init(_ field: DocumentValue, classCount: Int) throws(ModelError) {
    let name = try field.string()
    var link = Objective.Link.identity
    var inverse = Inverse.identity
    switch name {
    case "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror",
      "reg:absoluteerror", "reg:quantileerror", "reg:expectileerror", "binary:logitraw",
      "rank:pairwise", "rank:ndcg", "rank:map":
      break
    case "binary:hinge":
      link = .float32(.step)
    case "reg:logistic", "binary:logistic":
      (link, inverse) = (.float32(.sigmoid), .logit)
    case "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft":
      (link, inverse) = (.float32(.exponential), .logarithm)
    case "multi:softmax", "multi:softprob":
      guard classCount > 0 else { throw field.error("\(name) needs num_class") }
      link = .float32(.softmax)
    default:
      throw field.error("the objective \(name.prefix(64)) is not known", code: .unsupported)
    }
    objective = Objective(name: name, link: link)
    predictsClass = name == "multi:softmax"
    self.inverse = inverse
  }

  /// `ProbToMargin` of src/objective/regression_loss.h and regression_obj.cu.
  func margin(_ score: Float) -> Float {
    switch inverse {
    case .identity: return score
    case .logarithm: return logf(score)
    case .logit:
      guard score >= 0, score <= 1 else { return .nan }
      let bounded = min(max(score, 1e-6), 1 - 1e-6)  // kRtEps
      return -logf(1 / bounded - 1)
    }
  }
}
