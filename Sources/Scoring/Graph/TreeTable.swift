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

  /// No trees yet.
  init(featureCount: Int) {
    self.featureCount = featureCount
  }

  // MARK: TreeEnsembleClassifier and TreeEnsembleRegressor

  /// Reads the attributes of a classifier or regressor.
  ///
  /// - Parameters:
  ///   - node: the operator.
  ///   - prefix: `class` or `target`.
  ///   - featureCount: how many columns there are.
  ///   - targetCount: how many sums a row has.
  /// - Throws: `ModelError` that names the tree and the node.
  init(
    _ node: ONNXNode, prefix: String, featureCount: Int, targetCount: Int
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
}
