internal import Models

/// Operators that look at several elements of a row together.
extension GraphCompiler {
  /// The cells of a value in groups along axes, and the shape without them.
  ///
  /// - Returns: For each group its cells, the last axis fastest.
  private mutating func grouped(
    _ value: RowValue, _ axes: [Int], _ node: ONNXNode
  ) throws(ModelError) -> [[Cell]] {
    guard axes.allSatisfy({ value.shape[$0] != RowValue.batch }) else {
      throw node.error(.unsupported, "a result over all rows")
    }
    let cells = try cells(of: value)
    try spend(cells.count, node)
    let lengths = value.shape.map { $0 == RowValue.batch ? 1 : $0 }
    let steps = GraphShape.steps(value.shape)
    let outer = value.shape.indices.filter { !axes.contains($0) }
    let starts = GraphShape.places(outer.map { lengths[$0] }, outer.map { steps[$0] })
    let inner = axes.sorted()
    let places = GraphShape.places(inner.map { lengths[$0] }, inner.map { steps[$0] })
    return starts.map { start in places.map { cells[start + $0] } }
  }

  /// A shape whose axes have length 1, or are gone.
  private func reduced(_ shape: [Int], _ axes: [Int], keeps: Bool) -> [Int] {
    shape.indices.compactMap { axes.contains($0) ? (keeps ? 1 : nil) : shape[$0] }
  }

  mutating func reduce(
    _ node: ONNXNode, _ reduction: Reduction, axesAreInputFrom: Int = 18
  ) throws(ModelError) {
    let value = try rows(node, 0)
    let rank = value.shape.count
    let listed =
      version >= axesAreInputFrom
      ? try integers(node, input: 1, attribute: "axes") : try node.optionalIntegers("axes")
    let isIdentity = try node.integer("noop_with_empty_axes", 0) != 0 && (listed ?? []).isEmpty
    guard !isIdentity else {
      set(node, .rows(value))
      return
    }
    var axes: [Int] = []
    for axis in listed ?? Array(0..<rank) { axes.append(try node.axis(axis, rank: rank)) }
    guard value.type.isNumber, !axes.isEmpty, Set(axes).count == axes.count else {
      throw node.error(.unsupported, "\(reduction) of \(value.type.name) over axes \(axes)")
    }
    let groups = try grouped(value, axes, node)
    guard groups.allSatisfy({ !$0.isEmpty }) else {
      throw node.error(.unsupported, "\(reduction) of nothing")
    }
    let to = try newCells(groups.count, value.type.storage, node)
    let parts = Array(zip(groups, to)).map { (from: $0.0, to: $0.1) }
    append(ReduceSteps(storage: value.type.storage, reduction: reduction, groups: parts))
    let keeps = try node.integer("keepdims", 1) != 0
    set(node, value.type, reduced(value.shape, axes, keeps: keeps), cells: to)
  }

  mutating func argument(_ node: ONNXNode, isLargest: Bool) throws(ModelError) {
    let value = try rows(node, 0)
    let axis = try node.axis(try node.integer("axis", 0), rank: value.shape.count)
    let groups = try grouped(value, [axis], node)
    guard value.type.isNumber, groups.allSatisfy({ !$0.isEmpty }) else {
      throw node.error(.unsupported, "a place in \(value.type.name)")
    }
    let to = try newCells(groups.count, .integer, node)
    let takesLast = try node.integer("select_last_index", 0) != 0
    let parts = Array(zip(groups, to)).map { (from: $0.0, to: $0.1) }
    append(
      ArgumentStep(
        storage: value.type.storage, isLargest: isLargest, takesLast: takesLast, groups: parts))
    let keeps = try node.integer("keepdims", 1) != 0
    set(node, .integer(.int64), reduced(value.shape, [axis], keeps: keeps), cells: to)
  }

  /// Softmax along one axis, or before version 13 over all axes from one on.
  mutating func softmax(_ node: ONNXNode, _ operation: GroupOperation) throws(ModelError) {
    let value = try rows(node, 0)
    let rank = value.shape.count
    let axis = try node.axis(try node.integer("axis", version < 13 ? 1 : -1), rank: rank)
    let axes = version < 13 ? Array(axis..<rank) : [axis]
    try group(node, value, operation, axes)
  }

  /// An operation on groups along axes that keeps the shape.
  mutating func group(
    _ node: ONNXNode, _ value: RowValue, _ operation: GroupOperation, _ axes: [Int]
  ) throws(ModelError) {
    let groups = try grouped(value, axes, node)
    let places = RowValue(
      type: .integer(.int64), shape: value.shape,
      columns: value.columns.indices.map { .integer(Int64($0)) })
    let to = try newCells(value.columns.count, value.type.storage, node)
    // The same grouping of the results: by the places of the cells.
    var order: [[Cell]] = []
    let lengths = places.shape.map { $0 == RowValue.batch ? 1 : $0 }
    let steps = GraphShape.steps(value.shape)
    let outer = value.shape.indices.filter { !axes.contains($0) }
    let starts = GraphShape.places(outer.map { lengths[$0] }, outer.map { steps[$0] })
    let inner = GraphShape.places(axes.map { lengths[$0] }, axes.map { steps[$0] })
    for start in starts { order.append(inner.map { to[start + $0] }) }
    let parts = Array(zip(groups, order)).map { (from: $0.0, to: $0.1) }
    guard value.type == .float32 || value.type == .float64 else {
      throw node.error(.unsupported, "\(operation.name) of \(value.type.name)")
    }
    append(GroupSteps(storage: value.type.storage, operation: operation, groups: parts))
    set(node, value.type, value.shape, cells: to)
  }

