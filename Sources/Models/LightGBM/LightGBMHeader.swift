/// What stands before the trees of a model.
struct LightGBMHeader {
  let featureNames: [String]

  /// Features whose recorded values are a list, which LightGBM writes for categorical ones.
  let categoricalFeatures: Set<Int>
  let outputCount: Int
  let objective: Objective

  /// Whether the sum over trees is divided by the number of iterations (random forests).
  let isAverage: Bool

  /// How many trees must follow; nil in old models.
  let treeCount: Int?

  init(_ text: inout LightGBMText) throws(ModelError) {
    guard let first = text.nextLine(), first.elementsEqual("tree".utf8) else {
      throw ModelError(code: .notAModel, context: "line 1: a LightGBM model begins with `tree`")
    }
    let fields = try LightGBMFields(&text, tree: nil)
    if let field = fields.optional("version") {
      let version = String(decoding: field.value.prefix(16), as: UTF8.self)
      guard ["v2", "v3", "v4"].contains(version) else {
        throw field.error("the version \(version) is none of v2, v3, v4", code: .unsupported)
      }
    }
    outputCount = try fields.required("num_class").integer(in: 1...ModelLimits.outputCount)
    if let field = fields.optional("num_tree_per_iteration") {
      let count = try field.integer(in: 1...ModelLimits.outputCount)
      guard count == outputCount else {
        throw field.error("\(count) trees for \(outputCount) outputs", code: .unsupported)
      }
    }
    let featureCount =
      try fields.required("max_feature_idx").integer(in: 0...(ModelLimits.featureCount - 1)) + 1
    featureNames = try Self.readNames(try fields.required("feature_names"), count: featureCount)
    categoricalFeatures = try Self.readCategorical(
      try fields.required("feature_infos"), count: featureCount)
    isAverage = fields.optional("average_output") != nil
    if let field = fields.optional("objective") {
      objective = try Objective(field, outputCount: outputCount)
    } else {
      objective = .custom
    }
    treeCount = fields.optional("tree_sizes").map { $0.tokens.reduce(0) { count, _ in count + 1 } }
  }

  private static func readNames(
    _ field: LightGBMField, count: Int
  ) throws(ModelError) -> [String] {
    var names: [String] = []
    var known: Set<String> = []
    for token in field.tokens {
      guard let name = String(validating: token, as: UTF8.self) else {
        throw field.error("name \(names.count) is not UTF-8")
      }
      guard known.insert(name).inserted else {
        throw field.error("name \(names.count) stands there twice")
      }
      names.append(name)
    }
    guard names.count == count else {
      throw field.error("\(names.count) names, max_feature_idx says \(count)")
    }
    return names
  }

  private static func readCategorical(
    _ field: LightGBMField, count: Int
  ) throws(ModelError) -> Set<Int> {
    var features: Set<Int> = []
    var index = 0
    for token in field.tokens {
      // "[least:greatest]" of numbers, "none" if all rows had the same value, else a list of codes.
      if token.first != UInt8(ascii: "["), !token.elementsEqual("none".utf8) {
        features.insert(index)
      }
      index += 1
    }
    guard index == count else {
      throw field.error("\(index) entries, max_feature_idx says \(count)")
    }
    return features
  }
}
