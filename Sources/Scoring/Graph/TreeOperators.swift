internal import Models

/// Ensembles of trees inside a graph.
extension GraphCompiler {
  mutating func treeRegressor(_ node: ONNXNode) throws(ModelError) {
    let targetCount = try node.integer("n_targets", 1)
    let (value, isFloat) = try treeInput(node)
    try checkTargets(targetCount, node)
    let table = try TreeTable(
      node, prefix: "target", featureCount: value.columns.count, targetCount: targetCount)
    let base = try baseValues(node)
    let scores = try score(
      table, value, targetCount, base: try regressorBase(base, targetCount, node),
      aggregate: try node.text("aggregate_function", "SUM"), isFloat: isFloat, node)
    try finishRegressor(node, value, scores)
  }

  mutating func treeEnsemble(_ node: ONNXNode) throws(ModelError) {
    let targetCount = try node.integer("n_targets", 1)
    let (value, isFloat) = try treeInput(node)
    try checkTargets(targetCount, node)
    let table = try TreeTable(
      ensemble: node, featureCount: value.columns.count, targetCount: targetCount)
    let aggregates = ["AVERAGE", "SUM", "MIN", "MAX"]
    let aggregate = try node.integer("aggregate_function", 1)
    guard aggregates.indices.contains(aggregate) else {
      throw node.error(.malformed, "aggregate_function \(aggregate)")
    }
    let scores = try score(
      table, value, targetCount, base: Array(repeating: 0, count: targetCount),
      aggregate: aggregates[aggregate], isFloat: isFloat, node)
    let transforms = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]
    let transform = try node.integer("post_transform", 0)
    guard transforms.indices.contains(transform) else {
      throw node.error(.malformed, "post_transform \(transform)")
    }
    let raw = RowValue(
      type: .float32, shape: [RowValue.batch, targetCount], columns: scores.map { .cell($0) })
    // With one target ONNX Runtime knows no other transform than PROBIT.
    let isIgnored = targetCount == 1 && transform != 4
    let result = isIgnored ? raw : try transformed(raw, by: transforms[transform], node)
    set(node, .rows(try convert(result, to: isFloat ? .float32 : .float64, node)))
  }

  private func checkTargets(_ count: Int, _ node: ONNXNode) throws(ModelError) {
    guard count > 0, count <= ModelLimits.outputCount else {
      throw node.error(.malformed, "\(count) targets")
    }
  }

  /// The columns, and whether they and their sums are floats.
  private mutating func treeInput(_ node: ONNXNode) throws(ModelError) -> (RowValue, Bool) {
    var value = try rows(node, 0)
    if value.shape == [RowValue.batch] { value.shape.append(1) }
    guard value.shape.count == 2, value.shape[0] == RowValue.batch, value.type.isNumber else {
      throw node.error(
        .unsupported, "\(value.type.name) of the shape \(GraphShape.text(value.shape))")
    }
    if value.type == .float64 { return (value, false) }
    return (try convert(value, to: .float32, node), true)
  }

  private func baseValues(_ node: ONNXNode) throws(ModelError) -> [Double] {
    try node.numbers("base_values", orTensor: "base_values_as_tensor")
  }

  private func regressorBase(
    _ base: [Double], _ targetCount: Int, _ node: ONNXNode
  ) throws(ModelError) -> [Double] {
    if base.isEmpty { return Array(repeating: 0, count: targetCount) }
    guard base.count == targetCount else {
      throw node.error(.unsupported, "\(base.count) base values for \(targetCount) targets")
    }
    return base
  }

  private mutating func finishRegressor(
    _ node: ONNXNode, _ value: RowValue, _ scores: [Cell]
  ) throws(ModelError) {
    let raw = RowValue(
      type: .float32, shape: [RowValue.batch, scores.count], columns: scores.map { .cell($0) })
    // With one target ONNX Runtime knows no other transform than PROBIT.
    let name = try node.text("post_transform", "NONE")
    let isIgnored = scores.count == 1 && name != "PROBIT"
    set(node, .rows(isIgnored ? raw : try transformed(raw, node)))
  }

  /// Sums over trees: one cell for each target.
  private mutating func score(
    _ table: TreeTable, _ value: RowValue, _ targetCount: Int, base: [Double], aggregate: String,
    isFloat: Bool, _ node: ONNXNode
  ) throws(ModelError) -> [Cell] {
    let features = Set(table.nodes.map(\.feature)).sorted()
    let used = RowValue(
      type: value.type, shape: [RowValue.batch, features.count],
      columns: features.map { value.columns[$0] })
    let inputs = try cells(of: used)
    let outputs = try newCells(targetCount, .float, node)
    let divisor = aggregate == "AVERAGE" ? Double(table.trees.count) : 1
    guard ["SUM", "AVERAGE", "MIN", "MAX"].contains(aggregate) else {
      throw node.error(.malformed, "aggregate_function \(aggregate.prefix(100))")
    }
    if aggregate == "SUM" || aggregate == "AVERAGE",
      let ensemble = table.ensemble(features, targetCount, isFloat: isFloat)
    {
      let names = features.map { ModelInput(name: "\($0)", kind: .numeric) }
      let scorer = try TreeScorer(
        ensemble, inputs: names, objective: .custom, instructions: instructions)
      append(
        ForestStep(
          scorer: scorer, inputs: inputs, storage: value.type.storage, outputs: outputs,
          divisor: divisor, base: base, isFloat: isFloat))
    } else {
      append(
        WalkStep(
          table, features: features, inputs: inputs, storage: value.type.storage,
          outputs: outputs,
          aggregate: aggregate == "MIN" ? .least : aggregate == "MAX" ? .greatest : .sum,
          divisor: divisor, base: base, isFloat: isFloat))
    }
    return outputs
  }

  // MARK: Classes

  /// A classifier by the rules of ONNX Runtime's TreeAggregatorClassifier.
  mutating func treeClassifier(_ node: ONNXNode) throws(ModelError) {
    let classes = try ClassLabels(node)
    let (value, isFloat) = try treeInput(node)
    try checkTargets(classes.count, node)
    let table = try TreeTable(
      node, prefix: "class", featureCount: value.columns.count, targetCount: classes.count)
    let base = try baseValues(node)
    let targets = Set(table.leaves.flatMap { $0.map(\.target) })
    if classes.count == 2, targets.count <= 1 {
      try binaryClassifier(node, classes, table, value, base, targets.first ?? 0, isFloat)
      return
    }
    guard base.isEmpty || base.count == classes.count, classes.count >= 2 else {
      throw node.error(.unsupported, "\(base.count) base values for \(classes.count) classes")
    }
    // What decides between two classes is only the second one's score, if it has any.
    guard classes.count > 2 || (base.isEmpty && table.isAlwaysScored(1)) else {
      throw node.error(.unsupported, "leaves without a weight for the second of two classes")
    }
    let scores = try score(
      table, value, classes.count,
      base: base.isEmpty ? Array(repeating: 0, count: classes.count) : base, aggregate: "SUM",
      isFloat: isFloat, node)
    let raw = RowValue(
      type: .float32, shape: [RowValue.batch, classes.count], columns: scores.map { .cell($0) })
    if classes.count == 2 {
      let second = RowValue(type: .float32, shape: [RowValue.batch, 1], columns: [raw.columns[1]])
      let isPositive = try apply(.threshold(0), second, node)
      try setLabel(node, classes.places, place: try wholeNumber(isPositive[0], node))
    } else {
      try setLabel(node, classes, place: try largest(scores, node))
    }
    set(node, output: 1, .rows(try transformed(raw, node)))
  }

  /// Two classes and one score.
  private mutating func binaryClassifier(
    _ node: ONNXNode, _ classes: ClassLabels, _ table: TreeTable, _ value: RowValue,
    _ base: [Double], _ target: Int, _ isFloat: Bool
  ) throws(ModelError) {
    var table = table
    table.leaves = table.leaves.map { $0.map { TreeTable.Weight(target: 0, value: $0.value) } }
    guard base.count < 2 || (base.count == 2 && target == 0) else {
      throw node.error(.unsupported, "\(base.count) base values for class \(target)")
    }
    let scores = try score(
      table, value, 1, base: [base.first ?? 0], aggregate: "SUM", isFloat: isFloat, node)
    let score = RowValue(
      type: .float32, shape: [RowValue.batch, 1], columns: [.cell(scores[0])])
    let isAllPositive = table.leaves.allSatisfy { $0.allSatisfy { $0.value >= 0 } }
    let isPositive = try apply(.threshold(isAllPositive ? 0.5 : 0), score, node)
    try setLabel(node, classes, place: try wholeNumber(isPositive[0], node))
    let name = try node.text("post_transform", "NONE")
    guard name != "PROBIT" else { throw node.error(.unsupported, "PROBIT for two classes") }
    let pair: [GraphColumn]
    if base.count == 2 || target == 1 {
      // The other class has no weights.
      let both = RowValue(
        type: .float32, shape: [RowValue.batch, 2],
        columns: target == 1 ? [.number(0)] + score.columns : score.columns + [.number(0)])
      set(node, output: 1, .rows(try transformed(both, node)))
      return
    } else if isAllPositive, name != "LOGISTIC" {
      let one = RowValue(ONNXTensor(type: .float32, shape: [1], values: .floats([1])))
      pair = try combine(one, score, .subtract, node).columns + score.columns
    } else {
      let negative = RowValue(
        type: .float32, shape: score.shape,
        columns: try apply(.negate, score, node).map { .cell($0) })
      let both = RowValue(
        type: .float32, shape: [RowValue.batch, 2], columns: negative.columns + score.columns)
      pair =
        name == "LOGISTIC"
        ? try apply(.sigmoid, both, node).map { .cell($0) } : both.columns
    }
    set(node, output: 1, .float32, [RowValue.batch, 2], pair)
  }
}

