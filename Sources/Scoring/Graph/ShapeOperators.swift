internal import Models

/// Operators that move elements about: they make other lists of the same columns.
extension GraphCompiler {
  mutating func identity(_ node: ONNXNode) throws(ModelError) {
    guard let name = node.inputs.first, let value = values[name] else {
      throw node.error(.malformed, "input 0 is missing")
    }
    // Who reads the result reads the value.
    set(node, value)
  }

  /// In inference nothing is dropped; the mask is all true.
  mutating func dropout(_ node: ONNXNode) throws(ModelError) {
    guard try optionalConstant(node, 2)?.integers?.contains(1) != true, !isUsed(node, 1) else {
      throw node.error(.unsupported, "training, or its mask")
    }
    try identity(node)
  }

  mutating func constant(_ node: ONNXNode) throws(ModelError) {
    if let tensor = try node.tensor("value") {
      set(node, .constant(tensor))
      return
    }
    let tensor: ONNXTensor
    switch (
      node.attributes["value_float"] ?? node.attributes["value_floats"]
        ?? node.attributes["value_int"] ?? node.attributes["value_ints"]
        ?? node.attributes["value_string"] ?? node.attributes["value_strings"]
    ) {
    case .float(let value)?:
      tensor = ONNXTensor(type: .float32, shape: [], values: .floats([value]))
    case .floats(let values)?:
      tensor = ONNXTensor(type: .float32, shape: [values.count], values: .floats(values))
    case .integer(let value)?:
      tensor = ONNXTensor(type: .int64, shape: [], values: .integers([value]))
    case .integers(let values)?:
      tensor = ONNXTensor(type: .int64, shape: [values.count], values: .integers(values))
    case .text(let value)?: tensor = ONNXTensor(type: .text, shape: [], values: .texts([value]))
    case .texts(let values)?:
      tensor = ONNXTensor(type: .text, shape: [values.count], values: .texts(values))
    default: throw node.error(.unsupported, "the kind of constant")
    }
    set(node, .constant(tensor))
  }

  // MARK: Shapes as values

  mutating func shape(_ node: ONNXNode) throws(ModelError) {
    let shape: [Int]
    switch values[node.inputs.first ?? ""] {
    case .rows(let rows): shape = rows.shape
    case .constant(let tensor): shape = tensor.shape
    default: throw node.error(.unsupported, "the shape of this value")
    }
    let start = try node.integer("start", 0)
    let end = try node.integer("end", shape.count)
    let first = max(0, min(shape.count, start < 0 ? start + shape.count : start))
    let last = max(first, min(shape.count, end < 0 ? end + shape.count : end))
    setShape(node, shape[first..<last].map { $0 == RowValue.batch ? nil : $0 })
  }

  /// Sets a list of lengths, a constant if none is the number of rows.
  private mutating func setShape(_ node: ONNXNode, _ shape: [Int?]) {
    let known = shape.compactMap { $0 }
    if known.count == shape.count {
      let values = known.map { Int64($0) }
      set(
        node,
        .constant(ONNXTensor(type: .int64, shape: [shape.count], values: .integers(values))))
    } else {
      set(node, .shape(shape))
    }
  }

  /// The lengths that an input holds, nil if it is no list of lengths.
  private func lengths(_ node: ONNXNode, _ index: Int) -> [Int?]? {
    guard index < node.inputs.count else { return nil }
    switch values[node.inputs[index]] {
    case .shape(let shape): return shape
    case .constant(let tensor): return tensor.integers?.map { Int($0) }
    default: return nil
    }
  }

  private func isShape(_ node: ONNXNode) -> Bool {
    node.inputs.contains { if case .shape = values[$0] { true } else { false } }
  }

