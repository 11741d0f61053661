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
    let places = try NodePlaces(arrays, node)
    var weights = Array(repeating: [Weight](), count: arrays.count)
    let targets = try node.integers("\(prefix)_ids")
    let weightNodes = try node.integers("\(prefix)_nodeids")
    let weightTrees = try node.integers("\(prefix)_treeids")
    let values = try node.numbers(
      "\(prefix)_weights", orTensor: "\(prefix)_weights_as_tensor")
    guard targets.count == values.count, weightNodes.count == values.count,
      weightTrees.count == values.count
    else { throw node.error(.malformed, "\(prefix)_weights and the like differ in length") }
    for (index, value) in values.enumerated() {
      guard let place = places.place(tree: weightTrees[index], node: weightNodes[index]) else {
        throw node.error(
          .malformed, "weight \(index): tree \(weightTrees[index]) has no \(weightNodes[index])")
      }
      guard (0..<targetCount).contains(targets[index]) else {
        throw node.error(.malformed, "weight \(index) is of target \(targets[index])")
      }
      weights[place].append(Weight(target: targets[index], value: value))
    }
    for range in places.ranges { try appendTree(arrays, range, places, weights, node) }
  }

  /// The nodes_… attributes.
  fileprivate struct NodeArrays {
    let treeIDs: [Int]
    let nodeIDs: [Int]
    let features: [Int]
    let modes: [String]
    let yes: [Int]
    let no: [Int]
    let values: [Double]
    let missing: [Int]

    var count: Int { treeIDs.count }

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
    _ arrays: NodeArrays, _ range: Range<Int>, _ places: NodePlaces, _ weights: [[Weight]],
    _ node: ONNXNode
  ) throws(ModelError) {
    let (firstNode, firstLeaf) = (nodes.count, leaves.count)
    let tree = arrays.treeIDs[range.lowerBound]
    var isReached = Array(repeating: false, count: range.count)
    var reachedCount = 0
    // From the root, so that what is never reached is told.
    var open = [(place: range.lowerBound, parent: -1, isYes: true)]
    while let (place, parent, isYes) = open.popLast() {
      guard !isReached[place - range.lowerBound] else {
        throw node.error(
          .malformed, "tree \(tree): node \(arrays.nodeIDs[place]) is reached twice")
      }
      isReached[place - range.lowerBound] = true
      reachedCount += 1
      let isLeaf = arrays.modes[place] == "LEAF"
      if parent >= 0 { link(parent, isYes, to: isLeaf ? ~leaves.count : nodes.count) }
      guard !isLeaf else {
        leaves.append(weights[place])
        continue
      }
      for (child, isYes) in [(arrays.no[place], false), (arrays.yes[place], true)] {
        guard let next = places.place(tree: tree, node: child) else {
          throw node.error(.malformed, "tree \(tree) has no node \(child)")
        }
        open.append((next, nodes.count, isYes))
      }
      nodes.append(try splitNode(arrays, place, node))
    }
    guard reachedCount == range.count else {
      throw node.error(.malformed, "tree \(tree): a node is never reached")
    }
    trees.append(
      Tree(
        root: nodes.count == firstNode ? ~firstLeaf : firstNode, nodes: firstNode..<nodes.count,
        leaves: firstLeaf..<leaves.count))
  }

  private func splitNode(
    _ arrays: NodeArrays, _ place: Int, _ node: ONNXNode
  ) throws(ModelError) -> Node {
    guard let test = Self.test(arrays.modes[place], arrays.values[place]),
      (0..<featureCount).contains(arrays.features[place]), !arrays.values[place].isNaN
    else {
      throw node.error(
        .malformed,
        "tree \(arrays.treeIDs[place]), node \(arrays.nodeIDs[place]): mode "
          + "\(arrays.modes[place].prefix(100)), feature \(arrays.features[place]) "
          + "of \(featureCount), or its value")
    }
    return Node(
      feature: arrays.features[place], test: test,
      isMissingTrue: !arrays.missing.isEmpty && arrays.missing[place] != 0, yes: 0, no: 0)
  }

  /// Sets one branch of a node.
  mutating func link(_ place: Int, _ isYes: Bool, to child: Int) {
    if isYes { nodes[place].yes = child } else { nodes[place].no = child }
  }

  /// Where the nodes of each tree stand among the attributes.
  fileprivate struct NodePlaces {
    /// Tree after tree.
    private(set) var ranges: [Range<Int>] = []
    private var trees: [Int: Int] = [:]
    /// The places of nodes that are not numbered in the order in which they stand.
    private var others: [NodeKey: Int] = [:]
    private let nodeIDs: [Int]

    private struct NodeKey: Hashable {
      let tree: Int
      let node: Int
    }

    init(_ arrays: NodeArrays, _ node: ONNXNode) throws(ModelError) {
      nodeIDs = arrays.nodeIDs
      var start = 0
      for place in arrays.treeIDs.indices {
        let tree = arrays.treeIDs[place]
        if place > 0, tree != arrays.treeIDs[place - 1] { start = place }
        if place == start {
          guard trees.updateValue(ranges.count, forKey: tree) == nil else {
            throw node.error(.malformed, "the nodes of tree \(tree) do not stand together")
          }
          ranges.append(start..<start + 1)
        } else {
          ranges[ranges.count - 1] = start..<place + 1
        }
      }
      for (tree, index) in trees {
        let range = ranges[index]
        for place in range where nodeIDs[place] != place - range.lowerBound {
          let key = NodeKey(tree: tree, node: nodeIDs[place])
          guard others.updateValue(place, forKey: key) == nil else {
            throw node.error(.malformed, "tree \(tree) has node \(key.node) twice")
          }
        }
      }
    }

    /// Where a node stands, nil if there is none.
    func place(tree: Int, node: Int) -> Int? {
      guard let index = trees[tree] else { return nil }
      let range = ranges[index]
      if node >= 0, node < range.count, nodeIDs[range.lowerBound + node] == node {
        return range.lowerBound + node
      }
      return others[NodeKey(tree: tree, node: node)]
    }
  }
}
