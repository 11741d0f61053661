internal import CKernels
internal import Models

/// Trees that add one value to each sum: the same kernels as for models of trees alone.
struct ForestStep: GraphStep {
  let scorer: TreeScorer
  let inputs: [Cell]
  let storage: CellStorage
  let outputs: [Cell]
  /// What the sums are divided by and what is added to them, in the type of the results.
  let divisor: Double
  let base: [Double]
  let isFloat: Bool

  var reads: [Cell] { inputs }
  var writes: [Cell] { outputs }
  var name: String {
    "\(scorer.summary["trees"]) trees: \(scorer.summary.kernels.joined(separator: ", "))"
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let (count, stride) = unsafe (frame.rowCount, frame.tileRowCount)
    let features = unsafe scratch.reserve(Double.self, count: max(1, inputs.count) * stride)
    for (index, cell) in inputs.enumerated() {
      let to = unsafe features + index * stride
      switch storage {
      case .float:
        let from = unsafe frame.floats(cell)
        for row in 0..<count { unsafe to[row] = Double(from[row]) }
      case .double: unsafe to.update(from: frame.doubles(cell), count: count)
      case .integer, .text, .code: preconditionFailure("not a number with a fraction")
      }
    }
    let width = outputs.count
    let sums = unsafe scratch.reserve(Double.self, count: width * count)
    let tile = unsafe FeatureTile(
      numbers: UnsafeBufferPointer(start: features, count: max(1, inputs.count) * stride),
      stride: stride, rowCount: count)
    unsafe scorer.score(
      tile, mode: .raw, into: UnsafeMutableBufferPointer(start: sums, count: width * count),
      scratch: &scratch)
    for (index, cell) in outputs.enumerated() {
      let to = unsafe frame.floats(cell)
      for row in 0..<count {
        let sum = unsafe sums[row * width + index]
        unsafe to[row] = TreeSums.finished(sum, divisor, base[index], isFloat: isFloat)
      }
    }
  }
}

/// How the sum over trees becomes a score.
enum TreeSums {
  /// sum / divisor + base, each rounded to a float where that is the type.
  @inline(__always)
  static func finished(
    _ sum: Double, _ divisor: Double, _ base: Double, isFloat: Bool
  ) -> Float {
    guard isFloat else { return Float((divisor == 1 ? sum : sum / divisor) + base) }
    let mean = divisor == 1 ? Float(sum) : Float(sum) / Float(divisor)
    return mean + Float(base)
  }
}

/// Trees of any kind, walked row by row: leaves with several values, equality, sets of numbers.
struct WalkStep: GraphStep {
  let nodes: [WalkNode]
  let members: [Double]
  let weights: [WalkWeight]
  /// Where the weights of each leaf lie.
  let leaves: [Range<Int32>]
  let roots: [Int32]
  let inputs: [Cell]
  let storage: CellStorage
  let outputs: [Cell]
  let aggregate: Aggregate
  let divisor: Double
  let base: [Double]
  let isFloat: Bool

  enum Aggregate: Sendable { case sum, least, greatest }

  var reads: [Cell] { inputs }
  var writes: [Cell] { outputs }
  var name: String { "\(roots.count) trees: row by row from node to node" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let (count, width) = unsafe (frame.rowCount, inputs.count)
    let rows = unsafe scratch.reserve(Double.self, count: max(1, width) * count)
    for (index, cell) in inputs.enumerated() {
      switch storage {
      case .float:
        let from = unsafe frame.floats(cell)
        for row in 0..<count { unsafe rows[row * width + index] = Double(from[row]) }
      case .double:
        let from = unsafe frame.doubles(cell)
        for row in 0..<count { unsafe rows[row * width + index] = from[row] }
      case .integer, .text, .code: preconditionFailure("not a number with a fraction")
      }
    }
    let sums = unsafe scratch.reserve(Double.self, count: outputs.count * count)
    let start: Double =
      switch aggregate {
      case .sum: 0
      case .least: .infinity
      case .greatest: -.infinity
      }
    unsafe sums.update(repeating: start, count: outputs.count * count)
    unsafe walk(rows, width, count, sums)
    for (index, cell) in outputs.enumerated() {
      let to = unsafe frame.floats(cell)
      for row in 0..<count {
        var sum = unsafe sums[row * outputs.count + index]
        // No tree said anything about this target.
        if aggregate != .sum, sum == start { sum = 0 }
        unsafe to[row] = TreeSums.finished(sum, divisor, base[index], isFloat: isFloat)
      }
    }
  }

