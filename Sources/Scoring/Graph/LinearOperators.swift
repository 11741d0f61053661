internal import CKernels
internal import Models

/// Products with constant matrices.
extension GraphCompiler {
  mutating func multiplyMatrix(_ node: ONNXNode) throws(ModelError) {
    if case .constant(let matrix)? = values[node.inputs.last ?? ""], matrix.shape.count == 2 {
      let value = try rows(node, 0)
      let result = try product(value, matrix, transposed: false, scale: 1, bias: [], node)
      set(node, .rows(result))
      return
    }
    // Both from rows, or a product of a constant with a vector: written out.
    try multiplyRows(node)
  }

  /// The last axis of a value times a constant matrix.
  func matrix(
    _ tensor: ONNXTensor, transposed: Bool, _ node: ONNXNode
  ) throws(ModelError) -> (inputCount: Int, outputCount: Int, values: [Double]) {
    guard tensor.shape.count == 2, let numbers = tensor.numbers else {
      throw node.error(.unsupported, "a matrix of \(tensor.shape.count) axes")
    }
    let (first, second) = (tensor.shape[0], tensor.shape[1])
    guard transposed else { return (first, second, numbers) }
    var turned: [Double] = []
    turned.reserveCapacity(numbers.count)
    for row in 0..<second {
      for column in 0..<first { turned.append(numbers[column * second + row]) }
    }
    return (second, first, turned)
  }

  /// Vectors along the last axis times a matrix, plus a bias.
  mutating func product(
    _ value: RowValue, _ tensor: ONNXTensor, transposed: Bool, scale: Float, bias: [Double],
    _ node: ONNXNode
  ) throws(ModelError) -> RowValue {
    var (inputCount, outputCount, matrix) = try matrix(tensor, transposed: transposed, node)
    if scale != 1 { matrix = matrix.map { Double(Float($0) * scale) } }
    guard value.shape.last == inputCount, inputCount > 0, outputCount > 0 else {
      throw node.error(
        .unsupported,
        "\(GraphShape.text(value.shape)) times \(inputCount)×\(outputCount)")
    }
    let vectorCount = value.columns.count / inputCount
    var columns: [GraphColumn] = []
    for vector in 0..<vectorCount {
      let part = Array(value.columns[vector * inputCount..<(vector + 1) * inputCount])
      columns += try product(
        part, value.type, matrix, bias, outputCount: outputCount, node
      ).map { .cell($0) }
    }
    return RowValue(
      type: value.type, shape: value.shape.dropLast() + [outputCount], columns: columns)
  }

  /// One vector of columns times a matrix, plus a bias.
  mutating func product(
    _ columns: [GraphColumn], _ type: GraphType, _ matrix: [Double], _ bias: [Double],
    outputCount: Int, _ node: ONNXNode
  ) throws(ModelError) -> [Cell] {
    switch type {
    case .float32:
      var columns = columns
      let weights = matrix.map { Float($0) }
      if !weights.allSatisfy(\.isFinite) {
        // 0 · ∞ is NaN, which a table of weights would not show.
        columns = try cells(of: RowValue(type: type, shape: [columns.count], columns: columns))
          .map { .cell($0) }
      }
      let outputs = try newCells(outputCount, .float, node)
      appendDense(
        DensePlan(
          columns: columns, weights: weights, bias: bias.map { Float($0) }, outputs: outputs),
        node)
      return outputs
    case .float64:
      let value = RowValue(type: type, shape: [columns.count], columns: columns)
      let inputs = try cells(of: value)
      let outputs = try newCells(outputCount, .double, node)
      var turned: [Double] = []
      for output in 0..<outputCount {
        for input in inputs.indices { turned.append(matrix[input * outputCount + output]) }
      }
      append(DoubleDenseStep(inputs: inputs, weights: turned, bias: bias, outputs: outputs))
      return outputs
    default: throw node.error(.unsupported, "a product of \(type.name)")
    }
  }

  /// Products of two values of rows: sums of products of columns.
  private mutating func multiplyRows(_ node: ONNXNode) throws(ModelError) {
    let one = try rows(node, 0)
    let other = try rows(node, 1)
    guard one.type == other.type, one.type.isNumber, let length = one.shape.last, length > 0 else {
      throw node.error(.unsupported, "a product of \(one.type.name) and \(other.type.name)")
    }
    var shape = Array(one.shape.dropLast())
    var products: [GraphColumn] = []
    var matrix = other.shape
    if matrix.first == RowValue.batch { matrix.removeFirst() }
    // A matrix for each row goes with a matrix for each row, or with one for all.
    let rankOfBoth = one.batchAxis == nil ? 2 : 3
    guard (one.batchAxis ?? 0) == 0, (other.batchAxis ?? 0) == 0, one.shape.count <= 3,
      matrix.first == length, matrix.count <= 2,
      other.batchAxis == nil || (matrix.count == 2 && one.shape.count == rankOfBoth)
    else { throw node.error(.unsupported, "a product of rows") }
    let outputCount = matrix.count == 2 ? matrix[1] : 1
    let rowCount = one.columns.count / length
    try spend(rowCount * length * outputCount, node)
    for row in 0..<rowCount {
      for output in 0..<outputCount {
        let left = Array(one.columns[row * length..<(row + 1) * length])
        let right = (0..<length).map { other.columns[$0 * outputCount + output] }
        let product = try combine(
          RowValue(type: one.type, shape: [length], columns: left),
          RowValue(type: one.type, shape: [length], columns: right), .multiply, node)
        products.append(.cell(try sum(product, node)))
      }
    }
    if other.batchAxis != nil, one.batchAxis == nil { shape = [RowValue.batch] + shape }
    set(node, one.type, matrix.count == 2 ? shape + [outputCount] : shape, products)
  }

