internal import CKernels
internal import Models

extension WalkForest {
  /// Adds the trees for up to `tileRowCount` rows.
  ///
  /// - Parameters:
  ///   - features: column-major, `features[feature * stride + row]`.
  ///   - stride: from one feature to the next.
  ///   - rowCount: at most `tileRowCount`.
  ///   - sums: `sums[output * tileRowCount + row]`, added to; up to the next multiple of eight rows.
  ///   - scratch: memory that may be used again.
  func add(
    features: UnsafePointer<Double>, stride: Int, rowCount: Int,
    to sums: UnsafeMutablePointer<Double>, scratch: inout ScoringScratch
  ) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let cells = unsafe scratch.reserve(Double.self, count: (columns.count + 1) * tileRowCount)
    let leaves = unsafe scratch.reserve(Double.self, count: tileRowCount)
    unsafe fill(cells, features: features, stride: stride, rowCount: rowCount)
    let walkedCount = (rowCount + 7) & ~7
    for tree in trees {
      let target = unsafe sums + tree.output * tileRowCount
      if tree.isLinear {
        unsafe leaves.update(repeating: 0, count: walkedCount)
        unsafe walk(tree, cells: cells, rowCount: walkedCount, into: leaves)
        unsafe addLinear(leaves: leaves, cells: cells, rowCount: walkedCount, to: target)
      } else {
        unsafe walk(tree, cells: cells, rowCount: walkedCount, into: target)
      }
      // The sum of two floats, exact in double or nearly, rounds to the float it would have been.
      if sumsAreFloats {
        for row in 0..<walkedCount { unsafe target[row] = Double(Float(target[row])) }
      }
    }
  }

  /// Makes cells of features; rows past the last get numbers too, because they are walked.
  private func fill(
    _ cells: UnsafeMutablePointer<Double>, features: UnsafePointer<Double>, stride: Int,
    rowCount: Int
  ) {
    unsafe cells.update(repeating: .nan, count: tileRowCount)
    for (index, column) in columns.enumerated() {
      let target = unsafe cells + (index + 1) * tileRowCount
      unsafe trees_fill(
        trees_policy(column.policy), reading.isTinyZero, reading.isFloat32,
        features + column.feature * stride, target, UInt32(rowCount))
      unsafe (target + rowCount).update(repeating: 0, count: tileRowCount - rowCount)
    }
  }

  private func walk(
    _ tree: Tree, cells: UnsafePointer<Double>, rowCount: Int,
    into sums: UnsafeMutablePointer<Double>
  ) {
    if tree.hasSets {
      unsafe words.withUnsafeBufferPointer { words in
        unsafe setNodes.withUnsafeBufferPointer { nodes in
          guard let words = words.baseAddress, let nodes = nodes.baseAddress else { return }
          unsafe trees_sum_sets(
            nodes + tree.root, words, tree.stepCount, cells, UInt32(rowCount), sums)
        }
      }
    } else {
      unsafe nodes.withUnsafeBufferPointer { nodes in
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
      let leaf = unsafe linearLeaves[Int(leaves[row])]
      var value = leaf.constant
      for index in leaf.terms {
        let term = linearTerms[index]
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
}
