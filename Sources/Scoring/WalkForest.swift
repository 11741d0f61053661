internal import CKernels
internal import Models

/// Trees in the form in which rows walk down them, eight rows at a time.
///
/// See `trees.h` for what nodes and cells look like.
struct WalkForest: Sendable {
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
  /// Where the words of a set stand that were taken already, missing values going left or not.
  private var setStarts: [SetUse: UInt32] = [:]

  /// How values are read before they become cells.
  let reading: TreeEnsemble.Reading
  /// Whether each sum is rounded to a float after each tree.
  let sumsAreFloats: Bool

  private struct SetUse: Hashable {
    let set: Int
    let missingGoesLeft: Bool
  }

  struct Tree: Sendable {
    /// Index of the root in `nodes` or `setNodes`.
    let root: Int
    let hasSets: Bool
    /// A linear tree's leaves hold indices in `linearLeaves` instead of values.
    let isLinear: Bool
    let output: Int
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

  /// Takes the trees of an ensemble.
  ///
  /// - Throws: `ModelError` if there are more nodes or words than 32 bits can count.
  init(_ ensemble: TreeEnsemble) throws(ModelError) {
    let size = 2 * ensemble.leafValues.count + ensemble.setWords.count + 2 * ensemble.sets.count
    guard size < ModelLimits.indexCount else {
      throw ModelError(
        code: .limitExceeded, context: "more than \(ModelLimits.indexCount) nodes or words")
    }
    reading = ensemble.reading
    sumsAreFloats = ensemble.arithmetic == .float32
    for tree in ensemble.trees {
      // A tree whose leaves are vectors is walked once for each of their elements.
      for element in 0..<ensemble.leafWidth { append(tree, element: element, of: ensemble) }
    }
    finish()
  }

  private mutating func append(
    _ tree: TreeEnsemble.Tree, element: Int, of ensemble: TreeEnsemble
  ) {
    let order = NodeOrder(tree, of: ensemble)
    let hasSets = ensemble.splits[tree.splits].contains { $0.test.isSet }
    let root = hasSets ? setNodes.count : nodes.count
    let firstLinearLeaf = linearLeaves.count
    if let first = tree.firstLinearLeaf {
      for leaf in tree.leaves.indices {
        appendLinearLeaf(ensemble, first + leaf - tree.leaves.startIndex)
      }
    }
    for (index, slot) in order.slots.enumerated() {
      var node = trees_set_node()
      switch slot {
      case .leaf(let leaf):
        // Column 0 holds NaN, so the walk goes right, to left + 1: the leaf itself.
        node.left = UInt32(index) &- 1
        node.threshold =
          tree.firstLinearLeaf == nil
          ? ensemble.leafValues[
            (tree.leaves.lowerBound + leaf) * ensemble.leafWidth + element]
          : Double(firstLinearLeaf + leaf)
      case .split(let split, let left):
        node = self.node(ensemble.splits[tree.splits.lowerBound + split], of: ensemble)
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
        root: root, hasSets: hasSets, isLinear: tree.firstLinearLeaf != nil,
        output: tree.output + element, stepCount: order.meanDepth))
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

  private mutating func appendLinearLeaf(_ ensemble: TreeEnsemble, _ leaf: Int) {
    let linear = ensemble.linearLeaves[leaf]
    let start = linearTerms.count
    for term in ensemble.linearTerms[linear.terms] {
      let column = column(term.feature, trees_missing_goes_right)
      linearTerms.append(LinearTerm(column: column, coefficient: term.coefficient))
    }
    linearLeaves.append(
      LinearLeaf(
        constant: linear.constant, fallback: linear.fallback,
        terms: start..<linearTerms.count))
  }

  private mutating func node(
    _ split: TreeEnsemble.Split, of ensemble: TreeEnsemble
  ) -> trees_set_node {
    var node = trees_set_node()
    switch split.test {
    case .inSet(let set, let missingGoesLeft):
      node.threshold = .nan
      node.column = UInt32(
        column(Int(split.feature), missingGoesLeft ? trees_category_or_missing : trees_category))
      node.set = start(of: SetUse(set: set, missingGoesLeft: missingGoesLeft), ensemble)
      node.setWordCount = UInt32(ensemble.sets[set].count + (missingGoesLeft ? 1 : 0))
    case .atMost(let threshold, let missing):
      let policy =
        switch missing {
        case .isZero: trees_missing_is_zero
        case .goesLeft: trees_missing_goes_left
        case .goesRight: trees_missing_goes_right
        case .zeroGoesLeft: trees_no_value_goes_left
        case .zeroGoesRight: trees_no_value_goes_right
        }
      node.threshold = threshold
      node.column = UInt32(column(Int(split.feature), policy))
    }
    return node
  }

  /// Where a set's words begin.
  ///
  /// Where missing values go left, cells are categories plus 1 and 0 is the missing one, so that
  /// the set's bits move up by one and bit 0 is set.
  private mutating func start(of use: SetUse, _ ensemble: TreeEnsemble) -> UInt32 {
    if let start = setStarts[use] { return start }
    let start = UInt32(words.count)
    setStarts[use] = start
    var carry: UInt32 = 1
    for word in ensemble.setWords[ensemble.sets[use.set]] {
      words.append(use.missingGoesLeft ? word << 1 | carry : word)
      carry = word >> 31
    }
    if use.missingGoesLeft { words.append(carry) }
    words.append(0)
    return start
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

extension TreeEnsemble.Test {
  fileprivate var isSet: Bool {
    if case .inSet = self { true } else { false }
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
  init(_ tree: TreeEnsemble.Tree, of ensemble: TreeEnsemble) {
    slots = [tree.splits.isEmpty ? .leaf(0) : .split(0, left: 1)]
    var depths = [0]
    var rowCount = 0.0
    var depthSum = 0.0
    var next = 0
    while next < slots.count {
      guard case .split(let index, _) = slots[next] else {
        next += 1
        continue
      }
      let split = ensemble.splits[tree.splits.lowerBound + index]
      slots[next] = .split(index, left: slots.count)
      for child in [Int(split.left), Int(split.right)] {
        depths.append(depths[next] + 1)
        if child >= 0 {
          slots.append(.split(child, left: 0))
        } else {
          slots.append(.leaf(~child))
          let leaf = tree.leaves.lowerBound + ~child
          let cover = leaf < ensemble.leafCovers.count ? ensemble.leafCovers[leaf] : 1
          rowCount += cover
          depthSum += cover * Double(depths[next] + 1)
        }
      }
      next += 1
    }
    let mean = depthSum / rowCount
    meanDepth = mean > 0 ? UInt32(min(mean, 32)) : 0
  }
}