  private func walk(
    _ rows: UnsafeMutablePointer<Double>, _ width: Int, _ count: Int,
    _ sums: UnsafeMutablePointer<Double>
  ) {
    unsafe nodes.withUnsafeBufferPointer { nodes in
      unsafe leaves.withUnsafeBufferPointer { leaves in
        unsafe weights.withUnsafeBufferPointer { weights in
          for root in roots {
            for row in 0..<count {
              var place = root
              while place >= 0 {
                let node = unsafe nodes[Int(place)]
                let value = unsafe rows[row * width + Int(node.feature)]
                place = isTrue(node, value) ? node.yes : node.no
              }
              let leaf = unsafe leaves[Int(~place)]
              for index in leaf {
                let weight = unsafe weights[Int(index)]
                unsafe add(weight.value, to: sums + row * outputs.count + Int(weight.target))
              }
            }
          }
        }
      }
    }
  }

  @inline(__always)
  private func isTrue(_ node: WalkNode, _ value: Double) -> Bool {
    if value.isNaN { return node.isMissingTrue || node.isTrueForNaN }
    switch node.kind {
    case 0: return value <= node.threshold
    case 1: return value < node.threshold
    case 2: return value >= node.threshold
    case 3: return value > node.threshold
    case 4: return value == node.threshold
    case 5: return value != node.threshold
    default:
      return members[Int(node.firstMember)..<Int(node.lastMember)].contains(value)
    }
  }

  @inline(__always)
  private func add(_ value: Double, to sum: UnsafeMutablePointer<Double>) {
    switch aggregate {
    case .sum:
      unsafe sum.pointee =
        isFloat ? Double(Float(sum.pointee) + Float(value)) : sum.pointee + value
    case .least: unsafe sum.pointee = min(sum.pointee, value)
    case .greatest: unsafe sum.pointee = max(sum.pointee, value)
    }
  }
}

/// A node of `WalkStep`.
struct WalkNode: Sendable {
  var threshold = 0.0
  var feature: Int32 = 0
  /// Nodes, or leaves as their complements.
  var yes: Int32 = 0
  var no: Int32 = 0
  /// The numbers to be found among, in `WalkStep.members`.
  var firstMember: Int32 = 0
  var lastMember: Int32 = 0
  /// The comparison, in the order in which the format numbers them.
  var kind: UInt8 = 0
  var isMissingTrue = false
  var isTrueForNaN = false
}

/// What a leaf of `WalkStep` adds to a sum.
struct WalkWeight: Sendable {
  let target: Int32
  let value: Double
}

extension WalkStep {
  /// Takes all trees of a table.
  init(
    _ table: TreeTable, features: [Int], inputs: [Cell], storage: CellStorage, outputs: [Cell],
    aggregate: Aggregate, divisor: Double, base: [Double], isFloat: Bool
  ) {
    var positions: [Int: Int32] = [:]
    for (position, feature) in features.enumerated() { positions[feature] = Int32(position) }
    var members: [Double] = []
    nodes = table.nodes.map { node in
      var walk = WalkNode()
      walk.feature = positions[node.feature] ?? 0
      walk.yes = Int32(node.yes)
      walk.no = Int32(node.no)
      walk.isMissingTrue = node.isMissingTrue
      switch node.test {
      case .atMost(let value): (walk.kind, walk.threshold) = (0, value)
      case .below(let value): (walk.kind, walk.threshold) = (1, value)
      case .atLeast(let value): (walk.kind, walk.threshold) = (2, value)
      case .above(let value): (walk.kind, walk.threshold) = (3, value)
      case .equal(let value): (walk.kind, walk.threshold) = (4, value)
      case .different(let value):
        (walk.kind, walk.threshold) = (5, value)
        walk.isTrueForNaN = true
      case .among(let values):
        walk.kind = 6
        walk.firstMember = Int32(members.count)
        members += values
        walk.lastMember = Int32(members.count)
      }
      return walk
    }
    self.members = members
    var weights: [WalkWeight] = []
    leaves = table.leaves.map { leaf in
      let start = Int32(weights.count)
      for weight in leaf {
        weights.append(WalkWeight(target: Int32(weight.target), value: weight.value))
      }
      return start..<Int32(weights.count)
    }
    self.weights = weights
    roots = table.trees.map { Int32($0.root) }
    self.inputs = inputs
    self.storage = storage
    self.outputs = outputs
    self.aggregate = aggregate
    self.divisor = divisor
    self.base = base
    self.isFloat = isFloat
  }
}
