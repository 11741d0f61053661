internal import CKernels

/// Numbers as bytes of text: the strict decimal grammar of models and of categories.
package enum ByteText {
  /// An integer: an optional sign and digits, nothing else.
  ///
  /// - Returns: nil if the text is anything else or does not fit.
  package static func integer(_ text: ArraySlice<UInt8>) -> Int? {
    unsafe text.withUnsafeBufferPointer { unsafe integer($0) }
  }

  /// An integer: an optional sign and digits, nothing else.
  ///
  /// - Returns: nil if the text is anything else or does not fit.
  package static func integer(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
    var index = 0
    let isNegative = unsafe text.first == UInt8(ascii: "-")
    if unsafe isNegative || text.first == UInt8(ascii: "+") { index = 1 }
    guard index < text.count, text.count - index <= 18 else { return nil }
    var value = 0
    while index < text.count {
      let digit = unsafe text[index] &- UInt8(ascii: "0")
      guard digit <= 9 else { return nil }
      value = value &* 10 &+ Int(digit)
      index += 1
    }
    return isNegative ? -value : value
  }

  /// A number to the nearest double: decimal digits, point and exponent, or `inf`, or `nan`.
  ///
  /// Hexadecimal numbers and surrounding spaces, which `Double` or `strtod` would take, are refused.
  ///
  /// - Returns: nil if the text is anything else.
  package static func double(_ text: ArraySlice<UInt8>) -> Double? {
    unsafe text.withUnsafeBufferPointer { unsafe double($0) }
  }

  /// A number to the nearest double: decimal digits, point and exponent, or `inf`, or `nan`.
  ///
  /// - Returns: nil if the text is anything else.
  package static func double(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
    guard let start = text.baseAddress, let first = unsafe text.first,
      let last = unsafe text.last, !isBlank(first), !isBlank(last)
    else { return nil }
    var value = 0.0
    let isNumber = unsafe ns_parse_double(start, start + text.count, &value) == 1
    return isNumber ? value : nil
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }
}
