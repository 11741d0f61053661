internal import CKernels
internal import Models

/// A dense layer before its weights are packed: it may still take a bias or an activation.
struct DensePlan: GraphStep {
  /// The numbers that go in.
  let inputs: [Cell]
  /// For each number that goes in the weights of all outputs.
  let weights: [Float]
  /// One for each output, or none.
  var bias: [Float]
  let lookups: [DenseStep.Lookup]
  var activation = DenseStep.Activation()
  let outputs: [Cell]

  var reads: [Cell] { inputs + lookups.map(\.codes) }
  var writes: [Cell] { outputs }
  var name: String { "dense \(inputs.count)×\(outputs.count)" }

  /// Whether it only multiplies so far.
  var isPlain: Bool { bias.isEmpty && activation == .init() }

  /// Takes a matrix apart into what multiplies numbers, what one-hot columns select, and constants.
  ///
  /// - Parameters:
  ///   - columns: what goes in, none of them cells of another type than floats.
  ///   - weights: for each column the weights of all outputs.
  ///   - bias: one for each output, or none.
  ///   - outputs: new cells.
  init(columns: [GraphColumn], weights: [Float], bias: [Float], outputs: [Cell]) {
    let width = outputs.count
    var inputs: [Cell] = []
    var kept: [Float] = []
    var sums = bias
    var tables: [Cell: Int] = [:]
    var lookups: [(codes: Cell, table: [Float])] = []
    for (index, column) in columns.enumerated() {
      let row = weights[index * width..<(index + 1) * width]
      switch column {
      case .cell(let cell):
        inputs.append(cell)
        kept += row
      case .number, .integer:
        if sums.isEmpty { sums = Array(repeating: 0, count: width) }
        let value = Float(constant: column)
        for (output, weight) in row.enumerated() { sums[output] += value * weight }
      case .indicator(let codes, let code):
        let table = tables[codes, default: lookups.count]
        if table == lookups.count {
          tables[codes] = table
          let start =
            Array(repeating: Float.nan, count: width) + Array(repeating: Float(0), count: width)
          lookups.append((codes, start))
        }
        let first = (Int(code) + 2) * width
        let missing = first + width - lookups[table].table.count
        if missing > 0 {
          lookups[table].table.append(contentsOf: repeatElement(0, count: missing))
        }
        for (output, weight) in row.enumerated() { lookups[table].table[first + output] += weight }
      }
    }
    self.inputs = inputs
    self.weights = kept
    self.bias = sums
    self.lookups = lookups.map { DenseStep.Lookup(codes: $0.codes, table: $0.table) }
    self.outputs = outputs
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    preconditionFailure("a plan is not run")
  }

  /// The layer by itself.
  private var layer: DenseStep.Layer {
    DenseStep.Layer(
      weights: DenseWeights(
        weights, bias: bias, inputCount: inputs.count, outputCount: outputs.count),
      activation: lookups.isEmpty ? activation : .init())
  }

  private var step: DenseStep {
    let start = bias.isEmpty ? Array(repeating: Float(0), count: outputs.count) : bias
    let isLast = inputs.isEmpty || !lookups.isEmpty
    return DenseStep(
      inputs: inputs, layers: inputs.isEmpty ? [] : [layer], lookups: lookups, start: start,
      last: isLast ? activation : .init(), outputs: outputs)
  }

  /// The steps with all plans packed; layers that only feed one another become one step.
  static func finished(_ steps: [any GraphStep], wanted: [Cell]) -> [any GraphStep] {
    var readCounts: [Cell: Int] = [:]
    for cell in steps.flatMap(\.reads) + wanted { readCounts[cell, default: 0] += 1 }
    var finished: [any GraphStep] = []
    for step in steps {
      guard let plan = step as? DensePlan else {
        finished.append(step)
        continue
      }
      if var before = finished.last as? DenseStep, before.lookups.isEmpty, !before.layers.isEmpty,
        plan.lookups.isEmpty, before.outputs == plan.inputs,
        before.outputs.allSatisfy({ readCounts[$0] == 1 })
      {
        before.layers.append(plan.layer)
        before.outputs = plan.outputs
        finished[finished.count - 1] = before
      } else {
        finished.append(plan.step)
      }
    }
    return finished
  }
}
