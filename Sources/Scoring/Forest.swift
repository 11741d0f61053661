internal import CKernels

/// The trees of a model in the form in which rows walk through them.
///
/// See `trees.h` for what nodes and cells look like.
struct Forest: Sendable {
  /// How many rows walk together: few enough that their cells stay in the nearest caches.
  private(set) var tileRowCount = 256

  /// Nodes of the trees without categorical splits, tree after tree.
  private(set) var nodes: [trees_node] = []

  /// Nodes of the trees with categorical splits, tree after tree.
  private(set) var setNodes: [trees_set_node] = []

  /// The bits of all categorical sets, a zero word after each and one before the first.
  private(set) var words: [UInt32] = [0]
  private(set) var trees: [Tree] = []
  private(set) var linearLeaves: [LinearLeaf] = []
  private(set) var linearTerms: [LinearTerm] = []

  /// What the cells of each column are made from; the column before them holds NaN only.
  private(set) var columns: [Column] = []
  private var columnIndices: [Column: Int] = [:]

  struct Tree: Sendable {
    /// Index of the root in `nodes` or `setNodes`.
    let root: Int
    let hasSets: Bool
    /// A linear tree's leaves hold indices in `linearLeaves` instead of values.
    let isLinear: Bool
    /// Steps worth taking before asking whether all rows have arrived.
    let stepCount: UInt32
  }

  struct Column: Hashable, Sendable {
    let feature: Int
    let policy: UInt32
  }

  struct LinearLeaf: Sendable {
    let constant: Double
    /// The leaf's value where one of its features is missing.
    let fallback: Double
    let terms: Range<Int>
  }

  struct LinearTerm: Sendable {
    var column: Int
    let coefficient: Double
  }

  /// Which features any split or linear leaf looks at.
  var usedFeatures: Set<Int> { Set(columns.map(\.feature)) }

  /// Adds a tree after checking that its links form one.
  mutating func append(_ tree: TreeText) throws(ModelError) {
    let order = try NodeOrder(tree)
    let hasSets = !tree.sets.isEmpty
    let root = hasSets ? setNodes.count : nodes.count
    guard root + order.slots.count + words.count < ModelLimits.indexCount else {
      throw tree.error(
        "more than \(ModelLimits.indexCount) nodes or words", code: .limitExceeded)
    }
    let setStarts = appendSets(tree.sets)
    let firstLinearLeaf = linearLeaves.count
    for leaf in tree.linearLeaves.indices { appendLinearLeaf(tree, leaf) }
    for (index, slot) in order.slots.enumerated() {
      var node = trees_set_node()
      switch slot {
      case .leaf(let leaf):
        // Column 0 holds NaN, so the walk goes right, to left + 1: the leaf itself.
        node.left = UInt32(index) &- 1
        node.threshold =
          tree.linearLeaves.isEmpty ? tree.leafValues[leaf] : Double(firstLinearLeaf + leaf)
      case .split(let split, let left):
        node = self.node(tree.splits[split], tree: tree, setStarts: setStarts)
        node.left = UInt32(left)
      }
      if hasSets {
        setNodes.append(node)
      } else {
        nodes.append(
          trees_node(threshold: node.threshold, column: node.column, left: node.left))
      }
    }
    trees.append(
      Tree(
        root: root, hasSets: hasSets, isLinear: !tree.linearLeaves.isEmpty,
        stepCount: order.meanDepth))
  }

  /// Fixes the size of a tile and turns columns into places of cells; called once, after all trees.
  mutating func finish() {
    // 64 columns of 256 rows are 128 KiB of cells, which the second-level cache holds with a tree.
    let cellLimit = 64 * 256
    while tileRowCount > 8, (columns.count + 1) * tileRowCount > cellLimit { tileRowCount /= 2 }
    for index in nodes.indices { nodes[index].column *= UInt32(tileRowCount) }
    for index in setNodes.indices { setNodes[index].column *= UInt32(tileRowCount) }
    for index in linearTerms.indices { linearTerms[index].column *= tileRowCount }
    columnIndices = [:]
  }

