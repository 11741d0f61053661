import CKernels
import Testing

/// Every set of instructions that this machine has.
private let sets = [ns_isa_portable, ns_isa_avx2, ns_isa_avx512].filter { isa in
  isa.rawValue <= ns_isa_best().rawValue
}

/// Weights packed for the kernels, and what they were.
@safe private final class Layer {
  let inputCount: Int
  let outputCount: Int
  let weights: [Float]
  let bias: [Float]
  let memory: UnsafeMutableRawBufferPointer

  init(_ inputCount: Int, _ outputCount: Int, random: inout SeededNumbers) {
    self.inputCount = inputCount
    self.outputCount = outputCount
    weights = random.floats(inputCount * outputCount)
    bias = random.floats(outputCount)
    let size = ns_dense_packed_size(UInt32(inputCount), UInt32(outputCount))
    unsafe memory = .allocate(byteCount: size, alignment: Int(NS_DENSE_ALIGNMENT))
    unsafe ns_dense_pack(
      weights, outputCount, 1, bias, UInt32(inputCount), UInt32(outputCount), packed)
  }

  deinit { unsafe memory.deallocate() }

  var packed: UnsafeMutablePointer<Float> {
    unsafe memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
  }

  func descriptor(_ activation: ns_activation, first: Float = 0, second: Float = 0)
    -> ns_dense_layer
  {
    unsafe ns_dense_layer(
      packed: packed, input_count: UInt32(inputCount), output_count: UInt32(outputCount),
      activation: activation, first: first, second: second)
  }

  /// What the kernels promise, one product after the other.
  func chain(_ rows: [Float], relu: Bool = false) -> [UInt32] {
    var result: [UInt32] = []
    for row in 0..<rows.count / inputCount {
      for output in 0..<outputCount {
        var sum = bias[output]
        for k in 0..<inputCount {
          sum.addProduct(rows[row * inputCount + k], weights[k * outputCount + output])
        }
        if relu, sum < 0 { sum = 0 }
        result.append(sum.isNaN ? Float.nan.bitPattern : sum.bitPattern)
      }
    }
    return result
  }

  /// The rows' results through the kernels, read from rows `stride` apart, or from columns.
  func run(
    _ isa: ns_isa, _ rows: [Float], activation: ns_activation = ns_activation_none,
    first: Float = 0, second: Float = 0, fromColumns: Bool = false, gap: Int = 0
  ) -> [UInt32] {
    let rowCount = rows.count / inputCount
    let stride = outputCount + gap
    var input = rows
    if fromColumns {
      for row in 0..<rowCount {
        for k in 0..<inputCount { input[k * rowCount + row] = rows[row * inputCount + k] }
      }
    }
    var output = [Float](repeating: -77, count: rowCount * stride + 1)
    var layer = unsafe descriptor(activation, first: first, second: second)
    unsafe input.withUnsafeBufferPointer { values in
      guard let start = values.baseAddress else { return }
      let block = unsafe ns_dense_input(
        values: start, row_step: fromColumns ? 1 : inputCount,
        column_step: fromColumns ? rowCount : 1)
      unsafe ns_dense_run(isa, &layer, block, UInt32(rowCount), &output, stride)
    }
    var result: [UInt32] = []
    for row in 0..<rowCount {
      result += output[row * stride..<row * stride + outputCount].map(\.bitPattern)
      #expect(output[row * stride + outputCount..<(row + 1) * stride].allSatisfy { $0 == -77 })
    }
    #expect(output[rowCount * stride] == -77)
    return result
  }
}

/// Numbers that are the same on every run.
struct SeededNumbers {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// From -1 to 1.
  mutating func float() -> Float { Float(Int64(bitPattern: next()) >> 40) / 8_388_608 }

  mutating func floats(_ count: Int) -> [Float] {
    var result: [Float] = []
    for _ in 0..<count { result.append(float()) }
    return result
  }
}

