internal import CKernels
internal import Models
internal import Scoring

/// How often a category or term occurs.
struct CategoryCount: Sendable {
  let value: FittedValue
  /// In how many rows.
  let count: Double
  /// How often in all; more than `count` for terms that a row has several times.
  let occurrenceCount: Double
  /// Of the target, over its rows that have one.
  let targetSum: Double
}

/// Categories of a column and how often each occurs.
struct CategoryCounts: Sendable {
  /// Texts, or the bits of numbers.
  private(set) var terms = TermList()
  private(set) var counts: [Double] = []
  private(set) var occurrences: [Double] = []
  private(set) var targetSums: [Double] = []
  /// The row in which a term was seen last.
  private var lastRows: [Int] = []
  let isText: Bool
  /// Whether there were more than are counted.
  var isOverLimit = false

  init(isText: Bool) { self.isText = isText }

  var total: Double { counts.reduce(0, +) }

  /// Counts a text.
  mutating func add(_ text: UnsafePointer<UInt8>, count: Int, target: Double = 0) {
    guard let place = unsafe place(text, count) else { return }
    counts[place] += 1
    occurrences[place] += 1
    targetSums[place] += target
  }

  /// Counts a number; all zeros are one.
  mutating func add(_ number: Double, target: Double = 0) {
    var bits = (number == 0 ? 0 : number).bitPattern
    unsafe withUnsafeBytes(of: &bits) { bytes in
      let text = unsafe bytes.assumingMemoryBound(to: UInt8.self)
      guard let start = text.baseAddress else { return }
      unsafe add(start, count: bytes.count, target: target)
    }
  }

  /// Counts a term of a row; a row counts once.
  mutating func add(_ text: UnsafePointer<UInt8>, count: Int, row: Int) {
    guard let place = unsafe place(text, count) else { return }
    if lastRows[place] != row { counts[place] += 1 }
    lastRows[place] = row
    occurrences[place] += 1
  }

  /// Adds what was counted elsewhere.
  mutating func merge(
    _ text: ArraySlice<UInt8>, count: Double, occurrences: Double, targetSum: Double
  ) {
    let place: Int? = unsafe text.withUnsafeBufferPointer { text in
      unsafe withStart(of: text) { start in unsafe self.place(start, text.count) }
    }
    guard let place else { return }
    counts[place] += count
    self.occurrences[place] += occurrences
    targetSums[place] += targetSum
  }

  mutating func merge(_ other: CategoryCounts) {
    for place in 0..<other.terms.count {
      merge(
        other.terms.text(place), count: other.counts[place],
        occurrences: other.occurrences[place], targetSum: other.targetSums[place])
    }
    isOverLimit = isOverLimit || other.isOverLimit
  }

  private mutating func place(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int? {
    guard !isOverLimit else { return nil }
    guard terms.count < PlanLimits.categoryCount,
      terms.bytes.count + count <= PlanLimits.categoryByteCount
    else {
      isOverLimit = true
      return nil
    }
    let (place, isNew) = unsafe terms.insert(text, count: count)
    if isNew {
      counts.append(0)
      occurrences.append(0)
      targetSums.append(0)
      lastRows.append(-1)
    }
    return place
  }

  /// The categories, ascending: texts by their bytes, which is the order of characters.
  var sorted: [CategoryCount] {
    order.map { place in
      CategoryCount(
        value: value(place), count: counts[place], occurrenceCount: occurrences[place],
        targetSum: targetSums[place])
    }
  }

  /// Places in the order of the categories.
  var order: [Int] {
    let places = Array(0..<terms.count)
    if isText {
      return places.sorted { terms.text($0).lexicographicallyPrecedes(terms.text($1)) }
    }
    return places.sorted { number($0) < number($1) }
  }

  func number(_ place: Int) -> Double {
    let bytes = terms.text(place)
    return Double(bitPattern: bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) })
  }

  private func value(_ place: Int) -> FittedValue {
    isText ? .text(String(decoding: terms.text(place), as: UTF8.self)) : .number(number(place))
  }

  /// The category that occurs most; of several the first in order.
  var mostFrequent: CategoryCount? {
    var best: CategoryCount?
    for category in sorted where category.count > best?.count ?? 0 { best = category }
    return best
  }
}
