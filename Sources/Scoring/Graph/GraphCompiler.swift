internal import CKernels
internal import Models

/// Turns the nodes of an ONNX graph into steps over tiles of rows.
struct GraphCompiler {
  /// What is known of each value by its name.
  var values: [String: GraphValue] = [:]
  private(set) var steps: [any GraphStep] = []
  /// What each cell holds.
  private(set) var storages: [CellStorage] = []
  /// The version of each set of operators.
  let versions: [String: Int]
  /// What kernels may use.
  let instructions: InstructionSet
  /// How many nodes and outputs read each value.
  let useCounts: [String: Int]
  /// The steps of dense layers that may still take a bias or an activation, by their outputs.
  private var openLayers: [String: Int] = [:]
  /// How many columns may still be made: bounds time and memory whatever the graph says.
  private var columnBudget: Int
  /// Values that could not be computed, because of something that is not supported.
  private var spoiled: Set<String> = []
  private var problems: [String] = []

  /// More columns in all values of a graph than this are refused.
  static let columnLimit = 1 << 23

  init(
    versions: [String: Int], instructions: InstructionSet, useCounts: [String: Int] = [:],
    columnBudget: Int = GraphCompiler.columnLimit
  ) {
    self.versions = versions
    self.instructions = instructions
    self.useCounts = useCounts
    self.columnBudget = columnBudget
  }

  // MARK: Nodes

  /// Compiles nodes in their order.
  ///
  /// - Throws: `ModelError` that names every node that is not supported.
  mutating func compile(_ nodes: [ONNXNode]) throws(ModelError) {
    for node in nodes {
      guard GraphOperators.named(node.operatorName) == nil else { continue }
      note(ModelError(code: .unsupported, context: "\(node.place): no such operator here"))
      spoiled.formUnion(node.outputs)
    }
    for node in nodes {
      for name in node.outputs where !name.isEmpty && values[name] != nil {
        throw node.error(.malformed, "\(name.prefix(100)) is there already")
      }
      guard let compile = GraphOperators.named(node.operatorName) else { continue }
      guard spoiled.isDisjoint(with: node.inputs) else {
        spoiled.formUnion(node.outputs)
        continue
      }
      do throws(ModelError) {
        try self.compile(node, compile)
      } catch {
        guard error.code == .unsupported else { throw error }
        note(error)
        spoiled.formUnion(node.outputs)
      }
    }
    guard problems.isEmpty else {
      let shown = problems.prefix(ModelLimits.shownNameCount).joined(separator: "; ")
      let hidden = problems.count - ModelLimits.shownNameCount
      throw ModelError(
        code: .unsupported,
        context: "ONNX: \(shown)\(hidden > 0 ? " and \(hidden) more" : "")")
    }
  }

  private mutating func note(_ error: ModelError) { problems.append(error.context) }

  private mutating func compile(
    _ node: ONNXNode, _ compile: GraphOperators.Compile
  ) throws(ModelError) {
    let isConstant = node.inputs.allSatisfy { name in
      if case .constant = values[name] { true } else { name.isEmpty }
    }
    guard isConstant, !node.inputs.isEmpty else {
      try compile(&self, node)
      return
    }
    // The same steps, run once over one row.
    var inner = GraphCompiler(
      versions: versions, instructions: instructions, columnBudget: columnBudget)
    for name in node.inputs { inner.values[name] = values[name] }
    try compile(&inner, node)
    columnBudget = inner.columnBudget
    for name in node.outputs where !name.isEmpty {
      guard let value = inner.values[name] else { continue }
      values[name] = try inner.evaluated(value)
    }
  }

  /// A value whose columns do not depend on rows, computed.
  private mutating func evaluated(_ value: GraphValue) throws(ModelError) -> GraphValue {
    guard case .rows(let rows) = value, rows.batchAxis == nil else { return value }
    if let tensor = rows.tensor { return .constant(tensor) }
    let cells = try cells(of: rows)
    let program = try self.program(cells)
    var result = rows
    result.columns = program.constants(cells, rows.type.storage)
    guard let tensor = result.tensor else { return value }
    return .constant(tensor)
  }

  // MARK: Inputs and outputs of a node

  /// An input as columns; a constant becomes columns of constants.
  mutating func rows(_ node: ONNXNode, _ index: Int) throws(ModelError) -> RowValue {
    guard let rows = try optionalRows(node, index) else {
      throw node.error(.malformed, "input \(index) is missing")
    }
    return rows
  }

