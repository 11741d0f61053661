/// Bytes as text has them.
enum BinaryText {
  typealias Bytes = UnsafeBufferPointer<UInt8>

  /// Without the spaces and tabs around it.
  static func trimmed(_ text: Bytes) -> Bytes {
    var (start, end) = (0, text.count)
    while start < end, unsafe isSpace(text[start]) { start += 1 }
    while end > start, unsafe isSpace(text[end - 1]) { end -= 1 }
    return unsafe Bytes(rebasing: text[start..<end])
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }

  /// Writes what Base64 (RFC 4648, padded or not), or `\x` and hexadecimal digits, stand for.
  ///
  /// - Parameters:
  ///   - text: The field.
  ///   - output: Room for as many bytes as the text has.
  /// - Returns: The number of bytes, nil where the text is neither.
  static func decode(_ text: Bytes, into output: UnsafeMutablePointer<UInt8>) -> Int? {
    if text.count >= 2, unsafe text[0] == UInt8(ascii: "\\"),
      unsafe text[1] == UInt8(ascii: "x")
    {
      return unsafe hexadecimal(Bytes(rebasing: text.dropFirst(2)), into: output)
    }
    var length = text.count
    while length > 0, text.count - length < 2, unsafe text[length - 1] == UInt8(ascii: "=") {
      length -= 1
    }
    guard length % 4 != 1, length == text.count || text.count % 4 == 0 else { return nil }
    var (bits, bitCount, count): (UInt32, UInt32, Int) = (0, 0, 0)
    for index in 0..<length {
      guard let digit = unsafe base64Digit(text[index]) else { return nil }
      bits = bits << 6 | digit
      bitCount += 6
      guard bitCount >= 8 else { continue }
      bitCount -= 8
      unsafe output[count] = UInt8(truncatingIfNeeded: bits >> bitCount)
      count += 1
    }
    return bits & (1 << bitCount - 1) == 0 ? count : nil
  }

  private static func hexadecimal(
    _ digits: Bytes, into output: UnsafeMutablePointer<UInt8>
  ) -> Int? {
    guard digits.count % 2 == 0 else { return nil }
    for index in 0..<digits.count / 2 {
      guard let high = unsafe hexadecimalDigit(digits[2 * index]),
        let low = unsafe hexadecimalDigit(digits[2 * index + 1])
      else { return nil }
      unsafe output[index] = high << 4 | low
    }
    return digits.count / 2
  }

  private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  private static func base64Digit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
