extension Objective {
  /// Reads a line such as `objective=multiclassova num_class:3 sigmoid:0.5`.
  init(_ field: LightGBMField, outputCount: Int) throws(ModelError) {
    let tokens = field.tokens.map { String(decoding: $0, as: UTF8.self) }
    guard let first = tokens.first else { throw field.error("is empty") }
    let name = Self.canonicalNames[first] ?? first
    let link: Link
    let options = Options(field, tokens.dropFirst())
    switch name {
    case "regression", "regression_l1", "quantile", "fair", "mape":
      link = tokens.contains("sqrt") ? .signedSquare : .identity
    case "huber", "lambdarank", "rank_xendcg", "custom":
      link = .identity
    case "poisson", "gamma", "tweedie":
      link = .exponential
    case "binary":
      link = .sigmoid(slope: try options.slope())
    case "multiclass":
      try options.checkClassCount(outputCount)
      link = .softmax
    case "multiclassova":
      try options.checkClassCount(outputCount)
      link = .sigmoid(slope: try options.slope())
    case "cross_entropy":
      link = .sigmoid(slope: 1)
    case "cross_entropy_lambda":
      link = .softplus
    default:
      throw field.error("the objective \(first.prefix(64)) is not known", code: .unsupported)
    }
    let takesClasses = ["multiclass", "multiclassova", "custom"].contains(name)
    guard takesClasses || outputCount == 1 else {
      throw field.error("\(name) has one output, num_class is \(outputCount)")
    }
    self.init(name: name, link: link)
  }

  /// `ParseObjectiveAlias` of LightGBM's config.h.
  private static let canonicalNames = [
    "regression_l2": "regression", "mean_squared_error": "regression", "mse": "regression",
    "l2": "regression", "l2_root": "regression", "root_mean_squared_error": "regression",
    "rmse": "regression",
    "mean_absolute_error": "regression_l1", "l1": "regression_l1", "mae": "regression_l1",
    "softmax": "multiclass",
    "multiclass_ova": "multiclassova", "ova": "multiclassova", "ovr": "multiclassova",
    "xentropy": "cross_entropy", "xentlambda": "cross_entropy_lambda",
    "mean_absolute_percentage_error": "mape",
    "xendcg": "rank_xendcg", "xe_ndcg": "rank_xendcg", "xe_ndcg_mart": "rank_xendcg",
    "xendcg_mart": "rank_xendcg",
    "none": "custom", "null": "custom", "na": "custom",
  ]

  /// The `key:value` words after an objective's name.
  private struct Options {
    let field: LightGBMField
    var values: [String: String] = [:]

    init(_ field: LightGBMField, _ words: ArraySlice<String>) {
      self.field = field
      for word in words {
        let parts = word.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
      }
    }

    func slope() throws(ModelError) -> Double {
      guard let text = values["sigmoid"] else { throw field.error("sigmoid is missing") }
      let slope = LegacyNumber.double(Array(text.utf8))
      guard let slope, slope > 0, slope.isFinite else {
        throw field.error("sigmoid is not a number above zero")
      }
      return slope
    }

    func checkClassCount(_ outputCount: Int) throws(ModelError) {
      let count = values["num_class"].flatMap { ByteText.integer(Array($0.utf8)[...]) }
      guard let count else { throw field.error("num_class is missing or not an integer") }
      guard count == outputCount else {
        throw field.error("num_class is \(count) here and \(outputCount) in the header")
      }
    }
  }
}

/// LightGBM's own way to read a few numbers, which does not always give the nearest double.
///
/// `Common::Atof` of LightGBM 4.6.0, include/LightGBM/utils/common.h, step by step: the slope of the
/// sigmoid goes through it, and bit equality of predictions needs the same slope.
enum LegacyNumber {
  /// - Returns: nil if the text is not a decimal number.
  static func double(_ text: [UInt8]) -> Double? {
    guard let nearest = ByteText.double(text[...]), nearest.isFinite else { return nil }
    var rest = text[...]
    let isNegative = rest.first == UInt8(ascii: "-")
    if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
    var value = digits(&rest).value
    if rest.first == UInt8(ascii: ".") {
      rest.removeFirst()
      let fraction = digits(&rest)
      value += fraction.value / power(10, fraction.count)
    }
    var scale = 1.0
    var isFraction = false
    if let first = rest.first, first | 0x20 == UInt8(ascii: "e") {
      let exponent = ByteText.integer(rest.dropFirst()) ?? 0
      isFraction = exponent < 0
      var left = min(abs(exponent), 308)
      while left >= 50 { (scale, left) = (scale * 1e50, left - 50) }
      while left >= 8 { (scale, left) = (scale * 1e8, left - 8) }
      while left > 0 { (scale, left) = (scale * 10, left - 1) }
    }
    let scaled = isFraction ? value / scale : value * scale
    return isNegative ? -scaled : scaled
  }

  private static func digits(_ rest: inout ArraySlice<UInt8>) -> (value: Double, count: Int) {
    var value = 0.0
    var count = 0
    while let byte = rest.first, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte {
      value = value * 10 + Double(byte - UInt8(ascii: "0"))
      count += 1
      rest.removeFirst()
    }
    return (value, count)
  }

  private static func power(_ base: Double, _ exponent: Int) -> Double {
    if exponent == 0 { return 1 }
    if exponent % 2 == 0 { return power(base * base, exponent / 2) }
    if exponent % 3 == 0 { return power(base * base * base, exponent / 3) }
    return base * power(base, exponent - 1)
  }
}
