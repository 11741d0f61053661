internal import CKernels
internal import Models

/// Trees in the form in which all nodes are evaluated for a block of rows at once.
///
/// Each feature becomes bytes: its rank among the thresholds of the model, or whether it is in a
/// set. See `ns_forest_ranks.h`, `ns_forest_nodes.h` and `ns_forest_leaves.h` for the three stages.
@safe final class RankForest: Sendable {
  /// Rows of a block.
  static let rowCount = Int(NS_FOREST_ROWS)

  /// Trees of which codes are made before their leaves are added: 8 KiB of codes stay in the
  /// nearest cache.
  private static let groupTreeCount = 16

  /// How many columns are ranks.
  let columnCount: Int
  /// How many are bits: whether a category is outside a set.
  let setColumnCount: Int
  let thresholdCount: Int
  private let treeCount: Int
  private let featureCount: Int
  private let sums: Sums
  private let codes: ForestCodes
  // Made once, freed in deinit, and only read by the kernels in between.
  nonisolated(unsafe) private let ranker: OpaquePointer
  nonisolated(unsafe) private let leaves: OpaquePointer
  /// Features that any column is made of, ascending.
  private let usedFeatures: [UInt32]

  /// What leaves are added as.
  private enum Sums: Sendable {
    case doubles, floats
    /// Whole multiples of a unit of the output.
    case multiples

    init(_ arithmetic: TreeEnsemble.Arithmetic, _ summation: TreeEnsemble.Summation) {
      switch (summation, arithmetic) {
      case (.fast, _): self = .multiples
      case (.exact, .float64): self = .doubles
      case (.exact, .float32): self = .floats
      }
    }

    var kind: ns_forest_leaves_kind {
      switch self {
      case .doubles: ns_forest_leaves_double
      case .floats: ns_forest_leaves_float
      case .multiples: ns_forest_leaves_fixed
      }
    }
  }

  /// Most leaves of a tree: a leaf's code is a byte.
  private static let leafLimit = 256

  /// Most columns: a block of ranks then takes 8 MiB.
  private static let columnLimit = 1 << 14

  /// Most sets: a block of bits then takes 4 MiB.
  private static let setLimit = 1 << 16

  /// Takes the trees of an ensemble.
  ///
  /// - Returns: nil if they are not of the kind that is scored this way: a tree has more than 256
  ///   leaves or linear ones, there are too many columns, or a threshold is NaN.
  /// - Throws: `ModelError` if there is no memory.
  convenience init?(
    _ ensemble: TreeEnsemble, instructions: InstructionSet,
    summation: TreeEnsemble.Summation = .exact
  ) throws(ModelError) {
    guard
      ensemble.trees.allSatisfy({
        $0.leaves.count <= Self.leafLimit && $0.firstLinearLeaf == nil
      }),
      let columns = RankColumns(ensemble), columns.numeric.count <= Self.columnLimit,
      columns.sets.count <= Self.setLimit
    else { return nil }
    let codes = try ForestCodes(
      nodes: columns.nodes, ends: ensemble.trees.map { UInt32($0.splits.upperBound) },
      columnCount: columns.numeric.count, setCount: columns.sets.count,
      instructions: instructions)
    let (tables, values) = Self.tables(of: ensemble, codes: codes)
    try self.init(
      columns, codes: codes, tables: tables, values: values, treeCount: ensemble.trees.count,
      featureCount: ensemble.featureCount, reading: ensemble.reading,
      sums: Sums(ensemble.arithmetic, summation), instructions: instructions)
  }

  /// Takes oblivious trees; a level that asks for a text is a set column, in the order of `hashes`.
  ///
  /// - Returns: nil if they are not of the kind that is scored this way: a tree has more than 8
  ///   levels, there are too many columns, or a border is NaN.
  /// - Throws: `ModelError` if there is no memory.
  convenience init?(
    _ ensemble: ObliviousEnsemble, hashes: [ObliviousEnsemble.Level],
    instructions: InstructionSet
  ) throws(ModelError) {
    let reading = TreeEnsemble.Reading(isFloat32: true)
    guard
      ensemble.trees.allSatisfy({ 1 << $0.levels.count <= Self.leafLimit }),
      let columns = RankColumns(
        splits: ensemble.levels.compactMap(\.split), featureCount: ensemble.featureCount,
        reading: reading), columns.numeric.count <= Self.columnLimit,
      hashes.count <= Self.setLimit
    else { return nil }
    let codes = try ForestCodes(
      levels: Self.levels(of: ensemble, columns, hashes: hashes),
      ends: ensemble.trees.map { UInt32($0.levels.upperBound) },
      columnCount: columns.numeric.count, setCount: hashes.count, instructions: instructions)
    let width = ensemble.outputCount
    let tables = ensemble.trees.enumerated().flatMap { index, tree in
      (0..<width).map { element in
        ns_forest_leaf_table(
          start: tree.firstLeaf * width + element, stride: UInt32(width),
          codeCount: UInt32(tree.leafCount), tree: UInt32(index), output: UInt32(element))
      }
    }
    try self.init(
      columns, codes: codes, tables: tables, values: ensemble.leafValues,
      treeCount: ensemble.trees.count, featureCount: ensemble.featureCount, reading: reading,
      sums: .doubles, instructions: instructions)
  }

