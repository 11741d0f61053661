import Models
import Testing

/// Decimal texts become the nearest number of the type that is wanted, in one rounding.
struct NumberTests {
  private func float(_ text: String) throws -> Float {
    try DocumentTests.json("[\(text)]").floats(count: 1)[0]
  }

  private func double(_ text: String) throws -> Double {
    try DocumentTests.json("[\(text)]").doubles(count: 1)[0]
  }

  /// The nearest double of each lies between two floats, on which side of it the text does decides.
  @Test func floatsAreRoundedOnce() throws {
    // 1 + 2⁻²⁴ is half way from 1 to the next float, and ties go to even.
    #expect(try float("1.000000059604644775390625") == 1)
    #expect(try float("1.00000005960464477539062500000001") == Float(1).nextUp)
    #expect(try float("1.00000005960464477539062499999999") == 1)
    #expect(try float("1.000000178813934326171875") == Float(1).nextUp.nextUp)
    #expect(try float("1.00000017881393432617187499999999") == Float(1).nextUp)
    #expect(try float("-1.00000005960464477539062500000001") == -Float(1).nextUp)
  }

  @Test func extremesAreRead() throws {
    #expect(try float("1E-45") == .leastNonzeroMagnitude)
    #expect(try float("7.006492321624085e-46") == 0)
    #expect(try float("7.0064923216240862e-46") == .leastNonzeroMagnitude)
    #expect(try float("1.1754942E-38") == Float.leastNormalMagnitude.nextDown)
    #expect(try float("3.4028234E38") == .greatestFiniteMagnitude)
    #expect(try float("3.4028236E38") == .infinity && float("1e400") == .infinity)
    #expect(try float("-0").sign == .minus && float("-0.0e5").sign == .minus)
    #expect(try double("5e-324") == .leastNonzeroMagnitude && double("1e-400") == 0)
    #expect(try double("1.7976931348623157e308") == .greatestFiniteMagnitude)
    #expect(try double("1e309") == .infinity && double("-1e309") == -.infinity)
    #expect(try double("1e99999999999999999999") == .infinity)
    #expect(try double("0.\(String(repeating: "0", count: 400))1e401") == 1)
  }

  /// Shortest spellings of random floats, and long spellings of numbers between them.
  @Test func manyFloatsAreReadAsTheStandardLibraryReadsThem() throws {
    var state: UInt64 = 7
    var texts: [String] = []
    for _ in 0..<20_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = Float(bitPattern: UInt32(truncatingIfNeeded: state >> 32))
      guard value.isFinite else { continue }
      texts.append("\(value)")
      texts.append("\((Double(value) + Double(value.nextUp)) / 2)")
      texts.append("\(Double(bitPattern: state).isFinite ? Double(bitPattern: state) : 0)")
    }
    let list = try DocumentTests.json("[\(texts.joined(separator: ", "))]")
    let floats = try list.floats()
    let doubles = try list.doubles()
    for (index, text) in texts.enumerated() {
      #expect(floats[index].bitPattern == Float(text)?.bitPattern)
      #expect(doubles[index].bitPattern == Double(text)?.bitPattern)
    }
  }
}
