internal import CKernels
internal import Models

/// Which bytes the nodes of an ensemble compare: thresholds of each feature, and sets.
struct RankColumns {
  /// Columns of ranks.
  private(set) var numeric: [ns_forest_column] = []
  /// Columns of bits, whose numbers nodes have with `NS_FOREST_SET`.
  private(set) var sets: [ns_forest_column] = []
  /// Of each feature that is compared, ascending, feature after feature.
  let thresholds: [Double]
  /// The bits of the sets.
  let words: [UInt32]
  /// The splits of all trees in their order.
  private(set) var nodes: [ns_forest_node] = []

  /// Where the thresholds of each feature stand among all.
  private let ranges: [Range<Int>]
  private let reading: TreeEnsemble.Reading
  /// For each set the words of its bits.
  private let setRanges: [Range<Int>]
  /// All columns, as a ranker takes them.
  var all: [ns_forest_column] { numeric + sets }

  /// The columns that were seen before, for each feature, part of its thresholds and way of missing
  /// values.
  private var columnsByPart: [UInt32?] = []
  /// How many parts the features before each one have.
  private var firstParts: [Int] = []
  private var setsByContent: [SetContent: UInt32] = [:]
  /// The column of a set that was seen before, for each index of a set and way of missing values.
  private var columnsBySet: [UInt32?]

  private struct SetContent: Hashable {
    let feature: Int32
    let missingGoesLeft: Bool
    let words: ArraySlice<UInt32>
  }

  /// - Returns: nil if a threshold is NaN.
  init?(_ ensemble: TreeEnsemble) {
    self.init(
      splits: ensemble.splits, featureCount: ensemble.featureCount, reading: ensemble.reading,
      sets: ensemble.sets, setWords: ensemble.setWords)
  }

  /// Takes splits that belong to no tree.
  ///
  /// - Returns: nil if a threshold is NaN.
  init?(
    splits: [TreeEnsemble.Split], featureCount: Int, reading: TreeEnsemble.Reading,
    sets: [Range<Int>] = [], setWords: [UInt32] = []
  ) {
    self.reading = reading
    setRanges = sets
    words = setWords + [0]
    columnsBySet = Array(repeating: nil, count: 2 * sets.count)
    let table = ThresholdTable(splits, featureCount: featureCount) {
      Self.comparable($0, reading)
    }
    guard let table else { return nil }
    thresholds = table.thresholds
    ranges = table.ranges
    countParts()
    nodes.reserveCapacity(splits.count)
    for (split, place) in zip(splits, table.places) {
      let (column, threshold) = column(of: split, place: Int(place))
      nodes.append(
        ns_forest_node(
          column: column, threshold: threshold, left: split.left, right: split.right))
    }
  }

  private mutating func countParts() {
    var partCount = 0
    for range in ranges {
      firstParts.append(partCount)
      partCount += 1 + range.count / Int(NS_FOREST_COLUMN_THRESHOLDS)
    }
    columnsByPart = Array(repeating: nil, count: partCount * TreeEnsemble.Missing.allCases.count)
  }

  /// The threshold that parts the values that there can be in the same way.
  ///
  /// For floats it is the largest float that is not above it. Minus zero becomes zero.
  private static func comparable(
    _ threshold: Double, _ reading: TreeEnsemble.Reading
  ) -> Double {
    guard reading.isFloat32 else { return threshold + 0 }
    let nearest = Float(threshold)
    return Double(Double(nearest) > threshold ? nearest.nextDown : nearest) + 0
  }

  /// The column that a split looks at, and the rank up to which it sends rows left.
  private mutating func column(
    of split: TreeEnsemble.Split, place: Int
  ) -> (column: UInt32, rank: UInt32) {
    switch split.test {
    case .inSet(let set, let missingGoesLeft):
      let column = column(ofSet: set, missingGoesLeft: missingGoesLeft, split.feature)
      return (column | NS_FOREST_SET, 0)
    case .atMost(_, let missing):
      let range = ranges[Int(split.feature)]
      let (part, rank) = place.quotientAndRemainder(
        dividingBy: Int(NS_FOREST_COLUMN_THRESHOLDS))
      let use =
        (firstParts[Int(split.feature)] + part) * TreeEnsemble.Missing.allCases.count
        + Int(missing.rawValue)
      if let column = columnsByPart[use] { return (column, UInt32(rank)) }
      let start = range.lowerBound + part * Int(NS_FOREST_COLUMN_THRESHOLDS)
      let column = UInt32(numeric.count)
      numeric.append(
        ns_forest_column(
          feature: UInt32(split.feature), start: UInt32(start),
          count: UInt32(min(Int(NS_FOREST_COLUMN_THRESHOLDS), range.upperBound - start)),
          policy: UInt8(missing.policy.rawValue),
          flags: reading.isTinyZero ? UInt8(ns_forest_small_is_zero) : 0))
      columnsByPart[use] = column
      return (column, UInt32(rank))
    }
  }

  private mutating func column(
    ofSet set: Int, missingGoesLeft: Bool, _ feature: Int32
  ) -> UInt32 {
    let index = 2 * set + (missingGoesLeft ? 1 : 0)
    if let column = columnsBySet[index], sets[Int(column)].feature == feature { return column }
    let range = setRanges[set]
    let content = SetContent(
      feature: feature, missingGoesLeft: missingGoesLeft, words: words[range])
    if let column = setsByContent[content] { return column }
    var flags: UInt32 = 0
    if missingGoesLeft { flags |= UInt32(ns_forest_set_has_missing) }
    // XGBoost, whose features are floats, takes −0.5 for negative; LightGBM for category 0.
    if reading.isFloat32 { flags |= UInt32(ns_forest_fraction_is_negative) }
    let column = UInt32(sets.count)
    sets.append(
      ns_forest_column(
        feature: UInt32(feature), start: UInt32(range.lowerBound), count: UInt32(range.count),
        policy: UInt8(ns_forest_category.rawValue), flags: UInt8(flags)))
    columnsBySet[index] = column
    setsByContent[content] = column
    return column
  }
}

extension TreeEnsemble.Missing {
  fileprivate var policy: ns_forest_policy {
    switch self {
    case .isZero: ns_forest_missing_is_zero
    case .goesLeft: ns_forest_missing_goes_left
    case .goesRight: ns_forest_missing_goes_right
    case .zeroGoesLeft: ns_forest_no_value_goes_left
    case .zeroGoesRight: ns_forest_no_value_goes_right
    }
  }
}
