/// Makes blocked gzip whose blocks hold their text as it is.
enum BlockedGzip {
  /// The empty block that ends a file (SAM specification, 4.1.2).
  static let endMark: [UInt8] = block([], deflated: [3, 0])

  /// One block with at most 65,280 bytes of text.
  static func block(_ text: [UInt8]) -> [UInt8] {
    let count = UInt16(text.count)
    return block(text, deflated: [1] + bytes(count) + bytes(~count) + text)
  }

  static func block(_ text: [UInt8], deflated: [UInt8]) -> [UInt8] {
    var block: [UInt8] = [0x1F, 0x8B, 8, 4, 0, 0, 0, 0, 0, 0xFF, 6, 0, 0x42, 0x43, 2, 0]
    block += bytes(UInt16(18 + deflated.count + 8 - 1))
    return block + deflated + bytes(checksum(text)) + bytes(UInt32(text.count))
  }

  static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
    (0..<number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
  }

  /// CRC-32 (RFC 1952, 8).
  static func checksum(_ text: [UInt8]) -> UInt32 {
    ~text.reduce(~0) { state, byte in
      (0..<8).reduce(state ^ UInt32(byte)) { bits, _ in
        bits & 1 == 1 ? bits >> 1 ^ 0xEDB8_8320 : bits >> 1
      }
    }
  }
}
