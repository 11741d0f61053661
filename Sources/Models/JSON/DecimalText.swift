/// A decimal number as a JSON text spells it, read once and then taken for the type that is wanted.
///
/// The grammar is that of RFC 8259, section 6, and the words `NaN`, `Infinity` and `-Infinity`.
struct DecimalText {
  private var isNegative = false
  /// The digits as one number, while `isExact`.
  private var mantissa: UInt64 = 0
  /// What power of ten the mantissa is to be multiplied with.
  private var exponent = 0
  /// Whether the mantissa holds all digits.
  private var isExact = true
  private var isWhole = true
  private var word: Double?

  /// Where the text stands, for the slow way.
  private let start: Int
  private let end: Int

  /// Reads the number that begins at `position`, and moves behind it.
  ///
  /// - Returns: nil if none begins there.
  @inline(__always)
  init?(_ bytes: UnsafeBufferPointer<UInt8>, at position: inout Int) {
    let limit = bytes.count
    start = position
    var at = position
    guard at < limit else { return nil }
    if unsafe bytes[at] == UInt8(ascii: "-") {
      isNegative = true
      at += 1
      guard at < limit else { return nil }
    }
    let first = unsafe bytes[at]
    guard first &- UInt8(ascii: "0") < 10 else {
      guard let word = unsafe Self.word(bytes, at: &at) else { return nil }
      guard !(word.isNaN && isNegative) else { return nil }
      self.word = word
      isWhole = false
      end = at
      position = at
      return
    }
    let integerStart = at
    while at < limit {
      let digit = unsafe bytes[at] &- UInt8(ascii: "0")
      guard digit < 10 else { break }
      mantissa = mantissa &* 10 &+ UInt64(digit)
      at += 1
    }
    var digitCount = at - integerStart
    guard digitCount == 1 || first != UInt8(ascii: "0") else { return nil }
    if at < limit, unsafe bytes[at] == UInt8(ascii: ".") {
      at += 1
      let fractionStart = at
      while at < limit {
        let digit = unsafe bytes[at] &- UInt8(ascii: "0")
        guard digit < 10 else { break }
        mantissa = mantissa &* 10 &+ UInt64(digit)
        at += 1
      }
      exponent = fractionStart - at
      guard exponent < 0 else { return nil }
      digitCount -= exponent
      isWhole = false
    }
    if at < limit, unsafe bytes[at] | 0x20 == UInt8(ascii: "e") {
      guard let written = unsafe Self.exponent(bytes, at: &at) else { return nil }
      exponent += written
      isWhole = false
    }
    // 18 digits fit; leading zeros of a fraction are counted too, which only costs time.
    isExact = digitCount <= 18
    end = at
    position = at
  }

  /// The nearest double; infinite if it is too large.
  @inline(__always)
  func double(_ bytes: UnsafeBufferPointer<UInt8>) -> Double {
    if let word { return isNegative ? -word : word }
    guard isExact, mantissa <= 1 << 53, exponent >= -22, exponent <= 22 else {
      return Double(unsafe slowText(bytes)) ?? .nan
    }
    return isNegative ? -scaled : scaled
  }

  /// The nearest float, rounded once from the decimal number.
  ///
  /// The nearest double, rounded again, is the nearest float but where that double lies exactly
  /// between two floats: then, and below the normal floats, the text is read the slow way.
  @inline(__always)
  func float(_ bytes: UnsafeBufferPointer<UInt8>) -> Float {
    if let word { return Float(isNegative ? -word : word) }
    if isExact, mantissa <= 1 << 53, exponent >= -22, exponent <= 22 {
      let value = scaled
      let isBetween = value.bitPattern & 0x1fff_ffff == 0x1000_0000
      if !isBetween, value >= 0x1p-126 || mantissa == 0 {
        return Float(isNegative ? -value : value)
      }
    }
    return Float(unsafe slowText(bytes)) ?? .nan
  }

  /// The number if it is spelled as an integer of at most 18 digits.
  @inline(__always)
  var integer: Int? {
    guard isWhole, isExact else { return nil }
    return isNegative ? -Int(mantissa) : Int(mantissa)
  }

  /// The mantissa times the power of ten, both exact, so that there is one rounding.
  ///
  /// Source: W. D. Clinger, How to read floating point numbers accurately, 1990.
  @inline(__always)
  private var scaled: Double {
    let value = Double(mantissa)
    return unsafe Self.exactPowers.withUnsafeBufferPointer { powers in
      exponent < 0 ? unsafe value / powers[-exponent] : unsafe value * powers[exponent]
    }
  }

  private func slowText(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    unsafe String(decoding: bytes[start..<end], as: UTF8.self)
  }

  /// Reads `e`, a sign and digits.
  private static func exponent(_ bytes: UnsafeBufferPointer<UInt8>, at position: inout Int) -> Int?
  {
    var at = position + 1
    guard at < bytes.count else { return nil }
    let sign = unsafe bytes[at]
    if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { at += 1 }
    let digitsStart = at
    var value = 0
    while at < bytes.count {
      let digit = unsafe bytes[at] &- UInt8(ascii: "0")
      guard digit < 10 else { break }
      value = min(value * 10 + Int(digit), 1 << 20)
      at += 1
    }
    guard at > digitsStart else { return nil }
    position = at
    return sign == UInt8(ascii: "-") ? -value : value
  }

  private static func word(_ bytes: UnsafeBufferPointer<UInt8>, at position: inout Int) -> Double? {
    for (word, value) in [("NaN", Double.nan), ("Infinity", Double.infinity)] {
      let text = unsafe bytes[position...]
      if unsafe text.starts(with: word.utf8) {
        position += word.utf8.count
        return value
      }
    }
    return nil
  }

  /// Powers of ten that are exact doubles.
  private static let exactPowers: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]
}
