/// The features of a model, in the order of the columns it was trained with.
struct CatBoostFeatures {
  private(set) var inputs: [ModelInput] = []
  /// For the index of a number or category among its kind: the input.
  private var numbers: [Int: Number] = [:]
  private var categories: [Int: Int] = [:]

  struct Number {
    let input: Int
    /// Whether a missing value counts as above all borders.
    let missingIsAbove: Bool
  }

  private struct Entry {
    let column: Int
    let index: Int
    let name: String
    let kind: ModelInput.Kind
    let missingIsAbove: Bool
    let field: DocumentValue
  }

  init(_ field: DocumentValue) throws(ModelError) {
    for kind in ["text_features", "embedding_features"] {
      if let features = try field.optional(kind), features.count > 0 {
        throw features.error("features of this kind are not read", code: .unsupported)
      }
    }
    if let statistics = try field.optional("ctrs"), statistics.count > 0 {
      throw statistics.error(
        """
        statistics of categories (CTR) are not read; \
        train with one_hot_max_size above the number of categories
        """, code: .unsupported)
    }
    var entries = try Self.read(try field.optional("float_features"), kind: .numeric)
    entries += try Self.read(try field.optional("categorical_features"), kind: .text)
    entries.sort { $0.column < $1.column }
    guard !entries.isEmpty else { throw field.error("no features") }
    guard entries.count <= ModelLimits.featureCount else {
      throw field.error("more than \(ModelLimits.featureCount) features", code: .limitExceeded)
    }
    var names: Set<String> = []
    for (input, entry) in entries.enumerated() {
      guard input == 0 || entries[input - 1].column != entry.column else {
        throw entry.field.error("column \(entry.column) stands there twice")
      }
      guard names.insert(entry.name).inserted else {
        throw entry.field.error("its name stands there twice")
      }
      inputs.append(ModelInput(name: entry.name, kind: entry.kind))
      let isTaken =
        if case .text = entry.kind {
          categories.updateValue(input, forKey: entry.index) != nil
        } else {
          numbers.updateValue(
            Number(input: input, missingIsAbove: entry.missingIsAbove), forKey: entry.index) != nil
        }
      guard !isTaken else { throw entry.field.error("index \(entry.index) stands there twice") }
    }
  }

  private static func read(
    _ field: DocumentValue?, kind: ModelInput.Kind
  ) throws(ModelError) -> [Entry] {
    guard let field, !field.isNull else { return [] }
    let range = 0...Int(Int32.max)
    return try field.elements().map { (feature) throws(ModelError) in
      let column = try feature.required("flat_feature_index").integer(in: range)
      let name = try feature.optional("feature_id")?.string() ?? ""
      return Entry(
        column: column, index: try feature.required("feature_index").integer(in: range),
        name: name.isEmpty ? String(column) : name, kind: kind,
        missingIsAbove: try missingIsAbove(feature), field: feature)
    }
  }

  private static func missingIsAbove(_ feature: DocumentValue) throws(ModelError) -> Bool {
    guard let field = try feature.optional("nan_value_treatment") else { return false }
    switch try field.string() {
    case "AsIs", "AsFalse": return false
    case "AsTrue": return true
    case let other:
      throw field.error("the treatment \(other.prefix(32)) is not known", code: .unsupported)
    }
  }

  /// Reads what one level of a tree, or one split, asks for.
  func level(_ field: DocumentValue) throws(ModelError) -> ObliviousEnsemble.Level {
    let type = try field.required("split_type")
    switch try type.string() {
    case "FloatFeature":
      let index = try field.required("float_feature_index")
      guard let number = numbers[try index.integer(in: 0...Int(Int32.max))] else {
        throw index.error("there is no such feature")
      }
      let border = try field.required("border").float()
      guard !border.isNaN else { throw field.error("a border is NaN") }
      return ObliviousEnsemble.Level(
        feature: number.input, question: .above(border, ifMissing: number.missingIsAbove))
    case "OneHotFeature":
      let index = try field.required("cat_feature_index")
      guard let input = categories[try index.integer(in: 0...Int(Int32.max))] else {
        throw index.error("there is no such feature")
      }
      let value = try field.required("value").integer(in: Int(Int32.min)...Int(UInt32.max))
      return ObliviousEnsemble.Level(
        feature: input, question: .hash(UInt32(truncatingIfNeeded: value)))
    case let other:
      throw type.error("splits of the type \(other.prefix(32)) are not read", code: .unsupported)
    }
  }
}
