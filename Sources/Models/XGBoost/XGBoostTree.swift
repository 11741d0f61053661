/// One tree as its model spells it, every number checked to be in range.
struct XGBoostTree {
  /// The root first, left before right; sets are counted within the tree.
  private(set) var splits: [TreeEnsemble.Split] = []
  private(set) var leafValues: [Float] = []
  /// The sum of the hessians of the training rows that reached each leaf.
  private(set) var leafCovers: [Double] = []
  /// The words of each categorical set.
  private(set) var sets: [[UInt32]] = []

  /// How many values a tree's leaves have.
  static func leafWidth(_ field: DocumentValue) throws(ModelError) -> Int {
    let width = try field.required("tree_param").optional("size_leaf_vector")
    return max(try width?.spelledInteger(in: 0...ModelLimits.outputCount) ?? 1, 1)
  }

  /// Reads a tree; the keys are those of XGBoost 3.2.0, src/tree/io_utils.h.
  init(_ field: DocumentValue, featureCount: Int, leafWidth: Int) throws(ModelError) {
    guard try Self.leafWidth(field) == leafWidth else {
      throw field.error("its leaves do not have \(leafWidth) values as those before")
    }
    let nodes = try XGBoostNodes(field, featureCount: featureCount)
    let order = try nodes.order()
    let values = try LeafValues(field, nodes: nodes, width: leafWidth)
    let categories = try XGBoostNodeSets(field, nodeCount: nodes.count)
    var places = Array(repeating: 0, count: nodes.count)
    var (splitCount, leafCount) = (0, 0)
    for node in order {
      if nodes.left[node] < 0 {
        places[node] = ~leafCount
        leafCount += 1
      } else {
        places[node] = splitCount
        splitCount += 1
      }
    }
    splits.reserveCapacity(splitCount)
    leafValues.reserveCapacity(leafCount * leafWidth)
    for node in order {
      if nodes.left[node] < 0 {
        try values.append(node, to: &leafValues)
        if let covers = nodes.covers { leafCovers.append(Double(covers[node])) }
      } else {
        splits.append(try split(node, nodes, places, categories))
      }
    }
  }

  private mutating func split(
    _ node: Int, _ nodes: XGBoostNodes, _ places: [Int], _ categories: XGBoostNodeSets
  ) throws(ModelError) -> TreeEnsemble.Split {
    var (left, right) = (places[nodes.left[node]], places[nodes.right[node]])
    let missingGoesLeft = nodes.defaultLeft[node] == 1
    let test: TreeEnsemble.Test
    if let set = try categories.words(of: node) {
      // The categories of a set go right, missing values by default, anything else left.
      (left, right) = (right, left)
      test = .inSet(sets.count, missingGoesLeft: !missingGoesLeft)
      sets.append(set)
    } else {
      let condition = nodes.conditions[node]
      guard !condition.isNaN else {
        throw nodes.conditionField.error("element \(node) is NaN")
      }
      if condition == -.infinity {
        // No number is below it: all go right.
        (left, right) = (right, left)
        test = .atMost(.infinity, missing: missingGoesLeft ? .goesRight : .goesLeft)
      } else {
        // Of floats, those below a threshold are those up to the float before it.
        test = .atMost(
          Double(condition.nextDown), missing: missingGoesLeft ? .goesLeft : .goesRight)
      }
    }
    return TreeEnsemble.Split(
      feature: nodes.features[node], left: left, right: right, test: test,
      cover: nodes.covers.map { Double($0[node]) } ?? 0)
  }
}

/// The nodes of a tree as parallel lists; pruned ones are among them but never reached.
struct XGBoostNodes {
  let count: Int
  /// −1 for a leaf.
  let left: [Int]
  let right: [Int]
  let features: [Int]
  /// Thresholds of splits, values of leaves.
  let conditions: [Float]
  let conditionField: DocumentValue
  let defaultLeft: [Int]
  let covers: [Float]?

  private let field: DocumentValue

  init(_ field: DocumentValue, featureCount: Int) throws(ModelError) {
    self.field = field
    count = try field.required("tree_param").required("num_nodes").spelledInteger(
      in: 1...ModelLimits.indexCount)
    left = try field.required("left_children").integers(count: count, in: -1...(count - 1))
    // Of leaves that are vectors, right is the index of the leaf, which is below the node's.
    right = try field.required("right_children").integers(count: count, in: -1...(count - 1))
    features = try field.required("split_indices").integers(
      count: count, in: 0...Int(Int32.max))
    conditionField = try field.required("split_conditions")
    conditions = try conditionField.floats(count: count)
    defaultLeft = try field.required("default_left").integers(count: count, in: 0...1)
    let covers = try field.optional("sum_hessian")
    self.covers = try covers?.floats(count: count)
    for node in 0..<count where left[node] >= 0 && features[node] >= featureCount {
      throw try field.required("split_indices").error(
        "element \(node) is \(features[node]), there are \(featureCount) features")
    }
  }

  /// The nodes that are reached from the root, each before its children, left before right.
  ///
  /// - Throws: if a node is reached twice, or a split has but one child.
  func order() throws(ModelError) -> [Int] {
    var order: [Int] = []
    order.reserveCapacity(count)
    var isReached = Array(repeating: false, count: count)
    var open = [0]
    while let node = open.popLast() {
      guard !isReached[node] else { throw field.error("node \(node) is reached twice") }
      isReached[node] = true
      order.append(node)
      guard left[node] >= 0 else { continue }
      guard right[node] >= 0 else { throw field.error("node \(node) has no right child") }
      open.append(right[node])
      open.append(left[node])
    }
    return order
  }
}

/// Where the values of a tree's leaves stand: with its conditions, or in lists of their own.
private struct LeafValues {
  private let values: [Float]
  private let source: Source
  private let width: Int
  private let field: DocumentValue
  private let nodes: XGBoostNodes

  private enum Source {
    /// At the node.
    case node
    /// At the index that the node's right child names: XGBoost 3.2 and later.
    case rightChild
  }

  init(_ field: DocumentValue, nodes: XGBoostNodes, width: Int) throws(ModelError) {
    self.width = width
    self.nodes = nodes
    if width == 1 {
      (self.field, values, source) = (nodes.conditionField, nodes.conditions, .node)
    } else if let leaves = try field.optional("leaf_weights") {
      (self.field, values, source) = (leaves, try leaves.floats(), .rightChild)
    } else {
      let weights = try field.required("base_weights")
      let count = nodes.count * width
      (self.field, values, source) = (weights, try weights.floats(count: count), .node)
    }
  }

  func append(_ node: Int, to leafValues: inout [Float]) throws(ModelError) {
    let index = source == .node ? node : nodes.right[node]
    guard index >= 0, (index + 1) * width <= values.count else {
      throw field.error("leaf \(index) of node \(node) is not among \(values.count) values")
    }
    let leaf = values[index * width..<(index + 1) * width]
    guard !leaf.contains(where: \.isNaN) else {
      throw field.error("the value of the leaf at node \(node) is NaN")
    }
    leafValues.append(contentsOf: leaf)
  }
}
