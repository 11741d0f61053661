import CKernels
package import Jobs

extension RecordTile {
  /// Reads one column of text as values of a type.
  ///
  /// Spaces and tabs around a value do not count, and neither do the quotes of CSV. Null words are
  /// missing; so is every field of a record that is an error.
  ///
  /// - Parameters:
  ///   - column: Which field of each record.
  ///   - type: Not `text` or `binary`.
  ///   - nullWords: The words that mean "no value"; JSON has null alone.
  ///   - output: Room for `count` values: integers, days since 1970, microseconds since 1970 UTC,
  ///     0 or 1, or the bits of the nearest double, also for `float`. A time without a zone is
  ///     UTC; a fraction of a second finer than microseconds is not of the type.
  ///   - missing: Records without a value, and those that fail, are added; theirs is 0.
  ///   - failures: Records whose field is not of the type are added.
  /// - Returns: How many records failed.
  package func readValues(
    column: Int, as type: ColumnType, nullWords: NullWords,
    into output: UnsafeMutableBufferPointer<Int64>, missing: inout RecordSet,
    failures: inout RecordSet
  ) -> Int {
    guard count > 0, let type = ns_csv_type(type) else { return 0 }
    precondition(column >= 0 && column < expectedFieldCount && count <= output.count)
    guard let window = unsafe window, let start = output.baseAddress else { return 0 }
    return unsafe missing.withUnsafeWords { missing in
      unsafe failures.withUnsafeWords { failures in
        guard let missing = missing.baseAddress, let failures = failures.baseAddress else {
          return 0
        }
        let failureCount = unsafe ns_csv_values(
          window, records, recordCount, fields, UInt32(column), type,
          isJSON ? nil : nullWords.raw, start, missing, failures)
        return Int(failureCount)
      }
    }
  }

  /// Copies the texts of one column, one after the other, quotes and escapes resolved.
  ///
  /// Null words that are not in quotes are missing, and of JSON null alone; so is every field of a
  /// record that is an error. What is missing is empty.
  ///
  /// - Parameters:
  ///   - column: Which field of each record.
  ///   - nullWords: The words that mean "no value".
  ///   - output: Made larger where it has to be; what was in it is gone.
  ///   - ends: Room for `count`: text i ends before `ends[i]`, and the next begins there.
  ///   - missing: Records without a value are added.
  /// - Returns: The number of bytes.
  package func readTexts(
    column: Int, nullWords: NullWords, into output: inout [UInt8],
    ends: UnsafeMutableBufferPointer<UInt32>, missing: inout RecordSet
  ) -> Int {
    guard count > 0 else { return 0 }
    precondition(column >= 0 && column < expectedFieldCount && count <= ends.count)
    guard let window = unsafe window, let ends = ends.baseAddress else { return 0 }
    let room = unsafe ns_csv_text_room(records, recordCount, fields, UInt32(column))
    if output.count < room { output = Array(repeating: 0, count: room + room / 4) }
    return unsafe output.withUnsafeMutableBufferPointer { output in
      unsafe missing.withUnsafeWords { missing in
        guard let output = output.baseAddress, let missing = missing.baseAddress else { return 0 }
        return unsafe ns_csv_texts(
          window, records, recordCount, fields, UInt32(column), isJSON ? nil : nullWords.raw,
          output, ends, missing)
      }
    }
  }

  /// The types that the values of a column have, as bits of `ns_csv_type`.
  func types(ofColumn column: Int, nullWords: NullWords) -> UInt32 {
    precondition(column >= 0 && column < expectedFieldCount)
    guard let window = unsafe window else { return 0 }
    return unsafe ns_csv_types(
      window, records, recordCount, fields, UInt32(column), nullWords.raw)
  }
}

extension ns_csv_type {
  /// The kernels' name for a type; nil for those that every text is of.
  fileprivate init?(_ type: ColumnType) {
    switch type {
    case .boolean: self = ns_csv_boolean
    case .integer: self = ns_csv_integer
    case .number, .float: self = ns_csv_number
    case .date: self = ns_csv_date
    case .timestamp: self = ns_csv_timestamp
    case .text, .binary: return nil
    }
  }
}

