/// A set of shard numbers, a bit each, that gives its lowest member quickly.
///
/// Leases are given lowest first, so that the merge and the chain of states can follow closely.
struct ShardSet: Sendable {
  private var words: [UInt64]
  /// No word before this one has a bit.
  private var firstWord = 0

  /// All numbers below `count`.
  init(allBelow count: Int) {
    words = Array(repeating: .max, count: count / 64)
    if count % 64 != 0 { words.append((1 << UInt64(count % 64)) - 1) }
  }

  /// The lowest member; amortised O(1) while members leave from below.
  mutating func lowest() -> Int? {
    while firstWord < words.count {
      let word = words[firstWord]
      if word != 0 { return firstWord * 64 + word.trailingZeroBitCount }
      firstWord += 1
    }
    return nil
  }

  /// The lowest member from a number on; O(numbers between them / 64).
  func next(from start: Int) -> Int? {
    var index = start / 64
    guard index < words.count else { return nil }
    var word = words[index] & (~0 << UInt64(start % 64))
    while word == 0 {
      index += 1
      guard index < words.count else { return nil }
      word = words[index]
    }
    return index * 64 + word.trailingZeroBitCount
  }

  mutating func insert(_ member: Int) {
    words[member / 64] |= 1 << UInt64(member % 64)
    firstWord = min(firstWord, member / 64)
  }

  mutating func remove(_ member: Int) {
    words[member / 64] &= ~(1 << UInt64(member % 64))
  }
}
