extension RecordFilter {
  /// Whether a part of a file may have a record that is kept, or one that fails.
  ///
  /// - Parameter bounds: What is known of a column there, by its number; nil for nothing.
  /// - Returns: false only where every record is filtered out.
  package func mayMatch(_ bounds: (Int) -> ColumnBounds?) -> Bool {
    if condition.mayFail(slots) { return true }
    let known = slots.map { SlotBounds(bounds($0.column), kind: $0.kind) }
    return condition.outcome(known).canBeTrue
  }
}

/// What a condition may be for the records of a part of a file.
private struct Outcome {
  var canBeTrue = true
  var canBeFalse = true
  var canBeNull = true
}

/// Bounds in the form a slot is compared in.
private struct SlotBounds {
  var numbers: (least: Double?, greatest: Double?) = (nil, nil)
  var integers: (least: Int64?, greatest: Int64?) = (nil, nil)
  var texts: (least: [UInt8]?, greatest: [UInt8]?) = (nil, nil)
  /// Whether there may be records with a value, and such without.
  var canBePresent = true
  var canBeNull = true

  init(_ bounds: ColumnBounds?, kind: FilterSlot.Kind) {
    guard let bounds else { return }
    if let nullCount = bounds.nullCount {
      canBePresent = nullCount < bounds.recordCount
      // NaN is no value here, and no null in a file.
      canBeNull = nullCount > 0 || kind == .number || kind == .float
    }
    let (least, greatest) = (bounds.least, bounds.greatest)
    switch kind {
    case .number, .integer, .float:
      numbers = (Self.number(least, kind), Self.number(greatest, kind))
    case .date, .timestamp, .truth:
      integers = (Self.integer(least, kind), Self.integer(greatest, kind))
    case .text:
      if case .text(let bytes) = least { texts.least = bytes }
      if case .text(let bytes) = greatest { texts.greatest = bytes }
    }
  }

  private static func number(_ value: ColumnBounds.Value?, _ kind: FilterSlot.Kind) -> Double? {
    switch value {
    case .number(let number): number.isNaN ? nil : kind.rounded(number)
    case .integer(let integer): Double(integer)
    case .text, nil: nil
    }
  }

  private static func integer(_ value: ColumnBounds.Value?, _ kind: FilterSlot.Kind) -> Int64? {
    guard case .integer(let integer) = value else { return nil }
    guard kind == .date else { return integer }
    let (product, overflow) = integer.multipliedReportingOverflow(by: Moment.microsecondsPerDay)
    return overflow ? nil : product
  }
}

extension FilterCondition {
  /// Whether a record may be an error: then none is passed over.
  fileprivate func mayFail(_ slots: [FilterSlot]) -> Bool {
    switch self {
    case .numberPair(let one, _, let other):
      [one, other].contains { slots[$0].kind == .integer }
    case .not(let inner): inner.mayFail(slots)
    case .all(let parts), .any(let parts): parts.contains { $0.mayFail(slots) }
    case .constant, .number, .numberMember, .integer, .integerPair, .integerMember, .text,
      .textPair, .textMember, .like, .isNull:
      false
    }
  }

