import CKernels
import Glibc
import Testing

private let sets = [ns_isa_portable, ns_isa_avx2, ns_isa_avx512].filter { isa in
  isa.rawValue <= ns_isa_best().rawValue
}

private func activate(_ isa: ns_isa, _ activation: ns_activation, _ values: [Float]) -> [Float] {
  var result = values
  unsafe ns_activate(isa, activation, -0.5, 0.25, values, &result, values.count)
  return result
}

/// How far a float lies from an exact result, in units in the last place of the latter.
private func distance(_ value: Float, _ exact: Double) -> Double {
  if abs(exact) > Double(Float.greatestFiniteMagnitude) * (1 + 0x1p-25) {
    return Double(value) == (exact < 0 ? -.infinity : .infinity) ? 0 : .infinity
  }
  let unit = max(
    Double(sign: .plus, exponent: exact == 0 ? -200 : exact.exponent - 23, significand: 1), 0x1p-149
  )
  return abs(Double(value) - exact) / unit
}

@Suite struct ActivationKernelTests {
  /// Floats of every size and sign, and those at which something happens.
  static let values: [Float] = {
    var bits = stride(from: 0 as UInt64, to: 1 << 32, by: 65_521).map { UInt32($0) }
    let places: [Float] = [
      0, 1, 0.5625, 0.921875, 4, 6, 87.33655, 88.72284, 89, 103.97208, 105, 0x1p-126, 0x1p-149,
      .greatestFiniteMagnitude, .infinity,
    ]
    for place in places {
      for value in [place, -place] {
        bits += [value.bitPattern &- 1, value.bitPattern, value.bitPattern &+ 1]
      }
    }
    return bits.map { Float(bitPattern: $0) }
  }()

  @Test(arguments: 0..<10 as Range<UInt32>)
  func everySetAndPlaceGivesTheSameBits(raw: UInt32) {
    let activation = ns_activation(rawValue: raw)
    let values = Self.values
    let expected = activate(ns_isa_portable, activation, values).map(\.bitPattern)
    for isa in sets {
      #expect(activate(isa, activation, values).map(\.bitPattern) == expected)
      for from in [1, 5, 777] {
        for count in [0, 1, 3, 17, 100] {
          let part = activate(isa, activation, Array(values[from..<from + count]))
          #expect(part.map(\.bitPattern).elementsEqual(expected[from..<from + count]))
        }
      }
    }
    for (value, result) in zip(values, expected) {
      #expect(!value.isNaN || result == Float.nan.bitPattern)
      #expect(value.isNaN || value.isInfinite || !Float(bitPattern: result).isNaN)
    }
  }

  /// An activation, its exact value and the stated bound in units in the last place.
  struct Bound: Sendable, CustomTestStringConvertible {
    let activation: ns_activation
    let units: Double
    let exact: @Sendable (Double) -> Double

    var testDescription: String { "activation \(activation.rawValue)" }
  }

  static let bounds = [
    Bound(activation: ns_activation_exp, units: 1.1) { exp($0) },
    Bound(activation: ns_activation_sigmoid, units: 2.5) { 1 / (1 + exp(-$0)) },
    Bound(activation: ns_activation_tanh, units: 1.5) { tanh($0) },
    Bound(activation: ns_activation_erf, units: 1.25) { erf($0) },
  ]

  @Test(arguments: bounds) func errorsStayInTheirBounds(bound: Bound) {
    let results = activate(ns_isa_best(), bound.activation, Self.values)
    for (value, result) in zip(Self.values, results) where !value.isNaN {
      let exact = bound.exact(Double(value))
      #expect(distance(result, exact) <= bound.units, "\(value) gives \(result), not \(exact)")
    }
  }

  @Test func geluIsCloseInAbsoluteTerms() {
    let exact = activate(ns_isa_best(), ns_activation_gelu, Self.values)
    let approximate = activate(ns_isa_best(), ns_activation_gelu_tanh, Self.values)
    for (i, value) in Self.values.enumerated() where value.isFinite {
      let x = Double(value)
      let gelu = x / 2 * erfc(-x / 2.0.squareRoot())
      let inner = (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
      let geluTanh = x / 2 * (1 + tanh(inner))
      let bound = 1.5e-7 * max(1, abs(x))
      #expect(abs(Double(exact[i]) - gelu) <= bound, "\(value)")
      #expect(abs(Double(approximate[i]) - geluTanh) <= bound, "\(value)")
    }
    #expect(
      activate(ns_isa_best(), ns_activation_gelu, [.infinity, -.infinity]) == [.infinity, 0])
  }

