internal import Models

/// Operators that take some elements, or put several values together.
extension GraphCompiler {
  mutating func concatenate(_ node: ONNXNode) throws(ModelError) {
    if isShape(node) {
      var all: [Int?] = []
      for index in node.inputs.indices {
        guard let lengths = lengths(node, index) else {
          throw node.error(.unsupported, "a shape that depends on rows")
        }
        all += lengths
      }
      setShape(node, all)
      return
    }
    var parts: [RowValue] = []
    for index in node.inputs.indices { parts.append(try rows(node, index)) }
    guard let first = parts.first else { throw node.error(.malformed, "nothing to concatenate") }
    let axis = try node.axis(try node.integer("axis", 1), rank: first.shape.count)
    try spend(parts.reduce(0) { $0 + $1.columns.count }, node)
    set(node, .rows(try joined(parts, axis, node)))
  }

  /// Values one behind the other along an axis.
  func joined(
    _ parts: [RowValue], _ axis: Int, _ node: ONNXNode
  ) throws(ModelError) -> RowValue {
    var shape = parts[0].shape
    // Rows of constants beside rows of others: one of each for every row.
    if let batch = parts.lazy.compactMap(\.batchAxis).first, batch != axis,
      shape.count > batch
    {
      shape[batch] = RowValue.batch
    }
    shape[axis] = 0
    var type = parts[0].type
    for part in parts {
      guard part.shape.count == shape.count, part.shape[axis] != RowValue.batch else {
        throw node.error(.unsupported, "rows joined to rows")
      }
      for index in shape.indices where index != axis && part.shape[index] != shape[index] {
        throw node.error(
          .unsupported, "shapes \(GraphShape.text(part.shape)) and \(GraphShape.text(shape))")
      }
      shape[axis] += part.shape[axis]
      guard part.type == type else {
        throw node.error(.unsupported, "\(type.name) beside \(part.type.name)")
      }
      type = part.type
    }
    guard let width = GraphShape.checkedWidth(shape), width > 0 else {
      throw node.error(.unsupported, "the shape \(GraphShape.text(shape))")
    }
    let outer = shape[..<axis].reduce(1) { $0 * ($1 == RowValue.batch ? 1 : $1) }
    var columns: [GraphColumn] = []
    columns.reserveCapacity(width)
    for block in 0..<outer {
      for part in parts {
        let size = part.columns.count / max(outer, 1)
        columns += part.columns[block * size..<(block + 1) * size]
      }
    }
    return RowValue(type: type, shape: shape, columns: columns)
  }

  /// The elements at some places of an axis.
  func selected(
    _ value: RowValue, _ axis: Int, _ indices: [Int], _ shape: [Int]
  ) -> RowValue {
    guard !value.columns.isEmpty else {
      return RowValue(type: value.type, shape: shape, columns: [])
    }
    let outer = value.shape[..<axis].reduce(1) { $0 * ($1 == RowValue.batch ? 1 : $1) }
    let length = value.shape[axis]
    let inner = value.columns.count / (outer * length)
    var columns: [GraphColumn] = []
    for block in 0..<outer {
      for index in indices {
        let start = (block * length + index) * inner
        columns += value.columns[start..<start + inner]
      }
    }
    return RowValue(type: value.type, shape: shape, columns: columns)
  }

  mutating func slice(_ node: ONNXNode) throws(ModelError) {
    guard let starts = try integers(node, input: 1, attribute: "starts"),
      let ends = try integers(node, input: 2, attribute: "ends"), starts.count == ends.count
    else { throw node.error(.malformed, "starts and ends") }
    let axes = try integers(node, input: 3, attribute: "axes") ?? Array(starts.indices)
    let steps = try integers(node, input: 4, attribute: "steps") ?? starts.map { _ in 1 }
    guard axes.count == starts.count, steps.count == starts.count else {
      throw node.error(.malformed, "axes and steps")
    }
    if isShape(node) {
      guard let lengths = lengths(node, 0), axes == [0], let start = starts.first,
        let end = ends.first, let step = steps.first
      else { throw node.error(.unsupported, "a slice of this shape") }
      let places = try Self.places(lengths.count, start, end, step, node)
      setShape(node, places.map { lengths[$0] })
      return
    }
    var value = try rows(node, 0)
    for index in axes.indices {
      let axis = try node.axis(axes[index], rank: value.shape.count)
      guard value.shape[axis] != RowValue.batch else {
        if starts[index] == 0, ends[index] >= 1 << 31 - 1, steps[index] == 1 { continue }
        throw node.error(.unsupported, "a slice of the rows")
      }
      let places = try Self.places(
        value.shape[axis], starts[index], ends[index], steps[index], node)
      var shape = value.shape
      shape[axis] = places.count
      try spend(RowValue.width(shape), node)
      value = selected(value, axis, places, shape)
    }
    set(node, .rows(value))
  }

