/// The trees of gbtree and dart.
struct XGBoostTrees {
  private(set) var ensemble: TreeEnsemble

  /// The features that categorical splits look at.
  private var setFeatures: Set<Int> = []
  private let tables: [CategoryTable?]
  private let wordLimit: Int

  /// Reads `gbtree`.
  ///
  /// - Parameters:
  ///   - booster: the object with the key `model`.
  ///   - weights: of dart, for each tree.
  ///   - header: what the model says of itself.
  /// - Throws: `ModelError` naming the path and the byte.
  init(
    _ booster: DocumentValue, weights: [Float]?, header: XGBoostHeader
  ) throws(ModelError) {
    let model = try booster.required("model")
    let field = try model.required("trees")
    let trees = try field.elements()
    let outputs = try model.required("tree_info").integers(
      count: trees.count, in: 0...(header.outputCount - 1))
    if let weights, weights.count != trees.count {
      throw field.error("\(trees.count) trees, weight_drop has \(weights.count) weights")
    }
    if let count = try model.optional("gbtree_model_param")?.optional("num_trees") {
      let wanted = try count.spelledInteger(in: 0...ModelLimits.indexCount)
      guard wanted == trees.count else { throw count.error("\(trees.count) trees follow") }
    }
    tables = try XGBoostCategories.read(model, featureCount: header.featureNames.count)
    wordLimit = 1 << 24 + field.document.bytes.count
    let leafWidth = try trees.first.map { (tree) throws(ModelError) in
      try XGBoostTree.leafWidth(tree)
    }
    ensemble = TreeEnsemble(
      featureCount: header.featureNames.count, outputCount: header.outputCount,
      leafWidth: leafWidth ?? 1)
    guard ensemble.leafWidth == 1 || ensemble.leafWidth == header.outputCount else {
      throw field.error(
        "leaves of \(ensemble.leafWidth) values for \(header.outputCount) outputs")
    }
    guard ensemble.leafWidth == 1 || weights == nil else {
      throw field.error("dart with vectors as leaves", code: .unsupported)
    }
    ensemble.reading.isFloat32 = true
    ensemble.arithmetic = .float32
    ensemble.base = try header.margins(isFitted: !trees.isEmpty).map { Double($0) }
    for (place, index) in try Self.order(trees).enumerated() {
      try append(
        trees[index], output: ensemble.leafWidth == 1 ? outputs[place] : 0,
        weight: weights?[place])
    }
  }

  /// The inputs, categorical where the types or the splits say so.
  func inputs(_ header: XGBoostHeader) throws(ModelError) -> [ModelInput] {
    let used = ensemble.usedFeatures
    return header.featureNames.enumerated().map { feature, name in
      let table = feature < tables.count ? tables[feature] : nil
      let isTyped = feature < header.featureTypes.count && header.featureTypes[feature] == "c"
      let isCategorical = isTyped || table != nil || setFeatures.contains(feature)
      return ModelInput(
        name: name, kind: isCategorical ? .categorical(table) : .numeric,
        isUsed: used.contains(feature))
    }
  }

  /// The trees in the order of their `id`, which is the order of their leaves in a sum.
  private static func order(_ trees: [DocumentValue]) throws(ModelError) -> [Int] {
    var order = Array(repeating: -1, count: trees.count)
    for (index, tree) in trees.enumerated() {
      let field = try tree.required("id")
      let place = try field.integer(in: 0...(trees.count - 1))
      guard order[place] < 0 else { throw field.error("\(place) stands there twice") }
      order[place] = index
    }
    return order
  }

  private mutating func append(
    _ field: DocumentValue, output: Int, weight: Float?
  ) throws(ModelError) {
    let tree = try XGBoostTree(
      field, featureCount: ensemble.featureCount, leafWidth: ensemble.leafWidth)
    var sets: [Int] = []
    for set in tree.sets {
      guard ensemble.setWords.count + set.count <= wordLimit else {
        throw field.error(
          "sets of categories of more than \(wordLimit) words", code: .limitExceeded)
      }
      sets.append(ensemble.appendSet(set))
    }
    let splits = tree.splits.map { split in
      guard case .inSet(let set, let missingGoesLeft) = split.test else { return split }
      setFeatures.insert(Int(split.feature))
      var split = split
      split.test = .inSet(sets[set], missingGoesLeft: missingGoesLeft)
      return split
    }
    let size = 2 * ensemble.leafValues.count + 2 * tree.leafValues.count + ensemble.setWords.count
    guard size < ModelLimits.indexCount else {
      throw field.error("more than \(ModelLimits.indexCount) nodes", code: .limitExceeded)
    }
    // As `PredictBatchImpl` of dart: a sum of one tree, times its weight, rounded, then added.
    let values = tree.leafValues.map { value in
      Double(weight.map { weight in (0 + value) * weight } ?? value)
    }
    ensemble.append(splits: splits, values: values, covers: tree.leafCovers, output: output)
  }
}
