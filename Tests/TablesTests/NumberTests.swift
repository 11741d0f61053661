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
      #expect(digits(text) == digits("\(value)"), "\(text) \(value)")
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

  /// Python's repr of doubles on which formatters have failed: subnormals, halfway cases, the ends
  /// of the range, powers of two, whose lower neighbour is nearer than the upper one.
  @Test(arguments: [
    "2.2250738585072014e-308", "2.225073858507201e-308", "1e-323", "1.5e-323", "9.9e-322",
    "9007199254740992.0", "2251799813685249.5", "9.5367431640625e-07", "5.764607523034235e+17",
    "1.1529215046068468e+18", "8.98846567431158e+307", "9.409340012568248e+18", "2e+23",
    "1.2345678901234568e+16", "9.5e+22", "1e+23", "5.35e+16", "1.9430376160308388e+16",
    "8.41e+21", "4.708356024711512e+18", "2.9802322387695312e-08", "2.109808898695963e+16",
    "4.940656e-318", "1.18575755e-316", "2.989102097996e-312", "9060801153433600.0", "3.4e+38",
    "0.00012345", "9.999e-05", "123456789012345.6", "1234567890123456.0", "1.0000000000000002",
    "0.9999999999999999",
  ]) func hardDoublesAreWrittenAsPythonDoes(text: String) throws {
    let value = try #require(Double(text))
    #expect(Self.format(value) == text)
    #expect(Self.format(-value) == "-" + text)
  }

  @Test func powersAndTheirNeighboursAreShortest() {
    for exponent in UInt64(0)..<2_047 {
      for distance in [-2, -1, 0, 1, 2] {
        checkDigits(Double(bitPattern: exponent << 52 &+ UInt64(bitPattern: Int64(distance))))
      }
    }
    for exponent in -323...308 {
      guard let power = Double("1e\(exponent)"), let half = Double("5e\(exponent)") else {
        continue
      }
      for value in [power, power.nextUp, power.nextDown, half, half.nextUp, half.nextDown] {
        checkDigits(value)
      }
    }
  }

  /// The digits of this machine's instructions are those of the code for any machine.
  @Test func bothWaysToWriteDigitsAgree() {
    var random = SplitMix(state: 8)
    let edges: [UInt64] = [0, 1, 9, 10, 99, 100, 9_999, 10_000, 10_001, 12_345_678, 99_999_999]
    let pairs = edges.flatMap { high in edges.map { (high, $0) } }
    let others = (0..<10_000).map { _ in
      (random.next() % 100_000_000, random.next() % 100_000_000)
    }
    var differences: [String] = []
    for (high, low) in pairs + others {
      let wanted = [high, low].map { String(100_000_000 + $0).dropFirst() }.joined()
      let count = wanted.lastIndex { $0 != "0" }.map { wanted[...$0].count } ?? 0
      for isPortable in [Int32(0), 1] {
        var found = [CChar](repeating: 0, count: 16)
        let foundCount = unsafe ns_write_sixteen_digits(isPortable, high, low, &found)
        let text = String(decoding: found.map(UInt8.init), as: UTF8.self)
        if foundCount != count || text != wanted {
          differences.append("\(isPortable): \(text), \(foundCount) for \(wanted)")
        }
      }
    }
    #expect(differences.isEmpty, "\(differences.first ?? "")")
  }

  /// Swift's description has other layouts, but the same digits: the shortest, and of these the
  /// nearest.
  private func checkDigits(_ value: Double) {
    guard value.isFinite, value > 0 else { return }
    let text = Self.format(value)
    #expect(Double(text) == value, "\(text)")
    #expect(digits(text) == digits("\(value)"), "\(text) \(value)")
  }

  @Test(arguments: 0..<4) func randomFloatsAreShortest(seed: UInt64) {
    var random = SplitMix(state: seed)
    var buffer = TextBuffer()
    for _ in 0..<25_000 {
      let value = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
      guard value.isFinite else { continue }
      buffer.removeAll()
      buffer.append(value)
      let text = String(decoding: buffer.copy(), as: UTF8.self)
      #expect(Float(text)?.bitPattern == value.bitPattern, "\(text)")
      #expect(digits(text) == digits("\(value)"), "\(text) \(value)")
    }
  }

  /// The digits that count, without the zeros around them.
  private func digits(_ text: String) -> [UInt8] {
    let mantissa = text.utf8.prefix { $0 != UInt8(ascii: "e") }
    let digits = mantissa.filter { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    let significant = digits.drop { $0 == UInt8(ascii: "0") }.reversed()
    return Array(significant.drop { $0 == UInt8(ascii: "0") }.reversed())
  }
}
