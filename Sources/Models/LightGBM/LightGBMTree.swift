/// One tree as its model spells it, every number checked to be in range.
struct LightGBMTree {
  let tree: Int
  let leafCount: Int
  /// Sets are counted within the tree.
  let splits: [TreeEnsemble.Split]
  let leafValues: [Double]

  /// How many training rows reached each leaf; none if the model does not say.
  let leafCovers: [Double]

  /// The bits of each categorical set.
  let sets: [ArraySlice<UInt32>]

  /// The linear models of the leaves; empty unless the tree is linear.
  let linearLeaves: [LinearLeaf]

  private let lineNumber: Int

  /// LightGBM's MissingType: which values follow the default direction.
  enum MissingValues: Int {
    /// None: NaN counts as zero, zero is compared.
    case none = 0
    /// Zero and NaN.
    case zero = 1
    /// NaN.
    case nan = 2

    func policy(goesLeft: Bool) -> TreeEnsemble.Missing {
      switch self {
      case .none: .isZero
      case .nan: goesLeft ? .goesLeft : .goesRight
      case .zero: goesLeft ? .zeroGoesLeft : .zeroGoesRight
      }
    }
  }

  struct LinearLeaf {
    let constant: Double
    let features: ArraySlice<Int>
    let coefficients: ArraySlice<Double>
  }

  /// Reads the lines after `Tree=`; the keys are those of `Tree::ToString` in LightGBM's tree.cpp.
  init(_ text: inout LightGBMText, tree: Int, featureCount: Int) throws(ModelError) {
    self.tree = tree
    lineNumber = text.lineNumber
    let fields = try LightGBMFields(&text, tree: tree)
    leafCount = try fields.required("num_leaves").integer(in: 1...ModelLimits.indexCount)
    let setCount = try fields.required("num_cat").integer(in: 0...ModelLimits.indexCount)
    leafValues = try fields.required("leaf_value").doubles(count: leafCount)
    let isLinear = try fields.optional("is_linear")?.integer(in: 0...1) == 1
    sets = try Self.readSets(fields, count: setCount)
    splits = try Self.readSplits(
      fields, count: leafCount - 1, setCount: setCount, featureCount: featureCount)
    // The file counts no rows for a tree of one leaf, which all of them reach.
    let counts = leafCount > 1 ? fields.optional("leaf_count") : nil
    leafCovers =
      try counts?.integers(count: leafCount, in: 0...Int(Int32.max)).map { Double($0) }
      ?? (leafCount == 1 ? [1] : [])
    linearLeaves =
      isLinear
      ? try Self.readLinearLeaves(fields, count: leafCount, featureCount: featureCount) : []
  }

  /// An error about this tree as a whole.
  func error(_ message: String, code: ModelError.Code = .malformed) -> ModelError {
    ModelError(code: code, context: "tree \(tree) at line \(lineNumber): \(message)")
  }

  private static func readSplits(
    _ fields: LightGBMFields, count: Int, setCount: Int, featureCount: Int
  ) throws(ModelError) -> [TreeEnsemble.Split] {
    guard count > 0 else { return [] }
    // The two bounds of a child: any other split, or the complement of any leaf.
    let children = -(count + 1)...(count - 1)
    let features = try fields.required("split_feature").integers(
      count: count, in: 0...(featureCount - 1))
    let thresholds = try fields.required("threshold").doubles(count: count)
    let types = try fields.required("decision_type")
    let decisions = try types.integers(count: count, in: 0...11)
    let left = try fields.required("left_child").integers(count: count, in: children)
    let right = try fields.required("right_child").integers(count: count, in: children)
    let covers = try fields.optional("internal_count")?.integers(
      count: count, in: 0...Int(Int32.max))
    var splits: [TreeEnsemble.Split] = []
    splits.reserveCapacity(count)
    for index in 0..<count {
      let test: TreeEnsemble.Test
      if decisions[index] & 1 == 1 {
        guard let set = Int(exactly: thresholds[index]), set >= 0, set < setCount else {
          throw try fields.required("threshold").error(
            "split \(index) needs a set in 0..<\(setCount)")
        }
        test = .inSet(set, missingGoesLeft: false)
      } else {
        guard let missing = MissingValues(rawValue: decisions[index] >> 2) else {
          throw types.error("split \(index) has an unknown way with missing values")
        }
        test = .atMost(
          thresholds[index], missing: missing.policy(goesLeft: decisions[index] & 2 == 2))
      }
      splits.append(
        TreeEnsemble.Split(
          feature: features[index], left: left[index], right: right[index], test: test,
          cover: covers.map { Double($0[index]) } ?? 0))
    }
    return splits
  }

  private static func readSets(
    _ fields: LightGBMFields, count: Int
  ) throws(ModelError) -> [ArraySlice<UInt32>] {
    guard count > 0 else { return [] }
    let field = try fields.required("cat_boundaries")
    let boundaries = try field.integers(count: count + 1, in: 0...ModelLimits.indexCount)
    guard boundaries[0] == 0, zip(boundaries, boundaries.dropFirst()).allSatisfy({ $0 <= $1 })
    else { throw field.error("does not rise from 0") }
    let words = try fields.required("cat_threshold").integers(
      count: boundaries[count], in: 0...Int(UInt32.max)
    ).map { UInt32($0) }
    return (0..<count).map { words[boundaries[$0]..<boundaries[$0 + 1]] }
  }

  private static func readLinearLeaves(
    _ fields: LightGBMFields, count: Int, featureCount: Int
  ) throws(ModelError) -> [LinearLeaf] {
    let constants = try fields.required("leaf_const").doubles(count: count)
    let termCounts = try fields.required("num_features").integers(
      count: count, in: 0...featureCount)
    // Each count is at most 2^20 and was spelled with a byte or more: no overflow.
    let total = termCounts.reduce(0, +)
    let features = try fields.required("leaf_features").integers(
      count: total, in: 0...(featureCount - 1))
    let coefficients = try fields.required("leaf_coeff").doubles(count: total)
    var start = 0
    return zip(constants, termCounts).map { constant, termCount in
      defer { start += termCount }
      return LinearLeaf(
        constant: constant, features: features[start..<start + termCount],
        coefficients: coefficients[start..<start + termCount])
    }
  }
}
