internal import CKernels
internal import Models

/// A matrix of weights in the order of `ns_dense_pack`, and what follows it.
@safe final class DenseWeights: @unchecked Sendable {  // never written after its initialiser
  let inputCount: Int
  let outputCount: Int
  private let packed: UnsafeMutablePointer<Float>

  /// Packs `inputCount` rows of `outputCount` weights each, and a bias or none.
  init(_ weights: [Float], bias: [Float], inputCount: Int, outputCount: Int) {
    precondition(weights.count == inputCount * outputCount && inputCount > 0 && outputCount > 0)
    precondition(bias.isEmpty || bias.count == outputCount)
    self.inputCount = inputCount
    self.outputCount = outputCount
    let size = ns_dense_packed_size(UInt32(inputCount), UInt32(outputCount))
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: size, alignment: Int(NS_DENSE_ALIGNMENT))
    unsafe packed = memory.bindMemory(to: Float.self, capacity: size / 4)
    unsafe weights.withUnsafeBufferPointer { weights in
      unsafe bias.withUnsafeBufferPointer { bias in
        guard let start = weights.baseAddress else { return }
        unsafe ns_dense_pack(
          start, outputCount, 1, bias.isEmpty ? nil : bias.baseAddress, UInt32(inputCount),
          UInt32(outputCount), packed)
      }
    }
  }

  deinit { unsafe packed.deallocate() }

  func layer(_ activation: DenseStep.Activation) -> ns_dense_layer {
    unsafe ns_dense_layer(
      packed: UnsafePointer(packed), input_count: UInt32(inputCount),
      output_count: UInt32(outputCount), activation: activation.kind, first: activation.first,
      second: activation.second)
  }
}

/// Columns times weights, layer after layer, and what one-hot columns add.
///
/// Each sum is a chain of fused multiply-adds from the bias over the inputs in their order, then the
/// weight of each one-hot encoding's category in the order of the encodings. A one-hot encoding is
/// never written out.
struct DenseStep: GraphStep {
  /// The numbers that go in; empty if all inputs are one-hot.
  let inputs: [Cell]
  /// The layers, one behind the other; those after the first have no look-ups before them.
  var layers: [Layer]
  let lookups: [Lookup]
  /// A sum for each output begins with it, where there are no numbers.
  let start: [Float]
  /// What is done to the sums after the look-ups, if there are any.
  let last: Activation
  var outputs: [Cell]

  struct Layer: Sendable {
    let weights: DenseWeights
    var activation: Activation
  }

  struct Activation: Sendable, Equatable {
    var kind = ns_activation_none
    var first: Float = 0
    var second: Float = 0

    static func == (one: Activation, other: Activation) -> Bool {
      one.kind == other.kind && one.first == other.first && one.second == other.second
    }
  }

  /// What each category of one encoding adds to each output.
  struct Lookup: Sendable {
    let codes: Cell
    /// The outputs' weights of what makes the row NaN, of what is unknown, then of each category.
    let table: [Float]
  }

