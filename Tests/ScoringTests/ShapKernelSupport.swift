import CKernels
import Foundation

/// Trees over byte ranks, as ns_shap_create takes them.
struct ShapEnsemble: Sendable {
  var nodes: [ns_shap_node]
  var trees: [ns_shap_tree]
  var biases: [Double]
  var featureCount: Int
  var columnCount: Int

  var shape: ns_shap_shape {
    ns_shap_shape(
      node_count: UInt32(nodes.count), tree_count: UInt32(trees.count),
      output_count: UInt32(biases.count), feature_count: UInt32(featureCount),
      column_count: UInt32(columnCount))
  }

  /// The nodes of a tree; children are their indices.
  func nodes(of tree: ns_shap_tree) -> ArraySlice<ns_shap_node> {
    nodes[Int(tree.first_node)..<Int(tree.first_node + tree.node_count)]
  }

  /// The sum of the leaves that a row reaches, and the bias.
  func score(_ ranks: [UInt8], output: Int) -> Double {
    var score = biases[output]
    for tree in trees where tree.output == output {
      let nodes = Array(nodes(of: tree))
      var node = nodes[0]
      while node.left != 0 { node = nodes[Int(node.goesLeft(ranks) ? node.left : node.right)] }
      score += node.value
    }
    return score
  }
}

extension ns_shap_node {
  static func leaf(cover: Double, value: Double) -> ns_shap_node {
    ns_shap_node(cover: cover, value: value, left: 0, right: 0, column: 0, feature: 0, rank: 0)
  }

  static func split(
    cover: Double, left: UInt32, right: UInt32, column: UInt32, feature: UInt32, rank: UInt32
  ) -> ns_shap_node {
    ns_shap_node(
      cover: cover, value: 0, left: left, right: right, column: column, feature: feature,
      rank: rank)
  }

  func goesLeft(_ ranks: [UInt8]) -> Bool { ranks[Int(column)] <= UInt8(rank) }
}

extension ShapEnsemble {
  /// Contributions by the definition: a sum over the sizes of the sets of known features.
  ///
  /// For each leaf and feature, the polynomial whose coefficient s is the weight of the sets of s
  /// other features, each multiplied by s! (d - 1 - s)! / d!. All terms are positive.
  func definition(_ ranks: [UInt8]) -> [Double] {
    var result = Array(repeating: 0.0, count: biases.count * (featureCount + 1))
    for output in biases.indices {
      result[output * (featureCount + 1) + featureCount] = biases[output]
    }
    for tree in trees {
      let first = Int(tree.output) * (featureCount + 1)
      let nodes = Array(nodes(of: tree))
      var open: [(node: Int, path: [Element])] = [(0, [])]
      while let (index, path) = open.popLast() {
        let node = nodes[index]
        guard node.left != 0 else {
          add(node.value, path, to: &result[first..<(first + featureCount + 1)])
          continue
        }
        let sum = nodes[Int(node.left)].cover + nodes[Int(node.right)].cover
        for (child, isLeft) in [(Int(node.left), true), (Int(node.right), false)] {
          let passes = node.goesLeft(ranks) == isLeft
          open.append(
            (child, path.merging(Int(node.feature), nodes[child].cover / sum, passes ? 1 : 0)))
        }
      }
    }
    return result
  }

  private func add(_ value: Double, _ path: [Element], to result: inout ArraySlice<Double>) {
    result[result.startIndex + featureCount] += path.reduce(value) { $0 * $1.zero }
    guard value != 0 else { return }
    for (index, element) in path.enumerated() {
      var sizes = [1.0]
      for (other, factor) in path.enumerated() where other != index {
        sizes.append(0)
        for size in sizes.indices.reversed() {
          sizes[size] = sizes[size] * factor.zero + (size > 0 ? sizes[size - 1] * factor.one : 0)
        }
      }
      var weight = 1 / Double(path.count)  // 0! (d - 1)! / d!
      var sum = 0.0
      for size in sizes.indices {
        sum += sizes[size] * weight
        weight *= Double(size + 1) / Double(max(1, path.count - 1 - size))
      }
      result[result.startIndex + element.feature] += (element.one - element.zero) * sum * value
    }
  }

  /// A feature on the way to a leaf: the part of the cover that passes its tests, and whether the
  /// row does.
  fileprivate struct Element {
    var feature: Int
    var zero: Double
    var one: Double
  }
}

