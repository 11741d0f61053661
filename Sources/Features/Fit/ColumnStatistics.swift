internal import CKernels
internal import Models
internal import Scoring

/// What is known of one input of a step that is being fitted.
struct ColumnStatistics: Sendable {
  /// Rows seen, those with a missing value among them.
  private(set) var rowCount = 0
  private(set) var moments = Moments()
  private(set) var sketch: QuantileSketch?
  private(set) var categories: CategoryCounts
  /// Of the target in rows that have one.
  private(set) var target = Moments()

  init(isText: Bool, hasSketch: Bool) {
    categories = CategoryCounts(isText: isText)
    sketch = hasSketch ? QuantileSketch() : nil
  }

  /// Takes up what was encoded.
  init(
    rowCount: Int, moments: Moments, sketch: QuantileSketch?, categories: CategoryCounts,
    target: Moments
  ) {
    self.rowCount = rowCount
    self.moments = moments
    self.sketch = sketch
    self.categories = categories
    self.target = target
  }

  /// Adds what another one knows, of rows that come after these.
  mutating func merge(_ other: ColumnStatistics) {
    rowCount += other.rowCount
    moments.merge(other.moments)
    if let sketch = other.sketch { self.sketch?.merge(sketch) }
    categories.merge(other.categories)
    target.merge(other.target)
  }

  /// The values, ascending, with their weights.
  var weightedValues: [QuantileSketch.Weighted] { sketch?.weighted ?? [] }

  func quantile(_ share: Double) -> Double? { weightedValues.quantile(share) }

  // MARK: Values of a tile

  mutating func addNumbers(_ values: UnsafeBufferPointer<Double>) {
    rowCount += values.count
    unsafe moments.merge(Moments(values))
    unsafe sketch?.add(values)
  }

  /// Adds categories that are numbers, with the target of each row if there is one.
  mutating func addCategories(
    _ values: UnsafeBufferPointer<Double>, targets: UnsafePointer<Double>?
  ) {
    rowCount += values.count
    unsafe addTargets(targets, count: values.count)
    for row in values.indices where unsafe values[row].isFinite {
      guard let targets = unsafe targets else {
        unsafe categories.add(values[row])
        continue
      }
      if unsafe targets[row].isFinite {
        unsafe categories.add(values[row], target: targets[row])
      }
    }
  }

  /// Adds categories that are text, with the target of each row if there is one.
  mutating func addCategories(
    _ texts: UnsafeBufferPointer<TextSpan>, targets: UnsafePointer<Double>?
  ) {
    rowCount += texts.count
    unsafe addTargets(targets, count: texts.count)
    for row in texts.indices {
      guard let start = unsafe texts[row].start else { continue }
      let count = unsafe texts[row].count
      guard let targets = unsafe targets else {
        unsafe categories.add(start, count: count)
        continue
      }
      if unsafe targets[row].isFinite {
        unsafe categories.add(start, count: count, target: targets[row])
      }
    }
  }

  private mutating func addTargets(_ targets: UnsafePointer<Double>?, count: Int) {
    guard let targets = unsafe targets else { return }
    unsafe target.merge(Moments(UnsafeBufferPointer(start: targets, count: count)))
  }

  /// Adds the n-grams of texts.
  mutating func addTerms(
    _ texts: UnsafeBufferPointer<TextSpan>, _ cutter: NGramCutter, scratch: inout ScoringScratch
  ) {
    for row in texts.indices {
      rowCount += 1
      guard let start = unsafe texts[row].start else { continue }
      let mark = scratch.mark
      defer { scratch.release(to: mark) }
      let cuts = unsafe CharacterTables.shared.withTables { tables in
        unsafe cutter.cut(start, count: texts[row].count, tables, scratch: &scratch)
      }
      for index in 0..<(unsafe cuts.count) {
        let (first, end) = unsafe (cuts.spans[2 * index], cuts.spans[2 * index + 1])
        unsafe categories.add(cuts.bytes + Int(first), count: Int(end - first), row: rowCount)
      }
    }
  }
}