  mutating func constantOfShape(_ node: ONNXNode) throws(ModelError) {
    guard let lengths = lengths(node, 0) else {
      throw node.error(.unsupported, "a shape that depends on rows")
    }
    let shape = lengths.map { $0 ?? RowValue.batch }
    guard lengths.allSatisfy({ ($0 ?? 1) >= 0 }), lengths.count(where: { $0 == nil }) <= 1,
      lengths.count <= 8, let width = GraphShape.checkedWidth(shape)
    else { throw node.error(.unsupported, "the shape \(GraphShape.text(shape))") }
    try spend(width, node)
    let value =
      try node.tensor("value")
      ?? ONNXTensor(type: .float32, shape: [1], values: .floats([0]))
    guard let column = RowValue(value).columns.first, value.type != .text else {
      throw node.error(.malformed, "the value")
    }
    set(node, GraphType(value.type), shape, Array(repeating: column, count: width))
    evaluateHere(node)
  }

  /// Makes a constant of an output that depends on no row.
  private mutating func evaluateHere(_ node: ONNXNode) {
    if case .rows(let rows)? = values[node.outputs.first ?? ""], let tensor = rows.tensor {
      set(node, .constant(tensor))
    }
  }

  mutating func expand(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    guard let lengths = lengths(node, 1), lengths.count <= 8,
      lengths.allSatisfy({ ($0 ?? 1) >= 0 })
    else { throw node.error(.unsupported, "a shape that depends on rows") }
    let shape = try GraphShape.broadcast(
      value.shape, lengths.map { $0 ?? RowValue.batch }, node)
    try spend(RowValue.width(shape), node)
    let places = GraphShape.places(value.shape, in: shape)
    set(node, value.type, shape, places.map { value.columns[$0] })
  }

  mutating func tile(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    guard let repeats = try constant(node, 1).integers, repeats.count == value.shape.count,
      repeats.allSatisfy({ $0 >= 0 && $0 < 1 << 24 })
    else { throw node.error(.malformed, "the repeats") }
    var result = value
    for (axis, count) in repeats.enumerated() where count != 1 {
      guard result.shape[axis] != RowValue.batch, count > 0 else {
        throw node.error(.unsupported, "repeating rows")
      }
      try spend(max(1, result.columns.count) * Int(count), node)
      result = try joined(Array(repeating: result, count: Int(count)), axis, node)
    }
    set(node, .rows(result))
  }

  // MARK: The same elements in another shape

  mutating func reshape(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    var known = lengths(node, 1)
    if known == nil { known = try node.optionalIntegers("shape") }
    guard let lengths = known else {
      throw node.error(.unsupported, "a shape that depends on rows")
    }
    let keepsZero = try node.integer("allowzero", 0) != 0
    var shape: [Int] = []
    var free: Int?
    for (index, length) in lengths.enumerated() {
      switch length {
      case nil: shape.append(RowValue.batch)
      case 0? where !keepsZero:
        guard index < value.shape.count else { throw node.error(.malformed, "the shape") }
        shape.append(value.shape[index])
      case .some(-1):
        guard free == nil else { throw node.error(.malformed, "two lengths of -1") }
        free = index
        shape.append(1)
      case let length?:
        guard length >= 0 else { throw node.error(.malformed, "a length of \(length)") }
        shape.append(length)
      }
    }
    try setReshaped(node, value, to: shape, free: free)
  }

  /// Sets a value in another shape; one length may be free, and is then what is left.
  private mutating func setReshaped(
    _ node: ONNXNode, _ value: RowValue, to wanted: [Int], free: Int?
  ) throws(ModelError) {
    var shape = wanted
    let width = value.columns.count
    guard shape.count <= 8, let product = GraphShape.checkedWidth(shape) else {
      throw node.error(.malformed, "the shape \(GraphShape.text(shape))")
    }
    let hasBatch = shape.contains(RowValue.batch)
    if let free {
      if value.batchAxis != nil, !hasBatch, product == width {
        shape[free] = RowValue.batch
      } else if product > 0, width % product == 0 {
        shape[free] = width / product
      }
    } else if value.batchAxis != nil, !hasBatch, product == width {
      // A graph made for one row at a time.
      let outer = outerWidth(value.shape)
      let axis = shape.indices.first { index in
        shape[index] == 1 && shape[..<index].reduce(1, *) == outer
      }
      if let axis { shape[axis] = RowValue.batch }
    }
    guard GraphShape.checkedWidth(shape) == width,
      shape.count(where: { $0 == RowValue.batch }) == (value.batchAxis == nil ? 0 : 1),
      outerWidth(shape) == outerWidth(value.shape)
    else {
      throw node.error(
        .unsupported,
        "shape \(GraphShape.text(value.shape)) as \(GraphShape.text(wanted)), row by row")
    }
    set(node, value.type, shape, value.columns)
  }