  var reads: [Cell] { inputs + lookups.map(\.codes) }
  var writes: [Cell] { outputs }
  var name: String {
    let sizes = layers.map { "\($0.weights.inputCount)×\($0.weights.outputCount)" }
    let dense = sizes.isEmpty ? [] : ["dense \(sizes.joined(separator: ", "))"]
    return (dense + (lookups.isEmpty ? [] : ["\(lookups.count) tables of weights"]))
      .joined(separator: " and ")
  }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let count = unsafe frame.rowCount
    let width = outputs.count
    // One output is a column as it comes.
    let isColumn = width == 1
    let sums =
      unsafe isColumn
      ? frame.floats(outputs[0]) : scratch.reserve(Float.self, count: width * count)
    if layers.isEmpty {
      for row in 0..<count {
        for index in 0..<width { unsafe sums[row * width + index] = start[index] }
      }
    } else {
      unsafe multiply(frame, sums, &scratch)
    }
    for lookup in lookups {
      unsafe add(lookup, frame.codes(lookup.codes), count, width, to: sums)
    }
    if last.kind != ns_activation_none {
      unsafe ns_activate(
        frame.isa, last.kind, last.first, last.second, sums, sums, width * count)
    }
    guard !isColumn else { return }
    for index in 0..<width {
      let to = unsafe frame.floats(outputs[index])
      for row in 0..<count { unsafe to[row] = sums[row * width + index] }
    }
  }

  private func multiply(
    _ frame: GraphFrame, _ sums: UnsafeMutablePointer<Float>, _ scratch: inout ScoringScratch
  ) {
    let tileRowCount = unsafe frame.tileRowCount
    let count = unsafe frame.rowCount
    var values = unsafe UnsafePointer(frame.floats(inputs[0]))
    let isContiguous = inputs.indices.allSatisfy { index in
      unsafe UnsafePointer(frame.floats(inputs[index])) == values + index * tileRowCount
    }
    if !isContiguous {
      let copy = unsafe scratch.reserve(Float.self, count: inputs.count * tileRowCount)
      for (index, cell) in inputs.enumerated() {
        unsafe (copy + index * tileRowCount).update(from: frame.floats(cell), count: count)
      }
      unsafe values = UnsafePointer(copy)
    }
    let layers = unsafe self.layers.map { unsafe $0.weights.layer($0.activation) }
    let input = unsafe ns_dense_input(
      values: values, row_step: 1, column_step: tileRowCount)
    unsafe layers.withUnsafeBufferPointer { layers in
      guard let first = layers.baseAddress else { return }
      let memory = unsafe scratch.reserve(
        byteCount: ns_dense_scratch_size(first, UInt32(layers.count)))
      unsafe ns_dense_run_layers(
        frame.isa, first, UInt32(layers.count), input, UInt32(count), sums, outputs.count, memory)
    }
  }

  private func add(
    _ lookup: Lookup, _ codes: UnsafeMutablePointer<Int32>, _ count: Int, _ width: Int,
    to sums: UnsafeMutablePointer<Float>
  ) {
    let rowCount = lookup.table.count / width
    unsafe lookup.table.withUnsafeBufferPointer { table in
      // Two classes are so frequent that both weights of a row are added at once.
      if width == 2, let table = unsafe UnsafeRawPointer(table.baseAddress) {
        let sums = UnsafeMutableRawPointer(sums)
        for row in 0..<count {
          let code = unsafe Int(codes[row]) + 2
          let place = code >= rowCount ? 1 : code
          let weights = unsafe table.loadUnaligned(
            fromByteOffset: 8 * place, as: SIMD2<Float>.self)
          let sum = unsafe sums.loadUnaligned(fromByteOffset: 8 * row, as: SIMD2<Float>.self)
          unsafe sums.storeBytes(of: sum + weights, toByteOffset: 8 * row, as: SIMD2<Float>.self)
        }
        return
      }
      for row in 0..<count {
        var place = unsafe Int(codes[row]) + 2
        // Categories after the last that has a weight add as little as an unknown one.
        if place >= rowCount { place = 1 }
        for index in 0..<width {
          unsafe sums[row * width + index] += table[place * width + index]
        }
      }
    }
  }
}

/// Columns of doubles times weights.
struct DoubleDenseStep: GraphStep {
  let inputs: [Cell]
  /// The weights of each output, one after the other.
  let weights: [Double]
  let bias: [Double]
  let outputs: [Cell]

  var reads: [Cell] { inputs }
  var writes: [Cell] { outputs }
  var name: String { "dense \(inputs.count)×\(outputs.count) in doubles" }

  func run(_ frame: GraphFrame, scratch: inout ScoringScratch) {
    let mark = scratch.mark
    defer { scratch.release(to: mark) }
    let (count, stride) = unsafe (frame.rowCount, frame.tileRowCount)
    let copy = unsafe scratch.reserve(Double.self, count: inputs.count * stride)
    for (index, cell) in inputs.enumerated() {
      unsafe (copy + index * stride).update(from: frame.doubles(cell), count: count)
    }
    let sums = unsafe scratch.reserve(Double.self, count: outputs.count * count)
    unsafe weights.withUnsafeBufferPointer { weights in
      unsafe bias.withUnsafeBufferPointer { bias in
        guard let start = weights.baseAddress else { return }
        unsafe ns_dense_run_doubles(
          frame.isa, start, bias.isEmpty ? nil : bias.baseAddress, UInt32(inputs.count),
          UInt32(outputs.count), copy, 1, stride, UInt32(count), sums)
      }
    }
    for (index, cell) in outputs.enumerated() {
      let to = unsafe frame.doubles(cell)
      for row in 0..<count { unsafe to[row] = sums[row * outputs.count + index] }
    }
  }
}