  @Test func simpleOnesAreExact() {
    let values: [Float] = [-.infinity, -2, -0.25, -0.0, 0, 0.125, 3, .infinity]
    for isa in sets {
      #expect(activate(isa, ns_activation_none, values) == values)
      #expect(activate(isa, ns_activation_relu, values) == values.map { $0 < 0 ? 0 : $0 })
      #expect(
        activate(isa, ns_activation_leaky_relu, values) == values.map { $0 < 0 ? $0 * -0.5 : $0 })
      #expect(
        activate(isa, ns_activation_clip, values) == values.map { min(max($0, -0.5), 0.25) })
    }
  }

  @Test func doublesStayInTheirBounds() {
    var values: [Double] = [0, -0.0, .infinity, -.infinity, .nan, 709.78, 709.79, -745.2, -708.5]
    for i in -7_600..<7_600 { values.append(Double(i) * 0.098765 + 1e-7 * Double(i % 13)) }
    let results = sets.map { isa in
      var powers = values
      var sigmoids = values
      unsafe ns_exp_doubles(isa, values, &powers, values.count)
      unsafe ns_sigmoid_doubles(isa, values, &sigmoids, values.count)
      return [powers, sigmoids]
    }
    for result in results {
      #expect(result.map { $0.map(\.bitPattern) } == results[0].map { $0.map(\.bitPattern) })
    }
    for (i, value) in values.enumerated() {
      let power = exp(value)
      let sigmoid = value < 0 ? power / (1 + power) : 1 / (1 + exp(-value))
      for (got, want) in [(results[0][0][i], power), (results[0][1][i], sigmoid)] {
        let isSame = got == want || (got.isNaN && want.isNaN)
        #expect(isSame || abs(got - want) <= max(abs(want) * 5e-16, 0x1p-1074), "\(value)")
      }
    }
  }

  @Test(arguments: [1, 2, 7, 16, 17, 100]) func softmaxAddsToOne(count: Int) {
    var random = SeededNumbers(seed: UInt64(count))
    let rows = random.floats(count * 9).map { $0 * 30 }
    let wide = rows.map(Double.init)
    var results: [[UInt32]] = []
    for isa in sets {
      var floats = rows
      var doubles = wide
      unsafe ns_softmax(isa, &floats, count, 9, UInt32(count))
      unsafe ns_softmax_doubles(isa, &doubles, count, 9, UInt32(count))
      for row in 0..<9 {
        let numbers = wide[row * count..<(row + 1) * count]
        let top = numbers.max() ?? 0
        let sum = numbers.map { exp($0 - top) }.reduce(0, +)
        for (i, number) in zip(row * count..<(row + 1) * count, numbers) {
          let want = exp(number - top) / sum
          // The difference from the top is rounded to a float before its power is taken.
          let relative = 5e-7 + 6e-8 * (top - number)
          #expect(abs(Double(floats[i]) - want) <= relative * want + 1e-45)
          #expect(abs(doubles[i] - want) <= 1e-14 * want)
        }
      }
      results.append(floats.map(\.bitPattern))
      results.append(doubles.map { Float($0).bitPattern })
    }
    for i in results.indices.dropFirst(2) { #expect(results[i] == results[i - 2]) }
  }

  @Test func softmaxOfNoNumberIsNone() {
    for isa in sets {
      for bad in [Float.nan, .infinity] {
        var row: [Float] = [1, bad, 2]
        unsafe ns_softmax(isa, &row, 3, 1, 3)
        #expect(row.allSatisfy { $0.bitPattern == Float.nan.bitPattern })
      }
      var row: [Float] = [1, -.infinity, 1]
      unsafe ns_softmax(isa, &row, 3, 1, 3)
      #expect(row == [0.5, 0, 0.5])
    }
  }
}
