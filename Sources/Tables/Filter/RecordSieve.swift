/// Evaluates a filter on tile after tile; one for each scoring thread.
@safe package struct RecordSieve {
  /// Records of the last tile that go on: those that pass, and those that are errors anyway.
  package private(set) var kept = RecordSet()
  /// Records of the last tile whose values the filter cannot read: errors, and not kept.
  package private(set) var failed = RecordSet()

  private let filter: RecordFilter
  private let nullWords: NullWords
  private let failuresAreNull: Bool
  /// Of the last tile: slots × `RecordTile.recordLimit`; NaN for no value.
  private var numbers: [Double]
  private var integers: [Int64]
  /// For each slot that is an integer, the records with a value.
  private var present: [RecordMask]
  /// For each slot, the records whose value cannot be read.
  private var failures: [RecordSet]
  /// Records of the last tile that are errors of their own.
  private var broken = RecordMask()
  private var tooLarge = RecordMask()

  /// Makes a sieve.
  ///
  /// - Parameters:
  ///   - filter: What to keep.
  ///   - nullWords: The words that mean "no value" outside of quotes.
  ///   - failuresAreNull: Whether a value that cannot be read is no value, rather than an error.
  package init(_ filter: RecordFilter, nullWords: NullWords, failuresAreNull: Bool = false) {
    self.filter = filter
    self.failuresAreNull = failuresAreNull
    self.nullWords = nullWords
    let count = filter.slots.count
    numbers = Array(repeating: .nan, count: count * RecordTile.recordLimit)
    integers = Array(repeating: 0, count: count * RecordTile.recordLimit)
    present = Array(repeating: RecordMask(), count: count)
    failures = Array(repeating: RecordSet(), count: count)
  }

  /// Sorts the records of a tile into `kept`, `failed` and the rest, which is filtered out.
  ///
  /// - Parameter tile: Records with at least the columns that the filter was made for.
  /// - Returns: How many are filtered out.
  package mutating func sift(_ tile: borrowing RecordTile) -> Int {
    broken = RecordMask()
    tooLarge = RecordMask()
    if let first = tile.firstError {
      for record in first..<tile.count where tile.error(of: record) != nil { broken.insert(record) }
    }
    for slot in filter.slots.indices { read(slot, of: tile) }
    let passed = verdict(filter.condition, tile).isTrue
    var wrong = tooLarge
    if !failuresAreNull { for failure in failures { wrong |= RecordMask(failure) } }
    wrong &= ~broken
    let all = RecordMask(first: tile.count)
    let going = (passed & ~wrong | broken) & all
    kept = RecordSet(going)
    failed = RecordSet(wrong & all)
    return tile.count - going.memberCount - (wrong & all).memberCount
  }

  /// Why a record is in `failed`.
  package func reason(of record: Int) -> String {
    for slot in failures.indices where !failuresAreNull && failures[slot].contains(record) {
      return filter.failure(ofSlot: slot)
    }
    return "the filter compares integers beyond ±2^53, which is not exact"
  }

  // MARK: Values

  private mutating func read(_ slot: Int, of tile: borrowing RecordTile) {
    failures[slot].removeAll()
    let start = slot * RecordTile.recordLimit
    if filter.slots[slot].isNumber {
      unsafe numbers.withUnsafeMutableBufferPointer { numbers in
        let values = unsafe UnsafeMutableBufferPointer(
          rebasing: numbers[start..<start + RecordTile.recordLimit])
        _ = unsafe tile.readNumbers(
          column: filter.slots[slot].column, nullWords: nullWords, into: values,
          failures: &failures[slot])
      }
    } else if filter.slots[slot].kind != .text {
      readIntegers(slot, of: tile)
    }
  }

  private mutating func readIntegers(_ slot: Int, of tile: borrowing RecordTile) {
    let (column, kind) = (filter.slots[slot].column, filter.slots[slot].kind)
    let start = slot * RecordTile.recordLimit
    present[slot] = RecordMask()
    for record in 0..<tile.count {
      guard let text = unsafe text(of: record, column, in: tile) else { continue }
      let value: Int64? =
        switch kind {
        case .truth: unsafe truth(of: text.bytes)
        default: unsafe Moment.microseconds(of: text.bytes, isDate: kind == .date)
        }
      if let value {
        integers[start + record] = value
        present[slot].insert(record)
      } else {
        failures[slot].insert(record)
      }
    }
  }

  private func truth(of text: UnsafeBufferPointer<UInt8>) -> Int64? {
    guard text.count <= 5 else { return nil }
    let lowercase = unsafe text.map { (65...90).contains($0) ? $0 | 0x20 : $0 }
    switch String(decoding: lowercase, as: UTF8.self) {
    case "true", "t", "1": return 1
    case "false", "f", "0": return 0
    default: return nil
    }
  }

  /// A field's text as it stands in the tile, or nil for no value or a record that is an error.
  private func text(
    of record: Int, _ column: Int, in tile: borrowing RecordTile
  ) -> RecordTile.Field? {
    guard !broken.contains(record) else { return nil }
    let field = unsafe tile.field(record, column)
    return unsafe field.isMissing(nullWords) ? nil : field
  }

  /// Calls `body` for each record with the text of a column.
  private func forEachText(
    ofSlot slot: Int, _ tile: borrowing RecordTile,
    _ body: (Int, UnsafeBufferPointer<UInt8>) -> Void
  ) {
    let column = filter.slots[slot].column
    for record in 0..<tile.count {
      guard let field = unsafe text(of: record, column, in: tile) else { continue }
      if unsafe field.isEscaped {
        unsafe field.unescaped().withUnsafeBufferPointer { unsafe body(record, $0) }
      } else {
        unsafe body(record, field.bytes)
      }
    }
  }

  // MARK: Conditions

  private mutating func verdict(
    _ condition: FilterCondition, _ tile: borrowing RecordTile
  ) -> FilterVerdict {
    switch condition {
    case .constant(let value):
      let all = RecordMask(repeating: .max)
      return value ? FilterVerdict(isTrue: all) : FilterVerdict(isFalse: all)
    case .number(let slot, let comparison, let other):
      return compareNumbers(slot, comparison, with: other)
    case .numberMember(let slot, let values):
      return compareNumbers(slot) { values.containsSorted($0) }
    case .numberPair(let one, let comparison, let other):
      return compareNumbers(one, comparison, other)
    case .integer(let slot, let comparison, let other):
      return compareIntegers(slot) { integer, _ in comparison.holds(integer, other) }
    case .integerMember(let slot, let values):
      return compareIntegers(slot) { integer, _ in values.containsSorted(integer) }
    case .integerPair(let one, let comparison, let other):
      let start = other * RecordTile.recordLimit
      var verdict = compareIntegers(one) { integer, record in
        comparison.holds(integer, integers[start + record])
      }
      verdict.isTrue &= present[other]
      verdict.isFalse &= present[other]
      return verdict
    case .not(let inner):
      let verdict = verdict(inner, tile)
      return FilterVerdict(isTrue: verdict.isFalse, isFalse: verdict.isTrue)
    case .all(let parts):
      var result = FilterVerdict(isTrue: RecordMask(repeating: .max))
      for part in parts {
        let verdict = verdict(part, tile)
        result.isTrue &= verdict.isTrue
        result.isFalse |= verdict.isFalse
      }
      return result
    case .any(let parts):
      var result = FilterVerdict(isFalse: RecordMask(repeating: .max))
      for part in parts {
        let verdict = verdict(part, tile)
        result.isTrue |= verdict.isTrue
        result.isFalse &= verdict.isFalse
      }
      return result
    case .text, .textPair, .textMember, .like, .isNull: return textVerdict(condition, tile)
    }
  }

  /// Compares a column with a number; a loop of its own for each comparison.
  private func compareNumbers(
    _ slot: Int, _ comparison: FilterCondition.Comparison, with other: Double
  ) -> FilterVerdict {
    switch comparison {
    case .equal: compareNumbers(slot) { $0 == other }
    case .notEqual: compareNumbers(slot) { $0 != other }
    case .less: compareNumbers(slot) { $0 < other }
    case .lessEqual: compareNumbers(slot) { $0 <= other }
    case .greater: compareNumbers(slot) { $0 > other }
    case .greaterEqual: compareNumbers(slot) { $0 >= other }
    }
  }

  @inline(__always)
  private func compareNumbers(_ slot: Int, _ holds: (Double) -> Bool) -> FilterVerdict {
    let start = slot * RecordTile.recordLimit
    let isFloat = filter.slots[slot].kind == .float
    var verdict = FilterVerdict()
    unsafe numbers.withUnsafeBufferPointer { numbers in
      for word in 0..<RecordTile.recordLimit / 64 {
        var (met, present): (UInt64, UInt64) = (0, 0)
        for bit in 0..<64 {
          let exact = unsafe numbers[start + word * 64 + bit]
          let number = isFloat ? Double(Float(exact)) : exact
          met |= (holds(number) ? 1 : 0) << UInt64(bit)
          present |= (number.isNaN ? 0 : 1) << UInt64(bit)
        }
        verdict.isTrue[word] = met & present
        verdict.isFalse[word] = ~met & present
      }
    }
    return verdict
  }

  private mutating func compareNumbers(
    _ one: Int, _ comparison: FilterCondition.Comparison, _ other: Int
  ) -> FilterVerdict {
    let starts = (one * RecordTile.recordLimit, other * RecordTile.recordLimit)
    let areIntegers = [one, other].contains { filter.slots[$0].kind == .integer }
    var verdict = FilterVerdict()
    for record in 0..<RecordTile.recordLimit {
      let (left, right) = (numbers[starts.0 + record], numbers[starts.1 + record])
      guard !left.isNaN && !right.isNaN else { continue }
      if areIntegers, min(abs(left), abs(right)) >= FilterBinder.exactIntegerLimit {
        tooLarge.insert(record)
      }
      verdict.add(record, comparison.holds(left, right))
    }
    return verdict
  }

  private func compareIntegers(_ slot: Int, _ holds: (Int64, Int) -> Bool) -> FilterVerdict {
    let start = slot * RecordTile.recordLimit
    var verdict = FilterVerdict()
    for record in 0..<RecordTile.recordLimit where present[slot].contains(record) {
      verdict.add(record, holds(integers[start + record], record))
    }
    return verdict
  }

  private func textVerdict(
    _ condition: FilterCondition, _ tile: borrowing RecordTile
  ) -> FilterVerdict {
    var verdict = FilterVerdict()
    switch condition {
    case .text(let slot, let comparison, let other):
      unsafe other.withUnsafeBufferPointer { other in
        unsafe forEachText(ofSlot: slot, tile) { record, text in
          verdict.add(record, unsafe comparison.holds(order(of: text, other), 0))
        }
      }
    case .textMember(let slot, let values):
      unsafe forEachText(ofSlot: slot, tile) { record, text in
        verdict.add(record, unsafe values.containsSorted(text))
      }
    case .like(let slot, let pattern):
      unsafe forEachText(ofSlot: slot, tile) { record, text in
        verdict.add(record, unsafe pattern.matches(text))
      }
    case .textPair(let one, let comparison, let other):
      for record in 0..<tile.count {
        guard let left = unsafe text(of: record, filter.slots[one].column, in: tile),
          let right = unsafe text(of: record, filter.slots[other].column, in: tile)
        else { continue }
        let texts = unsafe (ByteText(left.unescaped()), ByteText(right.unescaped()))
        verdict.add(record, comparison.holds(texts.0, texts.1))
      }
    case .isNull(let slot): return nullVerdict(slot, tile)
    default: break  // the caller has the others
    }
    return verdict
  }

  private func nullVerdict(_ slot: Int, _ tile: borrowing RecordTile) -> FilterVerdict {
    let start = slot * RecordTile.recordLimit
    var isPresent = present[slot]
    if filter.slots[slot].isNumber {
      for record in 0..<tile.count where !numbers[start + record].isNaN {
        isPresent.insert(record)
      }
    } else if filter.slots[slot].kind == .text {
      for record in 0..<tile.count
      where unsafe text(of: record, filter.slots[slot].column, in: tile) != nil {
        isPresent.insert(record)
      }
    }
    return FilterVerdict(isTrue: ~isPresent, isFalse: isPresent)
  }
}
