/// A row's own checksum: SQLite pages carry none.
///
/// Each value goes through one step that is a bijection of both the value and the sum so far, so a
/// change confined to one value of at most 8 bytes is always found; any other is missed with
/// probability 2⁻⁶⁴. No defence against a forger. Mixing function: SplitMix64's finaliser
/// (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
struct RowSum {
  private var state: UInt64

  /// Starts the sum of a row of the named table.
  init(_ table: String) {
    state = 0x9E37_79B9_7F4A_7C15
    add(table)
  }

  mutating func add(_ value: Int64) {
    var mixed = state ^ UInt64(bitPattern: value)
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    state = mixed ^ (mixed >> 31)
  }

  mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(bytes: $0) }
  }

  mutating func add(_ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer { add(bytes: $0) }
  }

  private mutating func add(bytes: UnsafeBufferPointer<UInt8>) {
    add(Int64(bytes.count))
    var index = 0
    while index < bytes.count {
      var word: UInt64 = 0
      for byte in bytes[index..<min(index + 8, bytes.count)] { word = word << 8 | UInt64(byte) }
      add(Int64(bitPattern: word))
      index += 8
    }
  }

  /// The sum as SQLite stores it.
  var value: Int64 { Int64(bitPattern: state) }
}
