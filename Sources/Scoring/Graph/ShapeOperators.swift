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
    switch (node.attributes["value_float"] ?? node.attributes["value_floats"]
      ?? node.attributes["value_int"] ?? node.attributes["value_ints"]
      ?? node.attributes["value_string"] ?? node.attributes["value_strings"])
    {
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
  mutating func setShape(_ node: ONNXNode, _ shape: [Int?]) {
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
  func lengths(_ node: ONNXNode, _ index: Int) -> [Int?]? {
    guard index < node.inputs.count else { return nil }
    switch values[node.inputs[index]] {
    case .shape(let shape): return shape
    case .constant(let tensor): return tensor.integers?.map { Int($0) }
    default: return nil
    }
  }

  func isShape(_ node: ONNXNode) -> Bool {
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
}
