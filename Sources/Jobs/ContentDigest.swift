/// A SHA-256 as the pure modules pass it on: 32 bytes as four big-endian words.
package struct ContentDigest: Hashable, Sendable {
  package let words: SIMD4<UInt64>

  package init(words: SIMD4<UInt64>) {
    self.words = words
  }

  /// Reads exactly 32 bytes; `nil` for another count.
  package init?(bytes: some Sequence<UInt8>) {
    var words = SIMD4<UInt64>.zero
    var count = 0
    for byte in bytes {
      guard count < 32 else { return nil }
      words[count / 8] = words[count / 8] << 8 | UInt64(byte)
      count += 1
    }
    guard count == 32 else { return nil }
    self.words = words
  }

  /// The 32 bytes, first byte first.
  package var bytes: [UInt8] {
    (0..<32).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64(56 - $0 % 8 * 8)) }
  }

  /// 64 lower-case hex digits.
  package var hexadecimal: String {
    var text = ""
    for byte in bytes {
      if byte < 16 { text += "0" }
      text += String(byte, radix: 16)
    }
    return text
  }
}

/// A partial by its content, and its size.
package struct PartialName: Hashable, Sendable {
  package let digest: ContentDigest
  /// Zero for a range without records, which needs no file.
  package let byteCount: UInt64

  package init(digest: ContentDigest, byteCount: UInt64) {
    self.digest = digest
    self.byteCount = byteCount
  }
}