  private mutating func appendSets(_ sets: [ArraySlice<UInt32>]) -> [UInt32] {
    var starts: [UInt32] = []
    for set in sets {
      starts.append(UInt32(words.count))
      words += set
      words.append(0)
    }
    return starts
  }

  private mutating func appendLinearLeaf(_ tree: TreeText, _ leaf: Int) {
    let linear = tree.linearLeaves[leaf]
    let start = linearTerms.count
    for (feature, coefficient) in zip(linear.features, linear.coefficients) {
      let column = column(feature, trees_missing_goes_right)
      linearTerms.append(LinearTerm(column: column, coefficient: coefficient))
    }
    linearLeaves.append(
      LinearLeaf(
        constant: linear.constant, fallback: tree.leafValues[leaf],
        terms: start..<linearTerms.count))
  }

  private mutating func node(
    _ split: TreeText.Split, tree: TreeText, setStarts: [UInt32]
  ) -> trees_set_node {
    var node = trees_set_node()
    switch split.test {
    case .set(let set):
      node.threshold = .nan
      node.column = UInt32(column(split.feature, trees_category))
      node.set = setStarts[set]
      node.setWordCount = UInt32(tree.sets[set].count)
    case .threshold(let threshold, let missing, let goesLeft):
      let policy =
        switch missing {
        case .none: trees_missing_is_zero
        case .nan: goesLeft ? trees_missing_goes_left : trees_missing_goes_right
        case .zero: goesLeft ? trees_no_value_goes_left : trees_no_value_goes_right
        }
      node.threshold = threshold
      node.column = UInt32(column(split.feature, policy))
    }
    return node
  }

  /// The index of a column of cells, from 1; 0 is the one of NaN.
  private mutating func column(_ feature: Int, _ policy: trees_policy) -> Int {
    let column = Column(feature: feature, policy: policy.rawValue)
    if let index = columnIndices[column] { return index }
    columns.append(column)
    columnIndices[column] = columns.count
    return columns.count
  }
}

/// The nodes of a tree in an order in which children stand side by side, after their parent.
private struct NodeOrder {
  private(set) var slots: [Slot]

  /// How deep the mean training row got, at most 32: counts are the model's claim.
  private(set) var meanDepth: UInt32 = 0

  enum Slot {
    case leaf(Int)
    case split(Int, left: Int)
  }

  /// Walks the links from the root.
  ///
  /// - Throws: `ModelError` if a split or leaf is reached twice, or never.
  init(_ tree: TreeText) throws(ModelError) {
    slots = [tree.leafCount == 1 ? .leaf(0) : .split(0, left: 1)]
    var isReached = Array(repeating: false, count: tree.splits.count)
    var isLeafReached = Array(repeating: false, count: tree.leafCount)
    if tree.leafCount == 1 { return }
    isReached[0] = true
    var depths = [0]
    var rowCount = 0.0
    var depthSum = 0.0
    var next = 0
    while next < slots.count {
      guard case .split(let split, _) = slots[next] else {
        next += 1
        continue
      }
      slots[next] = .split(split, left: slots.count)
      for child in [tree.splits[split].left, tree.splits[split].right] {
        depths.append(depths[next] + 1)
        if child >= 0 {
          guard !isReached[child] else { throw tree.error("split \(child) is reached twice") }
          isReached[child] = true
          slots.append(.split(child, left: 0))
        } else {
          guard !isLeafReached[~child] else { throw tree.error("leaf \(~child) is reached twice") }
          isLeafReached[~child] = true
          slots.append(.leaf(~child))
          rowCount += Double(tree.leafRowCounts[~child])
          depthSum += Double(tree.leafRowCounts[~child]) * Double(depths[next] + 1)
        }
      }
      next += 1
    }
    if let split = isReached.firstIndex(of: false) {
      throw tree.error("split \(split) is never reached")
    }
    if let leaf = isLeafReached.firstIndex(of: false) {
      throw tree.error("leaf \(leaf) is never reached")
    }
    meanDepth = rowCount > 0 ? UInt32(min(depthSum / rowCount, 32)) : 0
  }
}
