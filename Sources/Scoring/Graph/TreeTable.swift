internal import Models

/// Decision trees as ONNX describes them, checked: node for node, any kind of comparison.
struct TreeTable {
  var trees: [Tree] = []
  var nodes: [Node] = []
  var leaves: [[Weight]] = []
  let featureCount: Int

  struct Tree {
    /// A node, or a leaf as its complement.
    let root: Int
    let nodes: Range<Int>
    let leaves: Range<Int>
  }

  struct Node {
    let feature: Int
    var test: Test
    let isMissingTrue: Bool
    /// A node of all trees, or a leaf of all trees as its complement.
    var yes: Int
    var no: Int
  }

  enum Test: Equatable {
    case atMost(Double), below(Double), atLeast(Double), above(Double), equal(Double)
    case different(Double)
    case among([Double])
  }

  struct Weight {
    let target: Int
    let value: Double
  }

  /// The comparison of a name of the format.
  static func test(_ mode: String, _ value: Double) -> Test? {
    switch mode {
    case "BRANCH_LEQ": .atMost(value)
    case "BRANCH_LT": .below(value)
    case "BRANCH_GTE": .atLeast(value)
    case "BRANCH_GT": .above(value)
    case "BRANCH_EQ": .equal(value)
    case "BRANCH_NEQ": .different(value)
    default: nil
    }
  }

  // MARK: TreeEnsembleClassifier and TreeEnsembleRegressor

  /// Reads the attributes of a classifier or regressor.
  ///
  /// - Parameters:
  ///   - prefix: `class` or `target`.
  ///   - featureCount: how many columns there are.
  ///   - targetCount: how many sums a row has.
  init(
    _ node: ONNXNode, prefix: String, featureCount: Int, targetCount: Int, isFloat: Bool
  ) throws(ModelError) {
    self.featureCount = featureCount
    let arrays = try NodeArrays(node)
    var index: [NodeKey: Int] = [:]
    for position in arrays.treeIDs.indices {
      let key = NodeKey(tree: arrays.treeIDs[position], node: arrays.nodeIDs[position])
      guard index.updateValue(position, forKey: key) == nil else {
        throw node.error(.malformed, "tree \(key.tree) has node \(key.node) twice")
      }
    }
    var weights: [Int: [Weight]] = [:]
    let targets = try node.integers("\(prefix)_ids")
    let weightNodes = try node.integers("\(prefix)_nodeids")
    let weightTrees = try node.integers("\(prefix)_treeids")
    let values = try node.numbers(
      "\(prefix)_weights", orTensor: "\(prefix)_weights_as_tensor")
    guard targets.count == values.count, weightNodes.count == values.count,
      weightTrees.count == values.count
    else { throw node.error(.malformed, "\(prefix)_weights and the like differ in length") }
    for position in values.indices {
      let key = NodeKey(tree: weightTrees[position], node: weightNodes[position])
      guard let place = index[key] else {
        throw node.error(.malformed, "weight \(position): tree \(key.tree) has no \(key.node)")
      }
      guard (0..<targetCount).contains(targets[position]) else {
        throw node.error(.malformed, "weight \(position) is of target \(targets[position])")
      }
      weights[place, default: []].append(
        Weight(target: targets[position], value: values[position]))
    }
    var position = 0
    while position < arrays.treeIDs.count {
      let tree = arrays.treeIDs[position]
      var end = position
      while end < arrays.treeIDs.count, arrays.treeIDs[end] == tree { end += 1 }
      try appendTree(arrays, position..<end, index, weights, node)
      position = end
    }
  }

  private struct NodeKey: Hashable {
    let tree: Int
    let node: Int
  }

  /// The nodes_… attributes.
  private struct NodeArrays {
    let treeIDs: [Int]
    let nodeIDs: [Int]
    let features: [Int]
    let modes: [String]
    let yes: [Int]
    let no: [Int]
    let values: [Double]
    let missing: [Int]

    init(_ node: ONNXNode) throws(ModelError) {
      treeIDs = try node.integers("nodes_treeids")
      nodeIDs = try node.integers("nodes_nodeids")
      features = try node.integers("nodes_featureids")
      modes = try node.texts("nodes_modes")
      yes = try node.integers("nodes_truenodeids")
      no = try node.integers("nodes_falsenodeids")
      values = try node.numbers("nodes_values", orTensor: "nodes_values_as_tensor")
      missing = try node.integers("nodes_missing_value_tracks_true")
      let count = treeIDs.count
      guard count > 0, nodeIDs.count == count, features.count == count, modes.count == count,
        yes.count == count, no.count == count, values.count == count,
        missing.isEmpty || missing.count == count
      else { throw node.error(.malformed, "the nodes_… attributes differ in length, or are empty") }
    }
  }

