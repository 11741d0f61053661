import Jobs
import Tables
import Testing

/// A JSON line as a test sees it.
struct PlainLine: Hashable {
  var block: Int
  var ordinal: Int
  var offset: Int
  /// The record's text, or the excerpt of one that is too long.
  var text: [UInt8]
  var error: RecordError?
  /// The columns' values; nil where the record is an error.
  var fields: [PlainValue]?
}

/// A value of a JSON line: its text, and whether it is a string.
struct PlainValue: Hashable {
  var text: [UInt8]
  var isString: Bool

  static let missing = PlainValue(text: [], isString: false)
}

/// The rules of `JSONLTileReader` once more, one byte at a time, over a whole text.
///
/// Written from RFC 8259 and not from the reader, so that the two can be held against each other.
struct JSONLReference {
  let data: [UInt8]
  let columns: [String]
  let limit: Int
  let acceptsArrays: Bool

  /// What a range gives.
  func lines(in range: Range<Int>, block: Int) -> [PlainLine] {
    var lines: [PlainLine] = []
    var ordinals: [Int: Int] = [:]
    var begin = 0
    while begin < data.count {
      let end = data[begin...].firstIndex(of: 0x0A) ?? data.count
      defer { begin = end + 1 }
      let key = max(begin - 1, 0)
      guard range.contains(key), begin > 0 || range.lowerBound == 0 else { continue }
      guard var line = line(from: begin, to: end) else { continue }
      line.block = (key - range.lowerBound) / block
      line.ordinal = ordinals[line.block, default: 0]
      ordinals[line.block] = line.ordinal + 1
      lines.append(line)
    }
    return lines
  }

  private func line(from begin: Int, to end: Int) -> PlainLine? {
    let hasMark = begin == 0 && data.starts(with: [0xEF, 0xBB, 0xBF])
    let start = hasMark ? 3 : begin
    guard start <= end else { return nil }
    var text = Array(data[start..<end])
    if text.count > limit {
      return PlainLine(
        block: 0, ordinal: 0, offset: start, text: Array(text.prefix(256)),
        error: .recordTooLong, fields: nil)
    }
    if text.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) { return nil }
    let (fields, error) = parse(text)
    // A CR is a line end's only where a line feed follows, or nothing at all.
    if text.last == 0x0D { text.removeLast() }
    return PlainLine(
      block: 0, ordinal: 0, offset: start, text: text, error: error,
      fields: error == nil ? fields : nil)
  }

  private func parse(_ text: [UInt8]) -> ([PlainValue]?, RecordError?) {
    var parser = Parser(text: text)
    parser.space()
    guard let value = parser.value(depth: 1) else { return (nil, .invalidJSON) }
    parser.space()
    guard parser.index == text.count else { return (nil, .invalidJSON) }
    var fields = [PlainValue](repeating: .missing, count: columns.count)
    switch value {
    case .object(let members):
      for (name, value) in members {
        guard let column = columns.firstIndex(of: name) else { continue }
        fields[column] = value
      }
    case .array(let values) where acceptsArrays:
      guard values.count == columns.count else {
        return (nil, .fieldCount(expected: columns.count, found: values.count))
      }
      fields = values
    case .array, .other: return (nil, .notAnObject)
    }
    guard String(validating: text, as: UTF8.self) != nil else { return (nil, .invalidUTF8) }
    return (fields, nil)
  }

  enum Value {
    case object([(String, PlainValue)])
    case array([PlainValue])
    case other(PlainValue)
  }

  /// Recursive descent over RFC 8259.
  struct Parser {
    let text: [UInt8]
    var index = 0

    private var next: UInt8? { index < text.count ? text[index] : nil }

    mutating func space() {
      while let byte = next, [0x20, 0x09, 0x0D].contains(byte) { index += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
      guard let byte = next, UInt32(byte) == character.value else { return false }
      index += 1
      return true
    }

    private mutating func take(word: String) -> Bool {
      guard text[index...].starts(with: word.utf8) else { return false }
      index += word.utf8.count
      return true
    }

    mutating func value(depth: Int) -> Value? {
      switch next {
      case UInt8(ascii: "{"): depth > 128 ? nil : object(depth)
      case UInt8(ascii: "["): depth > 128 ? nil : array(depth)
      case UInt8(ascii: "\""): string().map { .other(PlainValue(text: $0, isString: true)) }
      case UInt8(ascii: "t"): word("true")
      case UInt8(ascii: "f"): word("false")
      case UInt8(ascii: "n"): take(word: "null") ? .other(.missing) : nil
      default: number()
      }
    }

    private mutating func word(_ word: String) -> Value? {
      take(word: word) ? .other(PlainValue(text: Array(word.utf8), isString: false)) : nil
    }

    /// A value as a field: nested ones as they are written.
    private mutating func field(depth: Int) -> PlainValue? {
      let start = index
      guard let value = value(depth: depth) else { return nil }
      if case .other(let value) = value { return value }
      return PlainValue(text: Array(text[start..<index]), isString: false)
    }

    private mutating func object(_ depth: Int) -> Value? {
      var members: [(String, PlainValue)] = []
      index += 1
      space()
      if take("}") { return .object(members) }
      while true {
        space()
        guard next == UInt8(ascii: "\""), let name = string() else { return nil }
        space()
        guard take(":") else { return nil }
        space()
        guard let value = field(depth: depth + 1) else { return nil }
        members.append((String(decoding: name, as: UTF8.self), value))
        space()
        if take("}") { return .object(members) }
        guard take(",") else { return nil }
      }
    }

    private mutating func array(_ depth: Int) -> Value? {
      var values: [PlainValue] = []
      index += 1
      space()
      if take("]") { return .array(values) }
      while true {
        space()
        guard let value = field(depth: depth + 1) else { return nil }
        values.append(value)
        space()
        if take("]") { return .array(values) }
        guard take(",") else { return nil }
      }
    }

    private mutating func digits() -> Bool {
      let start = index
      while let byte = next, (0x30...0x39).contains(byte) { index += 1 }
      return index > start
    }

    private mutating func number() -> Value? {
      let start = index
      _ = take("-")
      if !take("0") {
        guard digits() else { return nil }
      }
      if take(".") {
        guard digits() else { return nil }
      }
      if take("e") || take("E") {
        if !take("+") { _ = take("-") }
        guard digits() else { return nil }
      }
      return .other(PlainValue(text: Array(text[start..<index]), isString: false))
    }

    /// The text that a string stands for.
    private mutating func string() -> [UInt8]? {
      var result: [UInt8] = []
      var units: [UInt16] = []
      index += 1
      while let byte = next, byte >= 0x20 {
        index += 1
        if byte == UInt8(ascii: "\\"), next == UInt8(ascii: "u") {
          index += 1
          guard let unit = unit() else { return nil }
          units.append(unit)
          continue
        }
        result += String(decoding: units, as: UTF16.self).utf8
        units = []
        if byte == UInt8(ascii: "\"") { return result }
        guard byte == UInt8(ascii: "\\") else {
          result.append(byte)
          continue
        }
        guard let letter = next, let meant = Self.escapes[letter] else { return nil }
        index += 1
        result.append(meant)
      }
      return nil
    }

    private static let escapes: [UInt8: UInt8] = Dictionary(
      uniqueKeysWithValues: zip("\"\\/bfnrt".utf8, [0x22, 0x5C, 0x2F, 8, 12, 10, 13, 9]))

    private mutating func unit() -> UInt16? {
      guard index + 4 <= text.count else { return nil }
      let digits = text[index..<index + 4]
      index += 4
      let isHexadecimal = digits.allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
      guard isHexadecimal else { return nil }
      return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    }
  }
}

