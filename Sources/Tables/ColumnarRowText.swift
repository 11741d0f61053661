package import Columnar

/// The first row of a block as `TextBuffer.append(row:)` shows it.
///
/// - Throws: `ColumnarWriteError` where it is no block with rows.
package func columnarText(ofBlock bytes: [UInt8]) throws(ColumnarWriteError) -> [UInt8] {
  var text = TextBuffer()
  text.append(row: try ColumnarRows(.stream, bytes: bytes).row(0))
  return text.copy()
}

extension TextBuffer {
  /// Appends one row of a columnar file as a JSON object and a line feed, for people and to be
  /// compared: dates as days, timestamps as microseconds since 1970, bytes as Base64.
  package mutating func append(row: [(name: String, value: ColumnarValue)]) {
    append(UInt8(ascii: "{"))
    for (index, member) in row.enumerated() {
      if index > 0 { append(UInt8(ascii: ",")) }
      appendJSONString(member.name)
      append(UInt8(ascii: ":"))
      append(member.value)
    }
    append("}\n")
  }

  private mutating func append(_ value: ColumnarValue) {
    switch value {
    case .null: append("null")
    case .boolean(let flag): append(flag ? "true" : "false")
    case .integer(let number), .timestamp(let number): append(Int(number))
    case .date(let days): append(Int(days))
    case .number(let number): append(number)
    case .float(let number): append(number)
    case .text(let text): appendJSONString(String(decoding: text, as: UTF8.self))
    case .binary(let bytes): appendBase64(bytes)
    }
  }

  /// RFC 4648, in quotes.
  private mutating func appendBase64(_ bytes: [UInt8]) {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    append(UInt8(ascii: "\""))
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var bits: UInt32 = 0
      for index in 0..<3 {
        bits = bits << 8 | (index < group.count ? UInt32(group[start + index]) : 0)
      }
      for place in 0..<4 {
        let digit = digits[Int(bits >> UInt32(18 - 6 * place) & 63)]
        append(place <= group.count ? digit : UInt8(ascii: "="))
      }
    }
    append(UInt8(ascii: "\""))
  }
}