extension TreeTable {
  /// Whether each row gets a weight for a target: some tree has one in each leaf.
  func isAlwaysScored(_ target: Int) -> Bool {
    trees.contains { tree in
      leaves[tree.leaves].allSatisfy { $0.contains { $0.target == target } }
    }
  }

  /// The trees for `TreeScorer`, nil if they need comparisons or leaves that it does not know.
  ///
  /// The features that are looked at become the features of the ensemble, in their order; values
  /// and sums are floats or doubles.
  func ensemble(_ features: [Int], _ targetCount: Int, isFloat: Bool) -> TreeEnsemble? {
    var positions: [Int: Int] = [:]
    for (position, feature) in features.enumerated() { positions[feature] = position }
    // A tree whose leaves all have one value of the same target adds to that alone.
    let isNarrow = trees.allSatisfy { tree in
      let target = leaves[tree.leaves.lowerBound].first?.target
      return leaves[tree.leaves].allSatisfy { $0.count == 1 && $0[0].target == target }
    }
    var ensemble = TreeEnsemble(
      featureCount: features.count, outputCount: targetCount, leafWidth: isNarrow ? 1 : targetCount)
    ensemble.arithmetic = isFloat ? .float32 : .float64
    for tree in trees {
      let leaves = leaves[tree.leaves]
      var splits: [TreeEnsemble.Split] = []
      for node in nodes[tree.nodes] {
        guard let split = split(node, tree, positions[node.feature] ?? 0, isFloat) else {
          return nil
        }
        splits.append(split)
      }
      guard let values = Self.values(leaves, width: isNarrow ? nil : targetCount, isFloat) else {
        return nil
      }
      let target = isNarrow ? leaves.first?.first?.target : 0
      ensemble.append(splits: splits, values: values, output: target ?? 0)
    }
    return ensemble
  }