  private mutating func appendTree(
    _ arrays: NodeArrays, _ range: Range<Int>, _ index: [NodeKey: Int],
    _ weights: [Int: [Weight]], _ node: ONNXNode
  ) throws(ModelError) {
    let (firstNode, firstLeaf) = (nodes.count, leaves.count)
    var places: [Int: Int] = [:]
    // From the root, so that what is never reached is told.
    var open = [range.lowerBound]
    var order: [Int] = []
    while let position = open.popLast() {
      let isLeaf = arrays.modes[position] == "LEAF"
      guard places[position] == nil else {
        throw node.error(
          .malformed,
          "tree \(arrays.treeIDs[position]): node \(arrays.nodeIDs[position]) is reached twice")
      }
      guard !isLeaf else {
        places[position] = ~leaves.count
        leaves.append(weights[position] ?? [])
        continue
      }
      places[position] = nodes.count
      guard let test = Self.test(arrays.modes[position], arrays.values[position]),
        (0..<featureCount).contains(arrays.features[position]), !arrays.values[position].isNaN
      else {
        throw node.error(
          .malformed,
          "tree \(arrays.treeIDs[position]), node \(arrays.nodeIDs[position]): mode "
            + "\(arrays.modes[position].prefix(100)), feature \(arrays.features[position]) "
            + "of \(featureCount), or its value")
      }
      nodes.append(
        Node(
          feature: arrays.features[position], test: test,
          isMissingTrue: !arrays.missing.isEmpty && arrays.missing[position] != 0, yes: 0, no: 0))
      order.append(position)
      for child in [arrays.no[position], arrays.yes[position]] {
        let key = NodeKey(tree: arrays.treeIDs[position], node: child)
        guard let place = index[key], range.contains(place) else {
          throw node.error(.malformed, "tree \(key.tree) has no node \(child)")
        }
        open.append(place)
      }
    }
    guard places.count == range.count else {
      throw node.error(
        .malformed, "tree \(arrays.treeIDs[range.lowerBound]): a node is never reached")
    }
    for position in order {
      guard let place = places[position] else { continue }
      let tree = arrays.treeIDs[position]
      for isYes in [true, false] {
        let child = isYes ? arrays.yes[position] : arrays.no[position]
        guard let at = index[NodeKey(tree: tree, node: child)], let link = places[at] else {
          continue
        }
        if isYes { nodes[place].yes = link } else { nodes[place].no = link }
      }
    }
    guard let root = places[range.lowerBound] else { return }
    trees.append(
      Tree(root: root, nodes: firstNode..<nodes.count, leaves: firstLeaf..<leaves.count))
  }

  // MARK: TreeEnsemble

  /// Reads the attributes of a TreeEnsemble.
  init(ensemble node: ONNXNode, featureCount: Int, targetCount: Int) throws(ModelError) {
    self.featureCount = featureCount
    let features = try node.integers("nodes_featureids")
    let modes = try node.integers("nodes_modes")
    let splits = try node.numbers("nodes_splits")
    let missing = try node.integers("nodes_missing_value_tracks_true")
    let yes = try node.integers("nodes_truenodeids")
    let no = try node.integers("nodes_falsenodeids")
    let yesIsLeaf = try node.integers("nodes_trueleafs")
    let noIsLeaf = try node.integers("nodes_falseleafs")
    let roots = try node.integers("tree_roots")
    let targets = try node.integers("leaf_targetids")
    let weights = try node.numbers("leaf_weights")
    let count = features.count
    guard modes.count == count, splits.count == count, yes.count == count, no.count == count,
      yesIsLeaf.count == count, noIsLeaf.count == count, targets.count == weights.count,
      missing.isEmpty || missing.count == count, !roots.isEmpty
    else { throw node.error(.malformed, "the nodes_… attributes differ in length") }
    guard targets.allSatisfy((0..<targetCount).contains) else {
      throw node.error(.malformed, "a target that is not there")
    }
    let members = try Self.members(node)
    var memberIndex = 0
    var tests: [Test] = []
    for index in 0..<count {
      guard (0..<featureCount).contains(features[index]),
        modes[index] == 6 || !splits[index].isNaN
      else {
        throw node.error(.malformed, "node \(index) of the trees: feature \(features[index])")
      }
      switch modes[index] {
      case 0: tests.append(.atMost(splits[index]))
      case 1: tests.append(.below(splits[index]))
      case 2: tests.append(.atLeast(splits[index]))
      case 3: tests.append(.above(splits[index]))
      case 4: tests.append(.equal(splits[index]))
      case 5: tests.append(.different(splits[index]))
      case 6 where memberIndex < members.count:
        tests.append(.among(members[memberIndex]))
        memberIndex += 1
      default: throw node.error(.malformed, "node \(index) of the trees: mode \(modes[index])")
      }
    }
    var isReached = Array(repeating: false, count: count)
    for root in roots {
      let (firstNode, firstLeaf) = (nodes.count, leaves.count)
      // One leaf is a node whose two branches are that leaf.
      var open: [(index: Int, parent: Int, isYes: Bool)] = [(root, -1, true)]
      while let (index, parent, isYes) = open.popLast() {
        guard (0..<count).contains(index), !isReached[index] else {
          throw node.error(.malformed, "node \(index) of the trees is reached twice or not there")
        }
        isReached[index] = true
        let place = nodes.count
        nodes.append(
          Node(
            feature: features[index], test: tests[index],
            isMissingTrue: !missing.isEmpty && missing[index] != 0, yes: 0, no: 0))
        if parent >= 0 {
          if isYes { nodes[parent].yes = place } else { nodes[parent].no = place }
        }
        for (child, isLeaf, isYes) in [
          (no[index], noIsLeaf[index] != 0, false), (yes[index], yesIsLeaf[index] != 0, true),
        ] {
          guard isLeaf else {
            open.append((child, place, isYes))
            continue
          }
          guard targets.indices.contains(child) else {
            throw node.error(.malformed, "leaf \(child) is not there")
          }
          if isYes { nodes[place].yes = ~leaves.count } else { nodes[place].no = ~leaves.count }
          leaves.append([Weight(target: targets[child], value: weights[child])])
        }
      }
      trees.append(
        Tree(root: firstNode, nodes: firstNode..<nodes.count, leaves: firstLeaf..<leaves.count))
    }
  }

  /// The lists of numbers for nodes that ask for one of several, with NaN between them.
  private static func members(_ node: ONNXNode) throws(ModelError) -> [[Double]] {
    try node.numbers("membership_values")
      .split(omittingEmptySubsequences: false) { $0.isNaN }.map { Array($0) }
  }
}
