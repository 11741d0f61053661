internal import Glibc

/// The lines of a model, numbered from 1.
struct LightGBMText {
  let bytes: [UInt8]
  private var position = 0
  private(set) var lineNumber = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The next line without its end, which is LF or CR LF; nil at the end of the text.
  mutating func nextLine() -> ArraySlice<UInt8>? {
    guard position < bytes.count else { return nil }
    let start = position
    var end = endOfLine(from: start)
    position = end + 1
    lineNumber += 1
    if end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
    return bytes[start..<end]
  }

  private func endOfLine(from start: Int) -> Int {
    unsafe bytes.withUnsafeBytes { bytes in
      guard let begin = bytes.baseAddress,
        let end = unsafe memchr(begin + start, Int32(UInt8(ascii: "\n")), bytes.count - start)
      else { return bytes.count }
      return unsafe UnsafeRawPointer(end) - begin
    }
  }

  /// The next line without moving on.
  func peekedLine() -> ArraySlice<UInt8>? {
    var copy = self
    return copy.nextLine()
  }
}

/// A `key=value` line of a model and where it stands, for errors.
struct LightGBMField {
  private let keyBytes: ArraySlice<UInt8>
  let value: ArraySlice<UInt8>
  let lineNumber: Int

  /// Which tree the line belongs to; nil in the header.
  let tree: Int?

  init(line: ArraySlice<UInt8>, lineNumber: Int, tree: Int?) {
    let split = line.firstIndex(of: UInt8(ascii: "="))
    keyBytes = line[..<(split ?? line.endIndex)].prefix(64)
    value = split.map { line[($0 + 1)...] } ?? line[line.endIndex...]
    self.lineNumber = lineNumber
    self.tree = tree
  }

  var key: String { String(decoding: keyBytes, as: UTF8.self) }

  func has(key: String) -> Bool {
    keyBytes.count == key.utf8.count && keyBytes.elementsEqual(key.utf8)
  }

  func hasKey(of other: LightGBMField) -> Bool { keyBytes == other.keyBytes }

  /// The text between spaces, empty ones left out.
  var tokens: TokenSequence { TokenSequence(rest: value) }

  /// An error about this line.
  func error(_ message: String, code: ModelError.Code = .malformed) -> ModelError {
    let place = tree.map { "tree \($0), " } ?? ""
    return ModelError(code: code, context: "line \(lineNumber), \(place)key \(key): \(message)")
  }

  /// The one integer of this line.
  func integer(in range: ClosedRange<Int>) throws(ModelError) -> Int {
    guard let number = ByteText.integer(value) else { throw error("not an integer") }
    guard range.contains(number) else {
      throw error("\(number) is not in \(range.lowerBound)...\(range.upperBound)")
    }
    return number
  }

  /// Exactly `count` integers.
  func integers(count: Int, in range: ClosedRange<Int>) throws(ModelError) -> [Int] {
    try unsafe list(count: count) { (token) throws(ModelError) in
      guard let number = unsafe ByteText.integer(token) else { throw error("not an integer") }
      guard range.contains(number) else {
        throw error("\(number) is not in \(range.lowerBound)...\(range.upperBound)")
      }
      return number
    }
  }

  /// Exactly `count` numbers, none of them NaN.
  func doubles(count: Int) throws(ModelError) -> [Double] {
    try unsafe list(count: count) { (token) throws(ModelError) in
      guard let number = unsafe ByteText.double(token) else { throw error("not a number") }
      guard !number.isNaN else { throw error("NaN where a number is needed") }
      return number
    }
  }

  /// Exactly `count` elements; the bytes of the line bound the memory taken, whatever `count` says.
  private func list<Element>(
    count: Int, _ element: (UnsafeBufferPointer<UInt8>) throws(ModelError) -> Element
  ) throws(ModelError) -> [Element] {
    var elements: [Element] = []
    elements.reserveCapacity(min(count, value.count / 2 + 1))
    try unsafe value.withUnsafeBufferPointer { (bytes) throws(ModelError) in
      var end = 0
      while true {
        var start = end
        while unsafe start < bytes.count && bytes[start] == UInt8(ascii: " ") { start += 1 }
        guard start < bytes.count else { return }
        end = start
        while unsafe end < bytes.count && bytes[end] != UInt8(ascii: " ") { end += 1 }
        guard elements.count < count else { throw error("more than the expected \(count) values") }
        elements.append(try unsafe element(UnsafeBufferPointer(rebasing: bytes[start..<end])))
      }
    }
    guard elements.count == count else {
      throw error("\(elements.count) values instead of \(count)")
    }
    return elements
  }
}

/// The pieces of a line between spaces.
struct TokenSequence: Sequence, IteratorProtocol {
  var rest: ArraySlice<UInt8>

  mutating func next() -> ArraySlice<UInt8>? {
    guard let start = rest.firstIndex(where: { $0 != UInt8(ascii: " ") }) else { return nil }
    let end = rest[start...].firstIndex(of: UInt8(ascii: " ")) ?? rest.endIndex
    defer { rest = rest[end...] }
    return rest[start..<end]
  }
}

/// The `key=value` lines of a header or of a tree.
struct LightGBMFields {
  // Searched from its begin: two dozen are found sooner this way than by hashes.
  private var fields: [LightGBMField] = []
  private let lineNumber: Int
  private let tree: Int?

  /// Far more than any version writes.
  private static let limit = 256

  /// Reads lines up to an empty one, or up to one that begins a tree, which is left.
  init(_ text: inout LightGBMText, tree: Int?) throws(ModelError) {
    self.tree = tree
    lineNumber = text.lineNumber
    fields.reserveCapacity(24)
    while let line = text.peekedLine(), !line.starts(with: "Tree=".utf8) {
      _ = text.nextLine()
      // The header's empty line comes before the first tree; a tree's comes after its last line.
      if line.isEmpty {
        guard tree == nil else { break }
        continue
      }
      let field = LightGBMField(line: line, lineNumber: text.lineNumber, tree: tree)
      guard !fields.contains(where: { $0.hasKey(of: field) }) else {
        throw field.error("stands here a second time")
      }
      guard fields.count < Self.limit else {
        throw field.error("more than \(Self.limit) lines", code: .limitExceeded)
      }
      fields.append(field)
    }
  }

  /// The line with this key, if there is one.
  func optional(_ key: String) -> LightGBMField? {
    fields.first { $0.has(key: key) }
  }

  /// The line with this key.
  func required(_ key: String) throws(ModelError) -> LightGBMField {
    guard let field = optional(key) else {
      let place = tree.map { "tree \($0)" } ?? "header"
      throw ModelError(
        code: .malformed, context: "\(place) at line \(lineNumber): key \(key) is missing")
    }
    return field
  }
}
