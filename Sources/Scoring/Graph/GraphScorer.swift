package import Models

/// Scores rows with the graph of an ONNX file.
///
/// The graph becomes steps over tiles of rows, on our own kernels; what a row gets depends on that
/// row alone, with the same bits on every CPU. There are no raw scores: both modes give the graph's
/// outputs.
package struct GraphScorer: Scorer {
  package let inputs: [ModelInput]
  package let outputs: [ModelOutput]
  package let summary: ScorerSummary
  private let program: GraphProgram
  /// The cells of all outputs, with what they hold.
  private let results: [(cell: Cell, storage: CellStorage)]
  private let instructions: InstructionSet
  /// Inputs of whole numbers: a row where one is missing has no results.
  private let wholeInputs: [Int]

  /// Compiles a graph.
  ///
  /// - Parameters:
  ///   - model: the file.
  ///   - columns: for inputs of several columns the name of each; without, they are called after
  ///     the input, as in `X[0]`.
  ///   - instructions: what kernels may use.
  /// - Throws: `ModelError` that names the node; if operators are not supported, all of them.
  package init(
    _ model: ONNXModel, columns: [String: [String]] = [:], instructions: InstructionSet = .best
  ) throws(ModelError) {
    self.instructions = instructions
    try Self.checkVersions(model)
    let nodes = try Self.needed(model)
    var compiler = GraphCompiler(
      versions: model.versions, instructions: instructions,
      useCounts: Self.useCounts(nodes, model.outputs))
    for node in nodes {
      for name in node.inputs {
        if let tensor = model.constants[name] { compiler.values[name] = .constant(tensor) }
      }
    }
    for port in model.outputs {
      if let tensor = model.constants[port.name] { compiler.values[port.name] = .constant(tensor) }
    }
    inputs = try GraphPorts.load(model, columns, nodes, into: &compiler)
    try compiler.compile(nodes)
    (outputs, results) = try GraphPorts.outputs(model, &compiler)
    program = try compiler.program(results.map(\.cell))
    wholeInputs = GraphPorts.wholeInputs(model, inputs: inputs, columns)
    summary = ScorerSummary(
      sizes: [("nodes", nodes.count), ("steps", program.steps.count)],
      kernels: program.steps.map(\.name))
  }

  package func score(
    _ tile: FeatureTile, mode: ScoreMode, into output: UnsafeMutableBufferPointer<Double>,
    scratch: inout ScoringScratch
  ) {
    let rowCount = unsafe tile.rowCount
    guard rowCount > 0 else { return }
    let width = results.count
    let stride = unsafe tile.stride
    let hasText = inputs.contains { $0.isText }
    precondition(output.count >= rowCount * width)
    let needed = (inputs.count - 1) * stride + rowCount
    precondition(unsafe tile.numbers.count >= needed || inputs.isEmpty)
    precondition(unsafe tile.texts.count >= needed || !hasText)
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let memory = unsafe scratch.reserve(byteCount: program.tileByteCount)
    var start = 0
    while start < rowCount {
      let count = min(program.tileRowCount, rowCount - start)
      let rows = unsafe UnsafeMutableBufferPointer(
        rebasing: output[start * width..<(start + count) * width])
      unsafe program.run(
        tile, firstRow: start, rowCount: count, isa: instructions.raw, memory: memory,
        scratch: &scratch
      ) { frame in
        unsafe write(frame, into: rows)
      }
      start += count
    }
    unsafe spoilMissing(tile, output)
  }

  private func write(_ frame: GraphFrame, into output: UnsafeMutableBufferPointer<Double>) {
    let (count, width) = unsafe (frame.rowCount, results.count)
    for (index, result) in results.enumerated() {
      switch result.storage {
      case .float:
        let from = unsafe frame.floats(result.cell)
        for row in 0..<count { unsafe output[row * width + index] = Double(from[row]) }
      case .double:
        let from = unsafe frame.doubles(result.cell)
        for row in 0..<count { unsafe output[row * width + index] = from[row] }
      case .integer:
        let from = unsafe frame.integers(result.cell)
        for row in 0..<count { unsafe output[row * width + index] = Double(from[row]) }
      case .text, .code: preconditionFailure("not an output")
      }
    }
  }

  /// A whole number cannot be missing: such rows get NaN throughout.
  private func spoilMissing(
    _ tile: FeatureTile, _ output: UnsafeMutableBufferPointer<Double>
  ) {
    let width = results.count
    for input in wholeInputs {
      for row in 0..<(unsafe tile.rowCount)
      where unsafe tile.numbers[input * tile.stride + row].isNaN {
        for index in 0..<width { unsafe output[row * width + index] = .nan }
      }
    }
  }

  // MARK: What is compiled

  /// The versions whose operators are known to mean what they mean here.
  private static let standardVersions = 7...27
  private static let learningVersions = 1...5

  private static func checkVersions(_ model: ONNXModel) throws(ModelError) {
    if let version = model.versions[""], !standardVersions.contains(version) {
      throw ModelError(
        code: .unsupported,
        context: "ONNX: version \(version) of the operators, known are \(standardVersions)")
    }
    if let version = model.versions["ai.onnx.ml"], !learningVersions.contains(version) {
      throw ModelError(
        code: .unsupported,
        context: "ONNX: version \(version) of ai.onnx.ml, known are \(learningVersions)")
    }
  }

  /// The nodes that the outputs depend on, in their order.
  private static func needed(_ model: ONNXModel) throws(ModelError) -> [ONNXNode] {
    guard !model.outputs.isEmpty else {
      throw ModelError(code: .malformed, context: "ONNX: the graph has no outputs")
    }
    var wanted = Set(model.outputs.map(\.name))
    var nodes: [ONNXNode] = []
    for node in model.nodes.reversed() {
      guard node.outputs.contains(where: { !$0.isEmpty && wanted.contains($0) }) else { continue }
      wanted.formUnion(node.inputs)
      nodes.append(node)
    }
    return nodes.reversed()
  }

  private static func useCounts(
    _ nodes: [ONNXNode], _ outputs: [ONNXModel.Port]
  ) -> [String: Int] {
    var counts: [String: Int] = [:]
    for node in nodes {
      for name in node.inputs { counts[name, default: 0] += 1 }
      // Who reads what an identity gives reads what it was given.
      if ["Identity", "Dropout"].contains(node.type), let name = node.inputs.first {
        counts[name, default: 0] += 1
      }
    }
    for output in outputs { counts[output.name, default: 0] += 1 }
    return counts
  }
}
