import Glibc

/// Walks the records of a published file: JSON lines, or CSV, where a line feed between quotes
/// ends nothing.
struct RecordWalk: ~Copyable {
  private var text: PublishedText
  private var headerBytesLeft: Int
  private let hasQuotes: Bool
  private var part: [UInt8] = []
  private var position = 0
  private var isQuoted = false
  /// Records that were passed.
  private(set) var count: UInt64 = 0

  /// No record is longer: 16 MiB of text as JSON, where a byte may become six.
  private static let recordByteLimit = 128 << 20

  init(text: consuming PublishedText, headerByteCount: Int, hasQuotes: Bool) {
    self.text = text
    self.hasQuotes = hasQuotes
    headerBytesLeft = max(0, headerByteCount)
  }

  /// Where the records of a text lie that holds whole ones.
  static func records(of text: [UInt8], hasQuotes: Bool) -> [Range<Int>] {
    var records: [Range<Int>] = []
    var (start, isQuoted) = (0, false)
    for (index, byte) in text.enumerated() {
      if hasQuotes, byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      guard byte == UInt8(ascii: "\n"), !isQuoted else { continue }
      records.append(start..<index + 1)
      start = index + 1
    }
    return records
  }

  /// Passes over records.
  mutating func skip(_ number: UInt64) throws(DestinationError) {
    let end = count + number
    while count < end {
      try fill()
      _ = advance()
    }
  }

  /// Whether these bytes come next; goes behind them, or to somewhere before their end.
  ///
  /// - Parameters:
  ///   - text: Whole records.
  ///   - number: How many.
  /// - Returns: False at the first byte that is another one.
  /// - Throws: `inconsistent` where the file is damaged or has fewer bytes; `file`.
  mutating func isNext(_ text: [UInt8], records number: UInt64) throws(DestinationError) -> Bool {
    var taken = 0
    while taken < text.count {
      try fill()
      let length = min(part.count - position, text.count - taken)
      let isSame = unsafe part.withUnsafeBytes { part in
        unsafe text.withUnsafeBytes { text in
          guard let found = part.baseAddress, let expected = text.baseAddress else { return true }
          return unsafe memcmp(found + position, expected + taken, length) == 0
        }
      }
      guard isSame else { return false }
      position += length
      taken += length
    }
    count += number
    return true
  }

  /// Reads a record with its line end.
  mutating func next() throws(DestinationError) -> [UInt8] {
    var record: [UInt8] = []
    while true {
      try fill()
      let start = position
      let isEnded = advance()
      record += part[start..<position]
      if isEnded { return record }
      guard record.count <= Self.recordByteLimit else {
        throw text.damaged(
          "record \(count + 1) is longer than \(Self.recordByteLimit) bytes")
      }
    }
  }

  /// Goes to the end of the record, or of the part.
  ///
  /// - Returns: Whether the record ends there.
  private mutating func advance() -> Bool {
    guard hasQuotes else { return advanceToLineFeed() }
    var (index, isInQuotes) = (position, isQuoted)
    while index < part.count {
      let byte = part[index]
      index += 1
      if byte == UInt8(ascii: "\"") { isInQuotes.toggle() }
      if byte == UInt8(ascii: "\n"), !isInQuotes {
        (position, isQuoted) = (index, false)
        count += 1
        return true
      }
    }
    (position, isQuoted) = (index, isInQuotes)
    return false
  }

  private mutating func advanceToLineFeed() -> Bool {
    let rest = part.count - position
    let length: Int? = unsafe part.withUnsafeBytes { part in
      guard let base = part.baseAddress else { return nil }
      let start = unsafe base + position
      guard let end = unsafe memchr(start, Int32(UInt8(ascii: "\n")), rest) else { return nil }
      return unsafe UnsafeRawPointer(end) - start + 1
    }
    position += length ?? rest
    if length != nil { count += 1 }
    return length != nil
  }

  /// Has bytes at hand.
  private mutating func fill() throws(DestinationError) {
    while position == part.count {
      guard let next = try text.next() else {
        throw text.damaged("ends after \(count) records, the receipt says more")
      }
      part = next
      position = min(headerBytesLeft, part.count)
      headerBytesLeft -= position
    }
  }
}
