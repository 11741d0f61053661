/// A set of the records of one tile, as words that are combined at once.
typealias RecordMask = SIMD16<UInt64>

/// Records for which a condition is true, and those for which it is false; for others it has no
/// value.
struct FilterVerdict {
  var isTrue = RecordMask()
  var isFalse = RecordMask()

  @inline(__always)
  mutating func add(_ record: Int, _ isMet: Bool) {
    let bit: UInt64 = 1 << UInt64(record % 64)
    isTrue[record / 64] |= isMet ? bit : 0
    isFalse[record / 64] |= isMet ? 0 : bit
  }
}

/// How two texts follow each other, byte by byte: negative, 0 or positive.
func order(
  of left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
) -> Int {
  for index in 0..<min(left.count, right.count) {
    let (one, other) = unsafe (left[index], right[index])
    if one != other { return one < other ? -1 : 1 }
  }
  return left.count - right.count
}

extension [[UInt8]] {
  /// Whether an ascending list has a text.
  func containsSorted(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      let found = unsafe self[middle].withUnsafeBufferPointer { unsafe order(of: text, $0) }
      if found == 0 { return true }
      if found < 0 { high = middle } else { low = middle + 1 }
    }
    return false
  }
}

extension Array where Element: Comparable {
  /// Whether an ascending list has a value.
  func containsSorted(_ value: Element) -> Bool {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] == value { return true }
      if value < self[middle] { high = middle } else { low = middle + 1 }
    }
    return false
  }
}

extension SIMD16<UInt64> {
  /// The set that has the first records.
  init(first count: Int) {
    self.init()
    for word in 0..<16 {
      let own = Swift.min(Swift.max(count - word * 64, 0), 64)
      self[word] = own == 64 ? .max : (1 << UInt64(own)) - 1
    }
  }

  init(_ set: RecordSet) {
    self.init()
    for word in 0..<16 { self[word] = set.words[word] }
  }

  mutating func insert(_ record: Int) {
    self[record / 64] |= 1 << UInt64(record % 64)
  }

  func contains(_ record: Int) -> Bool {
    self[record / 64] >> UInt64(record % 64) & 1 == 1
  }

  var memberCount: Int {
    indices.reduce(0) { $0 + self[$1].nonzeroBitCount }
  }
}

extension RecordSet {
  init(_ mask: SIMD16<UInt64>) {
    self.init()
    unsafe withUnsafeWords { words in
      for word in 0..<16 { unsafe words[word] = mask[word] }
    }
  }
}
