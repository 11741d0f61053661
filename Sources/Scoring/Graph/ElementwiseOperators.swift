internal import CKernels
internal import Models

extension GraphCompiler {
  // MARK: One number

  /// A function of one number.
  mutating func unary(_ node: ONNXNode, _ operation: UnaryOperation) throws(ModelError) {
    let value = try rows(node, 0)
    guard value.type.isNumber else {
      throw node.error(.unsupported, "\(operation.name) of \(value.type.name)")
    }
    if fuse(node, value, operation) { return }
    set(node, value.type, value.shape, cells: try apply(operation, value, node))
  }

  /// The results of a function of one number.
  mutating func apply(
    _ operation: UnaryOperation, _ value: RowValue, _ node: ONNXNode
  ) throws(ModelError) -> [Cell] {
    let from = try cells(of: value)
    let to = try newCells(from.count, value.type.storage, node)
    let pairs = Array(zip(from, to)).map { (from: $0.0, to: $0.1) }
    append(UnarySteps(storage: value.type.storage, operation: operation, pairs: pairs))
    return to
  }

  /// Lets a dense layer do what follows it.
  private mutating func fuse(
    _ node: ONNXNode, _ value: RowValue, _ operation: UnaryOperation
  ) -> Bool {
    guard value.type == .float32, let activation = operation.activation,
      let open = openLayer(value, node.inputs[0]), open.plan.activation == .init()
    else { return false }
    var plan = open.plan
    plan.activation = DenseStep.Activation(
      kind: activation.kind, first: activation.first, second: activation.second)
    replace(open.index, with: plan, node)
    set(node, .rows(value))
    return true
  }

  mutating func clip(_ node: ONNXNode) throws(ModelError) {
    var least = -Double.infinity
    var most = Double.infinity
    if version < 11 {
      least = Double(try node.float("min", -.infinity))
      most = Double(try node.float("max", .infinity))
    } else {
      if let tensor = try optionalConstant(node, 1), let value = tensor.numbers?.first {
        least = value
      }
      if let tensor = try optionalConstant(node, 2), let value = tensor.numbers?.first {
        most = value
      }
    }
    try unary(node, .clip(least, most))
  }

  mutating func not(_ node: ONNXNode) throws(ModelError) {
    try classify(node, .isZero)
  }

  mutating func classify(_ node: ONNXNode, _ test: ClassifyStep.Test) throws(ModelError) {
    let value = try rows(node, 0)
    let from = try cells(of: value)
    guard value.type.storage != .text else {
      throw node.error(.unsupported, "\(test) of \(value.type.name)")
    }
    let to = try newCells(from.count, .integer, node)
    let pairs = Array(zip(from, to)).map { (from: $0.0, to: $0.1) }
    append(ClassifyStep(test: test, from: value.type.storage, pairs: pairs))
    set(node, .flag, value.shape, cells: to)
  }

  // MARK: Two numbers

  /// A function of two numbers, or of more, one after the other.
  mutating func binary(_ node: ONNXNode, _ operation: BinaryOperation) throws(ModelError) {
    var result = try rows(node, 0)
    if node.inputs.count == 1 {
      set(node, .rows(result))
      return
    }
    for index in 1..<node.inputs.count {
      let other = try rows(node, index)
      if operation == .add, node.inputs.count == 2, try fuseBias(node, result, other) { return }
      result = try combine(result, other, operation, node)
    }
    set(node, .rows(result))
  }

  /// Two values and a function of their numbers.
  mutating func combine(
    _ one: RowValue, _ other: RowValue, _ operation: BinaryOperation, _ node: ONNXNode
  ) throws(ModelError) -> RowValue {
    // The exponent may be of another type.
    var other = other
    if operation == .power, other.type != one.type {
      other = try convert(other, to: one.type, node)
    }
    guard one.type.isNumber, one.type.storage == other.type.storage else {
      throw node.error(.unsupported, "\(operation.name) of \(one.type.name), \(other.type.name)")
    }
    let (shape, parts, cells) = try pair(one, other, one.type.storage, node)
    append(BinarySteps(storage: one.type.storage, operation: operation, parts: parts))
    return RowValue(type: one.type, shape: shape, columns: cells.map { .cell($0) })
  }

  /// The columns of two values side by side, and cells for the results.
  private mutating func pair(
    _ one: RowValue, _ other: RowValue, _ storage: CellStorage, _ node: ONNXNode
  ) throws(ModelError) -> ([Int], [BinaryPart], [Cell]) {
    let shape = try GraphShape.broadcast(one.shape, other.shape, node)
    let width = RowValue.width(shape)
    let to = try newCells(width, storage, node)
    let ones = try operands(of: one)
    let others = try operands(of: other)
    let places = GraphShape.places(one.shape, in: shape)
    let otherPlaces = GraphShape.places(other.shape, in: shape)
    var parts: [BinaryPart] = []
    parts.reserveCapacity(width)
    for index in 0..<width {
      parts.append(
        BinaryPart(one: ones[places[index]], other: others[otherPlaces[index]], to: to[index]))
    }
    return (shape, parts, to)
  }