  private init(
    _ columns: RankColumns, codes: ForestCodes, tables: [ns_forest_leaf_table],
    values: [Double], treeCount: Int, featureCount: Int, reading: TreeEnsemble.Reading,
    sums: Sums, instructions: InstructionSet
  ) throws(ModelError) {
    self.codes = codes
    self.treeCount = treeCount
    self.featureCount = featureCount
    self.sums = sums
    columnCount = columns.numeric.count
    setColumnCount = columns.sets.count
    thresholdCount = columns.thresholds.count
    let allColumns = columns.all
    usedFeatures = Set(allColumns.map(\.feature)).sorted()
    let failure = ModelError(code: .limitExceeded, context: "no memory for the model's trees")
    guard
      let ranker = unsafe ns_forest_ranker_create(
        instructions.raw, allColumns, allColumns.count, columns.thresholds, columns.words,
        reading.isFloat32 ? 1 : 0)
    else { throw failure }
    guard
      let leaves = unsafe ns_forest_leaves_create(
        instructions.raw, sums.kind, tables, tables.count, values)
    else {
      unsafe ns_forest_ranker_destroy(ranker)
      throw failure
    }
    unsafe self.ranker = ranker
    unsafe self.leaves = leaves
  }

  deinit {
    unsafe ns_forest_ranker_destroy(ranker)
    unsafe ns_forest_leaves_destroy(leaves)
  }

  private static func levels(
    of ensemble: ObliviousEnsemble, _ columns: RankColumns, hashes: [ObliviousEnsemble.Level]
  ) -> [ns_oblivious_level] {
    let sets = Dictionary(uniqueKeysWithValues: zip(hashes, UInt32(0)...))
    var nodes = columns.nodes.makeIterator()
    return ensemble.levels.map { level in
      if let set = sets[level] {
        return ns_oblivious_level(column: set | NS_FOREST_SET, threshold: 0)
      }
      guard let node = nodes.next() else { preconditionFailure("a level without a column") }
      return ns_oblivious_level(column: node.column, threshold: node.threshold)
    }
  }

  /// Lays each tree's leaf values out by their codes.
  private static func tables(
    of ensemble: TreeEnsemble, codes: ForestCodes
  ) -> ([ns_forest_leaf_table], [Double]) {
    let width = ensemble.leafWidth
    var tables: [ns_forest_leaf_table] = []
    var values: [Double] = []
    for (index, tree) in ensemble.trees.enumerated() {
      let codeCount = codes.codeCount(tree: index)
      let start = values.count
      values.append(contentsOf: repeatElement(0, count: Int(codeCount) * width))
      for leaf in 0..<tree.leaves.count {
        let code = codes.code(tree: index, leaf: leaf)
        for element in 0..<width {
          values[start + code * width + element] =
            ensemble.leafValues[(tree.leaves.lowerBound + leaf) * width + element]
        }
      }
      for element in 0..<width {
        tables.append(
          ns_forest_leaf_table(
            start: start + element, stride: UInt32(width), codeCount: codeCount,
            tree: UInt32(index), output: UInt32(tree.output + element)))
      }
    }
    return (tables, values)
  }

