/// An XXH3-128 digest: 16 bytes, quick to make, no defence against a forger.
package struct Digest128: Hashable, Sendable {
  /// The upper 64 bits; first in the canonical byte order.
  package let high: UInt64
  /// The lower 64 bits.
  package let low: UInt64

  /// Number of bytes of a digest.
  package static let byteCount = 16

  /// Puts a digest together from its halves.
  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Takes the 16 canonical bytes (big endian), or answers nil for any other number of bytes.
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Reads 32 hexadecimal digits of either case, or answers nil for anything else.
  package init?(hex: some StringProtocol) {
    guard let bytes = bytesOfHex(hex) else { return nil }
    self.init(bytes: bytes)
  }

  /// The 16 bytes in xxHash's canonical order, as `xxhsum -H128` prints them.
  package var bytes: [UInt8] {
    [high, low].flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
    }
  }
}

extension Digest128: CustomStringConvertible {
  /// The digest as 32 lower-case hexadecimal digits.
  package var description: String { hexOfBytes(bytes) }
}
