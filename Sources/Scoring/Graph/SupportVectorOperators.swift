internal import CKernels
internal import Models

/// How two vectors are compared.
struct VectorKernel: Sendable {
  enum Kind: Sendable { case linear, polynomial, radial, sigmoid }

  let kind: Kind
  let gamma: Double
  let offset: Double
  let degree: Double

  init(_ node: ONNXNode, isLinear: Bool) throws(ModelError) {
    let parameters = try node.floats("kernel_params")
    guard parameters.isEmpty || parameters.count == 3 else {
      throw node.error(.malformed, "\(parameters.count) kernel_params")
    }
    gamma = Double(parameters.first ?? 0)
    offset = parameters.count == 3 ? Double(parameters[1]) : 0
    degree = parameters.count == 3 ? Double(parameters[2]) : 0
    switch isLinear ? "LINEAR" : try node.text("kernel_type", "LINEAR") {
    case "LINEAR": kind = .linear
    case "POLY": kind = .polynomial
    case "RBF": kind = .radial
    case "SIGMOID": kind = .sigmoid
    case let name: throw node.error(.malformed, "kernel_type \(name.prefix(100))")
    }
  }

  /// The kernel of each row with one vector.
  func apply(
    _ inputs: [Cell], _ vector: ArraySlice<Float>, _ frame: GraphFrame,
    into sums: UnsafeMutablePointer<Float>
  ) {
    let count = unsafe frame.rowCount
    unsafe sums.update(repeating: 0, count: count)
    for (cell, weight) in zip(inputs, vector) {
      let from = unsafe frame.floats(cell)
      if kind == .radial {
        for row in 0..<count {
          let difference = unsafe from[row] - weight
          unsafe sums[row] += difference * difference
        }
      } else {
        for row in 0..<count { unsafe sums[row] += from[row] * weight }
      }
    }
    switch kind {
    case .linear: break
    case .polynomial:
      for row in 0..<count {
        let base = unsafe gamma * Double(sums[row]) + offset
        unsafe sums[row] = Float(libraryPower(base, degree))
      }
    case .sigmoid:
      for row in 0..<count { unsafe sums[row] = Float(gamma) * sums[row] + Float(offset) }
      unsafe ns_activate(frame.isa, ns_activation_tanh, 0, 0, sums, sums, count)
    case .radial:
      for row in 0..<count { unsafe sums[row] *= Float(-gamma) }
      unsafe ns_activate(frame.isa, ns_activation_exp, 0, 0, sums, sums, count)
    }
  }
}

/// Sums of kernels with support vectors: one sum for each output, in doubles.
struct SupportVectorStep: GraphStep {
  let kernel: VectorKernel
  let inputs: [Cell]
  /// One vector after the other.
  let vectors: [Float]
  /// For each vector the sums that it is added to, each with its coefficient.
  let terms: [[(output: Int, coefficient: Float)]]
  let base: [Double]
  let outputs: [Cell]

  var reads: [Cell] { inputs }
  var writes: [Cell] { outputs }
  var name: String { "\(terms.count) support vectors" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let count = unsafe frame.rowCount
    let values = unsafe scratch.reserve(Float.self, count: count)
    let sums = unsafe scratch.reserve(Double.self, count: count * outputs.count)
    unsafe sums.update(repeating: 0, count: count * outputs.count)
    let width = inputs.count
    for (index, terms) in terms.enumerated() {
      unsafe kernel.apply(
        inputs, vectors[index * width..<(index + 1) * width], frame, into: values)
      for term in terms {
        let sum = unsafe sums + term.output * count
        for row in 0..<count { unsafe sum[row] += Double(term.coefficient * values[row]) }
      }
    }
    for (index, cell) in outputs.enumerated() {
      let to = unsafe frame.floats(cell)
      for row in 0..<count { unsafe to[row] = Float(sums[index * count + row] + base[index]) }
    }
  }
}

extension GraphCompiler {
  mutating func supportVectorRegressor(_ node: ONNXNode) throws(ModelError) {
    let value = try floatRows(node)
    let vectorCount = try node.integer("n_supports", 0)
    let coefficients = try node.floats("coefficients")
    let offset = try node.floats("rho").first ?? 0
    let width = value.columns.count
    let vectors = vectorCount > 0 ? try node.floats("support_vectors") : coefficients
    let count = vectorCount > 0 ? vectorCount : 1
    guard width > 0, count > 0, count <= vectors.count, vectors.count == count * width,
      vectorCount <= 0 || coefficients.count == vectorCount
    else {
      throw node.error(
        .malformed, "\(vectors.count) numbers in \(count) vectors of \(width)")
    }
    let outputs = try newCells(1, .float, node)
    let terms = (0..<count).map { index in
      [(output: 0, coefficient: vectorCount > 0 ? coefficients[index] : 1)]
    }
    append(
      SupportVectorStep(
        kernel: try VectorKernel(node, isLinear: vectorCount <= 0),
        inputs: try cells(of: value), vectors: vectors, terms: terms, base: [Double(offset)],
        outputs: outputs))
    var columns = outputs
    if try node.integer("one_class", 0) != 0 {
      let raw = RowValue(
        type: .float32, shape: [RowValue.batch, 1], columns: [.cell(columns[0])])
      columns = try apply(.oneClass, raw, node)
    }
    set(node, .float32, [RowValue.batch, 1], cells: columns)
  }

