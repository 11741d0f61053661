import CKernels

/// A set of the records of one tile.
package struct RecordSet: Hashable, Sendable {
  /// Bit i % 64 of word i / 64 says whether record i is in the set.
  package private(set) var words: [UInt64]

  /// Makes an empty set.
  package init() {
    words = [UInt64](repeating: 0, count: RecordTile.recordLimit / 64)
  }

  /// Tells whether a record is in the set.
  package func contains(_ record: Int) -> Bool {
    words[record / 64] >> UInt64(record % 64) & 1 == 1
  }

  /// Adds a record.
  package mutating func insert(_ record: Int) {
    words[record / 64] |= 1 << UInt64(record % 64)
  }

  /// Adds the records of another set.
  package mutating func formUnion(_ other: RecordSet) {
    for index in words.indices { words[index] |= other.words[index] }
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
  /// reader gives as numbers is copied, and has no failures.
  ///
  /// - Parameters:
  ///   - column: Which field of each record.
  ///   - nullWords: The words that mean "no value".
  ///   - output: Number i is written to `output[i * stride]`; room for `count` of them.
  ///   - stride: Distance of two numbers in `output`.
  ///   - failures: Records whose field is no number are added; their output is NaN.
  /// - Returns: How many records failed.
  package func readNumbers(
    column: Int, nullWords: NullWords, into output: UnsafeMutableBufferPointer<Double>,
    stride: Int = 1, failures: inout RecordSet
  ) -> Int {
    guard count > 0 else { return 0 }
    precondition(column >= 0 && column < expectedFieldCount)
    precondition(stride > 0 && (count - 1) * stride < output.count)
    if let values = unsafe typedNumbers?.values(ofColumn: column) {
      for record in 0..<count { unsafe output[record * stride] = unsafe values[record] }
      return 0
    }
    guard let window = unsafe window, let start = output.baseAddress else { return 0 }
    return unsafe failures.withUnsafeWords { words in
      let failureCount = unsafe ns_csv_numbers(
        window, records, recordCount, fields, UInt32(column), nullWords.raw, start, stride,
        words.baseAddress)
      return Int(failureCount)
    }
  }
}
