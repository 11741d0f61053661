/// A model as LightGBM 2 to 4 save it as text.
package struct LightGBMModel: Sendable {
  package let inputs: [ModelInput]
  package let ensemble: TreeEnsemble
  package let objective: Objective

  /// Whether predictions, not raw scores, are means over the iterations instead of sums.
  package let isAverage: Bool

  /// Reads a model.
  ///
  /// Nothing in the text is trusted: sizes are checked before memory is taken, links are checked to
  /// form trees, and every index to be in range.
  ///
  /// - Parameters:
  ///   - bytes: the whole text.
  ///   - categoryColumns: the columns that were pandas categories in training, in the order of the
  ///     features. Needed only where the model cannot tell: if it was trained with ordered
  ///     categories, or with numbers as categorical features beside pandas categories.
  /// - Throws: `ModelError` naming the line, tree and key.
  package init(_ bytes: [UInt8], categoryColumns: [String]? = nil) throws(ModelError) {
    guard bytes.count <= ModelLimits.byteCount else {
      throw ModelError(
        code: .limitExceeded,
        context: "the model has \(bytes.count) bytes, the limit is \(ModelLimits.byteCount)")
    }
    var text = LightGBMText(bytes)
    let header = try LightGBMHeader(&text)
    objective = header.objective
    isAverage = header.isAverage
    var trees = TreeReader(header)
    try trees.readAll(&text)
    let trailer = try LightGBMTrailer(&text, featureNames: header.featureNames)
    ensemble = trees.ensemble
    let categorical = header.categoricalFeatures.union(trailer.categoricalFeatures)
      .union(trees.setFeatures)
    let tables = try Self.categoryTables(
      trailer.categories, names: header.featureNames, categorical: categorical,
      categoryColumns: categoryColumns)
    let used = ensemble.usedFeatures
    inputs = header.featureNames.enumerated().map { index, name in
      let isCategorical = categorical.contains(index) || tables[index] != nil
      return ModelInput(
        name: name, kind: isCategorical ? .categorical(tables[index]) : .numeric,
        isUsed: used.contains(index))
    }
  }

  /// Which feature each list of categories belongs to.
  private static func categoryTables(
    _ lists: [[Category]], names: [String], categorical: Set<Int>, categoryColumns: [String]?
  ) throws(ModelError) -> [Int: CategoryTable] {
    guard !lists.isEmpty else { return [:] }
    var features = categorical.sorted()
    if let categoryColumns {
      features = categoryColumns.compactMap { names.firstIndex(of: $0) }
      guard features.count == categoryColumns.count, Set(features).count == features.count else {
        throw ModelError(
          code: .columnsDiffer, context: "the category columns are not all features of the model")
      }
    }
    guard features.count == lists.count else {
      throw ModelError(
        code: .unsupported,
        context: """
          key pandas_categorical: \(lists.count) lists of categories for \(features.count) \
          categorical features: name the columns that were categories
          """)
    }
    return Dictionary(uniqueKeysWithValues: zip(features, lists.map { CategoryTable($0) }))
  }
}

/// Reads the trees of a model, one after the other.
private struct TreeReader {
  private(set) var ensemble: TreeEnsemble

  /// The features that categorical splits look at.
  private(set) var setFeatures: Set<Int> = []
  private let header: LightGBMHeader

  init(_ header: LightGBMHeader) {
    self.header = header
    ensemble = TreeEnsemble(
      featureCount: header.featureNames.count, outputCount: header.outputCount)
    ensemble.reading.isTinyZero = true
  }

  mutating func readAll(_ text: inout LightGBMText) throws(ModelError) {
    while let line = text.peekedLine() {
      guard line.starts(with: "Tree=".utf8) else {
        // Between trees, after a tree's own last empty line, stand empty lines only.
        guard line.isEmpty else { break }
        _ = text.nextLine()
        continue
      }
      _ = text.nextLine()
      try readTree(&text, number: ByteText.integer(line.dropFirst("Tree=".utf8.count)))
    }
    let count = ensemble.trees.count
    if let expected = header.treeCount, expected != count {
      throw ModelError(
        code: count < expected ? .truncated : .malformed,
        context: "line \(text.lineNumber): \(count) trees, key tree_sizes names \(expected)")
    }
    guard count.isMultiple(of: header.outputCount) else {
      throw ModelError(
        code: .malformed,
        context: "line \(text.lineNumber): \(count) trees for \(header.outputCount) outputs")
    }
  }

  private mutating func readTree(
    _ text: inout LightGBMText, number: Int?
  ) throws(ModelError) {
    let index = ensemble.trees.count
    guard number == index else {
      throw ModelError(
        code: .malformed, context: "line \(text.lineNumber), key Tree: expected \(index)")
    }
    let tree = try LightGBMTree(&text, tree: index, featureCount: header.featureNames.count)
    let size = ensemble.splits.count + ensemble.setWords.count + 3 * tree.leafCount
    guard size < ModelLimits.indexCount else {
      throw tree.error(
        "more than \(ModelLimits.indexCount) nodes or words", code: .limitExceeded)
    }
    let firstSet = ensemble.sets.count
    for set in tree.sets { _ = ensemble.appendSet(set) }
    let splits = tree.splits.map { split in
      if case .inSet = split.test { setFeatures.insert(Int(split.feature)) }
      return split.withSets(from: firstSet)
    }
    if let problem = TreeEnsemble.linkProblem(splits) { throw tree.error(problem) }
    ensemble.append(
      splits: splits, values: tree.leafValues, covers: tree.leafCovers,
      output: index % header.outputCount,
      linear: tree.linearLeaves.map { leaf in
        (
          leaf.constant,
          zip(leaf.features, leaf.coefficients).map {
            TreeEnsemble.LinearTerm(feature: $0, coefficient: $1)
          }
        )
      })
  }
}

extension TreeEnsemble.Split {
  /// The split with the indices of its tree's sets made indices of the ensemble's.
  fileprivate func withSets(from first: Int) -> TreeEnsemble.Split {
    guard case .inSet(let set, let missingGoesLeft) = test else { return self }
    var split = self
    split.test = .inSet(first + set, missingGoesLeft: missingGoesLeft)
    return split
  }
}