  /// A classifier by the rules of ONNX Runtime's SVMClassifier.
  mutating func supportVectorClassifier(_ node: ONNXNode) throws(ModelError) {
    let value = try floatRows(node)
    let classes = try ClassLabels(node)
    let counts = try node.integers("vectors_per_class")
    let (a, b) = (try node.floats("prob_a"), try node.floats("prob_b"))
    let offsets = try node.floats("rho")
    let coefficients = try node.floats("coefficients")
    let isAllPositive = coefficients.allSatisfy { $0 >= 0 }
    guard a.count == b.count, counts.allSatisfy({ $0 >= 0 && $0 < 1 << 31 }) else {
      throw node.error(.malformed, "prob_a, prob_b or vectors_per_class")
    }
    let vectorCount = counts.reduce(0, +)
    guard vectorCount > 0 else {
      try linearSupport(node, value, classes, coefficients, offsets.first ?? 0, isAllPositive)
      return
    }
    let vectors = try node.floats("support_vectors")
    let pairCount = classes.count * (classes.count - 1) / 2
    guard (2...256).contains(classes.count), counts.count == classes.count,
      vectorCount <= vectors.count,
      vectors.count == vectorCount * value.columns.count, vectors.count > 0,
      coefficients.count == (classes.count - 1) * vectorCount, offsets.count == pairCount,
      a.isEmpty || a.count == pairCount
    else { throw node.error(.malformed, "its attributes differ in length") }
    let scores = try newCells(pairCount, .float, node)
    append(
      SupportVectorStep(
        kernel: try VectorKernel(node, isLinear: false), inputs: try cells(of: value),
        vectors: vectors, terms: Self.pairTerms(counts, coefficients),
        base: offsets.map(Double.init), outputs: scores))
    let votes = try newCells(1, .integer, node)
    append(VoteStep(classCount: classes.count, scores: scores, winner: votes[0]))
    try finish(node, classes, scores, winner: votes[0], a, b, isAllPositive)
  }

  /// Which sums the vectors of each class are added to, class after class.
  ///
  /// Coefficients are (classes − 1) × vectors; of a pair i < j, the vectors of i take row j − 1 and
  /// those of j row i.
  private static func pairTerms(
    _ counts: [Int], _ coefficients: [Float]
  ) -> [[(output: Int, coefficient: Float)]] {
    let vectorCount = counts.reduce(0, +)
    var terms: [[(output: Int, coefficient: Float)]] = []
    for (own, count) in counts.enumerated() {
      for _ in 0..<count {
        var list: [(output: Int, coefficient: Float)] = []
        var pair = 0
        for first in counts.indices {
          for second in counts.indices where second > first {
            if own == first {
              list.append((pair, coefficients[(second - 1) * vectorCount + terms.count]))
            } else if own == second {
              list.append((pair, coefficients[first * vectorCount + terms.count]))
            }
            pair += 1
          }
        }
        terms.append(list)
      }
    }
    return terms
  }

  /// A linear machine: one score for each class.
  private mutating func linearSupport(
    _ node: ONNXNode, _ value: RowValue, _ classes: ClassLabels, _ coefficients: [Float],
    _ offset: Float, _ isAllPositive: Bool
  ) throws(ModelError) {
    let width = value.columns.count
    guard coefficients.count == classes.count * width, width > 0, classes.count > 2 else {
      throw node.error(.unsupported, "a linear machine of \(classes.count) classes")
    }
    var matrix: [Double] = []
    for input in 0..<width {
      for output in 0..<classes.count {
        matrix.append(Double(coefficients[output * width + input]))
      }
    }
    let scores = try product(
      value.columns, .float32, matrix,
      Array(repeating: Double(offset), count: classes.count), outputCount: classes.count, node)
    try setLabel(node, classes, place: try largest(scores, node))
    let raw = RowValue(
      type: .float32, shape: [RowValue.batch, classes.count], columns: scores.map { .cell($0) })
    set(node, output: 1, .rows(try transformed(raw, node)))
  }

