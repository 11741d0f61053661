/// Reads the trees of a model.
enum CatBoostTrees {
  /// CatBoost's own limit of a symmetric tree's depth is 16.
  private static let depthLimit = 24

  /// Reads `oblivious_trees`.
  static func readOblivious(
    _ field: DocumentValue, features: CatBoostFeatures, scale: Double, bias: [Double]
  ) throws(ModelError) -> ObliviousEnsemble {
    var ensemble: ObliviousEnsemble?
    for tree in try field.elements() {
      let splits = try tree.optional("splits")
      let list = try splits.map { (splits) throws(ModelError) in
        splits.isNull ? [] : try splits.elements()
      }
      guard list?.count ?? 0 <= depthLimit else {
        throw tree.error("more than \(depthLimit) levels", code: .limitExceeded)
      }
      let levels = try (list ?? []).map { (level) throws(ModelError) in try features.level(level) }
      let valueField = try tree.required("leaf_values")
      let values = try valueField.doubles()
      guard !values.contains(where: \.isNaN) else { throw valueField.error("a value is NaN") }
      let leafCount = 1 << levels.count
      if ensemble == nil {
        ensemble = try empty(valueField, values.count, leafCount, features, scale, bias, field)
      }
      guard let outputCount = ensemble?.outputCount, values.count == leafCount * outputCount else {
        throw valueField.error("\(values.count) values for \(leafCount) leaves")
      }
      let weights = try tree.optional("leaf_weights")
      ensemble?.append(
        levels: levels, values: values, covers: try weights?.doubles(count: leafCount) ?? [])
    }
    guard let ensemble else { throw field.error("no trees") }
    return ensemble
  }

  /// An ensemble with as many outputs as a leaf of its first tree has values.
  private static func empty(
    _ field: DocumentValue, _ valueCount: Int, _ leafCount: Int, _ features: CatBoostFeatures,
    _ scale: Double, _ bias: [Double], _ trees: DocumentValue
  ) throws(ModelError) -> ObliviousEnsemble {
    let outputCount = valueCount / leafCount
    guard 1...ModelLimits.outputCount ~= outputCount else {
      throw field.error("\(valueCount) values for \(leafCount) leaves")
    }
    var ensemble = ObliviousEnsemble(
      featureCount: features.inputs.count, outputCount: outputCount)
    ensemble.scale = scale
    ensemble.bias = try CatBoostModel.spread(bias, over: outputCount, trees.document.root)
    return ensemble
  }

  /// Reads `trees`, which are nested nodes.
  static func readGeneral(
    _ field: DocumentValue, features: CatBoostFeatures
  ) throws(ModelError) -> TreeEnsemble {
    var ensemble: TreeEnsemble?
    for tree in try field.elements() {
      let nodes = try CatBoostNodes(tree, features: features)
      if ensemble == nil {
        ensemble = TreeEnsemble(
          featureCount: features.inputs.count, outputCount: nodes.width, leafWidth: nodes.width)
        ensemble?.reading.isFloat32 = true
      }
      guard ensemble?.leafWidth == nodes.width else {
        throw tree.error("its leaves have \(nodes.width) values, those before had others")
      }
      ensemble?.append(
        splits: nodes.splits, values: nodes.values, covers: nodes.covers, output: 0)
    }
    guard let ensemble else { throw field.error("no trees") }
    return ensemble
  }
}

/// The nodes of one tree that is not symmetric.
private struct CatBoostNodes {
  private(set) var splits: [TreeEnsemble.Split] = []
  private(set) var values: [Double] = []
  private(set) var covers: [Double] = []
  /// How many values a leaf has.
  private(set) var width = 0
  private let features: CatBoostFeatures

  init(_ tree: DocumentValue, features: CatBoostFeatures) throws(ModelError) {
    self.features = features
    _ = try read(tree)
    if covers.count * width != values.count { covers = [] }
  }

  /// Reads a node and what is below it; the document's depth is limited.
  ///
  /// - Returns: the split, or the complement of the leaf, and its weight.
  private mutating func read(_ node: DocumentValue) throws(ModelError) -> (Int, Double) {
    guard let field = try node.optional("split") else { return try readLeaf(node) }
    let level = try features.level(field)
    guard case .above(let border, let ifMissing) = level.question else {
      throw field.error(
        "categories in trees that are not symmetric are not read", code: .unsupported)
    }
    let index = splits.count
    let test = TreeEnsemble.Test.atMost(
      Double(border), missing: ifMissing ? .goesRight : .goesLeft)
    splits.append(TreeEnsemble.Split(feature: Int(level.feature), left: 0, right: 0, test: test))
    let (left, leftCover) = try read(try node.required("left"))
    let (right, rightCover) = try read(try node.required("right"))
    splits[index].left = Int32(left)
    splits[index].right = Int32(right)
    splits[index].cover = leftCover + rightCover
    return (index, leftCover + rightCover)
  }

  private mutating func readLeaf(_ node: DocumentValue) throws(ModelError) -> (Int, Double) {
    let field = try node.required("value")
    let leaf = field.kind == .number ? [try field.double()] : try field.doubles()
    guard !leaf.isEmpty, leaf.count <= ModelLimits.outputCount, !leaf.contains(where: \.isNaN)
    else {
      throw field.error("expected numbers")
    }
    if values.isEmpty { width = leaf.count }
    guard leaf.count == width else { throw field.error("\(leaf.count) values instead of \(width)") }
    let place = values.count / width
    values += leaf
    var cover = 0.0
    if let weight = try node.optional("weight") {
      cover = try weight.double()
      covers.append(cover)
    }
    return (~place, cover)
  }
}
