import CKernels
import Glibc

/// The part of a text that a parser holds in memory.
@safe struct CSVWindow: ~Copyable {
  /// The offset in the text of the window's first byte.
  private(set) var offset: UInt64
  /// Number of bytes there are.
  private(set) var filledCount = 0
  /// Whether the text ends with the window.
  private(set) var isAtEnd = false
  private(set) var bytes: UnsafeMutablePointer<UInt8>

  private var source: any ByteSource
  private var capacity: Int

  /// Makes an empty window at an offset.
  init(source: any ByteSource, start: UInt64, byteCount: Int) {
    precondition(byteCount > 0)
    self.source = source
    offset = start
    capacity = byteCount
    unsafe bytes = .allocate(capacity: byteCount + Int(NS_CSV_PADDING))
    // The scanner loads the padding, then masks it; it must not be indeterminate.
    unsafe bytes.initialize(repeating: 0, count: byteCount + Int(NS_CSV_PADDING))
  }

  deinit { unsafe bytes.deallocate() }

  /// The offset in the text of an index, which may lie before the window.
  func offset(_ index: Int64) -> UInt64 { offset &+ UInt64(bitPattern: index) }

  /// The index of an offset, held to what fits.
  func index(_ target: UInt64) -> Int64 {
    target >= offset
      ? Int64(clamping: target - offset) : -Int64(clamping: offset - target)
  }

  /// Number of bytes that can be read before the window has to grow.
  var roomCount: Int { capacity - filledCount }

  /// Makes room at the end, by dropping bytes from the front where that frees half of it.
  ///
  /// - Parameter keptStart: Index of the first byte still needed.
  /// - Returns: By how much the remaining bytes moved down.
  mutating func makeRoom(keptStart: Int) -> Int {
    if filledCount < capacity && 2 * keptStart < capacity { return 0 }
    if 2 * keptStart >= capacity {
      unsafe bytes.update(from: bytes + keptStart, count: filledCount - keptStart)
      filledCount -= keptStart
      offset += UInt64(keptStart)
      return keptStart
    }
    grow()
    return 0
  }

  /// Doubles the window.
  mutating func grow() {
    let larger = UnsafeMutablePointer<UInt8>.allocate(
      capacity: 2 * capacity + Int(NS_CSV_PADDING))
    unsafe larger.initialize(from: bytes, count: filledCount)
    unsafe (larger + filledCount).initialize(
      repeating: 0, count: 2 * capacity + Int(NS_CSV_PADDING) - filledCount)
    unsafe bytes.deallocate()
    unsafe bytes = larger
    capacity *= 2
  }

  /// Forgets the bytes from an index on; what is read next stands there.
  mutating func discard(from index: Int) {
    offset += UInt64(filledCount - index)
    filledCount = index
  }

  /// Reads what comes next, as much as the room and the source allow.
  mutating func read() throws {
    guard !isAtEnd else { return }
    let room = unsafe UnsafeMutableRawBufferPointer(
      start: bytes + filledCount, count: capacity - filledCount)
    precondition(room.count > 0)
    let count = try unsafe source.read(at: offset + UInt64(filledCount), into: room)
    precondition(count >= 0 && count <= room.count)
    filledCount += count
    isAtEnd = count == 0
  }

  /// The index of the first line feed at or after `start`.
  func firstLineFeed(from start: Int) -> Int? {
    guard start < filledCount else { return nil }
    let found = unsafe memchr(bytes + start, Int32(UInt8(ascii: "\n")), filledCount - start)
    return unsafe found.map { unsafe $0 - UnsafeMutableRawPointer(bytes) }
  }

  /// Whether the text begins with the byte order mark of UTF-8.
  var beginsWithByteOrderMark: Bool {
    unsafe filledCount >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF
  }
}
