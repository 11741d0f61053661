/// A sum of decision trees as a model file describes it, whichever library wrote it.
///
/// A row goes down each tree from split 0 to a leaf; the leaf's values are added, in the order of
/// the trees, to sums that begin at `base`. What is left to the reader of a format: links have to
/// form trees (`linkProblem`), and every index has to be in range.
package struct TreeEnsemble: Sendable {
  /// How many features splits may look at.
  package let featureCount: Int
  /// How many sums a row has.
  package let outputCount: Int
  /// How values are read before they are compared.
  package var reading = Reading()
  /// In which type the leaves of a row are added.
  package var arithmetic = Arithmetic.float64
  /// What each output's sum begins with.
  package var base: [Double]
  /// How many values a leaf has: 1, or one for each output.
  package let leafWidth: Int

  package private(set) var trees: [Tree] = []
  /// Splits of all trees, tree after tree.
  package private(set) var splits: [Split] = []
  /// Values of all leaves, tree after tree: `leafWidth` for each.
  package private(set) var leafValues: [Double] = []
  /// How many training rows, or what weight of them, reached each leaf; none if not known.
  package private(set) var leafCovers: [Double] = []
  /// For each set of categories the words of its bits among `setWords`.
  package private(set) var sets: [Range<Int>] = []
  /// Bit c % 32 of a set's word c / 32 says whether category c is in the set.
  package private(set) var setWords: [UInt32] = []
  /// What the leaves of linear trees add instead of their values.
  package private(set) var linearLeaves: [LinearLeaf] = []
  package private(set) var linearTerms: [LinearTerm] = []

  /// The type of a sum.
  package enum Arithmetic: Sendable { case float64, float32 }

  /// How sums are made.
  package enum Summation: String, Sendable {
    /// In the library's type and order: the library's bits.
    case exact
    /// In multiples of a unit, which is faster and the same in any order. The unit is the least
    /// power of two with which no sum of all trees leaves 32 bits; a sum is off by at most half a
    /// unit for each tree.
    case fast
  }

  /// How the value of a feature is read.
  package struct Reading: Hashable, Sendable {
    /// Whether it is rounded to the nearest float first; of categories, those below zero are then
    /// in no set, fractions or not, as in XGBoost.
    package var isFloat32 = false
    /// Whether numbers of at most 1e-35f in size count as zero, as in LightGBM; never categories.
    package var isTinyZero = false

    package init(isFloat32: Bool = false, isTinyZero: Bool = false) {
      self.isFloat32 = isFloat32
      self.isTinyZero = isTinyZero
    }
  }

  package struct Tree: Hashable, Sendable {
    /// Its splits, the root first; none if it is one leaf.
    package let splits: Range<Int>
    /// Its leaves, as indices of leaves, not of values.
    package let leaves: Range<Int>
    /// The output that its leaves are added to; with wide leaves 0, the first one.
    package let output: Int
    /// Index of its first leaf's linear model; nil if its leaves are constant.
    package let firstLinearLeaf: Int?
  }

  package struct Split: Sendable {
    package var feature: Int32
    /// Another split of the tree, or a leaf of the tree as its complement: ~leaf.
    package var left: Int32
    package var right: Int32
    package var test: Test
    /// How many training rows, or what weight of them, came here; 0 if not known.
    package var cover: Double

    package init(feature: Int, left: Int, right: Int, test: Test, cover: Double = 0) {
      self.feature = Int32(feature)
      self.left = Int32(left)
      self.right = Int32(right)
      self.test = test
      self.cover = cover
    }
  }

  package enum Test: Hashable, Sendable {
    /// Left if the value is at most the threshold.
    case atMost(Double, missing: Missing)
    /// Left if the category is in the set of this index; NaN as told; anything else right.
    ///
    /// A category is the value without its fraction; what is at most −1, or above Int32, is in no
    /// set (see `Reading` for what is between −1 and 0).
    case inSet(Int, missingGoesLeft: Bool)
  }

  /// Where a split of numbers sends a row whose value is missing.
  package enum Missing: UInt8, CaseIterable, Hashable, Sendable {
    /// NaN counts as zero.
    case isZero
    case goesLeft
    case goesRight
    /// Zero is a missing value too.
    case zeroGoesLeft
    case zeroGoesRight
  }

  /// A linear model in place of a leaf's value: constant + Σ coefficient · feature.
  package struct LinearLeaf: Sendable {
    package let constant: Double
    /// The leaf's value where one of its features is missing.
    package let fallback: Double
    package let terms: Range<Int>
  }

  package struct LinearTerm: Sendable {
    package let feature: Int
    package let coefficient: Double

    package init(feature: Int, coefficient: Double) {
      self.feature = feature
      self.coefficient = coefficient
    }
  }

  package init(featureCount: Int, outputCount: Int, leafWidth: Int = 1) {
    self.featureCount = featureCount
    self.outputCount = outputCount
    self.leafWidth = leafWidth
    base = Array(repeating: 0, count: outputCount)
  }

  /// Adds a set of categories.
  ///
  /// - Returns: Its index, for splits.
  package mutating func appendSet(_ words: some Sequence<UInt32>) -> Int {
    let start = setWords.count
    setWords.append(contentsOf: words)
    sets.append(start..<setWords.count)
    return sets.count - 1
  }

  /// Adds a tree whose links form one.
  ///
  /// - Parameters:
  ///   - splits: the root first; empty if the tree is one leaf.
  ///   - values: `leafWidth` for each leaf.
  ///   - covers: one for each leaf, or none.
  ///   - output: the output its leaves are added to.
  ///   - linear: for each leaf its linear model, or none.
  package mutating func append(
    splits: some Collection<Split>, values: some Collection<Double>,
    covers: some Collection<Double> = [], output: Int,
    linear: [(constant: Double, terms: [LinearTerm])] = []
  ) {
    let leafCount = values.count / leafWidth
    precondition(leafCount * leafWidth == values.count && leafCount == splits.count + 1)
    precondition(covers.isEmpty || covers.count == leafCount)
    precondition(output >= 0 && output + leafWidth <= outputCount)
    let firstSplit = self.splits.count
    let firstLeaf = leafValues.count / leafWidth
    let firstLinearLeaf = linear.isEmpty ? nil : linearLeaves.count
    self.splits.append(contentsOf: splits)
    leafValues.append(contentsOf: values)
    if !covers.isEmpty, leafCovers.count == firstLeaf { leafCovers.append(contentsOf: covers) }
    for (model, value) in zip(linear, values) {
      let start = linearTerms.count
      linearTerms += model.terms
      linearLeaves.append(
        LinearLeaf(constant: model.constant, fallback: value, terms: start..<linearTerms.count))
    }
    trees.append(
      Tree(
        splits: firstSplit..<self.splits.count, leaves: firstLeaf..<firstLeaf + leafCount,
        output: output, firstLinearLeaf: firstLinearLeaf))
  }

  /// Which features any split or linear leaf looks at.
  package var usedFeatures: Set<Int> {
    var isUsed = Array(repeating: false, count: featureCount)
    for split in splits { isUsed[Int(split.feature)] = true }
    for term in linearTerms { isUsed[term.feature] = true }
    return Set(isUsed.indices.filter { isUsed[$0] })
  }

  /// Whether covers are known, which contributions of features need.
  package var hasCovers: Bool {
    leafCovers.count == leafValues.count / leafWidth && splits.allSatisfy { $0.cover > 0 }
  }

  /// What keeps splits from forming a tree, or nil.
  ///
  /// In a tree each split but the first and each leaf is reached exactly once from the first split.
  /// Takes time and memory in proportion to the number of splits; links may hold any numbers.
  package static func linkProblem(_ splits: some RandomAccessCollection<Split>) -> String? {
    guard !splits.isEmpty else { return nil }
    let splits = Array(splits)
    var isReached = Array(repeating: false, count: splits.count)
    var isLeafReached = Array(repeating: false, count: splits.count + 1)
    isReached[0] = true
    var open = [0]
    while let index = open.popLast() {
      for child in [Int(splits[index].left), Int(splits[index].right)] {
        if child >= 0 {
          guard child < splits.count else { return "split \(index) leads to split \(child)" }
          guard !isReached[child] else { return "split \(child) is reached twice" }
          isReached[child] = true
          open.append(child)
        } else {
          guard ~child <= splits.count else { return "split \(index) leads to leaf \(~child)" }
          guard !isLeafReached[~child] else { return "leaf \(~child) is reached twice" }
          isLeafReached[~child] = true
        }
      }
    }
    if let split = isReached.firstIndex(of: false) { return "split \(split) is never reached" }
    if let leaf = isLeafReached.firstIndex(of: false) { return "leaf \(leaf) is never reached" }
    return nil
  }
}
