internal import CKernels

/// What scores are wanted.
package enum ScoreMode: Sendable {
  /// Sums over the trees, as LightGBM's `predict(raw_score=True)` gives them.
  case raw
  /// Predictions: what the objective makes of the sums, as LightGBM's `predict` gives them.
  case transformed
}

/// Memory that scoring needs besides the model; one for each thread, kept between calls.
package struct ScoringScratch {
  /// Cells of one tile, column after column; the first column is NaN.
  var cells: [Double] = []

  /// Sums of one tile, output after output.
  var sums: [Double] = []

  /// Leaves reached in a linear tree.
  var leaves: [Double] = []

  package init() {}

  /// Grows to what the model needs and puts numbers in every cell, as a last, short tile leaves
  /// cells after its rows as they are.
  fileprivate mutating func prepare(_ model: Model) {
    let rowCount = model.forest.tileRowCount
    let cellCount = (model.forest.columns.count + 1) * rowCount
    if cells.count < cellCount { cells = Array(repeating: 0, count: cellCount) }
    for row in 0..<rowCount { cells[row] = .nan }
    if sums.count < model.outputCount * rowCount {
      sums = Array(repeating: 0, count: model.outputCount * rowCount)
    }
    if leaves.count < rowCount { leaves = Array(repeating: 0, count: rowCount) }
  }
}

extension Model {
  /// Scores rows.
  ///
  /// Equal to LightGBM 4.6.0 bit for bit: trees are added in the library's order, each row for
  /// itself, so that a row's scores do not depend on the rows beside it. Links go through the same
  /// functions of the C library in the same order.
  ///
  /// - Parameters:
  ///   - features: `inputs.count` columns of doubles, `features[feature * stride + row]`; NaN is a
  ///     missing value, categories are their codes. Inputs that are not used may hold anything.
  ///   - stride: from one column to the next, at least `rowCount`.
  ///   - rowCount: how many rows; any number.
  ///   - mode: raw sums or predictions.
  ///   - output: `rowCount * outputCount` doubles, row after row.
  ///   - scratch: memory that may be used again for the next call, with any model.
  package func score(
    features: UnsafeBufferPointer<Double>, stride: Int, rowCount: Int, mode: ScoreMode,
    into output: UnsafeMutableBufferPointer<Double>, scratch: inout ScoringScratch
  ) {
    guard rowCount > 0 else { return }
    precondition(stride >= rowCount)
    precondition(features.count >= (inputs.count - 1) * stride + rowCount)
    precondition(output.count >= rowCount * outputCount)
    scratch.prepare(self)
    var start = 0
    while start < rowCount {
      let count = min(forest.tileRowCount, rowCount - start)
      unsafe fillCells(
        features: features, stride: stride, start: start, count: count, scratch: &scratch)
      addTrees(rowCount: (count + 7) & ~7, scratch: &scratch)
      let tile = start * outputCount..<(start + count) * outputCount
      unsafe finish(
        sums: scratch.sums, mode: mode,
        into: UnsafeMutableBufferPointer(rebasing: output[tile]))
      start += count
    }
  }

  private func fillCells(
    features: UnsafeBufferPointer<Double>, stride: Int, start: Int, count: Int,
    scratch: inout ScoringScratch
  ) {
    unsafe scratch.cells.withUnsafeMutableBufferPointer { cells in
      for (index, column) in forest.columns.enumerated() {
        let source = column.feature * stride + start
        let target = (index + 1) * forest.tileRowCount
        guard let features = features.baseAddress, let cells = cells.baseAddress
        else { return }
        unsafe trees_fill(
          trees_policy(column.policy), features + source, cells + target, UInt32(count))
      }
    }
  }

  /// Sums the trees for one tile into `scratch.sums`, `sums[output * tileRowCount + row]`.
  private func addTrees(rowCount: Int, scratch: inout ScoringScratch) {
    let tileRowCount = forest.tileRowCount
    for index in 0..<outputCount * tileRowCount { scratch.sums[index] = 0 }
    unsafe scratch.cells.withUnsafeBufferPointer { cells in
      unsafe scratch.leaves.withUnsafeMutableBufferPointer { leaves in
        unsafe scratch.sums.withUnsafeMutableBufferPointer { sums in
          guard let sums = sums.baseAddress, let leaves = leaves.baseAddress,
            let cells = cells.baseAddress
          else { return }
          for (index, tree) in forest.trees.enumerated() {
            let target = unsafe sums + index % outputCount * tileRowCount
            if tree.isLinear {
              unsafe leaves.update(repeating: 0, count: rowCount)
              unsafe walk(tree, cells: cells, rowCount: rowCount, into: leaves)
              unsafe addLinear(leaves: leaves, cells: cells, rowCount: rowCount, to: target)
            } else {
              unsafe walk(tree, cells: cells, rowCount: rowCount, into: target)
            }
          }
        }
      }
    }
  }

  private func walk(
    _ tree: Forest.Tree, cells: UnsafePointer<Double>, rowCount: Int,
    into sums: UnsafeMutablePointer<Double>
  ) {
    if tree.hasSets {
      unsafe forest.words.withUnsafeBufferPointer { words in
        unsafe forest.setNodes.withUnsafeBufferPointer { nodes in
          guard let words = words.baseAddress, let nodes = nodes.baseAddress else {
            return
          }
          unsafe trees_sum_sets(
            nodes + tree.root, words, tree.stepCount, cells, UInt32(rowCount), sums)
        }
      }
    } else {
      unsafe forest.nodes.withUnsafeBufferPointer { nodes in
        guard let nodes = nodes.baseAddress else { return }
        unsafe trees_sum(nodes + tree.root, tree.stepCount, cells, UInt32(rowCount), sums)
      }
    }
  }

  /// Adds what the linear models of the leaves give.
  ///
  /// In the order of `Tree::Predict` of LightGBM's tree.h; a missing value of any of its features
  /// makes the leaf fall back on its constant value.
  private func addLinear(
    leaves: UnsafePointer<Double>, cells: UnsafePointer<Double>, rowCount: Int,
    to sums: UnsafeMutablePointer<Double>
  ) {
    for row in 0..<rowCount {
      let leaf = unsafe forest.linearLeaves[Int(leaves[row])]
      var value = leaf.constant
      for index in leaf.terms {
        let term = forest.linearTerms[index]
        let cell = unsafe cells[term.column + row]
        if cell.isNaN {
          value = leaf.fallback
          break
        }
        value += term.coefficient * cell
      }
      unsafe sums[row] += value
    }
  }

  /// Puts one tile's sums in rows and applies the link.
  private func finish(
    sums: [Double], mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>
  ) {
    let rowCount = output.count / outputCount
    for index in 0..<outputCount {
      let source = index * forest.tileRowCount
      for row in 0..<rowCount { unsafe output[row * outputCount + index] = sums[source + row] }
    }
    guard mode == .transformed else { return }
    if isAverage {
      let iterationCount = Double(treeCount / outputCount)
      for index in output.indices { unsafe output[index] /= iterationCount }
    }
    for row in 0..<rowCount {
      let scores = row * outputCount..<(row + 1) * outputCount
      unsafe link.transform(UnsafeMutableBufferPointer(rebasing: output[scores]))
    }
  }
}