  /// The same for an input that may be left out.
  mutating func optionalRows(_ node: ONNXNode, _ index: Int) throws(ModelError) -> RowValue? {
    guard index < node.inputs.count, !node.inputs[index].isEmpty else { return nil }
    switch values[node.inputs[index]] {
    case .rows(let rows): return rows
    case .constant(let tensor):
      try spend(tensor.count, node)
      return RowValue(tensor)
    case .shape: throw node.error(.unsupported, "input \(index) depends on the number of rows")
    case .named: throw node.error(.unsupported, "input \(index) is a list of maps")
    case nil:
      throw node.error(.malformed, "no node before it computes \(node.inputs[index].prefix(100))")
    }
  }

  /// An input that has to be a constant.
  func constant(_ node: ONNXNode, _ index: Int) throws(ModelError) -> ONNXTensor {
    guard let tensor = try optionalConstant(node, index) else {
      throw node.error(.malformed, "input \(index) is missing")
    }
    return tensor
  }

  /// The same for an input that may be left out.
  func optionalConstant(_ node: ONNXNode, _ index: Int) throws(ModelError) -> ONNXTensor? {
    guard index < node.inputs.count, !node.inputs[index].isEmpty else { return nil }
    switch values[node.inputs[index]] {
    case .constant(let tensor): return tensor
    case nil:
      throw node.error(.malformed, "no node before it computes \(node.inputs[index].prefix(100))")
    default: throw node.error(.unsupported, "input \(index) is not a constant")
    }
  }

  /// Whole numbers from an input or, in older versions, from an attribute.
  func integers(
    _ node: ONNXNode, input: Int, attribute: String
  ) throws(ModelError) -> [Int]? {
    if let tensor = try optionalConstant(node, input) {
      guard let integers = tensor.integers else {
        throw node.error(.malformed, "input \(input) does not hold whole numbers")
      }
      return integers.map { Int($0) }
    }
    return try node.optionalIntegers(attribute)
  }

  /// Sets an output, if the node has one there.
  mutating func set(_ node: ONNXNode, output index: Int = 0, _ value: GraphValue) {
    guard index < node.outputs.count, !node.outputs[index].isEmpty else { return }
    values[node.outputs[index]] = value
  }

  /// Sets an output of columns.
  mutating func set(
    _ node: ONNXNode, output index: Int = 0, _ type: GraphType, _ shape: [Int],
    _ columns: [GraphColumn]
  ) {
    set(node, output: index, .rows(RowValue(type: type, shape: shape, columns: columns)))
  }

  /// Sets an output of cells.
  mutating func set(
    _ node: ONNXNode, output index: Int = 0, _ type: GraphType, _ shape: [Int], cells: [Cell]
  ) {
    set(node, output: index, type, shape, cells.map { .cell($0) })
  }

  /// Whether anybody reads an output.
  func isUsed(_ node: ONNXNode, _ index: Int) -> Bool {
    index < node.outputs.count && !node.outputs[index].isEmpty
  }

  /// Whether nothing but one node reads a value.
  func isReadOnce(_ name: String) -> Bool { useCounts[name] == 1 }

  /// The version of the standard operators.
  var version: Int { versions[""] ?? 1 }

  // MARK: Steps and cells

  /// Adds a step.
  mutating func append(_ step: any GraphStep) { steps.append(step) }

  /// Takes columns out of the budget.
  mutating func spend(_ count: Int, _ node: ONNXNode) throws(ModelError) {
    guard count >= 0, count <= columnBudget else {
      throw node.error(.limitExceeded, "the graph has more than \(Self.columnLimit) columns")
    }
    columnBudget -= count
  }

  /// New cells, which one step has to fill.
  mutating func newCells(
    _ count: Int, _ storage: CellStorage, _ node: ONNXNode? = nil
  ) throws(ModelError) -> [Cell] {
    guard count <= columnBudget else {
      throw ModelError(
        code: .limitExceeded,
        context: "\(node?.place ?? "ONNX"): the graph has more than \(Self.columnLimit) columns")
    }
    columnBudget -= count
    let start = storages.count
    storages.append(contentsOf: repeatElement(storage, count: count))
    return (start..<start + count).map { Cell($0) }
  }

  /// The columns of a value as cells; constants and categories are written out.
  mutating func cells(of value: RowValue) throws(ModelError) -> [Cell] {
    let known = value.columns.compactMap(\.cell)
    if known.count == value.columns.count { return known }
    let storage = value.type.storage
    let constantCount = value.columns.count { $0.isConstant }
    let filled = try newCells(constantCount, storage)
    let written = try newCells(value.columns.count - constantCount - known.count, storage)
    var fills: [(value: GraphColumn, to: Cell)] = []
    var indicators: [(codes: Cell, code: Int32, to: Cell)] = []
    var cells: [Cell] = []
    for column in value.columns {
      switch column {
      case .cell(let cell): cells.append(cell)
      case .number, .integer:
        fills.append((column, filled[fills.count]))
        cells.append(fills[fills.count - 1].to)
      case .indicator(let codes, let code):
        indicators.append((codes, code, written[indicators.count]))
        cells.append(indicators[indicators.count - 1].to)
      }
    }
    if !fills.isEmpty { append(FillStep(storage: storage, parts: fills)) }
    if !indicators.isEmpty { append(IndicatorStep(storage: storage, parts: indicators)) }
    return cells
  }