/// Finds the records of tiles whose values are not of their columns' types.
///
/// Each is an error record, `WRONG_TYPE`, unless the job makes what cannot be read null. Numbers
/// that a model needs are not checked here: they have their own error, `NOT_A_NUMBER`. Of text only
/// a NUL can be wrong, which PostgreSQL has no text with.
package struct TypeCheck {
  private var columns: [Column] = []
  private let nullWords: NullWords
  private let isForPostgreSQL: Bool
  private var values: [Int64]
  /// The records of the tile checked last that failed, whichever column it was.
  package private(set) var failures = RecordSet()

  private struct Column {
    let index: Int
    let type: ColumnType
    var failures = RecordSet()

    /// Adds the records whose number is none that a double or, where the type says so, a float has,
    /// and returns their number.
    mutating func findLost(
      _ values: [Int64], _ missing: RecordSet, in tile: borrowing RecordTile
    ) -> Int {
      guard type == .number || type == .float else { return 0 }
      var count = 0
      for record in 0..<tile.count where tile.error(of: record) == nil {
        let value = Double(bitPattern: UInt64(bitPattern: values[record]))
        let stored = type == .float ? Double(Float(value)) : value
        guard stored == 0 || stored.isInfinite, !missing.contains(record),
          !failures.contains(record)
        else { continue }
        let digits = unsafe tile.field(record, index).bytes.prefix { $0 | 0x20 != 0x65 }
        let isLost = unsafe digits.contains { $0 > 0x30 - (stored == 0 ? 0 : 1) && $0 < 0x3A }
        guard isLost else { continue }
        failures.insert(record)
        count += 1
      }
      return count
    }

    /// Adds the records whose text has a NUL, and returns their number.
    mutating func findNULs(in tile: borrowing RecordTile) -> Int {
      var count = 0
      for record in 0..<tile.count where tile.error(of: record) == nil {
        guard unsafe tile.field(record, index).holdsNUL else { continue }
        failures.insert(record)
        count += 1
      }
      return count
    }
  }

  /// Prepares to check.
  ///
  /// - Parameters:
  ///   - types: Of all columns of the table.
  ///   - columns: Which are checked; bytes are passed over.
  ///   - nullWords: The words that mean "no value".
  ///   - isForPostgreSQL: Whether what that cannot store is wrong too: text with a NUL, and numbers
  ///     so large or small that they become infinity or 0. Otherwise text is passed over.
  package init(
    types: [ColumnType], columns: some Sequence<Int>, nullWords: NullWords,
    isForPostgreSQL: Bool = false
  ) {
    self.nullWords = nullWords
    self.isForPostgreSQL = isForPostgreSQL
    for index in columns
    where types[index] != .binary && (types[index] != .text || isForPostgreSQL) {
      self.columns.append(Column(index: index, type: types[index]))
    }
    values = Array(repeating: 0, count: self.columns.isEmpty ? 0 : RecordTile.recordLimit)
  }

  /// Whether there is nothing to check.
  package var isEmpty: Bool { columns.isEmpty }

  /// Checks a tile of text.
  ///
  /// - Returns: How many values are not of their columns' types.
  package mutating func run(_ tile: borrowing RecordTile) -> Int {
    failures.removeAll()
    var failureCount = 0
    for index in columns.indices {
      columns[index].failures.removeAll()
      guard columns[index].type != .text else {
        failureCount += columns[index].findNULs(in: tile)
        failures.formUnion(columns[index].failures)
        continue
      }
      var missing = RecordSet()
      var count = unsafe values.withUnsafeMutableBufferPointer { values in
        unsafe tile.readValues(
          column: columns[index].index, as: columns[index].type, nullWords: nullWords,
          into: values, missing: &missing, failures: &columns[index].failures)
      }
      if isForPostgreSQL { count += columns[index].findLost(values, missing, in: tile) }
      guard count > 0 else { continue }
      failures.formUnion(columns[index].failures)
      failureCount += count
    }
    return failureCount
  }

  /// Takes the wrong values of the tile that was checked last for no values: what is written of the
  /// tile then lacks them.
  package func removeFailures(from tile: borrowing RecordTile) {
    for column in columns {
      for record in 0..<tile.count where column.failures.contains(record) {
        tile.removeValue(record, column.index)
      }
    }
  }

  /// The first column, in the order given, whose value in a record of the tile checked last is not
  /// of its type; nil where all are.
  package func wrongColumn(of record: Int) -> (column: Int, type: ColumnType)? {
    guard failures.contains(record) else { return nil }
    return columns.first { $0.failures.contains(record) }.map { ($0.index, $0.type) }
  }
}