  private static func places(
    _ length: Int, _ start: Int, _ end: Int, _ step: Int, _ node: ONNXNode
  ) throws(ModelError) -> [Int] {
    guard step != 0, step.magnitude < 1 << 32 else { throw node.error(.malformed, "the step") }
    let low = step > 0 ? 0 : -1
    let high = step > 0 ? length : length - 1
    let first = max(0, min(high, start < 0 ? start + length : start))
    let last = max(low, min(high, end < 0 ? end + length : end))
    return length == 0 ? [] : Array(stride(from: first, to: last, by: step))
  }

  mutating func gather(_ node: ONNXNode) throws(ModelError) {
    let axisNumber = try node.integer("axis", 0)
    if case .shape(let lengths)? = values[node.inputs.first ?? ""] {
      let indices = try constant(node, 1)
      var picked: [Int?] = []
      for index in indices.integers ?? [] {
        let place = try node.axis(Int(index), rank: lengths.count)
        picked.append(lengths[place])
      }
      if indices.shape.isEmpty, let length = picked.first, let length {
        set(
          node,
          .constant(ONNXTensor(type: .int64, shape: [], values: .integers([Int64(length)]))))
      } else {
        setShape(node, picked)
      }
      return
    }
    let value = try rows(node, 0)
    let axis = try node.axis(axisNumber, rank: value.shape.count)
    guard case .constant(let places)? = values[node.inputs.last ?? ""], node.inputs.count == 2
    else {
      try gatherByRow(node, value, axis)
      return
    }
    guard value.shape[axis] != RowValue.batch, let indices = places.integers else {
      throw node.error(.unsupported, "some of the rows")
    }
    var known: [Int] = []
    for index in indices { known.append(try node.axis(Int(index), rank: value.shape[axis])) }
    let shape = Array(value.shape[..<axis]) + places.shape + value.shape[(axis + 1)...]
    guard shape.count <= 8, let width = GraphShape.checkedWidth(shape) else {
      throw node.error(.unsupported, "the shape \(GraphShape.text(shape))")
    }
    try spend(width, node)
    set(node, .rows(selected(value, axis, known, shape)))
  }

  /// The columns of an array feature extractor: places of the last axis.
  mutating func extract(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    guard case .constant(let places)? = values[node.inputs.last ?? ""], node.inputs.count == 2,
      let indices = places.integers
    else {
      try extractByRow(node, value)
      return
    }
    let axis = value.shape.count - 1
    guard axis >= 0, value.shape[axis] != RowValue.batch else {
      guard indices == [0], value.shape.count == 1 else {
        throw node.error(.unsupported, "some of the rows")
      }
      set(node, value.type, [1, RowValue.batch], value.columns)
      return
    }
    var known: [Int] = []
    for index in indices { known.append(try node.axis(Int(index), rank: value.shape[axis])) }
    var shape = value.shape
    shape[axis] = known.count
    if shape.count == 1 { shape = [1] + shape }
    guard let width = GraphShape.checkedWidth(shape) else {
      throw node.error(.unsupported, "the shape \(GraphShape.text(shape))")
    }
    try spend(width, node)
    set(node, .rows(selected(value, axis, known, shape)))
  }

  mutating func split(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    let axis = try node.axis(try node.integer("axis", 0), rank: value.shape.count)
    let length = value.shape[axis]
    guard length != RowValue.batch else { throw node.error(.unsupported, "some of the rows") }
    let count = min(1 << 16, try node.integer("num_outputs", node.outputs.count))
    var sizes = try integers(node, input: 1, attribute: "split") ?? []
    if sizes.isEmpty, count > 0 {
      let size = (length + count - 1) / count
      sizes = (0..<count).map { max(0, min(size, length - $0 * size)) }
    }
    guard sizes.allSatisfy({ $0 >= 0 && $0 <= length }), sizes.reduce(0, +) == length,
      sizes.count >= node.outputs.count
    else { throw node.error(.malformed, "parts of \(sizes) of \(length)") }
    try spend(value.columns.count, node)
    var start = 0
    for (index, size) in sizes.enumerated() {
      var shape = value.shape
      shape[axis] = size
      set(node, output: index, .rows(selected(value, axis, Array(start..<start + size), shape)))
      start += size
    }
  }
}
