/// A SHA-256 digest or an HMAC made with it: 32 bytes.
package struct Digest256: Hashable, Sendable {
  /// The digest's bytes, eight to a word, first byte highest.
  package let words: SIMD4<UInt64>

  /// Number of bytes of a digest.
  package static let byteCount = 32

  /// Puts a digest together from its words.
  package init(words: SIMD4<UInt64>) {
    self.words = words
  }

  /// Takes the digest's 32 bytes, or answers nil for any other number of bytes.
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    var words = SIMD4<UInt64>.zero
    var index = 0
    for byte in bytes {
      words[index / 8] = words[index / 8] << 8 | UInt64(byte)
      index += 1
    }
    self.words = words
  }

  /// Reads 64 hexadecimal digits of either case, or answers nil for anything else.
  package init?(hex: some StringProtocol) {
    guard let bytes = bytesOfHex(hex) else { return nil }
    self.init(bytes: bytes)
  }

  /// The 32 bytes in the order of the standard.
  package var bytes: [UInt8] {
    (0..<Self.byteCount).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> (56 - 8 * ($0 % 8))) }
  }

  /// Compares without letting the time taken tell where the first difference is.
  ///
  /// For MACs and tokens; for anything that is not secret `==` is as good.
  package func isEqualInConstantTime(to other: Digest256) -> Bool {
    let difference = words ^ other.words
    return difference[0] | difference[1] | difference[2] | difference[3] == 0
  }
}

extension Digest256: CustomStringConvertible {
  /// The digest as 64 lower-case hexadecimal digits.
  package var description: String { hexOfBytes(bytes) }
}