  /// How many elements stand before the axis of rows; 1 without one.
  private func outerWidth(_ shape: [Int]) -> Int {
    guard let axis = shape.firstIndex(of: RowValue.batch) else { return 1 }
    return shape[..<axis].reduce(1, *)
  }

  mutating func flatten(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    var axis = try node.integer("axis", 1)
    if axis < 0 { axis += value.shape.count }
    guard axis >= 0, axis <= value.shape.count else {
      throw node.error(.malformed, "axis \(axis)")
    }
    func merged(_ lengths: ArraySlice<Int>) throws(ModelError) -> Int {
      guard lengths.contains(RowValue.batch) else { return lengths.reduce(1, *) }
      guard RowValue.width(Array(lengths)) == 1 else {
        throw node.error(.unsupported, "rows and columns become one axis")
      }
      return RowValue.batch
    }
    let shape = [try merged(value.shape[..<axis]), try merged(value.shape[axis...])]
    set(node, value.type, shape, value.columns)
  }

  mutating func squeeze(_ node: ONNXNode) throws(ModelError) {
    if isShape(node) {
      guard let lengths = lengths(node, 0), lengths.count == 1 else {
        throw node.error(.unsupported, "a shape without an axis")
      }
      setShape(node, lengths)
      return
    }
    let value = try rows(node, 0)
    let axes = try integers(node, input: 1, attribute: "axes")
    var shape: [Int] = []
    var dropped: Set<Int> = []
    for axis in axes ?? [] { dropped.insert(try node.axis(axis, rank: value.shape.count)) }
    for (index, length) in value.shape.enumerated() {
      if axes == nil ? length == 1 : dropped.contains(index) {
        guard length == 1 else { throw node.error(.unsupported, "axis \(index) is not 1 long") }
      } else {
        shape.append(length)
      }
    }
    set(node, value.type, shape, value.columns)
  }

  mutating func unsqueeze(_ node: ONNXNode) throws(ModelError) {
    if isShape(node) {
      guard let lengths = lengths(node, 0) else { throw node.error(.unsupported, "this shape") }
      setShape(node, lengths)
      return
    }
    let value = try rows(node, 0)
    guard let axes = try integers(node, input: 1, attribute: "axes") else {
      throw node.error(.malformed, "no axes")
    }
    let rank = value.shape.count + axes.count
    guard rank <= 8 else { throw node.error(.unsupported, "\(rank) axes") }
    var added: Set<Int> = []
    for axis in axes { added.insert(try node.axis(axis, rank: rank)) }
    guard added.count == axes.count else { throw node.error(.malformed, "an axis twice") }
    var rest = value.shape[...]
    let shape = (0..<rank).map { added.contains($0) ? 1 : rest.removeFirst() }
    set(node, value.type, shape, value.columns)
  }

  mutating func transpose(_ node: ONNXNode) throws(ModelError) {
    let value = try rows(node, 0)
    let rank = value.shape.count
    let order = try node.optionalIntegers("perm") ?? Array((0..<rank).reversed())
    guard order.sorted() == Array(0..<rank) else { throw node.error(.malformed, "perm") }
    let steps = GraphShape.steps(value.shape)
    let shape = order.map { value.shape[$0] }
    try spend(value.columns.count, node)
    let places = GraphShape.places(
      shape.map { $0 == RowValue.batch ? 1 : $0 }, order.map { steps[$0] })
    set(node, value.type, shape, places.map { value.columns[$0] })
  }

  // MARK: Some of the elements

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
