/// Count, mean, variance and extremes of numbers; infinities and missing values do not count.
struct Moments: Equatable, Sendable {
  private(set) var count = 0.0
  private(set) var mean = 0.0
  /// Sum of squared distances from the mean.
  private(set) var squares = 0.0
  private(set) var minimum = Double.infinity
  private(set) var maximum = -Double.infinity

  init() {}

  /// Takes up what `numbers` gave.
  ///
  /// - Returns: nil if it cannot be.
  init?(numbers: [Double]) {
    guard numbers.count == 5, numbers.allSatisfy(\.isFinite) else { return nil }
    guard numbers[0] > 0, numbers[2] >= 0, numbers[3] <= numbers[4] else { return nil }
    (count, mean, squares) = (numbers[0], numbers[1], numbers[2])
    (minimum, maximum) = (numbers[3], numbers[4])
  }

  /// Five numbers, for `init(numbers:)`; only for a count above 0.
  var numbers: [Double] { [count, mean, squares, minimum, maximum] }

  /// Takes the values of one tile: first their mean, then the distances from it.
  init(_ values: UnsafeBufferPointer<Double>) {
    var sum = 0.0
    for index in values.indices {
      let value = unsafe values[index]
      guard value.isFinite else { continue }
      count += 1
      sum += value
      minimum = min(minimum, value)
      maximum = max(maximum, value)
    }
    guard count > 0 else { return }
    mean = sum / count
    var rest = 0.0
    for index in values.indices {
      let value = unsafe values[index]
      guard value.isFinite else { continue }
      squares += (value - mean) * (value - mean)
      rest += value - mean
    }
    mean += rest / count
    squares -= rest * rest / count
  }

  /// Adds the numbers of another set, which come after these.
  ///
  /// T. F. Chan, G. H. Golub, R. J. LeVeque, Updating formulae and a pairwise algorithm for
  /// computing sample variances, 1979.
  mutating func merge(_ other: Moments) {
    guard other.count > 0 else { return }
    guard count > 0 else {
      self = other
      return
    }
    let total = count + other.count
    let distance = other.mean - mean
    mean += distance * (other.count / total)
    squares += other.squares + distance * distance * (count * other.count / total)
    count = total
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
  }

  /// The standard deviation of the whole set; 1 where it is nothing beside rounding errors, as
  /// scikit-learn decides (sklearn/utils/validation, `_is_constant_feature`).
  var standardScale: Double {
    guard count > 0 else { return 1 }
    let variance = squares / count
    let error = count * mean * Double.ulpOfOne
    let bound = count * Double.ulpOfOne * variance + error * error
    return variance <= bound ? 1 : variance.squareRoot()
  }
}
