import Database
import Testing

/// SplitMix64, so that a failure can be run again.
struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// Rows that no server would send.
@Suite struct BinaryRowTests {
  private func parse(_ bytes: [UInt8], fieldCount: Int) throws -> [Range<Int>?] {
    var row = BinaryRow()
    try unsafe bytes.withUnsafeBytes { bytes in
      unsafe try row.parse(bytes, fieldCount: fieldCount)
    }
    return row.fields
  }

  @Test func fieldsAreFound() throws {
    let row: [UInt8] = [0, 3, 0, 0, 0, 1, 7, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]
    #expect(try parse(row, fieldCount: 3) == [6..<7, nil, 15..<15])
  }

  @Test(
    arguments: [
      [], [0], [0, 1], [0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 1], [0, 1, 0x7F, 0xFF, 0xFF, 0xFF, 1],
      [0, 1, 0xFF, 0xFF, 0xFF, 0xFE], [0, 2, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 9], [0xFF, 0xFE],
      [0x80, 0, 0, 0, 0, 0],
    ] as [[UInt8]])
  func brokenRowsAreRefused(bytes: [UInt8]) {
    #expect(failure { _ = try parse(bytes, fieldCount: 1) }?.code == .malformed)
  }

  @Test func noBytesTrap() {
    var generator = Generator(state: 5)
    let row: [UInt8] = [
      0, 2, 0, 0, 0, 12, 0, 2, 0, 0, 0, 0, 0, 4, 0, 1, 0x27, 0x0F, 0, 0, 0, 4, 1, 2, 3, 4,
    ]
    var parsedCount = 0
    for _ in 0..<20_000 {
      var bytes = row
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      bytes.removeLast(Int.random(in: 0...2, using: &generator))
      guard let fields = try? parse(bytes, fieldCount: 2) else { continue }
      parsedCount += 1
      for field in fields {
        let part = Array(bytes[field ?? 0..<0])
        var text: [UInt8] = []
        try? unsafe part.withUnsafeBytes { bytes in
          unsafe try BinaryValue.appendNumeric(bytes, to: &text)
        }
        #expect(text.count < 140_000)
        _ = try? unsafe part.withUnsafeBytes { bytes in
          unsafe try BinaryValue.integer(bytes, as: Int32.self)
        }
      }
    }
    #expect(parsedCount > 1_000)
  }
}