@Suite struct DenseKernelTests {
  static let rowCounts = [0, 1, 5, 6, 7, 63, 64, 100]
  static let inputCounts = [1, 2, 7, 28, 64, 257]
  static let outputCounts = [1, 3, 16, 31, 33, 64, 256]

  @Test(arguments: inputCounts)
  func everySetGivesTheChainOfFusedProducts(inputCount: Int) {
    var random = SeededNumbers(seed: UInt64(inputCount))
    for outputCount in Self.outputCounts {
      let layer = Layer(inputCount, outputCount, random: &random)
      let rows = random.floats(100 * inputCount)
      let expected = layer.chain(rows)
      for rowCount in Self.rowCounts {
        let some = Array(rows.prefix(rowCount * inputCount))
        for isa in sets where isa != ns_isa_portable || rowCount != 64 {
          let what = "set \(isa.rawValue), \(rowCount) x \(inputCount) x \(outputCount)"
          let want = expected.prefix(rowCount * outputCount)
          #expect(layer.run(isa, some).elementsEqual(want), "\(what)")
          if rowCount == 100 || rowCount == 7 {
            let columns = layer.run(isa, some, fromColumns: true, gap: 3)
            #expect(columns.elementsEqual(want), "\(what) from columns")
          }
        }
      }
    }
  }