  /// The sum of all columns of a value.
  private mutating func sum(_ value: RowValue, _ node: ONNXNode) throws(ModelError) -> Cell {
    let from = try cells(of: value)
    let to = try newCells(1, value.type.storage, node)
    append(ReduceSteps(storage: value.type.storage, reduction: .sum, groups: [(from, to[0])]))
    return to[0]
  }

  mutating func generalProduct(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    guard try node.integer("transA", 0) == 0, value.shape.count == 2 else {
      throw node.error(.unsupported, "a first matrix that is transposed, or of other axes")
    }
    let matrix = try constant(node, 1)
    let beta = try node.float("beta", 1)
    var bias: [Double] = []
    var rest: RowValue?
    if let tensor = try? optionalConstant(node, 2), let numbers = tensor.numbers {
      let transposed = try node.integer("transB", 0) != 0
      let width = matrix.shape.count == 2 ? matrix.shape[transposed ? 0 : 1] : 0
      guard numbers.count == width || numbers.count == 1 else {
        throw node.error(.unsupported, "a third matrix of \(numbers.count) numbers")
      }
      bias = (0..<width).map { Double(Float(numbers[numbers.count == 1 ? 0 : $0]) * beta) }
      if value.type == .float64 {
        bias = (0..<width).map { numbers[numbers.count == 1 ? 0 : $0] * Double(beta) }
      }
    } else {
      rest = try optionalRows(node, 2)
      guard rest == nil || beta == 1 else { throw node.error(.unsupported, "beta \(beta)") }
    }
    var result = try product(
      value, matrix, transposed: try node.integer("transB", 0) != 0,
      scale: try node.float("alpha", 1), bias: bias, node)
    if let rest { result = try combine(result, rest, .add, node) }
    set(node, .rows(result))
  }

  // MARK: ai.onnx.ml

  /// A value of rows and columns, as floats.
  mutating func floatRows(_ node: ONNXNode) throws(ModelError) -> RowValue {
    var value = try rows(node, 0)
    if value.shape == [RowValue.batch] { value.shape = [RowValue.batch, 1] }
    guard value.shape.count == 2, value.shape[0] == RowValue.batch || value.shape[0] == 1,
      value.shape[1] != RowValue.batch
    else {
      throw node.error(.unsupported, "a value of the shape \(GraphShape.text(value.shape))")
    }
    return try convert(value, to: .float32, node)
  }

  mutating func linearRegressor(_ node: ONNXNode) throws(ModelError) {
    let value = try floatRows(node)
    let targetCount = try node.integer("targets", 1)
    let scores = try linear(
      node, value, outputCount: targetCount, bias: try node.floats("intercepts"))
    let result = try transformed(
      RowValue(
        type: .float32, shape: [value.shape[0], targetCount],
        columns: scores.map { .cell($0) }), node)
    set(node, .rows(result))
  }

  /// Rows times the attribute `coefficients`, which holds the weights of one output after another.
  private mutating func linear(
    _ node: ONNXNode, _ value: RowValue, outputCount: Int, bias: [Float]
  ) throws(ModelError) -> [Cell] {
    let weights = try node.floats("coefficients")
    let inputCount = value.shape[1]
    let (expected, isTooLarge) = inputCount.multipliedReportingOverflow(by: outputCount)
    guard outputCount > 0, inputCount > 0, !isTooLarge, weights.count == expected,
      bias.isEmpty || bias.count == outputCount
    else {
      throw node.error(
        .malformed,
        "\(weights.count) coefficients, \(bias.count) intercepts for \(inputCount) inputs and "
          + "\(outputCount) outputs")
    }
    var matrix: [Double] = []
    for input in 0..<inputCount {
      for output in 0..<outputCount {
        matrix.append(Double(weights[output * inputCount + input]))
      }
    }
    return try product(
      value.columns, .float32, matrix, bias.map(Double.init), outputCount: outputCount, node)
  }

