import Jobs
import Tables

/// A CSV record as a test sees it.
struct PlainRecord: Hashable {
  /// Where the text begins (after a byte order mark).
  var offset: Int
  /// The unescaped fields; nil where the record is an error.
  var fields: [[UInt8]]?
  var error: RecordError?
  /// The record's text, or the excerpt of one that is too long.
  var text: [UInt8]
}

/// The rules of `CSVRangeParser` once more, one byte at a time, over a whole text.
///
/// Written from the rules and not from the parser, so that the two can be held against each other.
struct ReferenceParser {
  let data: [UInt8]
  let fieldCount: Int
  let limit: Int
  let delimiter: UInt8
  /// The records, each with where it really begins (0 with a byte order mark).
  private(set) var records: [(begin: Int, record: PlainRecord)] = []
  /// For each line feed, by offset: the begin of the record it stands inside, or nil.
  private(set) var openRecords: [Int: Int?] = [:]

  private static let quote = UInt8(ascii: "\"")
  private static let lineFeed = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")

  init(_ data: [UInt8], fieldCount: Int, limit: Int, delimiter: UInt8 = UInt8(ascii: ",")) {
    self.data = data
    self.fieldCount = fieldCount
    self.limit = limit
    self.delimiter = delimiter
    var begin = 0
    while begin < data.count { begin = parseRecord(at: begin) }
  }

  /// The state at the cut with nominal offset `cut`.
  func state(at cut: Int) -> RangeState {
    guard cut > 0, let place = (cut..<max(cut, data.count)).first(where: { isLineFeed($0) }),
      place + 1 < data.count, let open = openRecords[place], let begin = open
    else { return .recordStart }
    return .insideField(recordOffset: UInt64(begin))
  }

  private func isLineFeed(_ index: Int) -> Bool { data[index] == Self.lineFeed }

  /// Parses one line or record and tells where the next begins.
  private mutating func parseRecord(at begin: Int) -> Int {
    let hasMark = begin == 0 && data.starts(with: [0xEF, 0xBB, 0xBF])
    let textBegin = hasMark ? 3 : begin
    var fields: [[UInt8]] = []
    var field: [UInt8] = []
    var isQuoted = false
    var isAtFieldStart = true
    var error: RecordError?
    var index = textBegin
    while index < data.count {
      let byte = data[index]
      if byte == Self.lineFeed {
        if index - begin > limit {
          openRecords[index] = .some(nil)
          add(begin, textBegin, index, nil, .recordTooLong)
          return index + 1
        }
        if !isQuoted { break }
        openRecords[index] = .some(begin)
      }
      if isQuoted {
        if byte != Self.quote {
          field.append(byte)
        } else if at(index + 1) == Self.quote {
          field.append(byte)
          index += 1
        } else {
          isQuoted = false
          let next = at(index + 1)
          let isRight =
            next == nil || next == delimiter || next == Self.lineFeed
            || (next == Self.carriageReturn && at(index + 2) == Self.lineFeed)
          if !isRight { error = error ?? .textAfterQuote }
        }
      } else if byte == delimiter {
        fields.append(field)
        field = []
        isAtFieldStart = true
        index += 1
        continue
      } else if byte == Self.quote && isAtFieldStart {
        isQuoted = true
      } else if !(byte == Self.carriageReturn && at(index + 1) == Self.lineFeed) {
        field.append(byte)
      }
      isAtFieldStart = false
      index += 1
    }
    fields.append(field)
    endRecord(begin, textBegin, index, isQuoted: isQuoted, error, fields)
    return index + 1
  }

  /// Ends the line or record whose line feed, or whose file's end, is at `index`.
  private mutating func endRecord(
    _ begin: Int, _ textBegin: Int, _ index: Int, isQuoted: Bool, _ error: RecordError?,
    _ fields: [[UInt8]]
  ) {
    let endsWithLineFeed = index < data.count
    if endsWithLineFeed { openRecords[index] = .some(nil) }
    var textEnd = index
    if endsWithLineFeed && index > textBegin && data[index - 1] == Self.carriageReturn {
      textEnd -= 1
    }
    let text = data[textBegin..<textEnd]
    let line = Array(data[textBegin..<index])
    if line.isEmpty || line == [Self.carriageReturn] {
      // A blank line is no record, with or without a line feed after it.
    } else if !endsWithLineFeed && index - begin > limit {
      add(begin, textBegin, index, nil, .recordTooLong)
    } else if isQuoted {
      add(begin, textBegin, textEnd, nil, .unterminatedQuote)
    } else if let error {
      add(begin, textBegin, textEnd, nil, error)
    } else if fields.count != fieldCount {
      add(begin, textBegin, textEnd, nil, .fieldCount(expected: fieldCount, found: fields.count))
    } else if String(validating: text, as: UTF8.self) == nil {
      add(begin, textBegin, textEnd, nil, .invalidUTF8)
    } else {
      add(begin, textBegin, textEnd, fields, nil)
    }
  }

  private func at(_ index: Int) -> UInt8? { index < data.count ? data[index] : nil }

  private mutating func add(
    _ begin: Int, _ textBegin: Int, _ end: Int, _ fields: [[UInt8]]?, _ error: RecordError?
  ) {
    var text = Array(data[textBegin..<end])
    if error == .recordTooLong { text = Array(text.prefix(256)) }
    records.append(
      (begin, PlainRecord(offset: textBegin, fields: fields, error: error, text: text)))
  }
}
