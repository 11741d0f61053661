internal import Models

/// Numbers of a column for quantiles: exactly while few of them differ, else a sketch.
///
/// Up to `exactLimit` distinct values are counted one by one. Past that, values stand in levels: one
/// in level h for 2^h values near it. A level with `levelSize` values is sorted, every other value
/// goes one level up, and the rest is dropped, beginning with the first and the second by turns. A
/// rank is then off by at most log2(n / levelSize) / levelSize of all n values, in practice by far
/// less (G. S. Manku, S. Rajagopalan, B. G. Lindsay, Approximate medians, 1998; Z. Karnin, K. Lang,
/// E. Liberty, Optimal quantile approximation in streams, 2016). Nothing is random: the same values
/// in the same order give the same sketch.
struct QuantileSketch: Equatable, Sendable {
  static let exactLimit = 16_384
  static let levelSize = 4_096

  /// A value and how many it stands for.
  struct Weighted: Equatable, Sendable {
    var value: Double
    var weight: Int
  }

  /// Distinct values, ascending; none once there are levels.
  private(set) var exact: [Weighted] = []
  private(set) var levels: [[Double]] = []
  /// Whether the next compaction of a level drops the first value.
  private(set) var turns: [Bool] = []

  init() {}

  /// How many values it stands for; nil where that is more than any table has.
  var valueCount: Int? {
    var total = 0
    for item in exact {
      guard item.weight <= PlanLimits.rowCount - total else { return nil }
      total += item.weight
    }
    for (level, values) in levels.enumerated() where !values.isEmpty {
      let weight = 1 << level
      guard weight <= (PlanLimits.rowCount - total) / values.count else { return nil }
      total += weight * values.count
    }
    return total
  }

  /// Takes up what a sketch was; nil if it cannot have been one.
  init?(exact: [Weighted], levels: [[Double]], turns: [Bool]) {
    guard levels.count == turns.count, levels.count <= 62, exact.isEmpty || levels.isEmpty else {
      return nil
    }
    guard exact.allSatisfy({ $0.value.isFinite && $0.weight > 0 && $0.weight < 1 << 53 }),
      zip(exact, exact.dropFirst()).allSatisfy({ $0.value < $1.value }),
      exact.count <= Self.exactLimit,
      levels.allSatisfy({ $0.count < Self.levelSize && $0.allSatisfy(\.isFinite) })
    else { return nil }
    (self.exact, self.levels, self.turns) = (exact, levels, turns)
  }

  /// Adds the finite ones of some values.
  mutating func add(_ values: UnsafeBufferPointer<Double>) {
    var finite: [Double] = []
    finite.reserveCapacity(values.count)
    for index in values.indices {
      let value = unsafe values[index]
      if value.isFinite { finite.append(value == 0 ? 0 : value) }  // of the zeros one
    }
    if levels.isEmpty {
      finite.sort()
      add(exact: Self.counted(finite))
    } else {
      for value in finite { push(value, level: 0) }
    }
  }

  /// Adds another sketch, whose values come after these.
  mutating func merge(_ other: QuantileSketch) {
    if other.levels.isEmpty { return add(exact: other.exact) }
    leaveExactness()
    for (level, values) in other.levels.enumerated() {
      for value in values { push(value, level: level) }
    }
  }

  private static func counted(_ sorted: [Double]) -> [Weighted] {
    var counted: [Weighted] = []
    for value in sorted {
      if let last = counted.last, last.value == value {
        counted[counted.count - 1].weight += 1
      } else {
        counted.append(Weighted(value: value, weight: 1))
      }
    }
    return counted
  }

  private mutating func add(exact added: [Weighted]) {
    guard levels.isEmpty else {
      for item in added { push(item) }
      return
    }
    var merged: [Weighted] = []
    merged.reserveCapacity(exact.count + added.count)
    var (one, other) = (0, 0)
    while one < exact.count || other < added.count {
      if other == added.count || (one < exact.count && exact[one].value < added[other].value) {
        merged.append(exact[one])
        one += 1
      } else if one == exact.count || added[other].value < exact[one].value {
        merged.append(added[other])
        other += 1
      } else {
        merged.append(
          Weighted(value: exact[one].value, weight: exact[one].weight + added[other].weight))
        one += 1
        other += 1
      }
    }
    exact = merged
    if exact.count > Self.exactLimit { leaveExactness() }
  }

  private mutating func leaveExactness() {
    guard levels.isEmpty else { return }
    let items = exact
    exact = []
    (levels, turns) = ([[]], [false])
    for item in items { push(item) }
  }

  /// A value of weight w stands in the levels of the bits of w.
  private mutating func push(_ item: Weighted) {
    var (weight, level) = (item.weight, 0)
    while weight > 0 {
      if weight & 1 == 1 { push(item.value, level: level) }
      weight >>= 1
      level += 1
    }
  }

  private mutating func push(_ value: Double, level: Int) {
    while levels.count <= level {
      levels.append([])
      turns.append(false)
    }
    levels[level].append(value)
    guard levels[level].count >= Self.levelSize else { return }
    let sorted = levels[level].sorted()
    levels[level] = []
    let first = turns[level] ? 1 : 0
    turns[level].toggle()
    for index in stride(from: first, to: sorted.count, by: 2) {
      push(sorted[index], level: level + 1)
    }
  }

  /// All values with their weights, ascending.
  var weighted: [Weighted] {
    guard !levels.isEmpty else { return exact }
    var all: [Weighted] = []
    for (level, values) in levels.enumerated() {
      all += values.map { Weighted(value: $0, weight: 1 << level) }
    }
    all.sort { $0.value < $1.value }
    return all
  }
}

extension [QuantileSketch.Weighted] {
  /// The value at a share of the way from the first to the last, between two of them in proportion:
  /// numpy's method `linear`.
  func quantile(_ share: Double) -> Double? {
    let total = reduce(0) { $0 + $1.weight }
    guard total > 0 else { return nil }
    let place = share * Double(total - 1)
    let low = Int(place)
    let rest = place - Double(low)
    let (first, second) = (value(at: low), value(at: Swift.min(low + 1, total - 1)))
    return rest < 0.5
      ? first + (second - first) * rest : second - (second - first) * (1 - rest)
  }

  private func value(at rank: Int) -> Double {
    var before = 0
    for item in self {
      before += item.weight
      if before > rank { return item.value }
    }
    return last?.value ?? .nan
  }
}
