/// One field of a result line; the range is without its quotes.
struct ResultField {
  let range: Range<Int>
  let isQuoted: Bool
  let hasDoubledQuotes: Bool
}

/// Finds the lines and fields of result text as our own writer of CSV lays it out.
struct ResultLines {
  let delimiter: UInt8
  let fieldCount: Int
  /// Of the line that was read last.
  private(set) var fields: [ResultField] = []

  init(delimiter: UInt8, fieldCount: Int) {
    self.delimiter = delimiter
    self.fieldCount = fieldCount
  }

  /// What a look at the text gave.
  enum Line {
    /// A line that ends before this offset, line feed included.
    case line(end: Int)
    /// The text ends inside a line.
    case partOfLine
    /// This is no text of ours.
    case malformed
  }

  /// Reads one line.
  ///
  /// - Parameters:
  ///   - text: Result text.
  ///   - start: Where the line begins.
  /// - Returns: Where it ends; its fields are then in `fields`.
  mutating func next(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Line {
    fields.removeAll(keepingCapacity: true)
    var offset = start
    while true {
      let stop = unsafe field(in: text, from: offset)
      guard let stop else { return .partOfLine }
      guard stop < text.count else { return .partOfLine }
      let byte = unsafe text[stop]
      offset = stop + 1
      if byte == delimiter { continue }
      guard byte == UInt8(ascii: "\n"), fields.count == fieldCount else { return .malformed }
      return .line(end: offset)
    }
  }

  /// Reads one field.
  ///
  /// - Returns: Where it ends; `nil` where the text ends before.
  private mutating func field(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    let quote = UInt8(ascii: "\"")
    guard start < text.count else { return nil }
    guard unsafe text[start] == quote else {
      var end = start
      while end < text.count {
        let byte = unsafe text[end]
        if byte == delimiter || byte == UInt8(ascii: "\n") { break }
        end += 1
      }
      fields.append(ResultField(range: start..<end, isQuoted: false, hasDoubledQuotes: false))
      return end
    }
    var end = start + 1
    var hasDoubledQuotes = false
    while end < text.count {
      guard unsafe text[end] == quote else {
        end += 1
        continue
      }
      guard end + 1 < text.count else { return nil }
      guard unsafe text[end + 1] == quote else {
        fields.append(
          ResultField(
            range: start + 1..<end, isQuoted: true, hasDoubledQuotes: hasDoubledQuotes))
        return end + 1
      }
      hasDoubledQuotes = true
      end += 2
    }
    return nil
  }
}