  /// Adds the trees for one block of rows.
  ///
  /// - Parameters:
  ///   - features: column-major, `features[feature * stride + row]`.
  ///   - stride: from one feature to the next.
  ///   - availableCount: how many rows of every feature may be read.
  ///   - sums: `sums[output * rowCount + row]`, added to; the sums of rows past the last that is
  ///     available are anything.
  ///   - outputCount: how many sums a row has.
  ///   - scratch: memory that may be used again.
  ///   - fillSets: puts the set columns in place that are not made of numbers.
  func add(
    features: UnsafePointer<Double>, stride: Int, availableCount: Int,
    to sums: UnsafeMutablePointer<Double>, outputCount: Int, scratch: inout ScoringScratch,
    fillSets: (UnsafeMutablePointer<UInt8>) -> Void = { _ in }
  ) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let ranks = unsafe scratch.reserve(UInt8.self, count: max(columnCount, 1) * Self.rowCount)
    let nodeScratch = unsafe scratch.reserve(byteCount: codes.scratchByteCount)
    let sets = unsafe codes.sets(in: nodeScratch)
    unsafe fillSets(sets)
    var next: NextBlock?
    if availableCount >= Self.rowCount {
      unsafe ns_forest_rank_f64(ranker, features, stride, ranks, sets)
      let nextCount = min(availableCount - Self.rowCount, Self.rowCount)
      if nextCount >= 8 {
        unsafe next = NextBlock(
          features: features + Self.rowCount, stride: stride, rowCount: nextCount)
      }
    } else {
      let copy = unsafe scratch.reserve(Double.self, count: featureCount * Self.rowCount)
      for feature in 0..<featureCount {
        let column = unsafe copy + feature * Self.rowCount
        unsafe column.update(from: features + feature * stride, count: availableCount)
        unsafe (column + availableCount).update(
          repeating: 0, count: Self.rowCount - availableCount)
      }
      unsafe ns_forest_rank_f64(ranker, copy, Self.rowCount, ranks, sets)
    }
    unsafe codes.prepare(ranks: ranks, scratch: nodeScratch)
    switch self.sums {
    case .doubles:
      unsafe addLeaves(nodeScratch, next, scratch: &scratch) { first, count, codes in
        unsafe ns_forest_leaves_add_f64(leaves, first, count, codes, sums)
      }
    case .floats:
      let floats = unsafe scratch.reserve(Float.self, count: outputCount * Self.rowCount)
      for index in 0..<outputCount * Self.rowCount { unsafe floats[index] = Float(sums[index]) }
      unsafe addLeaves(nodeScratch, next, scratch: &scratch) { first, count, codes in
        unsafe ns_forest_leaves_add_f32(leaves, first, count, codes, floats)
      }
      for index in 0..<outputCount * Self.rowCount { unsafe sums[index] = Double(floats[index]) }
    case .multiples:
      let multiples = unsafe scratch.reserve(Int32.self, count: outputCount * Self.rowCount)
      unsafe multiples.update(repeating: 0, count: outputCount * Self.rowCount)
      unsafe addLeaves(nodeScratch, next, scratch: &scratch) { first, count, codes in
        unsafe ns_forest_leaves_add_i32(leaves, first, count, codes, multiples)
      }
      for output in 0..<outputCount {
        let unit = unsafe ns_forest_leaves_unit(leaves, UInt32(output))
        for index in output * Self.rowCount..<(output + 1) * Self.rowCount {
          unsafe sums[index] += unit * Double(multiples[index])
        }
      }
    }
  }

  /// Makes the codes of one group of trees after the other and hands them over.
  @inline(__always)
  private func addLeaves(
    _ nodeScratch: UnsafeMutableRawPointer, _ next: NextBlock?, scratch: inout ScoringScratch,
    _ add: (UInt32, UInt32, UnsafePointer<UInt8>) -> Void
  ) {
    let found = unsafe scratch.reserve(UInt8.self, count: Self.groupTreeCount * Self.rowCount)
    var first = 0
    while first < treeCount {
      let count = min(Self.groupTreeCount, treeCount - first)
      for tree in first..<first + count {
        unsafe codes.find(
          tree: tree, codes: found + (tree - first) * Self.rowCount, scratch: nodeScratch)
        if let next = unsafe next { unsafe readAhead(next, tree: tree) }
      }
      unsafe add(UInt32(first), UInt32(count), found)
      first += count
    }
  }

  /// The features of the block that comes after this one.
  @unsafe private struct NextBlock {
    let features: UnsafePointer<Double>
    let stride: Int
    let rowCount: Int
  }

  /// Asks for a share of the next block's features after each tree.
  ///
  /// Rows come from memory slower than few trees score them, and while trees are evaluated memory
  /// is idle; but only a few lines of the cache can be on their way at once.
  private func readAhead(_ next: NextBlock, tree: Int) {
    let lineCount = unsafe next.rowCount / 8
    let total = usedFeatures.count * lineCount
    let begin = tree * total / treeCount
    let end = (tree + 1) * total / treeCount
    unsafe usedFeatures.withUnsafeBufferPointer { features in
      guard let start = features.baseAddress, begin < end else { return }
      unsafe ns_prefetch_columns(
        next.features, next.stride, start, UInt32(lineCount), UInt32(begin), UInt32(end))
    }
  }
}

extension ObliviousEnsemble.Level {
  /// The split that asks the same of a number; nil if it asks for a text.
  fileprivate var split: TreeEnsemble.Split? {
    guard case .above(let border, let ifMissing) = question else { return nil }
    return TreeEnsemble.Split(
      feature: Int(feature), left: 0, right: 0,
      test: .atMost(Double(border), missing: ifMissing ? .goesRight : .goesLeft))
  }
}