  fileprivate func outcome(_ bounds: [SlotBounds]) -> Outcome {
    switch self {
    case .constant(let value):
      return Outcome(canBeTrue: value, canBeFalse: !value, canBeNull: false)
    case .number(let slot, let comparison, let value):
      return bounds[slot].outcome(comparison, value, bounds[slot].numbers)
    case .integer(let slot, let comparison, let value):
      return bounds[slot].outcome(comparison, value, bounds[slot].integers)
    case .text(let slot, let comparison, let value):
      return bounds[slot].outcome(comparison, value)
    case .numberMember(let slot, let values):
      return bounds[slot].member { bounds[slot].outcome(.equal, $0, bounds[slot].numbers) }(values)
    case .integerMember(let slot, let values):
      return bounds[slot].member { bounds[slot].outcome(.equal, $0, bounds[slot].integers) }(values)
    case .textMember(let slot, let values):
      return bounds[slot].member { bounds[slot].outcome(.equal, $0) }(values)
    case .like(let slot, let pattern): return bounds[slot].outcome(pattern)
    case .isNull(let slot):
      return Outcome(
        canBeTrue: bounds[slot].canBeNull, canBeFalse: bounds[slot].canBePresent,
        canBeNull: false)
    case .numberPair, .integerPair, .textPair: return Outcome()
    case .not(let inner):
      let inner = inner.outcome(bounds)
      return Outcome(
        canBeTrue: inner.canBeFalse, canBeFalse: inner.canBeTrue, canBeNull: inner.canBeNull)
    case .all(let parts):
      let outcomes = parts.map { $0.outcome(bounds) }
      return Outcome(
        canBeTrue: outcomes.allSatisfy(\.canBeTrue),
        canBeFalse: outcomes.contains(where: \.canBeFalse),
        canBeNull: outcomes.contains(where: \.canBeNull)
          && outcomes.allSatisfy { $0.canBeTrue || $0.canBeNull })
    case .any(let parts):
      let outcomes = parts.map { $0.outcome(bounds) }
      return Outcome(
        canBeTrue: outcomes.contains(where: \.canBeTrue),
        canBeFalse: outcomes.allSatisfy(\.canBeFalse),
        canBeNull: outcomes.contains(where: \.canBeNull)
          && outcomes.allSatisfy { $0.canBeFalse || $0.canBeNull })
    }
  }
}

extension SlotBounds {
  /// What comparing with a value may give.
  fileprivate func outcome<Value: Comparable>(
    _ comparison: FilterCondition.Comparison, _ value: Value,
    _ bounds: (least: Value?, greatest: Value?)
  ) -> Outcome {
    let canBeLess = bounds.least.map { $0 < value } ?? true
    let canBeGreater = bounds.greatest.map { $0 > value } ?? true
    let canBeEqual =
      (bounds.least.map { $0 <= value } ?? true) && (bounds.greatest.map { $0 >= value } ?? true)
    return outcome(comparison, canBeLess: canBeLess, canBeEqual, canBeGreater: canBeGreater)
  }

  /// The same for texts, whose upper bound may be cut: what begins with it may follow it.
  fileprivate func outcome(
    _ comparison: FilterCondition.Comparison, _ value: [UInt8]
  ) -> Outcome {
    let canBeLess = texts.least.map { ByteText($0) < ByteText(value) } ?? true
    let canBeGreater =
      texts.greatest.map { ByteText($0) > ByteText(value) || value.starts(with: $0) } ?? true
    let canBeEqual =
      (texts.least.map { ByteText($0) <= ByteText(value) } ?? true)
      && (texts.greatest.map { ByteText($0) >= ByteText(value) || value.starts(with: $0) } ?? true)
    return outcome(comparison, canBeLess: canBeLess, canBeEqual, canBeGreater: canBeGreater)
  }

  private func outcome(
    _ comparison: FilterCondition.Comparison, canBeLess: Bool, _ canBeEqual: Bool,
    canBeGreater: Bool
  ) -> Outcome {
    // What may lie on each side, and whether the comparison holds there.
    let sides = [(canBeLess, -1), (canBeEqual, 0), (canBeGreater, 1)].filter(\.0).map(\.1)
    return Outcome(
      canBeTrue: canBePresent && sides.contains { comparison.holds($0, 0) },
      canBeFalse: canBePresent && sides.contains { !comparison.holds($0, 0) },
      canBeNull: canBeNull)
  }

  /// What being one of several values may give.
  fileprivate func member<Value>(
    _ equal: @escaping (Value) -> Outcome
  ) -> ([Value]) -> Outcome {
    { values in
      Outcome(
        canBeTrue: values.contains { equal($0).canBeTrue }, canBeFalse: canBePresent,
        canBeNull: canBeNull)
    }
  }

  /// What LIKE may give, by what all matches begin with.
  fileprivate func outcome(_ pattern: LikePattern) -> Outcome {
    let prefix = pattern.prefix
    let isBelow =
      texts.greatest.map { ByteText($0) < ByteText(prefix) && !prefix.starts(with: $0) } ?? false
    let isAbove =
      texts.least.map { ByteText($0) > ByteText(prefix) && !$0.starts(with: prefix) } ?? false
    return Outcome(
      canBeTrue: canBePresent && !isBelow && !isAbove, canBeFalse: canBePresent,
      canBeNull: canBeNull)
  }
}