  /// The normalizer of `ai.onnx.ml`: whole rows.
  mutating func normalize(_ node: ONNXNode) throws(ModelError) {
    let value = try convert(try rows(node, 0), to: .float32, node)
    guard value.batchAxis != nil else { throw node.error(.unsupported, "a constant") }
    let operation: GroupOperation
    switch try node.text("norm", "MAX") {
    case "L1": operation = .unitSum
    case "L2": operation = .unitLength
    case "MAX": operation = .unitLargest
    case let name: throw node.error(.malformed, "norm \(name.prefix(100))")
    }
    try group(
      node, value, operation, value.shape.indices.filter { value.shape[$0] != RowValue.batch })
  }

  mutating func layerNormalization(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    let rank = value.shape.count
    let axis = try node.axis(try node.integer("axis", -1), rank: rank)
    let axes = Array(axis..<rank)
    let width = axes.reduce(1) { $0 * value.shape[$1] }
    guard let scale = try constant(node, 1).numbers, scale.count == width,
      !isUsed(node, 1), !isUsed(node, 2)
    else { throw node.error(.unsupported, "this scale, or its other outputs") }
    let offset = try optionalConstant(node, 2)?.numbers ?? []
    guard offset.isEmpty || offset.count == width else { throw node.error(.malformed, "offset") }
    let epsilon = Double(try node.float("epsilon", 1e-5))
    try group(
      node, value, .standardize(epsilon: epsilon, scale: scale, offset: offset), axes)
  }

  mutating func batchNormalization(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    guard try node.integer("training_mode", 0) == 0, value.type == .float32,
      value.shape.count >= 2, value.shape[0] == RowValue.batch
    else { throw node.error(.unsupported, "training, or \(value.type.name)") }
    var parameters: [[Float]] = []
    for index in 1...4 {
      guard let floats = try constant(node, index).floats, floats.count == value.shape[1] else {
        throw node.error(.malformed, "input \(index)")
      }
      parameters.append(floats)
    }
    let epsilon = try node.float("epsilon", 1e-5)
    let from = try cells(of: value)
    let to = try newCells(from.count, .float, node)
    let size = from.count / max(value.shape[1], 1)
    // (x − mean) · scale / √(variance + ε) + offset, as a product and a sum.
    var products: [BinaryPart] = []
    var sums: [BinaryPart] = []
    let middle = try newCells(from.count, .float, node)
    for index in from.indices {
      let channel = index / max(size, 1)
      let factor = parameters[0][channel] / (parameters[3][channel] + epsilon).squareRoot()
      let shift = parameters[1][channel] - parameters[2][channel] * factor
      products.append(
        BinaryPart(
          one: .cell(from[index]), other: .constant(.number(Double(factor))), to: middle[index]))
      sums.append(
        BinaryPart(
          one: .cell(middle[index]), other: .constant(.number(Double(shift))), to: to[index]))
    }
    append(BinarySteps(storage: .float, operation: .multiply, parts: products))
    append(BinarySteps(storage: .float, operation: .add, parts: sums))
    set(node, value.type, value.shape, cells: to)
  }

  mutating func top(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    let axis = try node.axis(try node.integer("axis", -1), rank: value.shape.count)
    let count =
      version < 10
      ? try node.integer("k", 0) : (try constant(node, 1).integers?.first.map { Int($0) } ?? 0)
    let groups = try grouped(value, [axis], node)
    guard value.type.isNumber, count > 0, count <= value.shape[axis] else {
      throw node.error(.malformed, "the \(count) largest of \(value.shape[axis])")
    }
    let isLargest = try node.integer("largest", 1) != 0
    let values = try newCells(groups.count * count, value.type.storage, node)
    let places = try newCells(groups.count * count, .integer, node)
    var shape = value.shape
    shape[axis] = count
    // Cells of results stand in the order of the shape, not of the groups.
    let steps = GraphShape.steps(shape)
    let outer = shape.indices.filter { $0 != axis }
    let lengths = shape.map { $0 == RowValue.batch ? 1 : $0 }
    let starts = GraphShape.places(outer.map { lengths[$0] }, outer.map { steps[$0] })
    let parts = groups.indices.map { index in
      let order = (0..<count).map { starts[index] + $0 * steps[axis] }
      return (
        from: groups[index], values: order.map { values[$0] }, places: order.map { places[$0] }
      )
    }
    append(TopStep(storage: value.type.storage, isLargest: isLargest, groups: parts))
    set(node, output: 0, value.type, shape, cells: values)
    set(node, output: 1, .integer(.int64), shape, cells: places)
  }
}