extension [ShapEnsemble.Element] {
  fileprivate func merging(_ feature: Int, _ zero: Double, _ one: Double) -> Self {
    var merged = self
    if let index = firstIndex(where: { $0.feature == feature }) {
      merged[index].zero *= zero
      merged[index].one *= one
    } else {
      merged.append(.init(feature: feature, zero: zero, one: one))
    }
    return merged
  }
}

extension ShapEnsemble {
  /// A few trees of random shape; features have up to three columns and come again on a path, and
  /// covers are from ordinary to tiny and zero.
  static func random(using random: inout SplitMix) -> ShapEnsemble {
    let featureCount = Int.random(in: 1...12, using: &random)
    var ensemble = ShapEnsemble(
      nodes: [], trees: [], biases: [0.5, -3], featureCount: featureCount,
      columnCount: featureCount * 3)
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let first = ensemble.nodes.count
      ensemble.nodes.append(.leaf(cover: 1000, value: 1))
      for _ in 0..<Int.random(in: 0...24, using: &random) {
        ensemble.splitLeaf(from: first, using: &random)
      }
      ensemble.trees.append(
        ns_shap_tree(
          first_node: UInt32(first), node_count: UInt32(ensemble.nodes.count - first),
          output: UInt32.random(in: 0...1, using: &random)))
    }
    return ensemble
  }

  private mutating func splitLeaf(from first: Int, using random: inout SplitMix) {
    let leaves = nodes.indices.filter { $0 >= first && nodes[$0].left == 0 && nodes[$0].cover > 0 }
    guard let index = leaves.randomElement(using: &random) else { return }
    let shares = [0, 1e-9, 1e-3, 0.1, 0.3, 0.5, 0.5, 0.7, 0.9, 1 - 1e-9, 1]
    let cover = nodes[index].cover
    let left = cover * (shares.randomElement(using: &random) ?? 0)
    let feature = UInt32.random(in: 0..<UInt32(featureCount), using: &random)
    let count = UInt32(nodes.count - first)
    nodes[index] = .split(
      cover: cover, left: count, right: count + 1,
      column: feature * 3 + UInt32.random(in: 0...2, using: &random), feature: feature,
      rank: [0, 1, 100, 127, 128, 254].randomElement(using: &random) ?? 0)
    nodes.append(.leaf(cover: left, value: Double.random(in: -1...1, using: &random)))
    nodes.append(.leaf(cover: cover - left, value: Double.random(in: -1...1, using: &random)))
  }

  func randomRows(count: Int, using random: inout SplitMix) -> [[UInt8]] {
    (0..<count).map { _ in
      (0..<columnCount).map { _ in [0, 1, 2, 100, 128, 255].randomElement(using: &random) ?? 0 }
    }
  }

  /// Changes one number somewhere.
  mutating func damage(using random: inout SplitMix) {
    let index = Int.random(in: nodes.indices, using: &random)
    let number =
      [0, 1, 2, 3, 255, 256, .max, UInt32(nodes.count)].randomElement(using: &random) ?? 0
    let real =
      [0, -1, .nan, .infinity, 1e300, .leastNonzeroMagnitude, 1].randomElement(using: &random) ?? 0
    switch Int.random(in: 0..<10, using: &random) {
    case 0: nodes[index].left = number
    case 1: nodes[index].right = number
    case 2: nodes[index].column = number
    case 3: nodes[index].feature = number
    case 4: nodes[index].rank = number
    case 5: nodes[index].cover = real
    case 6: nodes[index].value = real
    case 7: trees[0].first_node = number
    case 8: trees[0].node_count = number
    default: trees[0].output = number
    }
  }

  /// One path through as many splits as `depth` says, each of the next feature; all leaves but the
  /// last are zero.
  static func chain(featureCount: Int, depth: Int? = nil) -> ShapEnsemble {
    var nodes: [ns_shap_node] = []
    var cover = 1.0
    for index in 0..<(depth ?? featureCount) {
      let feature = UInt32(index % featureCount)
      let rest = UInt32(nodes.count + 2)
      nodes.append(
        .split(
          cover: cover, left: rest, right: rest - 1, column: feature, feature: feature, rank: 0))
      cover *= 0.999
      nodes.append(.leaf(cover: cover / 0.999 - cover, value: 0))
    }
    nodes.append(.leaf(cover: cover, value: 1))
    return ShapEnsemble(
      nodes: nodes,
      trees: [ns_shap_tree(first_node: 0, node_count: UInt32(nodes.count), output: 0)],
      biases: [0], featureCount: featureCount, columnCount: featureCount)
  }
}