  /// The columns of a value as one side of operations of two numbers.
  mutating func operands(of value: RowValue) throws(ModelError) -> [Operand] {
    var value = value
    if value.columns.contains(where: { !$0.isConstant && $0.cell == nil }) {
      value.columns = try cells(of: value).map { .cell($0) }
    }
    return value.columns.map { column in
      if case .cell(let cell) = column { .cell(cell) } else { .constant(column) }
    }
  }

  // MARK: Dense layers that grow

  /// Adds a dense layer that may still take a bias or an activation.
  mutating func appendDense(_ plan: DensePlan, _ node: ONNXNode) {
    if let name = node.outputs.first { openLayers[name] = steps.count }
    append(plan)
  }

  /// The dense layer that fills exactly these columns, and nobody but the caller reads.
  func openLayer(_ value: RowValue, _ name: String) -> (index: Int, plan: DensePlan)? {
    guard isReadOnce(name), let index = openLayers[name], let plan = steps[index] as? DensePlan,
      plan.outputs.count == value.columns.count,
      zip(plan.outputs, value.columns).allSatisfy({ .cell($0) == $1 })
    else { return nil }
    return (index, plan)
  }

  /// Puts another plan in the place of a dense layer.
  mutating func replace(_ index: Int, with plan: DensePlan, _ node: ONNXNode) {
    steps[index] = plan
    if let name = node.outputs.first { openLayers[name] = index }
  }

  /// The steps as a program that computes these cells.
  func program(_ wanted: [Cell]) throws(ModelError) -> GraphProgram {
    try GraphProgram(
      steps: DensePlan.finished(steps, wanted: wanted), storages: storages, wanted: wanted)
  }
}

extension RowValue {
  /// A constant as columns.
  init(_ tensor: ONNXTensor) {
    switch tensor.values {
    case .floats(let values):
      self.init(
        type: .float32, shape: tensor.shape, columns: values.map { .number(Double($0)) })
    case .doubles(let values):
      self.init(type: .float64, shape: tensor.shape, columns: values.map { .number($0) })
    case .integers(let values):
      self.init(
        type: GraphType(tensor.type), shape: tensor.shape, columns: values.map { .integer($0) })
    case .texts(let values):
      self.init(
        type: .label(values), shape: tensor.shape,
        columns: values.indices.map { .integer(Int64($0)) })
    }
  }

  /// The constant that it is, nil if it depends on rows.
  var tensor: ONNXTensor? {
    guard batchAxis == nil, columns.allSatisfy(\.isConstant) else { return nil }
    switch type {
    case .float32:
      return ONNXTensor(
        type: .float32, shape: shape, values: .floats(columns.map { Float(constant: $0) }))
    case .float64:
      return ONNXTensor(
        type: .float64, shape: shape, values: .doubles(columns.map { Double(constant: $0) }))
    case .integer(let type):
      return ONNXTensor(
        type: type, shape: shape, values: .integers(columns.map { Int64(constant: $0) }))
    case .flag:
      return ONNXTensor(
        type: .flag, shape: shape, values: .integers(columns.map { Int64(constant: $0) }))
    case .label(let texts):
      let places = columns.map { Int(Int64(constant: $0)) }
      guard places.allSatisfy(texts.indices.contains) else { return nil }
      return ONNXTensor(type: .text, shape: shape, values: .texts(places.map { texts[$0] }))
    case .text: return nil
    }
  }
}

extension GraphProgram {
  /// Runs over one row that has no inputs, and reads cells.
  func constants(_ cells: [Cell], _ storage: CellStorage) -> [GraphColumn] {
    var scratch = ScoringScratch()
    let memory = unsafe scratch.reserve(byteCount: tileByteCount)
    var columns: [GraphColumn] = []
    let tile = unsafe FeatureTile(
      numbers: UnsafeBufferPointer(start: nil, count: 0), stride: 1, rowCount: 1)
    unsafe run(
      tile, firstRow: 0, rowCount: 1, isa: ns_isa_portable, memory: memory, scratch: &scratch
    ) { frame in
      for cell in cells {
        switch storage {
        case .float: unsafe columns.append(.number(Double(frame.floats(cell)[0])))
        case .double: unsafe columns.append(.number(frame.doubles(cell)[0]))
        case .integer: unsafe columns.append(.integer(frame.integers(cell)[0]))
        case .text, .code: unsafe columns.append(.integer(Int64(frame.codes(cell)[0])))
        }
      }
    }
    return columns
  }
}
