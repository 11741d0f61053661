internal import Models

/// The inputs and outputs of a graph.
enum GraphPorts {
  /// Makes columns of the graph's inputs.
  ///
  /// - Returns: One input for each column, in the order of the graph.
  static func load(
    _ model: ONNXModel, _ columns: [String: [String]], _ nodes: [ONNXNode],
    into compiler: inout GraphCompiler
  ) throws(ModelError) -> [ModelInput] {
    let used = Set(nodes.flatMap(\.inputs) + model.outputs.map(\.name))
    var inputs: [ModelInput] = []
    var texts: [(input: Int, to: Cell)] = []
    var numbers: [LoadNumbers.Kind: [(input: Int, to: Cell)]] = [:]
    for name in columns.keys.sorted() where !model.inputs.contains(where: { $0.name == name }) {
      throw ModelError(
        code: .columnsDiffer, context: "ONNX: there is no input \(name.prefix(100)) to name")
    }
    for port in model.inputs {
      let (type, shape, names) = try describe(port, columns[port.name])
      guard inputs.count + names.count <= ModelLimits.featureCount else {
        throw ModelError(
          code: .limitExceeded, context: "ONNX: more than \(ModelLimits.featureCount) inputs")
      }
      let cells = try compiler.newCells(names.count, type.storage)
      let parts = cells.enumerated().map { (input: inputs.count + $0.offset, to: $0.element) }
      switch type {
      case .text, .label: texts += parts
      case .float32: numbers[.float, default: []] += parts
      case .float64: numbers[.double, default: []] += parts
      case .integer: numbers[.integer, default: []] += parts
      case .flag: numbers[.flag, default: []] += parts
      }
      compiler.values[port.name] = .rows(
        RowValue(type: type, shape: shape, columns: cells.map { .cell($0) }))
      for name in names {
        inputs.append(
          ModelInput(
            name: name, kind: type == .text ? .text : .numeric,
            isUsed: used.contains(port.name)))
      }
    }
    for kind in LoadNumbers.Kind.allCases {
      if let parts = numbers[kind] { compiler.append(LoadNumbers(kind: kind, parts: parts)) }
    }
    if !texts.isEmpty { compiler.append(LoadTexts(parts: texts)) }
    guard Set(inputs.map(\.name)).count == inputs.count else {
      throw ModelError(code: .columnsDiffer, context: "ONNX: two inputs have the same name")
    }
    return inputs
  }

  /// The type, shape and columns' names of an input.
  private static func describe(
    _ port: ONNXModel.Port, _ columns: [String]?
  ) throws(ModelError) -> (GraphType, [Int], [String]) {
    let name = port.name
    guard name.utf8.count <= 256 else {
      throw ModelError(
        code: .limitExceeded, context: "ONNX: an input's name has \(name.utf8.count) bytes")
    }
    guard case .tensor(let type, let axes) = port.kind else {
      guard case .other(let kind) = port.kind else { fatalError("of some kind") }
      throw ModelError(
        code: .unsupported, context: "ONNX: input \(name.prefix(100)) is \(kind)")
    }
    var shape = (axes ?? [nil, nil]).map { $0 ?? RowValue.batch }
    guard !shape.isEmpty else {
      throw ModelError(
        code: .unsupported, context: "ONNX: input \(name.prefix(100)) is one value for all rows")
    }
    // A length of 1 is that of a graph made for one row at a time.
    if shape[0] == 1 { shape[0] = RowValue.batch }
    let free = shape.indices.dropFirst().filter { shape[$0] == RowValue.batch }
    if let axis = free.first, free.count == 1, let columns { shape[axis] = columns.count }
    guard shape[0] == RowValue.batch, !shape.dropFirst().contains(RowValue.batch),
      let width = GraphShape.checkedWidth(shape), width > 0, width <= ModelLimits.featureCount
    else {
      throw ModelError(
        code: .unsupported,
        context: "ONNX: input \(name.prefix(100)) has the shape \(GraphShape.text(shape)); "
          + "give names to its columns if their number is not fixed")
    }
    guard columns == nil || columns?.count == width else {
      throw ModelError(
        code: .columnsDiffer,
        context: "ONNX: \(columns?.count ?? 0) names for the \(width) columns of input "
          + "\(name.prefix(100))")
    }
    let names = columns ?? (width == 1 ? [name] : (0..<width).map { "\(name)[\($0)]" })
    return (GraphType(type), shape, names)
  }

  /// The inputs that are whole numbers.
  static func wholeInputs(
    _ model: ONNXModel, inputs: [ModelInput], _ columns: [String: [String]]
  ) -> [Int] {
    var whole: [Int] = []
    var position = 0
    for port in model.inputs {
      guard let (type, shape, _) = try? describe(port, columns[port.name]) else { continue }
      let width = RowValue.width(shape)
      if type.storage == .integer {
        whole += (position..<position + width).filter { inputs[$0].isUsed }
      }
      position += width
    }
    return whole
  }

  /// Makes outputs of the graph's values.
  static func outputs(
    _ model: ONNXModel, _ compiler: inout GraphCompiler
  ) throws(ModelError) -> ([ModelOutput], [(cell: Cell, storage: CellStorage)]) {
    var outputs: [ModelOutput] = []
    var results: [(cell: Cell, storage: CellStorage)] = []
    for port in model.outputs {
      var names: [String] = []
      var value: RowValue
      switch compiler.values[port.name] {
      case .rows(let rows): value = rows
      case .named(let rows, let classes): (value, names) = (rows, classes)
      case .constant, .shape:
        throw ModelError(
          code: .unsupported,
          context: "ONNX: output \(port.name.prefix(100)) does not depend on the rows")
      case nil:
        throw ModelError(
          code: .malformed, context: "ONNX: nothing computes output \(port.name.prefix(100))")
      }
      let kind: ModelOutput.Kind
      switch value.type {
      case .float32: kind = .float32
      case .float64: kind = .float64
      case .integer, .flag: kind = .integer
      case .label(let texts): kind = .label(texts)
      case .text:
        throw ModelError(
          code: .unsupported, context: "ONNX: output \(port.name.prefix(100)) is text of the rows")
      }
      guard !value.columns.isEmpty,
        results.count + value.columns.count <= ModelLimits.outputCount
      else {
        throw ModelError(
          code: .limitExceeded,
          context: "ONNX: output \(port.name.prefix(100)) has \(value.columns.count) numbers")
      }
      if Set(names).count != names.count { names = [] }
      outputs.append(
        ModelOutput(
          name: port.name, kind: kind, width: value.columns.count, elementNames: names))
      for cell in try compiler.cells(of: value) { results.append((cell, value.type.storage)) }
    }
    return (outputs, results)
  }
}
