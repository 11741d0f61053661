/// A tree ensemble, ready to score rows.
///
/// Immutable: any number of threads may score with it, each with a scratch of its own.
package struct Model: Sendable {
  /// What it wants to be given, in the order of its features.
  package let inputs: [ModelInput]

  /// How many numbers it gives for a row: the number of classes, or 1.
  package let outputCount: Int

  /// LightGBM's name of what it was trained for; `custom` if it has none.
  package var objective: String { link.name }

  /// How many trees it has.
  package var treeCount: Int { forest.trees.count }

  let forest: Forest
  let link: Objective

  /// Whether predictions, not raw scores, are means over the iterations instead of sums.
  let isAverage: Bool

  /// Reads a model as LightGBM 2 to 4 save it.
  ///
  /// Nothing in the text is trusted: sizes are checked before memory is taken, links are checked to
  /// form trees, and every index to be in range.
  ///
  /// - Parameters:
  ///   - bytes: the whole text; not kept.
  ///   - categoryColumns: the columns that were pandas categories in training, in the order of the
  ///     features. Needed only where the model cannot tell: if it was trained with ordered
  ///     categories, or with numbers as categorical features beside pandas categories.
  /// - Throws: `ModelError` naming the line, tree and key.
  package init(
    lightGBM bytes: UnsafeRawBufferPointer, categoryColumns: [String]? = nil
  ) throws(ModelError) {
    guard bytes.count <= ModelLimits.byteCount else {
      throw ModelError(
        code: .limitExceeded,
        context: "the model has \(bytes.count) bytes, the limit is \(ModelLimits.byteCount)")
    }
    try self.init(lightGBM: unsafe Array(bytes), categoryColumns: categoryColumns)
  }

  /// Reads a model as LightGBM 2 to 4 save it, from an array.
  ///
  /// - Throws: `ModelError` naming the line, tree and key.
  package init(lightGBM bytes: [UInt8], categoryColumns: [String]? = nil) throws(ModelError) {
    guard bytes.count <= ModelLimits.byteCount else {
      throw ModelError(
        code: .limitExceeded,
        context: "the model has \(bytes.count) bytes, the limit is \(ModelLimits.byteCount)")
    }
    var text = ModelText(bytes)
    let header = try ModelHeader(&text)
    outputCount = header.outputCount
    link = header.objective
    isAverage = header.isAverage
    var trees = TreeReader(header)
    try trees.readAll(&text)
    let trailer = try ModelTrailer(&text, featureNames: header.featureNames)
    forest = trees.forest
    let categorical = header.categoricalFeatures.union(trailer.categoricalFeatures)
      .union(trees.setFeatures)
    let tables = try Self.categoryTables(
      trailer.categories, names: header.featureNames, categorical: categorical,
      categoryColumns: categoryColumns)
    let used = forest.usedFeatures
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
  var forest = Forest()

  /// The features that categorical splits look at.
  private(set) var setFeatures: Set<Int> = []
  private let header: ModelHeader

  init(_ header: ModelHeader) {
    self.header = header
  }

  mutating func readAll(_ text: inout ModelText) throws(ModelError) {
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
    let count = forest.trees.count
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
    forest.finish()
  }

  private mutating func readTree(
    _ text: inout ModelText, number: Int?
  ) throws(ModelError) {
    let index = forest.trees.count
    guard number == index else {
      throw ModelError(
        code: .malformed, context: "line \(text.lineNumber), key Tree: expected \(index)")
    }
    let tree = try TreeText(&text, tree: index, featureCount: header.featureNames.count)
    try forest.append(tree)
    for split in tree.splits {
      if case .set = split.test { setFeatures.insert(split.feature) }
    }
  }
}
