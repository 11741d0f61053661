import CKernels
import Tables
import Testing

struct NumberTests {
  static func parse(_ text: String) -> Double? { number(of: Array(text.utf8)) }

  static func format(_ value: Double) -> String {
    var buffer = TextBuffer()
    buffer.append(value)
    return String(decoding: buffer.copy(), as: UTF8.self)
  }

  @Test(arguments: [
    "0", "-0", "1", "12", "0.1", "-.5", "5.", "1e5", "1E-5", "1e+22", "1e23", "123456789012345678",
    "9007199254740993", "9007199254740992.5", "9007199254740993e-3", "0.3e-22", "1e-23",
    "179769313486231570000e289", "2.2250738585072011e-308", "2.2250738585072014e-308",
    "4.9406564584124654e-324", "1.7976931348623157e308", "1.7976931348623158e308",
    "0.000000000000000000000000000012345", "100000000000000000000000", "7.2057594037927933e+16",
    "9223372036854775807", "18446744073709551616", "1.00000000000000011102230246251565",
    "00000000000000000000000000001.5", "6.02214076e23", "1e0000000000000000000001",
  ]) func hardNumbersAreTheNearestDoubles(text: String) throws {
    let expected = try #require(Double(text))
    #expect(Self.parse(text)?.bitPattern == expected.bitPattern)
    #expect(Self.parse(" \t\(text)\t ")?.bitPattern == expected.bitPattern)
    #expect(
      Self.parse("-\(text)")?.bitPattern == Double("-\(text)")?.bitPattern || text.first == "-")
  }

  static let zeros = String(repeating: "0", count: 400)
  static let nines = String(repeating: "9", count: 400)
  static let rangesAndWords: [(text: String, value: Double)] = [
    ("+5", 5.0), ("1e400", Double.infinity), ("-1e400", -Double.infinity), ("1e-400", 0.0),
    ("-1e-400", -0.0), ("0e999999999999", 0.0), ("1e999999999999999999999", Double.infinity),
    ("1e-999999999999999999999", 0.0), ("inf", Double.infinity), ("-Inf", -Double.infinity),
    ("+INFINITY", Double.infinity), ("0.\(zeros)1", 0.0), (nines, Double.infinity),
    ("\(nines)e-399", 10.0), ("0.\(zeros)1e402", 10.0),
  ]

  @Test(arguments: rangesAndWords) func rangesAndWordsAreTaken(text: String, value: Double) {
    #expect(Self.parse(text)?.bitPattern == value.bitPattern)
  }

  @Test(arguments: ["nan", "NaN", "-nan", "+NAN"]) func notANumberIsANumber(text: String) {
    #expect(Self.parse(text)?.isNaN == true)
  }

  @Test(arguments: [
    "", " ", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "0x1p3", "1_000", "1,5", "--1",
    "+-1", "1 2", "nan(1)", "infi", "1e5.5", "١", "1\n", "1\0", "NaNs", "0b1", "1f", "- 1",
  ]) func whatIsNoNumberIsRefused(text: String) {
    #expect(Self.parse(text) == nil)
  }

  @Test(arguments: 0..<4) func randomDoublesSurviveTheirText(seed: UInt64) {
    var random = SplitMix(state: seed)
    for _ in 0..<25_000 {
      let value = Double(bitPattern: random.next())
      guard value.isFinite else { continue }
      let text = Self.format(value)
      #expect(Self.parse(text)?.bitPattern == value.bitPattern, "\(text)")
      #expect(Double(text)?.bitPattern == value.bitPattern, "\(text)")
      // Swift prints the shortest digits too: the same number of them.
      #expect(digitCount(text) <= digitCount("\(value)"), "\(text) \(value)")
    }
  }

  @Test(arguments: 0..<4) func randomDecimalsAreTheNearestDoubles(seed: UInt64) {
    var random = SplitMix(state: seed + 100)
    for _ in 0..<25_000 {
      let digits = Int.random(in: 1...21, using: &random)
      var text = Bool.random(using: &random) ? "-" : ""
      let point = Int.random(in: 0...digits, using: &random)
      for index in 0..<digits {
        if index == point { text += index == 0 ? "0." : "." }
        text += "\(Int.random(in: 0...9, using: &random))"
      }
      if Bool.random(using: &random) { text += "e\(Int.random(in: -330...310, using: &random))" }
      #expect(Self.parse(text)?.bitPattern == Double(text)?.bitPattern, "\(text)")
    }
  }

  static let layouts: [(value: Double, text: String)] = [
    (0.0, "0.0"), (-0.0, "-0.0"), (1, "1.0"), (-1.5, "-1.5"), (0.1, "0.1"), (100_000, "100000.0"),
    (0.0001, "0.0001"), (0.00001, "1e-05"), (123e-7, "1.23e-05"), (1e15, "1000000000000000.0"),
    (9_999_999_999_999_998, "9999999999999998.0"), (1e16, "1e+16"), (1.5e300, "1.5e+300"),
    (Double.leastNonzeroMagnitude, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
    (0.30000000000000004, "0.30000000000000004"), (123_456.789, "123456.789"),
    (Double.infinity, "null"), (Double.nan, "null"),
  ]

  @Test(arguments: layouts) func layoutIsThatOfPython(value: Double, text: String) {
    #expect(Self.format(value) == text)
  }

  private func digitCount(_ text: String) -> Int {
    let mantissa = text.utf8.prefix { $0 != UInt8(ascii: "e") }
    let digits = mantissa.filter { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    let significant = digits.drop { $0 == UInt8(ascii: "0") }.reversed()
    return significant.drop { $0 == UInt8(ascii: "0") }.count
  }
}