/// How a test reads JSON lines.
struct JSONLReading {
  var columns: [String]
  var limit = 1 << 20
  var acceptsArrays = false
  var windowByteCount = 16
  var readLimit = Int.max
  var isa = TextInstructions.best

  /// Parses one range.
  func read(
    _ source: any ByteSource, _ range: Range<UInt64>, block: Int, tile: inout RecordTile
  ) throws -> (lines: [PlainLine], states: [RangeState]) {
    let isOpen = range.upperBound == .max
    let blockCount = isOpen ? 1 : (range.count + block - 1) / block
    let reader = try JSONLTileReader(
      text: source,
      range: LeaseRange(
        path: "", begin: range.lowerBound, end: range.upperBound, blockLength: UInt64(block),
        blockCount: blockCount),
      columns: columns,
      options: JSONLOptions(recordByteLimit: limit, acceptsArrays: acceptsArrays),
      instructions: isa,
      windowByteCount: windowByteCount)
    var lines: [PlainLine] = []
    while try reader.readTile(into: &tile) {
      for record in 0..<tile.count { lines.append(line(record, in: tile)) }
    }
    return (lines, reader.boundStates)
  }

  private func line(_ record: Int, in tile: borrowing RecordTile) -> PlainLine {
    var line = PlainLine(
      block: tile.blockIndex, ordinal: Int(tile.firstOrdinal) + record,
      offset: Int(tile.offset(of: record)), text: unsafe Array(tile.text(of: record)),
      error: tile.error(of: record))
    guard line.error == nil else { return line }
    var fields: [PlainValue] = []
    for column in columns.indices {
      let field = unsafe tile.field(record, column)
      unsafe fields.append(PlainValue(text: field.unescaped(), isString: field.isQuoted))
    }
    line.fields = fields
    return line
  }

  /// Parses all ranges and compares with the reference.
  func check(_ bytes: [UInt8], ranges: [Range<Int>], block: Int, tile: inout RecordTile) throws {
    let reference = JSONLReference(
      data: bytes, columns: columns, limit: limit, acceptsArrays: acceptsArrays)
    let source = MemorySource(bytes: bytes, readLimit: readLimit)
    for range in ranges {
      let bounds = UInt64(range.lowerBound)..<UInt64(range.upperBound)
      let (lines, states) = try read(source, bounds, block: block, tile: &tile)
      let wanted = reference.lines(in: range, block: block)
      let blockCount = (range.count + block - 1) / block
      let statesAreRight =
        states.count == blockCount + 1 && states.allSatisfy { $0 == .recordStart }
      if lines != wanted || !statesAreRight {
        let place =
          (0..<min(lines.count, wanted.count)).first { lines[$0] != wanted[$0] }
          ?? min(lines.count, wanted.count)
        Issue.record(
          """
          range \(range) block \(block) window \(windowByteCount) read \(readLimit) \(isa) limit \
          \(limit): \(states.count) states, \(lines.count) and \(wanted.count) lines, the first
          \(lines.dropFirst(place).first.map(described) ?? "none") instead of
          \(wanted.dropFirst(place).first.map(described) ?? "none")
          """)
        return
      }
    }
  }

  private func described(_ line: PlainLine) -> String {
    """
    \(String(decoding: line.text, as: UTF8.self).debugDescription) at \(line.offset), block \
    \(line.block) \(line.ordinal): \(String(describing: line.error)) \
    \((line.fields ?? []).map { String(decoding: $0.text, as: UTF8.self) })
    """
  }
}