  @Test func longSumsWaitInTheOutputUnchanged() {
    var random = SeededNumbers(seed: 5)
    for outputCount in [20, 33, 64] {
      let layer = Layer(1_000, outputCount, random: &random)
      let rows = random.floats(29 * 1_000)
      let expected = layer.chain(rows, relu: true)
      for isa in sets { #expect(layer.run(isa, rows, activation: ns_activation_relu) == expected) }
    }
  }

  @Test func resultsAreCloseToDoubles() {
    var random = SeededNumbers(seed: 6)
    let layer = Layer(257, 33, random: &random)
    let rows = random.floats(10 * 257)
    let result = layer.run(ns_isa_best(), rows).map { Float(bitPattern: $0) }
    for row in 0..<10 {
      for output in 0..<33 {
        var sum = Double(layer.bias[output])
        for k in 0..<257 {
          sum += Double(rows[row * 257 + k]) * Double(layer.weights[k * 33 + output])
        }
        #expect(abs(Double(result[row * 33 + output]) - sum) < 1e-5)
      }
    }
  }

  @Test func aRowsBitsDependOnTheRowAlone() {
    var random = SeededNumbers(seed: 7)
    for outputCount in [1, 40] {
      let layer = Layer(28, outputCount, random: &random)
      let rows = random.floats(1_000 * 28)
      for isa in sets {
        let whole = layer.run(isa, rows, activation: ns_activation_sigmoid)
        for (from, count) in [(0, 1), (999, 1), (95, 2), (96, 13), (333, 500)] {
          let part = Array(rows[from * 28..<(from + count) * 28])
          let result = layer.run(isa, part, activation: ns_activation_sigmoid)
          #expect(result.elementsEqual(whole[from * outputCount..<(from + count) * outputCount]))
        }
      }
    }
  }

  @Test func whatIsNotANumberIsTheOneNaN() {
    var random = SeededNumbers(seed: 8)
    for outputCount in [2, 50] {
      let layer = Layer(10, outputCount, random: &random)
      var rows = random.floats(20 * 10)
      rows[3] = Float(bitPattern: 0xFFC1_2345)
      rows[7] = Float(bitPattern: 0x7FC0_0042)
      rows[41] = .infinity
      rows[45] = -.infinity
      rows[102] = .infinity
      for activation in [ns_activation_none, ns_activation_relu] {
        let expected = layer.chain(rows, relu: activation == ns_activation_relu)
        for isa in sets { #expect(layer.run(isa, rows, activation: activation) == expected) }
      }
    }
  }

  @Test func activationsAreThoseOfTheSums() {
    var random = SeededNumbers(seed: 9)
    let layer = Layer(28, 45, random: &random)
    let rows = random.floats(31 * 28)
    let sums = layer.run(ns_isa_portable, rows).map { Float(bitPattern: $0) }
    for raw in 0..<10 as Range<UInt32> {
      let activation = ns_activation(rawValue: raw)
      var expected = sums
      unsafe ns_activate(ns_isa_portable, activation, -0.5, 0.25, sums, &expected, sums.count)
      for isa in sets {
        for gap in [0, 5] {
          let result = layer.run(
            isa, rows, activation: activation, first: -0.5, second: 0.25, gap: gap)
          #expect(result == expected.map(\.bitPattern), "set \(isa.rawValue), activation \(raw)")
        }
      }
    }
  }

  @Test(arguments: [1, 95, 96, 97, 300]) func layersInABlockAreLayersOneByOne(rowCount: Int) {
    var random = SeededNumbers(seed: 10)
    let widths = [28, 100, 37, 64, 3]
    let layers = zip(widths, widths.dropFirst()).map { Layer($0, $1, random: &random) }
    let activations = [
      ns_activation_relu, ns_activation_tanh, ns_activation_leaky_relu, ns_activation_none,
    ]
    let rows = random.floats(rowCount * 28)
    var expected = rows
    for (layer, activation) in zip(layers, activations) {
      expected = layer.run(ns_isa_portable, expected, activation: activation, first: 0.1)
        .map { Float(bitPattern: $0) }
    }
    let network = unsafe zip(layers, activations).map { unsafe $0.descriptor($1, first: 0.1) }
    let size = unsafe ns_dense_scratch_size(network, 4)
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
    defer { unsafe scratch.deallocate() }
    for isa in sets {
      var output = [Float](repeating: 0, count: rowCount * 3)
      unsafe rows.withUnsafeBufferPointer { values in
        guard let start = values.baseAddress, let work = scratch.baseAddress else { return }
        let input = unsafe ns_dense_input(values: start, row_step: 28, column_step: 1)
        unsafe ns_dense_run_layers(isa, network, 4, input, UInt32(rowCount), &output, 3, work)
      }
      #expect(output.map(\.bitPattern) == expected.map(\.bitPattern), "set \(isa.rawValue)")
    }
    withExtendedLifetime(layers) {}  // own what the network points to
  }

  @Test(arguments: [1, 3, 4, 9]) func doublesAreChainsToo(outputCount: Int) {
    var random = SeededNumbers(seed: 11)
    for (rowCount, inputCount) in [(0, 3), (1, 1), (7, 28), (37, 5), (64, 64)] {
      let weights = random.floats(inputCount * outputCount).map(Double.init)
      let bias = random.floats(outputCount).map(Double.init)
      let columns = random.floats(rowCount * inputCount).map(Double.init)
      var rows = columns
      var expected: [UInt64] = []
      for row in 0..<rowCount {
        for k in 0..<inputCount { rows[row * inputCount + k] = columns[k * rowCount + row] }
        for output in 0..<outputCount {
          var sum = bias[output]
          for k in 0..<inputCount {
            sum.addProduct(columns[k * rowCount + row], weights[output * inputCount + k])
          }
          expected.append(sum.bitPattern)
        }
      }
      for isa in sets {
        var result = [Double](repeating: 0, count: expected.count)
        unsafe ns_dense_run_doubles(
          isa, weights, bias, UInt32(inputCount), UInt32(outputCount), columns, 1, rowCount,
          UInt32(rowCount), &result)
        #expect(result.map(\.bitPattern) == expected)
        unsafe ns_dense_run_doubles(
          isa, weights, bias, UInt32(inputCount), UInt32(outputCount), rows, inputCount, 1,
          UInt32(rowCount), &result)
        #expect(result.map(\.bitPattern) == expected)
      }
    }
  }
}
