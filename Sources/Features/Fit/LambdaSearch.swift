internal import CKernels

/// Looks for the lambda of a power transformation under which values are most like a normal
/// distribution: the one of the largest likelihood.
struct LambdaSearch {
  /// With their weights, ascending.
  let values: [QuantileSketch.Weighted]
  let isBoxCox: Bool

  /// The best lambda between -10 and 10.
  ///
  /// After a coarse look for the valley, Brent's search for a minimum (R. P. Brent, Algorithms for
  /// minimization without derivatives, 1973, chapter 5).
  func best() -> Double {
    let steps = (-20...20).map { Double($0) / 2 }
    let costs = steps.map(cost)
    var lowest = 0
    for index in steps.indices where costs[index] < costs[lowest] { lowest = index }
    let low = steps[max(lowest - 1, 0)]
    let high = steps[min(lowest + 1, steps.count - 1)]
    return minimum(low, high)
  }

  /// Golden sections, and parabolas where they do better.
  private func minimum(_ low: Double, _ high: Double) -> Double {
    let golden = 0.381_966_011_250_105_1
    var (a, b) = (low, high)
    var x = a + golden * (b - a)
    var (w, v, step, before) = (x, x, 0.0, 0.0)
    var fx = cost(x)
    var (fw, fv) = (fx, fx)
    for _ in 0..<100 {
      let middle = 0.5 * (a + b)
      let tolerance = 1e-9 * abs(x) + 1e-10
      if abs(x - middle) <= 2 * tolerance - 0.5 * (b - a) { break }
      var isGolden = true
      if abs(before) > tolerance {
        let r = (x - w) * (fx - fv)
        var q = (x - v) * (fx - fw)
        var p = (x - v) * q - (x - w) * r
        q = 2 * (q - r)
        if q > 0 { p = -p } else { q = -q }
        if abs(p) < abs(0.5 * q * before), p > q * (a - x), p < q * (b - x) {
          before = step
          step = p / q
          let u = x + step
          if u - a < 2 * tolerance || b - u < 2 * tolerance {
            step = x < middle ? tolerance : -tolerance
          }
          isGolden = false
        }
      }
      if isGolden {
        before = x < middle ? b - x : a - x
        step = golden * before
      }
      let u = x + (abs(step) >= tolerance ? step : (step > 0 ? tolerance : -tolerance))
      let fu = cost(u)
      if fu <= fx {
        if u < x { b = x } else { a = x }
        (v, fv, w, fw, x, fx) = (w, fw, x, fx, u, fu)
      } else {
        if u < x { a = u } else { b = u }
        if fu <= fw || w == x {
          (v, fv, w, fw) = (w, fw, u, fu)
        } else if fu <= fv || v == x || v == w {
          (v, fv) = (u, fu)
        }
      }
    }
    return x
  }

  /// Minus the logarithm of the likelihood, but for what does not depend on lambda.
  private func cost(_ lambda: Double) -> Double {
    let kind = isBoxCox ? ns_feature_box_cox : ns_feature_yeo_johnson
    let curved = apply(ChainStep(kind, a: lambda), values.map(\.value))
    let logarithms = apply(
      isBoxCox ? ChainStep(ns_feature_log) : ChainStep(ns_feature_log1p),
      values.map { isBoxCox ? $0.value : abs($0.value) })
    var (count, mean) = (0.0, 0.0)
    for (value, item) in zip(curved, values) {
      count += Double(item.weight)
      mean += value * Double(item.weight)
    }
    mean /= count
    var (squares, slopes) = (0.0, 0.0)
    for (index, item) in values.enumerated() {
      let weight = Double(item.weight)
      squares += (curved[index] - mean) * (curved[index] - mean) * weight
      slopes += (item.value < 0 ? -logarithms[index] : logarithms[index]) * weight
    }
    let variance = squares / count
    guard variance > 0, variance.isFinite else { return .infinity }
    return count / 2 * naturalLog(variance) - (lambda - 1) * slopes
  }

  private func apply(_ step: ChainStep, _ values: [Double]) -> [Double] {
    var output = values
    var raw = unsafe ns_feature_step(
      kind: ns_feature_kind(step.kind), table_count: 0, a: step.a, b: 0, table: nil)
    unsafe output.withUnsafeMutableBufferPointer { output in
      guard let start = output.baseAddress else { return }
      unsafe ns_feature_chain(start, start, output.count, &raw, 1, ns_isa_portable)
    }
    return output
  }
}
