import CKernels

/// Text that is put together piece by piece and kept in one growing buffer.
@safe package struct TextBuffer: ~Copyable {
  /// Number of bytes.
  package private(set) var count = 0
  private var capacity: Int
  private var bytes: UnsafeMutablePointer<UInt8>

  /// Makes an empty buffer.
  package init(capacity: Int = 64 << 10) {
    self.capacity = max(capacity, 64)
    unsafe bytes = .allocate(capacity: self.capacity)
  }

  deinit { unsafe bytes.deallocate() }

  /// Empties the buffer, keeping its memory.
  package mutating func removeAll() { count = 0 }

  /// Takes back what was appended since the buffer had `newCount` bytes.
  package mutating func truncate(to newCount: Int) {
    precondition(newCount >= 0 && newCount <= count)
    count = newCount
  }

  /// Gives access to the text.
  package func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(UnsafeRawBufferPointer(start: bytes, count: count))
  }

  /// A copy of the text.
  package func copy() -> [UInt8] { unsafe withUnsafeBytes { unsafe [UInt8]($0) } }

  /// Appends one byte.
  @inline(__always)
  package mutating func append(_ byte: UInt8) {
    reserve(1)
    unsafe bytes[count] = byte
    count += 1
  }

  /// Appends bytes as they are.
  package mutating func append(_ text: UnsafeBufferPointer<UInt8>) {
    guard let start = text.baseAddress else { return }
    reserve(text.count)
    unsafe (bytes + count).update(from: start, count: text.count)
    count += text.count
  }

  /// Appends bytes as they are.
  package mutating func append(_ text: [UInt8]) {
    unsafe text.withUnsafeBufferPointer { unsafe append($0) }
  }

  /// Appends a literal.
  package mutating func append(_ text: StaticString) {
    unsafe append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Appends a number as `ns_format_double` writes it; infinities and NaN as `null`.
  package mutating func append(_ number: Double) {
    reserve(Int(NS_DOUBLE_TEXT_LIMIT))
    let start = unsafe UnsafeMutableRawPointer(bytes + count)
    count += unsafe ns_format_double(
      number, start.assumingMemoryBound(to: CChar.self))
  }

  /// Appends a number as `ns_format_float` writes it; infinities and NaN as `null`.
  package mutating func append(_ number: Float) {
    reserve(Int(NS_DOUBLE_TEXT_LIMIT))
    let start = unsafe UnsafeMutableRawPointer(bytes + count)
    count += unsafe ns_format_float(
      number, start.assumingMemoryBound(to: CChar.self))
  }

  /// Appends a whole number in decimal digits.
  package mutating func append(_ number: Int) {
    var digits = number.magnitude
    if number < 0 { append(UInt8(ascii: "-")) }
    reserve(20)
    let first = count
    repeat {
      unsafe bytes[count] = UInt8(ascii: "0") + UInt8(digits % 10)
      count += 1
      digits /= 10
    } while digits > 0
    var written = unsafe UnsafeMutableBufferPointer(start: bytes + first, count: count - first)
    unsafe written.reverse()
  }

  /// Appends UTF-8 text as a JSON string with its quotes.
  package mutating func appendJSONString(_ text: UnsafeBufferPointer<UInt8>) {
    append(UInt8(ascii: "\""))
    unsafe appendConverted(text, growth: 6, ns_json_escape)
    append(UInt8(ascii: "\""))
  }

  /// Appends text as a JSON string with its quotes.
  package mutating func appendJSONString(_ text: String) {
    var text = text
    text.withUTF8 { unsafe appendJSONString($0) }
  }

  /// Appends what a kernel writes, at most `bound` bytes; it answers how many.
  mutating func append(bound: Int, _ write: (UnsafeMutablePointer<UInt8>) -> Int) {
    reserve(bound)
    let written = unsafe write(bytes + count)
    precondition(written <= bound)
    count += written
  }

  /// Appends what a kernel makes of text, at most `growth` bytes for each.
  mutating func appendConverted(
    _ text: UnsafeBufferPointer<UInt8>, growth: Int,
    _ convert: (UnsafePointer<UInt8>, Int, UnsafeMutablePointer<UInt8>) -> Int
  ) {
    guard let start = text.baseAddress else { return }
    reserve(growth * text.count)
    count += unsafe convert(start, text.count, bytes + count)
  }

  @inline(__always)
  private mutating func reserve(_ addedCount: Int) {
    if addedCount > capacity - count { grow(addedCount) }
  }

  private mutating func grow(_ addedCount: Int) {
    capacity = max(2 * capacity, count + addedCount)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    unsafe larger.update(from: bytes, count: count)
    unsafe bytes.deallocate()
    unsafe bytes = larger
  }
}

extension RecordTile {
  /// Appends the text a field of a record without an error stands for.
  package func appendText(of record: Int, column: Int, to output: inout TextBuffer) {
    unsafe output.append(text: field(record, column))
  }
}

extension TextBuffer {
  /// Appends the text a field stands for.
  package mutating func append(text field: RecordTile.Field) {
    guard unsafe field.isEscaped else {
      unsafe append(field.bytes)
      return
    }
    unsafe append(bound: field.bytes.count) { unsafe field.unescape(into: $0) }
  }
}
