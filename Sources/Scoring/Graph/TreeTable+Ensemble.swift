internal import Models

/// The attributes of a TreeEnsemble, as they stand there.
private struct EnsembleArrays {
  let features: [Int]
  let missing: [Int]
  let yes: [Int]
  let no: [Int]
  let yesIsLeaf: [Int]
  let noIsLeaf: [Int]
  let roots: [Int]
  let targets: [Int]
  let weights: [Double]
  let tests: [TreeTable.Test]

  init(_ node: ONNXNode, featureCount: Int, targetCount: Int) throws(ModelError) {
    features = try node.integers("nodes_featureids")
    let modes = try node.integers("nodes_modes")
    let splits = try node.numbers("nodes_splits")
    missing = try node.integers("nodes_missing_value_tracks_true")
    yes = try node.integers("nodes_truenodeids")
    no = try node.integers("nodes_falsenodeids")
    yesIsLeaf = try node.integers("nodes_trueleafs")
    noIsLeaf = try node.integers("nodes_falseleafs")
    roots = try node.integers("tree_roots")
    targets = try node.integers("leaf_targetids")
    weights = try node.numbers("leaf_weights")
    let count = features.count
    guard modes.count == count, splits.count == count, yes.count == count, no.count == count,
      yesIsLeaf.count == count, noIsLeaf.count == count, targets.count == weights.count,
      missing.isEmpty || missing.count == count, !roots.isEmpty
    else { throw node.error(.malformed, "the nodes_… attributes differ in length") }
    guard targets.allSatisfy((0..<targetCount).contains),
      features.allSatisfy((0..<featureCount).contains)
    else { throw node.error(.malformed, "a target or a feature that is not there") }
    tests = try Self.tests(modes, splits, node)
  }

  private static func tests(
    _ modes: [Int], _ splits: [Double], _ node: ONNXNode
  ) throws(ModelError) -> [TreeTable.Test] {
    // The lists of numbers for nodes that ask for one of several, with NaN between them.
    var members = try node.numbers("membership_values")
      .split(omittingEmptySubsequences: false) { $0.isNaN }[...]
    var tests: [TreeTable.Test] = []
    for (index, split) in splits.enumerated() {
      switch modes[index] {
      case 0 where !split.isNaN: tests.append(.atMost(split))
      case 1 where !split.isNaN: tests.append(.below(split))
      case 2 where !split.isNaN: tests.append(.atLeast(split))
      case 3 where !split.isNaN: tests.append(.above(split))
      case 4 where !split.isNaN: tests.append(.equal(split))
      case 5 where !split.isNaN: tests.append(.different(split))
      case 6 where !members.isEmpty: tests.append(.among(Array(members.removeFirst())))
      case let mode:
        throw node.error(.malformed, "node \(index) of the trees: mode \(mode), or its split")
      }
    }
    return tests
  }

  func node(_ index: Int) -> TreeTable.Node {
    TreeTable.Node(
      feature: features[index], test: tests[index],
      isMissingTrue: !missing.isEmpty && missing[index] != 0, yes: 0, no: 0)
  }
}

extension TreeTable {
  /// Reads the attributes of a TreeEnsemble.
  init(ensemble node: ONNXNode, featureCount: Int, targetCount: Int) throws(ModelError) {
    self.init(featureCount: featureCount)
    let arrays = try EnsembleArrays(node, featureCount: featureCount, targetCount: targetCount)
    var isReached = Array(repeating: false, count: arrays.features.count)
    for root in arrays.roots { try append(arrays, root, &isReached, node) }
  }

  /// Adds the tree of one root; one leaf is a node whose two branches are that leaf.
  private mutating func append(
    _ arrays: EnsembleArrays, _ root: Int, _ isReached: inout [Bool], _ node: ONNXNode
  ) throws(ModelError) {
    let (firstNode, firstLeaf) = (nodes.count, leaves.count)
    var open: [(index: Int, parent: Int, isYes: Bool)] = [(root, -1, true)]
    while let (index, parent, isYes) = open.popLast() {
      guard isReached.indices.contains(index), !isReached[index] else {
        throw node.error(.malformed, "node \(index) of the trees is reached twice or not there")
      }
      isReached[index] = true
      let place = nodes.count
      nodes.append(arrays.node(index))
      if parent >= 0 { link(parent, isYes, to: place) }
      for (child, isLeaf, isYes) in [
        (arrays.no[index], arrays.noIsLeaf[index] != 0, false),
        (arrays.yes[index], arrays.yesIsLeaf[index] != 0, true),
      ] {
        guard isLeaf else {
          open.append((child, place, isYes))
          continue
        }
        guard arrays.targets.indices.contains(child) else {
          throw node.error(.malformed, "leaf \(child) is not there")
        }
        link(place, isYes, to: ~leaves.count)
        leaves.append([Weight(target: arrays.targets[child], value: arrays.weights[child])])
      }
    }
    trees.append(
      Tree(root: firstNode, nodes: firstNode..<nodes.count, leaves: firstLeaf..<leaves.count))
  }
}
