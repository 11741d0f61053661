/// A value of a document, and where it stands.
///
/// Every error names the path and the byte.
package struct DocumentValue: Sendable {
  let document: Document
  let index: Int

  private var node: DocumentNode { document.nodes[index] }

  package enum Kind: Sendable { case null, boolean, number, string, array, object }

  package var kind: Kind {
    switch node.kind {
    case .null: .null
    case .boolean: .boolean
    case .number: .number
    case .string: .string
    case .array, .numbers: .array
    case .object: .object
    }
  }

  /// How many members or elements it has.
  package var count: Int { node.kind == .string ? 0 : Int(node.count) }

  /// Whether it is an array of nothing but numbers, or empty.
  package var isNumbers: Bool { node.kind == .numbers }

  /// An error about this value.
  package func error(_ message: String, code: ModelError.Code = .malformed) -> ModelError {
    var path = DocumentPath()
    var container = 0
    while container < index {
      var child = container + 1
      var place = 0
      while Int(document.nodes[child].next) <= index {
        child = Int(document.nodes[child].next)
        place += 1
      }
      path.append(document.nodes[container].kind == .object ? key(of: child) : nil, index: place)
      container = child
    }
    return path.error(message, byte: Int(node.start), code: code)
  }

  private func key(of index: Int) -> String {
    let start = Int(document.nodes[index].key)
    let bytes = document.texts[start..<start + Int(document.nodes[index].keyCount)]
    return String(decoding: bytes.prefix(64), as: UTF8.self)
  }

  /// The member with this key, nil if there is none.
  package func optional(_ key: String) throws(ModelError) -> DocumentValue? {
    guard node.kind == .object else { throw error("expected an object") }
    var child = index + 1
    while child < node.next {
      let member = document.nodes[child]
      let start = Int(member.key)
      if member.keyCount == key.utf8.count,
        document.texts[start..<start + Int(member.keyCount)].elementsEqual(key.utf8)
      {
        return DocumentValue(document: document, index: child)
      }
      child = Int(member.next)
    }
    return nil
  }

  /// The member with this key.
  package func required(_ key: String) throws(ModelError) -> DocumentValue {
    guard let member = try optional(key) else { throw error("the key \(key) is missing") }
    return member
  }

  /// The keys of an object, with what they belong to.
  package func members() throws(ModelError) -> [(key: String, value: DocumentValue)] {
    guard node.kind == .object else { throw error("expected an object") }
    return children.map { child in
      let member = document.nodes[child]
      let start = Int(member.key)
      let key = document.texts[start..<start + Int(member.keyCount)]
      return (
        String(decoding: key, as: UTF8.self), DocumentValue(document: document, index: child)
      )
    }
  }

  /// The elements of an array that holds other things than numbers; none of an empty one.
  package func elements() throws(ModelError) -> [DocumentValue] {
    if node.kind == .numbers, node.count == 0 { return [] }
    guard node.kind == .array else {
      throw error(node.kind == .numbers ? "unexpected numbers" : "expected an array")
    }
    return children.map { DocumentValue(document: document, index: $0) }
  }

  private var children: [Int] {
    var children: [Int] = []
    children.reserveCapacity(Int(node.count))
    var child = index + 1
    while child < node.next {
      children.append(child)
      child = Int(document.nodes[child].next)
    }
    return children
  }

  package func string() throws(ModelError) -> String {
    String(decoding: try stringBytes(), as: UTF8.self)
  }

  /// The bytes of a string, without escapes.
  package func stringBytes() throws(ModelError) -> ArraySlice<UInt8> {
    guard node.kind == .string else { throw error("expected a string") }
    let start = Int(node.text)
    return document.texts[start..<start + Int(node.count)]
  }

  package func boolean() throws(ModelError) -> Bool {
    guard node.kind == .boolean else { throw error("expected true or false") }
    return node.marker == 1
  }

  package var isNull: Bool { node.kind == .null }
}

extension DocumentValue {
  /// A number to the nearest double.
  package func double() throws(ModelError) -> Double {
    try one { (reader: inout NumberReader) in reader.double() }
  }

  /// A number to the nearest float, rounded once.
  package func float() throws(ModelError) -> Float {
    try one { (reader: inout NumberReader) in reader.float() }
  }

  package func integer(in range: ClosedRange<Int>) throws(ModelError) -> Int {
    let number = try one { (reader: inout NumberReader) in reader.integer() }
    guard range.contains(number) else {
      throw error("\(number) is not in \(range.lowerBound)...\(range.upperBound)")
    }
    return number
  }

  /// An array of numbers, each to the nearest double.
  ///
  /// - Parameter count: how many there must be; nil for any number.
  /// - Returns: the numbers in their order.
  /// - Throws: `ModelError` naming the path and the byte.
  package func doubles(count: Int? = nil) throws(ModelError) -> [Double] {
    try list(count) { (reader: inout NumberReader) in reader.double() }
  }

  /// An array of numbers, each to the nearest float, rounded once.
  package func floats(count: Int? = nil) throws(ModelError) -> [Float] {
    try list(count) { (reader: inout NumberReader) in reader.float() }
  }