  /// The values of leaves: one of each, or one for each target, 0 where there is none.
  ///
  /// - Returns: nil if a leaf has two values for a target, or there would be far more zeros.
  private static func values(
    _ leaves: ArraySlice<[Weight]>, width: Int?, _ isFloat: Bool
  ) -> [Double]? {
    func value(_ weight: Weight) -> Double {
      isFloat ? Double(Float(weight.value)) : weight.value
    }
    guard let width else { return leaves.compactMap(\.first).map(value) }
    var values: [Double] = []
    for leaf in leaves {
      guard Set(leaf.map(\.target)).count == leaf.count, leaf.count * 8 >= width else { return nil }
      let start = values.count
      values.append(contentsOf: repeatElement(0, count: width))
      for weight in leaf { values[start + weight.target] = value(weight) }
    }
    return values
  }

  private func split(
    _ node: Node, _ tree: Tree, _ feature: Int, _ isFloat: Bool
  ) -> TreeEnsemble.Split? {
    func link(_ child: Int) -> Int {
      child >= 0 ? child - tree.nodes.lowerBound : ~(~child - tree.leaves.lowerBound)
    }
    func before(_ value: Double) -> Double {
      isFloat ? Double(Float(value).nextDown) : value.nextDown
    }
    let (threshold, isTurned): (Double, Bool)
    switch node.test {
    case .atMost(let value): (threshold, isTurned) = (value, false)
    case .below(let value): (threshold, isTurned) = (before(value), false)
    case .above(let value): (threshold, isTurned) = (value, true)
    case .atLeast(let value): (threshold, isTurned) = (before(value), true)
    case .equal, .different, .among: return nil
    }
    // Turned around, true is right.
    let missingGoesLeft = node.isMissingTrue != isTurned
    return TreeEnsemble.Split(
      feature: feature, left: link(isTurned ? node.no : node.yes),
      right: link(isTurned ? node.yes : node.no),
      test: .atMost(threshold, missing: missingGoesLeft ? .goesLeft : .goesRight))
  }
}
