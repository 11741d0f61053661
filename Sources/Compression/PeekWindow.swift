/// Looks at scattered places of a file, mostly forwards, through one small buffer.
package struct PeekWindow {
  /// Size of the file.
  let byteCount: UInt64
  /// What errors call the file.
  let name: String

  private let read: (UInt64, Int) throws -> [UInt8]
  private let capacity: Int
  private var buffer: [UInt8] = []
  private var offset: UInt64 = 0

  /// Most bytes looked at at once.
  package static let peekLimit = 4_096

  init(
    byteCount: UInt64, capacity: Int, name: String,
    read: @escaping (UInt64, Int) throws -> [UInt8]
  ) {
    self.byteCount = byteCount
    self.name = name
    self.read = read
    self.capacity = max(capacity, Self.peekLimit)
  }

  /// The bytes from an offset on, fewer than asked for only at the file's end.
  ///
  /// - Throws: What reading throws; `truncated` where the file ends before its size.
  mutating func peek(at start: UInt64, count: Int) throws -> ArraySlice<UInt8> {
    precondition(count <= Self.peekLimit)
    guard start < byteCount else { return [] }
    let wanted = Int(min(UInt64(count), byteCount - start))
    if start < offset || start - offset > UInt64(buffer.count)
      || Int(start - offset) + wanted > buffer.count
    {
      try fill(from: start, atLeast: wanted)
    }
    let first = Int(start - offset)
    return buffer[first..<first + wanted]
  }

  private mutating func fill(from start: UInt64, atLeast wanted: Int) throws {
    offset = start
    buffer.removeAll(keepingCapacity: true)
    let limit = Int(min(UInt64(capacity), byteCount - start))
    while buffer.count < wanted {
      let place = start + UInt64(buffer.count)
      let bytes = try read(place, limit - buffer.count)
      guard !bytes.isEmpty else { throw truncated(at: place) }
      buffer += bytes
    }
  }

  /// The error of a file that ends too early.
  func truncated(at place: UInt64) -> CompressionError {
    CompressionError(
      code: .truncated, context: "\(name): compressed text breaks off at byte \(place)")
  }

  /// The error of a place that is not what the format says.
  func corrupt(_ what: String, at place: UInt64) -> CompressionError {
    CompressionError(code: .corrupt, context: "\(name): \(what), at byte \(place)")
  }
}

extension ArraySlice<UInt8> {
  /// The little-endian number in `count` bytes from the `index`-th on.
  func number(at index: Int, count: Int) -> UInt64 {
    let first = startIndex + index
    return self[first..<first + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