  /// An array of integers; truth values count as 0 and 1.
  package func integers(
    count: Int? = nil, in range: ClosedRange<Int>
  ) throws(ModelError) -> [Int] {
    guard node.kind == .array else {
      let numbers = try list(count) { (reader: inout NumberReader) in reader.integer() }
      for (place, number) in numbers.enumerated() where !range.contains(number) {
        throw error(
          "element \(place) is \(number), not in \(range.lowerBound)...\(range.upperBound)")
      }
      return numbers
    }
    try check(count: self.count, is: count)
    return try children.map { (child) throws(ModelError) in
      let element = DocumentValue(document: document, index: child)
      guard element.kind == .boolean, range.contains(0), range.contains(1) else {
        return try element.integer(in: range)
      }
      return try element.boolean() ? 1 : 0
    }
  }

  private func check(count: Int, is wanted: Int?) throws(ModelError) {
    guard wanted == nil || count == wanted else {
      throw error("\(count) elements instead of \(wanted ?? 0)")
    }
  }

  @inline(__always)
  private func one<Number>(
    _ read: (inout NumberReader) -> Number?
  ) throws(ModelError) -> Number {
    guard node.kind == .number else { throw error("expected a number") }
    let number = unsafe document.bytes.withUnsafeBufferPointer { bytes in
      var reader = unsafe NumberReader(bytes, node, document.encoding)
      return read(&reader)
    }
    guard let number else { throw error("not a number of the type that is wanted") }
    return number
  }

  @inline(__always)
  private func list<Number>(
    _ count: Int?, _ read: (inout NumberReader) -> Number?
  ) throws(ModelError) -> [Number] {
    guard node.kind == .numbers else {
      throw error(node.kind == .array ? "expected only numbers" : "expected an array")
    }
    try check(count: self.count, is: count)
    var numbers: [Number] = []
    numbers.reserveCapacity(self.count)
    unsafe document.bytes.withUnsafeBufferPointer { bytes in
      var reader = unsafe NumberReader(bytes, node, document.encoding)
      for _ in 0..<self.count {
        guard let number = read(&reader) else { break }
        numbers.append(number)
        reader.skipComma()
      }
    }
    guard numbers.count == self.count else {
      throw error("element \(numbers.count) is not a number of the type that is wanted")
    }
    return numbers
  }
}

/// Reads numbers one after the other, from text or from big-endian bytes.
@safe struct NumberReader {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var position: Int
  private let end: Int
  private let isText: Bool
  /// The type of all of them, or 0.
  private let marker: UInt8

  init(_ bytes: UnsafeBufferPointer<UInt8>, _ node: DocumentNode, _ encoding: Document.Encoding) {
    unsafe self.bytes = bytes
    position = Int(node.start)
    end = Int(node.end)
    isText = encoding == .json
    marker = node.marker
    if isText { skipBlanks() }
  }

  /// Moves over a comma and blanks; there is nothing to do in binary.
  @inline(__always)
  mutating func skipComma() {
    guard isText else { return }
    skipBlanks()
    if position < end, unsafe bytes[position] == UInt8(ascii: ",") { position += 1 }
    skipBlanks()
  }

  @inline(__always)
  private mutating func skipBlanks() {
    while position < end, unsafe bytes[position] <= UInt8(ascii: " ") { position += 1 }
  }

  @inline(__always)
  mutating func double() -> Double? {
    guard isText else { return binary()?.double }
    return unsafe text()?.double(bytes)
  }

  @inline(__always)
  mutating func float() -> Float? {
    guard isText else {
      if marker == UInt8(ascii: "d"), let bits = quadruple() { return Float(bitPattern: bits) }
      guard let number = binary() else { return nil }
      return number.single ?? Float(number.double)
    }
    return unsafe text()?.float(bytes)
  }

  @inline(__always)
  mutating func integer() -> Int? {
    guard isText else {
      if marker == UInt8(ascii: "l"), let bits = quadruple() { return Int(Int32(bitPattern: bits)) }
      return binary()?.integer
    }
    return text()?.integer
  }

  /// The next four bytes: most arrays of numbers consist of such.
  @inline(__always)
  private mutating func quadruple() -> UInt32? {
    guard end - position >= 4 else { return nil }
    defer { position += 4 }
    return unsafe UInt32(
      bigEndian: UnsafeRawBufferPointer(bytes).loadUnaligned(
        fromByteOffset: position, as: UInt32.self))
  }

  /// The next number as text, if a comma or the end follows it.
  @inline(__always)
  private mutating func text() -> DecimalText? {
    guard let text = unsafe DecimalText(bytes, at: &position) else { return nil }
    guard position < end else { return position == end ? text : nil }
    let next = unsafe bytes[position]
    return next == UInt8(ascii: ",") || next <= UInt8(ascii: " ") ? text : nil
  }

  /// A number of a binary document; its type decides which of these there are.
  struct Binary {
    var integer: Int?
    var single: Float?
    var double: Double
  }

  private mutating func binary() -> Binary? {
    var type = marker
    if type == 0 {
      guard position < end else { return nil }
      type = unsafe bytes[position]
      position += 1
    }
    guard let width = UBJSONParser.width(type), end - position >= width else { return nil }
    var bits: UInt64 = 0
    for place in position..<position + width { bits = unsafe bits << 8 | UInt64(bytes[place]) }
    position += width
    switch type {
    case UInt8(ascii: "d"):
      let single = Float(bitPattern: UInt32(bits))
      return Binary(single: single, double: Double(single))
    case UInt8(ascii: "D"):
      return Binary(double: Double(bitPattern: bits))
    case UInt8(ascii: "U"):
      return Binary(integer: Int(bits), double: Double(bits))
    default:
      let shift = Int64(64 - 8 * width)
      let integer = Int(Int64(bitPattern: bits << UInt64(shift)) >> shift)
      return Binary(integer: integer, double: Double(integer))
    }
  }
}
