import CKernels

/// How CSV text is to be read.
package struct CSVOptions: Sendable {
  /// The byte between two fields.
  package let delimiter: UInt8
  /// The words that mean "no value".
  package let nullWords: NullWords
  /// Length in bytes after which a record is given up at the next line feed.
  package let recordByteLimit: Int

  /// The null words used where a job names none.
  package static let standardNullWords = [
    "", "NA", "N/A", "NaN", "nan", "NULL", "null", "None",
  ]
  /// The record limit used where a job names none.
  package static let standardRecordByteLimit = 16 << 20
  /// The smallest record limit: a line of nothing but a byte order mark and a CR stays below it.
  package static let lowestRecordByteLimit = 4
  /// The largest record limit: spans are kept in 29 bits.
  package static let highestRecordByteLimit = 256 << 20

  /// Takes the options of a job.
  ///
  /// - Parameters:
  ///   - delimiter: Any ASCII character but a quote, CR, LF or NUL.
  ///   - nullWords: Words without quotes and line ends.
  ///   - recordByteLimit: `lowestRecordByteLimit` to `highestRecordByteLimit`.
  /// - Throws: `TableError.unsupported` naming the option.
  package init(
    delimiter: UInt8 = UInt8(ascii: ","), nullWords: [String] = standardNullWords,
    recordByteLimit: Int = standardRecordByteLimit
  ) throws(TableError) {
    let forbidden = [0, UInt8(ascii: "\""), UInt8(ascii: "\r"), UInt8(ascii: "\n")]
    guard delimiter < 0x80, !forbidden.contains(delimiter) else {
      throw TableError(
        code: .unsupported, context: "delimiter with code \(delimiter): use another ASCII character"
      )
    }
    guard nullWords.allSatisfy({ !$0.utf8.contains { forbidden.contains($0) } }) else {
      throw TableError(
        code: .unsupported, context: "null words cannot hold quotes, line ends or NUL")
    }
    let allowed = Self.lowestRecordByteLimit...Self.highestRecordByteLimit
    guard allowed.contains(recordByteLimit) else {
      throw TableError(
        code: .unsupported, context: "recordByteLimit \(recordByteLimit): not in \(allowed)")
    }
    self.delimiter = delimiter
    self.nullWords = NullWords(nullWords)
    self.recordByteLimit = recordByteLimit
  }
}

/// Words that mean "no value", in the form the kernels read.
///
/// Sendable because nothing changes after `init`.
@safe package final class NullWords: @unchecked Sendable {
  private let bytes: UnsafeMutableBufferPointer<UInt8>
  private let ends: UnsafeMutableBufferPointer<UInt32>
  /// The kernels' view of the two buffers.
  let raw: UnsafeMutablePointer<ns_csv_words>

  /// Takes the words.
  package init(_ words: [String]) {
    let texts = words.map { Array($0.utf8) }
    let joined = Array(texts.joined())
    unsafe bytes = .allocate(capacity: max(joined.count, 1))
    _ = unsafe bytes.initialize(from: joined)
    unsafe ends = .allocate(capacity: max(texts.count, 1))
    var end: UInt32 = 0
    var lengthMask: UInt64 = 0
    var hasNumbers = false
    for (index, text) in texts.enumerated() {
      end += UInt32(text.count)
      unsafe ends.initializeElement(at: index, to: end)
      lengthMask |= 1 << UInt64(min(text.count, 63))
      // A word that reads as NaN gives the same whichever way it is taken.
      if let number = number(of: text), !number.isNaN { hasNumbers = true }
    }
    unsafe raw = .allocate(capacity: 1)
    unsafe raw.initialize(
      to: ns_csv_words(
        bytes: bytes.baseAddress, ends: ends.baseAddress, count: UInt32(texts.count),
        length_mask: lengthMask, has_numbers: hasNumbers ? 1 : 0))
  }

  deinit {
    unsafe bytes.deallocate()
    unsafe ends.deallocate()
    unsafe raw.deallocate()
  }

  /// Tells whether a field's text is one of the words, byte for byte.
  package func contains(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let start = text.baseAddress else { return false }
    return unsafe ns_csv_is_word(raw, start, text.count) != 0
  }
}

/// Reads text as a number by the rules of `ns_parse_double`.
package func number(of text: [UInt8]) -> Double? {
  unsafe text.withUnsafeBufferPointer { bytes -> Double? in
    guard let start = bytes.baseAddress else { return nil }
    var value = 0.0
    return unsafe ns_parse_double(start, start + bytes.count, &value) == 1 ? value : nil
  }
}