  /// Classes of a linear model, by the rules of ONNX Runtime's LinearClassifier.
  mutating func linearClassifier(_ node: ONNXNode) throws(ModelError) {
    let value = try floatRows(node)
    let intercepts = try node.floats("intercepts")
    let classes = try ClassLabels(node)
    let outputCount =
      intercepts.isEmpty
      ? try node.floats("coefficients").count / max(value.shape[1], 1) : intercepts.count
    let scores = try linear(node, value, outputCount: outputCount, bias: intercepts)
    let shape = [value.shape[0], outputCount]
    let raw = RowValue(type: .float32, shape: shape, columns: scores.map { .cell($0) })
    guard outputCount > 1 else {
      let positive = try apply(.threshold(0), raw, node)
      try setLabel(node, classes.pair, place: try wholeNumber(positive[0], node))
      let result = try transformed(raw, node)
      guard classes.count == 2 else {
        set(node, output: 1, .rows(result))
        return
      }
      // The probability of the first class is what the second leaves.
      let first = try combine(
        RowValue(ONNXTensor(type: .float32, shape: [1], values: .floats([1]))), result, .subtract,
        node)
      let both = first.columns + result.columns
      set(node, output: 1, .float32, [value.shape[0], 2], both)
      return
    }
    guard outputCount == classes.count else {
      throw node.error(.malformed, "\(outputCount) outputs for \(classes.count) classes")
    }
    try setLabel(node, classes, place: try largest(scores, node))
    set(node, output: 1, .rows(try transformed(raw, node)))
  }

  /// Which of some columns is the largest, the first of equal ones.
  mutating func largest(_ scores: [Cell], _ node: ONNXNode) throws(ModelError) -> Cell {
    let to = try newCells(1, .integer, node)
    append(
      ArgumentStep(storage: .float, isLargest: true, takesLast: false, groups: [(scores, to[0])]))
    return to[0]
  }

  /// A column of floats as whole numbers.
  mutating func wholeNumber(_ cell: Cell, _ node: ONNXNode) throws(ModelError) -> Cell {
    let to = try newCells(1, .integer, node)
    append(
      ConvertStep(
        from: .float, to: .integer, type: .integer(.int64), pairs: [(cell, to[0])]))
    return to[0]
  }

  /// Sets output 0 to the class at a place.
  mutating func setLabel(
    _ node: ONNXNode, _ classes: ClassLabels, place: Cell
  ) throws(ModelError) {
    switch classes {
    case .texts(let texts):
      set(node, output: 0, .label(texts), [RowValue.batch], [.cell(place)])
    case .integers(let integers):
      let to = try newCells(1, .integer, node)
      append(
        TableStep(
          parts: [(codes: place, to: to[0])], values: .integers(integers + [0]), isIndexed: true))
      set(node, output: 0, .integer(.int64), [RowValue.batch], [.cell(to[0])])
    }
  }

  /// Scores after the attribute `post_transform`.
  mutating func transformed(
    _ value: RowValue, _ node: ONNXNode
  ) throws(ModelError) -> RowValue {
    try transformed(value, by: try node.text("post_transform", "NONE"), node)
  }

  /// Scores after a transform of `ai.onnx.ml`.
  mutating func transformed(
    _ value: RowValue, by name: String, _ node: ONNXNode
  ) throws(ModelError) -> RowValue {
    switch name {
    case "NONE": return value
    case "LOGISTIC":
      return RowValue(
        type: value.type, shape: value.shape,
        columns: try apply(.sigmoid, value, node).map { .cell($0) })
    case "PROBIT":
      return RowValue(
        type: value.type, shape: value.shape,
        columns: try apply(.probit, value, node).map { .cell($0) })
    case "SOFTMAX", "SOFTMAX_ZERO":
      let from = try cells(of: value)
      let to = try newCells(from.count, .float, node)
      append(
        GroupSteps(
          storage: .float, operation: name == "SOFTMAX" ? .softmax : .softmaxOfNonzero,
          groups: [(from, to)]))
      return RowValue(type: value.type, shape: value.shape, columns: to.map { .cell($0) })
    default: throw node.error(.malformed, "post_transform \(name.prefix(100))")
    }
  }
}

/// The classes of a classifier.
enum ClassLabels {
  case texts([String])
  case integers([Int64])

  init(_ node: ONNXNode) throws(ModelError) {
    let texts = try node.texts("classlabels_strings")
    let list =
      node.attributes["classlabels_ints"] == nil ? "classlabels_int64s" : "classlabels_ints"
    let integers = try node.integers(list)
    guard texts.isEmpty != integers.isEmpty else {
      throw node.error(.malformed, "\(texts.count) texts and \(integers.count) numbers as classes")
    }
    self = texts.isEmpty ? .integers(integers.map { Int64($0) }) : .texts(texts)
  }

  var count: Int {
    switch self {
    case .texts(let texts): texts.count
    case .integers(let integers): integers.count
    }
  }

  /// Two classes as ONNX Runtime's trees name them where both have weights: texts, or 0 and 1.
  var places: ClassLabels {
    if case .integers = self { .integers([0, 1]) } else { self }
  }

  /// The two classes of one score: 0 and 1 unless there are two.
  var pair: ClassLabels {
    if count == 2 { return self }
    switch self {
    case .texts: return .texts(["0", "1"])
    case .integers: return .integers([0, 1])
    }
  }
}
