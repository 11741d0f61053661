package import Models

extension FitState {
  /// All that is known, as JSON on one line without a line feed.
  package var encoded: [UInt8] {
    var text = JSONText()
    text.beginArray()
    for (column, statistics) in zip(fitting.columns, statistics) {
      text.beginObject()
      text.key("rows")
      text.integer(statistics.rowCount)
      Self.encode(statistics.moments, "values", &text)
      if let sketch = statistics.sketch { Self.encode(sketch, &text) }
      if statistics.categories.terms.count > 0 || statistics.categories.isOverLimit {
        Self.encode(statistics.categories, column.gathering, &text)
      }
      Self.encode(statistics.target, "target", &text)
      text.endObject()
    }
    text.endArray()
    return text.bytes
  }

  private static func encode(_ moments: Moments, _ key: String, _ text: inout JSONText) {
    guard moments.count > 0 else { return }
    text.key(key)
    text.numbers(moments.numbers)
  }

  private static func encode(_ sketch: QuantileSketch, _ text: inout JSONText) {
    text.key("sketch")
    text.beginObject()
    text.key("exact")
    text.numbers(sketch.exact.map(\.value))
    text.key("weights")
    text.numbers(sketch.exact.map { Double($0.weight) })
    text.key("levels")
    text.beginArray()
    for level in sketch.levels { text.numbers(level) }
    text.endArray()
    text.key("turns")
    text.numbers(sketch.turns.map { $0 ? 1.0 : 0 })
    text.endObject()
  }

  private static func encode(
    _ categories: CategoryCounts, _ gathering: Gathering, _ text: inout JSONText
  ) {
    let order = categories.order
    text.key("categories")
    text.beginObject()
    text.key("names")
    text.beginArray()
    for place in order {
      if categories.isText {
        text.text(categories.terms.text(place))
      } else {
        text.number(categories.number(place))
      }
    }
    text.endArray()
    text.key("counts")
    text.numbers(order.map { categories.counts[$0] })
    switch gathering {
    case .terms:
      text.key("occurrences")
      text.numbers(order.map { categories.occurrences[$0] })
    case .target:
      text.key("targets")
      text.numbers(order.map { categories.targetSums[$0] })
    case .categories, .moments, .quantiles: break
    }
    if categories.isOverLimit {
      text.key("over")
      text.flag(true)
    }
    text.endObject()
  }

  /// Adds what `encoded` gave, of rows that come after these.
  ///
  /// - Throws: `ModelError` if it is not of this fitting; nothing is added then.
  package mutating func merge(encoded: [UInt8]) throws(ModelError) {
    let document = try Document(encoded, encoding: .json)
    let list = try document.root.list(count: fitting.columns.count)
    var other = fitting.emptyState
    for (index, value) in list.enumerated() {
      let found = try Self.decode(value, fitting.columns[index])
      guard found.rowCount <= PlanLimits.rowCount - statistics[index].rowCount else {
        throw value.error("more than \(PlanLimits.rowCount) rows", code: .limitExceeded)
      }
      other.statistics[index] = found
    }
    merge(other)
  }

  private static func decode(
    _ value: DocumentValue, _ column: Fitting.GatheredColumn
  ) throws(ModelError) -> ColumnStatistics {
    var fields = try StepFields(value)
    let rowCount = try fields.required("rows").integer(in: 0...PlanLimits.rowCount)
    let moments = try moments(fields.optional("values"))
    let target = try Self.moments(fields.optional("target"))
    var sketch: QuantileSketch?
    if column.gathering == .quantiles {
      let field = try fields.required("sketch")
      let found = try Self.sketch(field)
      guard let valueCount = found.valueCount, valueCount <= rowCount else {
        throw field.error("more values than rows")
      }
      sketch = found
    }
    let categories = try Self.categories(fields.optional("categories"), column)
    try fields.finish()
    return ColumnStatistics(
      rowCount: rowCount, moments: moments, sketch: sketch, categories: categories, target: target)
  }

  private static func moments(_ value: DocumentValue?) throws(ModelError) -> Moments {
    guard let value else { return Moments() }
    guard let moments = Moments(numbers: try value.doubles()) else {
      throw value.error("these are not count, mean, squares and extremes")
    }
    return moments
  }

  private static func sketch(_ value: DocumentValue) throws(ModelError) -> QuantileSketch {
    var fields = try StepFields(value)
    let exact = try fields.required("exact").finiteNumbers()
    let weights = try fields.required("weights").integers(count: exact.count, in: 1...1 << 53)
    var levels: [[Double]] = []
    for level in try fields.required("levels").elements() {
      levels.append(try level.finiteNumbers())
    }
    let turns = try fields.required("turns").integers(count: levels.count, in: 0...1)
    try fields.finish()
    let items = zip(exact, weights).map { QuantileSketch.Weighted(value: $0, weight: $1) }
    let sketch = QuantileSketch(exact: items, levels: levels, turns: turns.map { $0 == 1 })
    guard let sketch else { throw value.error("this is no sketch") }
    return sketch
  }

  private static func categories(
    _ value: DocumentValue?, _ column: Fitting.GatheredColumn
  ) throws(ModelError) -> CategoryCounts {
    var categories = CategoryCounts(isText: column.isText)
    guard let value else { return categories }
    var fields = try StepFields(value)
    let names = try fields.required("names")
    let counts = try fields.required("counts").finiteNumbers(count: names.count)
    let occurrences = try fields.optional("occurrences")?.finiteNumbers(count: names.count)
    let targets = try fields.optional("targets")?.finiteNumbers(count: names.count)
    let isOverLimit = try fields.flag("over", default: false)
    try fields.finish()
    let texts = column.isText ? try names.elements() : []
    let numbers = column.isText ? [] : try names.finiteNumbers()
    for index in 0..<names.count {
      let text =
        column.isText ? try texts[index].stringBytes() : CategoryCounts.bytes(numbers[index])
      categories.merge(
        text, count: counts[index], occurrences: occurrences?[index] ?? counts[index],
        targetSum: targets?[index] ?? 0)
    }
    categories.isOverLimit = categories.isOverLimit || isOverLimit
    return categories
  }
}

extension CategoryCounts {
  /// How a number stands among the terms.
  fileprivate static func bytes(_ number: Double) -> ArraySlice<UInt8> {
    let bits = (number == 0 ? 0 : number).bitPattern
    return (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }[...]
  }
}