  /// Lets a dense layer begin its sums with what would be added to them.
  private mutating func fuseBias(
    _ node: ONNXNode, _ one: RowValue, _ other: RowValue
  ) throws(ModelError) -> Bool {
    for (layer, name, bias) in [(one, node.inputs[0], other), (other, node.inputs[1], one)] {
      guard layer.type == .float32, bias.type == .float32, bias.columns.allSatisfy(\.isConstant),
        let open = openLayer(layer, name), open.plan.isPlain,
        let shape = try? GraphShape.broadcast(layer.shape, bias.shape, node), shape == layer.shape
      else { continue }
      let places = GraphShape.places(bias.shape, in: shape)
      let values = places.map { Float(constant: bias.columns[$0]) }
      // A layer that is applied to several vectors of a row has one bias for all of them.
      guard open.plan.outputs.count == values.count else { continue }
      var plan = open.plan
      plan.bias = values
      replace(open.index, with: plan, node)
      set(node, .rows(layer))
      return true
    }
    return false
  }

  mutating func compare(_ node: ONNXNode, _ comparison: Comparison) throws(ModelError) {
    let one = try rows(node, 0)
    let other = try rows(node, 1)
    if case .label(let texts) = one.type, case .label(let others) = other.type {
      try compareTexts(node, one, texts, other, others, comparison)
      return
    }
    guard one.type.storage == other.type.storage, one.type.storage != .text else {
      throw node.error(.unsupported, "\(comparison) of \(one.type.name), \(other.type.name)")
    }
    let (shape, parts, cells) = try pair(one, other, .integer, node)
    append(ComparisonSteps(storage: one.type.storage, comparison: comparison, parts: parts))
    set(node, .flag, shape, cells: cells)
  }

  /// Texts of two lists: places become places in one list of both.
  private mutating func compareTexts(
    _ node: ONNXNode, _ one: RowValue, _ texts: [String], _ other: RowValue, _ others: [String],
    _ comparison: Comparison
  ) throws(ModelError) {
    guard comparison == .equal else { throw node.error(.unsupported, "\(comparison) of string") }
    let keys = KeyTable(texts: texts + others)
    func common(_ value: RowValue, _ texts: [String]) throws(ModelError) -> RowValue {
      let places = texts.map { Int64(keys.find($0) ?? -1) } + [-1]
      let from = try cells(of: value)
      let to = try newCells(from.count, .integer, node)
      append(
        TableStep(
          parts: Array(zip(from, to)).map { ($0.0, $0.1) }, values: .integers(places),
          isIndexed: true))
      return RowValue(
        type: .integer(.int64), shape: value.shape, columns: to.map { .cell($0) })
    }
    let (shape, parts, to) = try pair(
      try common(one, texts), try common(other, others), .integer, node)
    append(ComparisonSteps(storage: .integer, comparison: .equal, parts: parts))
    set(node, .flag, shape, cells: to)
  }

  mutating func choose(_ node: ONNXNode) throws(ModelError) {
    let condition = try rows(node, 0)
    let yes = try rows(node, 1)
    let no = try rows(node, 2)
    guard condition.type == .flag, yes.type == no.type, yes.type.storage != .text else {
      throw node.error(
        .unsupported,
        "choice by \(condition.type.name) between \(yes.type.name) and \(no.type.name)")
    }
    let shape = try GraphShape.broadcast(
      try GraphShape.broadcast(condition.shape, yes.shape, node), no.shape, node)
    let width = RowValue.width(shape)
    let to = try newCells(width, yes.type.storage, node)
    let conditions = try cells(of: condition)
    let (yesCells, noCells) = (try cells(of: yes), try cells(of: no))
    let places = GraphShape.places(condition.shape, in: shape)
    let yesPlaces = GraphShape.places(yes.shape, in: shape)
    let noPlaces = GraphShape.places(no.shape, in: shape)
    let parts = (0..<width).map { index in
      (
        condition: conditions[places[index]], yes: yesCells[yesPlaces[index]],
        no: noCells[noPlaces[index]], to: to[index]
      )
    }
    append(SelectStep(storage: yes.type.storage, parts: parts))
    set(node, yes.type, shape, cells: to)
  }

  // MARK: Types

  mutating func cast(_ node: ONNXNode) throws(ModelError) {
    let number = try node.integer("to", 0)
    if case .shape(let shape)? = values[node.inputs.first ?? ""], number == 7 {
      set(node, .shape(shape))
      return
    }
    guard let type = ONNXTensor.ElementType(rawValue: number) else {
      throw node.error(.unsupported, "a cast to element type \(number)")
    }
    set(node, .rows(try convert(try rows(node, 0), to: GraphType(type), node)))
  }

  /// A value as another type.
  mutating func convert(
    _ value: RowValue, to type: GraphType, _ node: ONNXNode
  ) throws(ModelError) -> RowValue {
    switch (value.type, type) {
    case (.label, .text), (.text, .text): return value
    case (_, .text), (_, .label), (.label, _):
      throw node.error(.unsupported, "a cast from \(value.type.name) to \(type.name)")
    default: break
    }
    if value.type == type { return value }
    let isBinary = value.columns.allSatisfy { if case .indicator = $0 { true } else { false } }
    if isBinary, type.isNumber {
      return RowValue(type: type, shape: value.shape, columns: value.columns)
    }
    let from = try cells(of: value)
    let to = try newCells(from.count, type.storage, node)
    let pairs = Array(zip(from, to)).map { (from: $0.0, to: $0.1) }
    append(ConvertStep(from: value.type.storage, to: type.storage, type: type, pairs: pairs))
    return RowValue(type: type, shape: value.shape, columns: to.map { .cell($0) })
  }
}