  /// The label and the scores of a machine of pairs.
  private mutating func finish(
    _ node: ONNXNode, _ classes: ClassLabels, _ scores: [Cell], winner: Cell, _ a: [Float],
    _ b: [Float], _ isAllPositive: Bool
  ) throws(ModelError) {
    let name = try node.text("post_transform", "NONE")
    let raw = RowValue(
      type: .float32, shape: [RowValue.batch, scores.count], columns: scores.map { .cell($0) })
    try setLabel(node, classes, place: winner)
    guard a.isEmpty else {
      let outputs = try newCells(classes.count, .float, node)
      append(
        PairProbabilityStep(
          classCount: classes.count, scores: scores, a: a, b: b, outputs: outputs))
      let result = RowValue(
        type: .float32, shape: [RowValue.batch, classes.count],
        columns: outputs.map { .cell($0) })
      set(node, output: 1, .rows(try transformed(result, node)))
      return
    }
    guard classes.count == 2 else {
      set(node, output: 1, .rows(try transformed(raw, node)))
      return
    }
    guard name == "NONE" else {
      throw node.error(.unsupported, "post_transform \(name.prefix(100)) of two classes")
    }
    // One score for two classes: its negative and itself.
    let negative = try apply(.negate, raw, node)
    set(
      node, output: 1, .float32, [RowValue.batch, 2], cells: [negative[0], scores[0]])
  }
}

/// Which class wins most of its pairs, the first of equal ones.
struct VoteStep: GraphStep {
  let classCount: Int
  let scores: [Cell]
  let winner: Cell

  var reads: [Cell] { scores }
  var writes: [Cell] { [winner] }
  var name: String { "votes of \(scores.count) pairs" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let votes = unsafe scratch.reserve(Int.self, count: classCount)
    let to = unsafe frame.integers(winner)
    for row in 0..<(unsafe frame.rowCount) {
      unsafe votes.update(repeating: 0, count: classCount)
      var pair = 0
      for first in 0..<classCount {
        for second in first + 1..<max(classCount, first + 1) {
          let isFirst = unsafe frame.floats(scores[pair])[row] > 0
          unsafe votes[isFirst ? first : second] += 1
          pair += 1
        }
      }
      var best = 0
      for index in 1..<classCount where unsafe votes[index] > votes[best] { best = index }
      unsafe to[row] = Int64(best)
    }
  }
}

/// Probabilities of classes from the scores of their pairs.
///
/// T.-F. Wu, C.-J. Lin, R. C. Weng: Probability estimates for multi-class classification by pairwise
/// coupling, 2004, algorithm 2; in floats and with the limits of ONNX Runtime.
struct PairProbabilityStep: GraphStep {
  let classCount: Int
  let scores: [Cell]
  let a: [Float]
  let b: [Float]
  let outputs: [Cell]

  var reads: [Cell] { scores }
  var writes: [Cell] { outputs }
  var name: String { "probabilities of \(classCount) classes" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let count = classCount
    let pairs = unsafe scratch.reserve(Float.self, count: count * count)
    let matrix = unsafe scratch.reserve(Float.self, count: count * count)
    let products = unsafe scratch.reserve(Float.self, count: count)
    let result = unsafe scratch.reserve(Float.self, count: count)
    let values = unsafe scratch.reserve(Float.self, count: scores.count)
    for row in 0..<(unsafe frame.rowCount) {
      for index in scores.indices {
        unsafe values[index] = frame.floats(scores[index])[row] * a[index] + b[index]
      }
      unsafe ns_activate(
        frame.isa, ns_activation_sigmoid, 0, 0, values, values, scores.count)
      var pair = 0
      for first in 0..<count {
        for second in first + 1..<max(count, first + 1) {
          let value = unsafe max(1e-7, min(1 - 1e-7, 1 - values[pair]))
          unsafe pairs[first * count + second] = value
          unsafe pairs[second * count + first] = 1 - value
          pair += 1
        }
      }
      unsafe couple(pairs, matrix, products, result)
      for index in 0..<count { unsafe frame.floats(outputs[index])[row] = result[index] }
    }
  }

  private func couple(
    _ pairs: UnsafeMutablePointer<Float>, _ matrix: UnsafeMutablePointer<Float>,
    _ products: UnsafeMutablePointer<Float>, _ result: UnsafeMutablePointer<Float>
  ) {
    let count = classCount
    for first in 0..<count {
      unsafe result[first] = 1 / Float(count)
      var sum: Float = 0
      for second in 0..<count where second != first {
        let back = unsafe pairs[second * count + first]
        sum += back * back
        unsafe matrix[first * count + second] = -back * pairs[first * count + second]
      }
      unsafe matrix[first * count + first] = sum
    }
    for _ in 0..<100 {
      var total: Float = 0
      for first in 0..<count {
        var sum: Float = 0
        for second in 0..<count { unsafe sum += matrix[first * count + second] * result[second] }
        unsafe products[first] = sum
        unsafe total += result[first] * sum
      }
      var error: Float = 0
      for index in 0..<count { error = unsafe max(error, (products[index] - total).magnitude) }
      if error < 0.005 / Float(count) { break }
      for first in 0..<count {
        let own = unsafe matrix[first * count + first]
        let change = unsafe (total - products[first]) / own
        unsafe result[first] += change
        total =
          unsafe (total + change * (change * own + 2 * products[first])) / (1 + change)
          / (1 + change)
        for second in 0..<count {
          unsafe products[second] =
            (products[second] + change * matrix[first * count + second]) / (1 + change)
          unsafe result[second] /= 1 + change
        }
      }
    }
  }
}