/// Why ns_shap_create made nothing.
struct ShapRefusal: Error {
  let status: UInt32
}

/// Owns an ns_shap.
@safe final class ShapExplainer {
  private let raw: OpaquePointer
  private let ensemble: ShapEnsemble

  init(_ ensemble: ShapEnsemble) throws(ShapRefusal) {
    var failure = ns_shap_failure()
    let made = unsafe ns_shap_create(
      ensemble.nodes, ensemble.trees, ensemble.shape, ensemble.biases, &failure)
    guard let made = unsafe made else { throw ShapRefusal(status: failure.status.rawValue) }
    unsafe raw = made
    self.ensemble = ensemble
  }

  deinit { unsafe ns_shap_free(raw) }

  var byteCount: Int { unsafe ns_shap_byte_count(raw) }

  func expected(_ output: Int) -> Double { unsafe ns_shap_expected(raw, UInt32(output)) }

  /// Contributions row by row, output by output.
  func contributions(
    _ rows: [[UInt8]], isa: ns_isa = ns_isa_best(), outputs: Range<Int>? = nil
  ) -> [[Double]] {
    let outputs = outputs ?? ensemble.biases.indices
    let scratch = UnsafeMutableRawBufferPointer.allocate(
      byteCount: unsafe ns_shap_scratch_byte_count(raw), alignment: 64)
    defer { unsafe scratch.deallocate() }
    guard let room = scratch.baseAddress else { return [] }
    var result: [[Double]] = []
    let height = Int(NS_SHAP_ROWS)
    let width = outputs.count * (ensemble.featureCount + 1)
    for first in stride(from: 0, to: rows.count, by: height) {
      let part = rows[first..<min(rows.count, first + height)]
      var columns = Array(repeating: UInt8(0), count: ensemble.columnCount * height)
      for (row, ranks) in part.enumerated() {
        for (column, rank) in ranks.enumerated() { columns[column * height + row] = rank }
      }
      var block = Array(repeating: Double.nan, count: width * height)
      unsafe ns_shap_run(
        raw, isa, columns, UInt32(part.count), UInt32(outputs.lowerBound), UInt32(outputs.count),
        &block, room)
      result += part.indices.map { row in
        (0..<width).map { block[$0 * height + row - first] }
      }
    }
    return result
  }
}

/// A fixture of Tests/Fixtures/make_shap.py, which describes the format.
struct ShapFixture {
  let ensemble: ShapEnsemble
  let rows: [[UInt8]]
  let expected: [[Double]]

  init(named name: String) throws {
    let file = Fixture.folder.appending(path: "shap/\(name).txt")
    let text = try String(contentsOf: file, encoding: .utf8)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let counts = Self.numbers(lines[1]).map { Int($0) }
    let trees = 3, nodes = trees + counts[1], ranks = nodes + counts[0], values = ranks + counts[5]
    ensemble = ShapEnsemble(
      nodes: lines[nodes..<ranks].map { line in
        let n = Self.numbers(line)
        return ns_shap_node(
          cover: n[0], value: n[1], left: UInt32(n[2]), right: UInt32(n[3]), column: UInt32(n[4]),
          feature: UInt32(n[5]), rank: UInt32(n[6]))
      },
      trees: lines[trees..<nodes].map { line in
        let n = Self.numbers(line).map { UInt32($0) }
        return ns_shap_tree(first_node: n[0], node_count: n[1], output: n[2])
      }, biases: Self.numbers(lines[2]), featureCount: counts[3], columnCount: counts[4])
    rows = lines[ranks..<values].map { Self.bytes($0) }
    expected = lines[values..<(values + counts[5])].map { Self.numbers($0) }
  }

  private static func numbers(_ line: Substring) -> [Double] {
    line.split(separator: " ").map { Double($0) ?? .nan }
  }

  private static func bytes(_ line: Substring) -> [UInt8] {
    let digits = line.utf8.map { $0 < 58 ? $0 - 48 : $0 - 87 }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}
