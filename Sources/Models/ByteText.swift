internal import CKernels

/// Numbers as bytes of text: the strict decimal grammar of models and of categories.
package enum ByteText {
  /// An integer: an optional sign and digits, nothing else.
  ///
  /// - Returns: nil if the text is anything else or does not fit.
  package static func integer(_ text: ArraySlice<UInt8>) -> Int? {
    var digits = text
    let isNegative = digits.first == UInt8(ascii: "-")
    if isNegative || digits.first == UInt8(ascii: "+") { digits.removeFirst() }
    guard !digits.isEmpty, digits.count <= 18 else { return nil }
    var value = 0
    for byte in digits {
      guard let digit = digit(byte) else { return nil }
      value = value * 10 + digit
    }
    return isNegative ? -value : value
  }

  /// A number to the nearest double: decimal digits, point and exponent, or `inf`, or `nan`.
  ///
  /// Hexadecimal numbers and surrounding spaces, which `Double` or `strtod` would take, are refused.
  ///
  /// - Returns: nil if the text is anything else.
  package static func double(_ text: ArraySlice<UInt8>) -> Double? {
    var rest = text
    let isNegative = rest.first == UInt8(ascii: "-")
    if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
    if let word = word(rest) { return isNegative ? -word : word }
    var mantissa: UInt64 = 0
    var digitCount = 0
    var scale = 0
    var position = rest.startIndex
    var hasPoint = false
    while position < rest.endIndex {
      if let digit = digit(rest[position]) {
        digitCount += 1
        if digitCount <= 18 { mantissa = mantissa * 10 + UInt64(digit) }
        if hasPoint { scale -= 1 }
      } else if rest[position] == UInt8(ascii: "."), !hasPoint {
        hasPoint = true
      } else {
        break
      }
      position += 1
    }
    guard digitCount > 0 else { return nil }
    if position < rest.endIndex {
      guard rest[position] | 0x20 == UInt8(ascii: "e"),
        let exponent = integer(rest[(position + 1)...])
      else { return nil }
      scale = max(min(scale + exponent, 100_000), -100_000)
    }
    // Both are exact doubles, so that one rounding is left: W. D. Clinger, How to read floating
    // point numbers accurately, 1990.
    if digitCount <= 18, mantissa <= 1 << 53, abs(scale) < exactPowers.count {
      let value = Double(mantissa)
      let scaled = scale < 0 ? value / exactPowers[-scale] : value * exactPowers[scale]
      return isNegative ? -scaled : scaled
    }
    var value = 0.0
    let isNumber = unsafe text.withUnsafeBufferPointer { bytes in
      guard let start = bytes.baseAddress else { return false }
      return unsafe ns_parse_double(start, start + bytes.count, &value) == 1
    }
    return isNumber ? value : nil
  }

  /// Powers of ten that are exact doubles.
  private static let exactPowers: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]

  private static func digit(_ byte: UInt8) -> Int? {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? Int(byte &- UInt8(ascii: "0")) : nil
  }

  private static func word(_ text: ArraySlice<UInt8>) -> Double? {
    guard let first = text.first, first | 0x20 >= UInt8(ascii: "i"), text.count <= 8 else {
      return nil
    }
    switch String(decoding: text, as: UTF8.self).lowercased() {
    case "inf", "infinity": return .infinity
    case "nan": return .nan
    default: return nil
    }
  }
}
