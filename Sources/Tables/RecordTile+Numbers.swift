import CKernels

/// A set of the records of one tile.
package struct RecordSet: Hashable, Sendable {
  /// Bit i % 64 of word i / 64 says whether record i is in the set.
  package private(set) var words: [UInt64]

  /// Words of a set.
  package static let wordCount = RecordTile.recordLimit / 64

  /// Makes an empty set.
  package init() {
    words = [UInt64](repeating: 0, count: Self.wordCount)
  }

  /// Tells whether a record is in the set.
  package func contains(_ record: Int) -> Bool {
    words[record / 64] >> UInt64(record % 64) & 1 == 1
  }

  /// Adds a record.
  package mutating func insert(_ record: Int) {
    words[record / 64] |= 1 << UInt64(record % 64)
  }

  /// The first of its records from one on; nil where there is none.
  package func first(from start: Int) -> Int? {
    guard start < RecordTile.recordLimit else { return nil }
    var index = start / 64
    var word = words[index] & (~0 << UInt64(start % 64))
    while word == 0 {
      index += 1
      guard index < Self.wordCount else { return nil }
      word = words[index]
    }
    return index * 64 + word.trailingZeroBitCount
  }

  /// Adds the records that are errors.
  package mutating func insertErrors(of tile: borrowing RecordTile) {
    unsafe withUnsafeWords { words in
      guard let words = words.baseAddress else { return }
      unsafe ns_csv_mark_errors(tile.records, tile.recordCount, words)
    }
  }

  /// Adds the records whose numbers are not all finite.
  ///
  /// - Parameters:
  ///   - numbers: `width` of them for each record, record after record.
  ///   - width: How many a record has.
  ///   - count: Of records.
  package mutating func insertNotFinite(
    _ numbers: UnsafeBufferPointer<Double>, width: Int, count: Int
  ) {
    precondition(count <= RecordTile.recordLimit && count * width <= numbers.count)
    guard let numbers = numbers.baseAddress else { return }
    unsafe withUnsafeWords { words in
      guard let words = words.baseAddress else { return }
      unsafe ns_mark_not_finite(numbers, count, width, words)
    }
  }

  /// Adds the records of another set.
  package mutating func formUnion(_ other: RecordSet) {
    for index in words.indices { words[index] |= other.words[index] }
  }

  /// Adds records by their words.
  package mutating func formUnion(words other: ArraySlice<UInt64>) {
    for (index, word) in zip(words.indices, other) { words[index] |= word }
  }

  /// Empties the set.
  package mutating func removeAll() {
    for index in words.indices { words[index] = 0 }
  }

  /// Gives a kernel the words to add records to.
  mutating func withUnsafeWords<Result>(
    _ body: (UnsafeMutableBufferPointer<UInt64>) -> Result
  ) -> Result {
    unsafe words.withUnsafeMutableBufferPointer { unsafe body($0) }
  }
}

extension RecordTile {
  /// Reads one column as numbers.
  ///
  /// Null words become NaN, whether or not they stand in quotes or between spaces; so does every
  /// field of a record that is an error. Numbers are read as the nearest double. A column that the
  /// reader gives as numbers is copied, and has no failures. In JSON lines true is 1 and false 0,
  /// null and missing members are NaN, and a string is no number, whatever is in it, unless it is
  /// a null word.
  ///
  /// - Parameters:
  ///   - column: Which field of each record.
  ///   - nullWords: The words that mean "no value".
  ///   - output: Number i is written to `output[i * stride]`; room for `count` of them.
  ///   - stride: Distance of two numbers in `output`.
  ///   - failures: Records whose field is no number are added; their output is NaN.
  ///   - instructions: What may be used; the CPU has to have it.
  /// - Returns: How many records failed.
  package func readNumbers(
    column: Int, nullWords: NullWords, into output: UnsafeMutableBufferPointer<Double>,
    stride: Int = 1, failures: inout RecordSet, instructions: TextInstructions = .best
  ) -> Int {
    guard count > 0 else { return 0 }
    precondition(column >= 0 && column < expectedFieldCount)
    precondition(stride > 0 && (count - 1) * stride < output.count)
    if let values = unsafe typedNumbers?.values(ofColumn: column) {
      if stride == 1, let from = values.baseAddress {
        unsafe output.baseAddress?.update(from: from, count: count)
      } else {
        for record in 0..<count { unsafe output[record * stride] = unsafe values[record] }
      }
      return 0
    }
    guard let window = unsafe window, let start = output.baseAddress else { return 0 }
    var column = UInt32(column)
    return unsafe failures.withUnsafeWords { words in
      guard let words = words.baseAddress else { return 0 }
      if isJSON {
        let failureCount = unsafe ns_json_number_columns(
          instructions.kernel, window, records, recordCount, fields, &column, 1, nullWords.raw,
          start, 0, stride, words, 0)
        return Int(failureCount)
      }
      let failureCount = unsafe ns_csv_number_columns(
        instructions.kernel, window, records, recordCount, fields, &column, 1, nullWords.raw,
        start, 0, stride, words, 0)
      return Int(failureCount)
    }
  }

  /// Whether all columns are text, CSV or JSON, and none is given as numbers.
  package var isText: Bool { typedNumbers == nil }

  /// A column that the reader gives as numbers, NaN where there is none; nil for any other.
  package func numbers(ofColumn column: Int) -> UnsafeBufferPointer<Double>? {
    guard let values = unsafe typedNumbers?.values(ofColumn: column) else { return nil }
    return unsafe UnsafeBufferPointer(rebasing: values[..<count])
  }

  /// Reads several columns of text as numbers, all of a few records at a time.
  ///
  /// That is faster than one column after the other, because a record's text is looked at once
  /// while it is in the nearest cache. The rules are those of `readNumbers(column:)`.
  ///
  /// - Parameters:
  ///   - columns: Which fields of each record.
  ///   - nullWords: The words that mean "no value".
  ///   - output: The number of record i and entry c of `columns` is written to
  ///     `output[c * recordLimit + i]`; room for `recordLimit` numbers of each column.
  ///   - failures: For each entry of `columns` the records whose field is no number are added to
  ///     `recordLimit / 64` words, bit i % 64 of word i / 64 for record i.
  ///   - instructions: What may be used; the CPU has to have it.
  /// - Returns: How many fields failed.
  package func readNumbers(
    columns: [UInt32], nullWords: NullWords, into output: UnsafeMutableBufferPointer<Double>,
    failures: UnsafeMutableBufferPointer<UInt64>, instructions: TextInstructions = .best
  ) -> Int {
    guard count > 0, !columns.isEmpty else { return 0 }
    precondition(isText)
    let wordCount = Self.recordLimit / 64
    precondition(columns.allSatisfy { Int($0) < expectedFieldCount })
    precondition(columns.count * Self.recordLimit <= output.count)
    precondition(columns.count * wordCount <= failures.count)
    guard let window = unsafe window, let numbers = output.baseAddress,
      let words = failures.baseAddress
    else { return 0 }
    if isJSON {
      let failureCount = unsafe ns_json_number_columns(
        instructions.kernel, window, records, recordCount, fields, columns, UInt32(columns.count),
        nullWords.raw, numbers, Self.recordLimit, 1, words, wordCount)
      return Int(failureCount)
    }
    let failureCount = unsafe ns_csv_number_columns(
      instructions.kernel, window, records, recordCount, fields, columns, UInt32(columns.count),
      nullWords.raw, numbers, Self.recordLimit, 1, words, wordCount)
    return Int(failureCount)
  }
}
