/// A sum of oblivious trees: trees that ask the same question at all nodes of a level.
///
/// The answers of a tree's levels, the first one being bit 0, are the number of a leaf, whose values
/// are added, in the order of the trees, to sums that begin with zero. A raw score is
/// scale · sum + bias, the product rounded.
package struct ObliviousEnsemble: Sendable {
  /// How many inputs levels may ask for.
  package let featureCount: Int
  /// How many values a leaf has: one for each output.
  package let outputCount: Int
  package private(set) var trees: [Tree] = []
  /// The questions of all trees, tree after tree.
  package private(set) var levels: [Level] = []
  /// The values of all leaves, tree after tree: `outputCount` for each leaf.
  package private(set) var leafValues: [Double] = []
  /// What weight of training rows reached each leaf; none if not known for all.
  package private(set) var leafCovers: [Double] = []
  package var scale = 1.0
  /// One for each output.
  package var bias: [Double]

  package struct Tree: Hashable, Sendable {
    package let levels: Range<Int>
    /// Its first leaf among all leaves.
    package let firstLeaf: Int

    package var leafCount: Int { 1 << levels.count }
  }

  package struct Level: Hashable, Sendable {
    /// The index of an input.
    package let feature: Int32
    package let question: Question

    package init(feature: Int, question: Question) {
      self.feature = Int32(feature)
      self.question = question
    }
  }

  package enum Question: Hashable, Sendable {
    /// Whether the value, rounded to the nearest float, is above the border.
    case above(Float, ifMissing: Bool)
    /// Whether the text has this hash: the lower half of `CityHash.hash64`.
    case hash(UInt32)
  }

  package init(featureCount: Int, outputCount: Int) {
    self.featureCount = featureCount
    self.outputCount = outputCount
    bias = Array(repeating: 0, count: outputCount)
  }

  /// Adds a tree.
  ///
  /// - Parameters:
  ///   - levels: its questions, the lowest bit's first.
  ///   - values: `outputCount` for each of its 2^levels leaves.
  ///   - covers: one for each leaf, or none.
  package mutating func append(levels: [Level], values: [Double], covers: [Double] = []) {
    let leafCount = 1 << levels.count
    precondition(values.count == leafCount * outputCount)
    precondition(covers.isEmpty || covers.count == leafCount)
    let firstLeaf = leafValues.count / outputCount
    let firstLevel = self.levels.count
    self.levels += levels
    leafValues += values
    if !covers.isEmpty, leafCovers.count == firstLeaf { leafCovers += covers }
    trees.append(Tree(levels: firstLevel..<self.levels.count, firstLeaf: firstLeaf))
  }

  /// Whether covers are known, which contributions of features need.
  package var hasCovers: Bool { leafCovers.count == leafValues.count / outputCount }

  /// Which inputs any level asks for.
  package var usedFeatures: Set<Int> { Set(levels.map { Int($0.feature) }) }
}
