internal import Models

/// Operators that take elements whose places depend on the row.
extension GraphCompiler {
  /// Elements of a constant list, by places that depend on the row.
  mutating func extractByRow(_ node: ONNXNode, _ value: RowValue) throws(ModelError) {
    let places = try rows(node, 1)
    guard value.shape.reduce(1, *) == value.columns.count, value.columns.count > 0,
      value.shape.last == value.columns.count
    else { throw node.error(.unsupported, "places that depend on rows, in this value") }
    let (type, columns) = try pick(value, places, node)
    // One list of elements; the rows are its last axis.
    var shape = places.shape.filter { $0 != 1 }
    guard shape == [RowValue.batch] else {
      throw node.error(.unsupported, "places of the shape \(GraphShape.text(places.shape))")
    }
    shape = [1] + shape
    set(node, type, shape, columns)
  }

  /// Elements along an axis of length known, by places that depend on the row.
  mutating func gatherByRow(
    _ node: ONNXNode, _ value: RowValue, _ axis: Int
  ) throws(ModelError) {
    let places = try rows(node, 1)
    guard value.batchAxis == nil, value.shape.count == 1, value.columns.count > 0 else {
      throw node.error(.unsupported, "places that depend on rows, in rows")
    }
    let (type, columns) = try pick(value, places, node)
    set(node, type, places.shape, columns)
  }

  /// Elements of a constant list by place.
  private mutating func pick(
    _ value: RowValue, _ places: RowValue, _ node: ONNXNode
  ) throws(ModelError) -> (GraphType, [GraphColumn]) {
    guard case .integer = places.type, value.columns.allSatisfy(\.isConstant) else {
      throw node.error(.unsupported, "\(places.type.name) as places")
    }
    let from = try cells(of: places)
    let to = try newCells(from.count, value.type.storage, node)
    let values: TableStep.Values
    switch value.type.storage {
    case .float: values = .floats(value.columns.map { Float(constant: $0) } + [.nan])
    case .double: values = .doubles(value.columns.map { Double(constant: $0) } + [.nan])
    case .integer: values = .integers(value.columns.map { Int64(constant: $0) } + [0])
    case .text, .code: throw node.error(.unsupported, "places in text")
    }
    append(
      TableStep(
        parts: Array(zip(from, to)).map { ($0.0, $0.1) }, values: values, isIndexed: true))
    return (value.type, to.map { .cell($0) })
  }

  /// For each place one element along an axis.
  mutating func gatherElements(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    let places = try rows(node, 1)
    let axis = try node.axis(try node.integer("axis", 0), rank: value.shape.count)
    guard places.shape.count == value.shape.count, value.shape[axis] != RowValue.batch,
      value.shape[axis] > 0, case .integer = places.type, value.type.storage != .text
    else { throw node.error(.unsupported, "places of this shape") }
    for index in value.shape.indices
    where index != axis && places.shape[index] != value.shape[index] {
      throw node.error(.unsupported, "places of the shape \(GraphShape.text(places.shape))")
    }
    let steps = GraphShape.steps(value.shape)
    var base = value.shape.map { $0 == RowValue.batch ? 1 : $0 }
    base[axis] = places.shape[axis]
    var baseSteps = steps
    baseSteps[axis] = 0
    let starts = GraphShape.places(base, baseSteps)
    let from = try cells(of: value)
    let placeCells = try cells(of: places)
    let to = try newCells(starts.count, value.type.storage, node)
    try spend(starts.count * value.shape[axis], node)
    let parts = starts.indices.map { index in
      (
        from: (0..<value.shape[axis]).map { from[starts[index] + $0 * steps[axis]] },
        place: placeCells[index], to: to[index]
      )
    }
    append(PickStep(storage: value.type.storage, parts: parts))
    set(node, value.type, places.shape, cells: to)
  }
}
