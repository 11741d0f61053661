internal import CKernels
internal import Models

/// What each feature contributes to the sums of an ensemble: exact TreeSHAP.
///
/// Equal to LightGBM's `predict(pred_contrib=True)` and XGBoost's `predict(pred_contribs=True)` up
/// to rounding; see `ns_shap.h`.
@safe final class TreeExplainer: Sendable {
  private static let rowCount = Int(NS_SHAP_ROWS)

  private let featureCount: Int
  private let outputCount: Int
  private let numericColumnCount: Int
  private let setColumnCount: Int
  private let instructions: InstructionSet
  private let scratchByteCount: Int
  // Made once, freed in deinit, and only read by the kernels in between.
  nonisolated(unsafe) private let ranker: OpaquePointer
  nonisolated(unsafe) private let shap: OpaquePointer

  /// Whether an ensemble says enough to be explained.
  static func explains(_ ensemble: TreeEnsemble) -> Bool {
    ensemble.hasCovers && ensemble.linearLeaves.isEmpty
  }

  /// Prepares the trees of an ensemble.
  ///
  /// - Throws: `ModelError` naming the tree whose covers or shape cannot be explained.
  init(_ ensemble: TreeEnsemble, instructions: InstructionSet) throws(ModelError) {
    guard Self.explains(ensemble), let columns = RankColumns(ensemble) else {
      throw ModelError(code: .unsupported, context: "these trees cannot be explained")
    }
    featureCount = ensemble.featureCount
    outputCount = ensemble.outputCount
    numericColumnCount = columns.numeric.count
    setColumnCount = columns.sets.count
    self.instructions = instructions
    let (nodes, trees) = Self.nodes(of: ensemble, columns)
    var failure = ns_shap_failure()
    let shape = ns_shap_shape(
      node_count: UInt32(nodes.count), tree_count: UInt32(trees.count),
      output_count: UInt32(outputCount), feature_count: UInt32(featureCount),
      column_count: UInt32(numericColumnCount + setColumnCount))
    guard let shap = unsafe ns_shap_create(nodes, trees, shape, ensemble.base, &failure) else {
      throw Self.error(failure, treeWidth: ensemble.leafWidth)
    }
    unsafe self.shap = shap
    scratchByteCount = unsafe ns_shap_scratch_byte_count(shap)
    guard
      let ranker = unsafe ns_forest_ranker_create(
        instructions.raw, columns.all, columns.all.count, columns.thresholds, columns.words,
        ensemble.reading.isFloat32 ? 1 : 0)
    else {
      unsafe ns_shap_free(shap)
      throw ModelError(code: .limitExceeded, context: "no memory to explain the model's trees")
    }
    unsafe self.ranker = ranker
  }

  deinit {
    unsafe ns_forest_ranker_destroy(ranker)
    unsafe ns_shap_free(shap)
  }

  /// The splits and leaves of all trees; a tree whose leaves are vectors comes once for each output.
  private static func nodes(
    of ensemble: TreeEnsemble, _ columns: RankColumns
  ) -> ([ns_shap_node], [ns_shap_tree]) {
    let firstSet = UInt32(columns.numeric.count)
    var nodes: [ns_shap_node] = []
    var trees: [ns_shap_tree] = []
    for tree in ensemble.trees {
      for element in 0..<ensemble.leafWidth {
        trees.append(
          ns_shap_tree(
            first_node: UInt32(nodes.count),
            node_count: UInt32(tree.splits.count + tree.leaves.count),
            output: UInt32(tree.output + element)))
        for index in tree.splits {
          let (split, node) = (ensemble.splits[index], columns.nodes[index])
          // The columns of sets come after those of numbers, as bytes too.
          let isSet = node.column & NS_FOREST_SET != 0
          let column = isSet ? firstSet + (node.column ^ NS_FOREST_SET) : node.column
          func place(_ child: Int32) -> UInt32 {
            child >= 0 ? UInt32(child) : UInt32(tree.splits.count + Int(~child))
          }
          nodes.append(
            ns_shap_node(
              cover: split.cover, value: 0, left: place(split.left), right: place(split.right),
              column: column, feature: UInt32(split.feature), rank: node.threshold))
        }
        for leaf in tree.leaves {
          nodes.append(
            ns_shap_node(
              cover: ensemble.leafCovers[leaf],
              value: ensemble.leafValues[leaf * ensemble.leafWidth + element], left: 0, right: 0,
              column: 0, feature: 0, rank: 0))
        }
      }
    }
    return (nodes, trees)
  }

  private static func error(_ failure: ns_shap_failure, treeWidth: Int) -> ModelError {
    let place = "tree \(Int(failure.tree) / treeWidth), node \(failure.node)"
    switch failure.status {
    case ns_shap_bad_cover:
      return ModelError(
        code: .unsupported,
        context: "generateExplanation: \(place): its training rows are not those of its children")
    case ns_shap_too_deep:
      return ModelError(
        code: .limitExceeded,
        context: """
          generateExplanation: \(place): deeper than \(NS_SHAP_DEPTH_LIMIT) splits or \
          \(NS_SHAP_FEATURE_LIMIT) features
          """)
    case ns_shap_no_memory:
      return ModelError(code: .limitExceeded, context: "no memory to explain the model's trees")
    default:
      return ModelError(code: .malformed, context: "generateExplanation: \(place) is not sound")
    }
  }

  /// Contributions for some rows, row after row; see `Scorer.explain`.
  func explain(
    _ tile: FeatureTile, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    guard let features = unsafe tile.numbers.baseAddress else { return }
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let width = outputCount * (featureCount + 1)
    let block = unsafe scratch.reserve(Double.self, count: featureCount * Self.rowCount)
    let columnCount = numericColumnCount + setColumnCount
    let ranks = unsafe scratch.reserve(UInt8.self, count: columnCount * Self.rowCount)
    let sets = unsafe scratch.reserve(
      UInt8.self, count: setColumnCount * Int(NS_FOREST_MASK_BYTES))
    let contributions = unsafe scratch.reserve(Double.self, count: width * Self.rowCount)
    let memory = unsafe scratch.reserve(byteCount: scratchByteCount)
    var start = 0
    let rowCount = unsafe tile.rowCount
    while start < rowCount {
      let count = min(Self.rowCount, rowCount - start)
      for feature in 0..<featureCount {
        let column = unsafe block + feature * Self.rowCount
        unsafe column.update(from: features + feature * tile.stride + start, count: count)
        unsafe (column + count).update(repeating: 0, count: Self.rowCount - count)
      }
      unsafe ns_forest_rank_f64(ranker, block, Self.rowCount, ranks, sets)
      unsafe ns_forest_expand_sets(
        sets, setColumnCount, ranks + numericColumnCount * Self.rowCount)
      unsafe ns_shap_run(
        shap, instructions.raw, ranks, UInt32(count), 0, UInt32(outputCount), contributions,
        memory)
      for element in 0..<width {
        let column = unsafe contributions + element * Self.rowCount
        for row in 0..<count { unsafe output[(start + row) * width + element] = column[row] }
      }
      start += count
    }
  }
}
