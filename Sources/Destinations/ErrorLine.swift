/// One line of the error file: the worker's object with the record's row put in front.
package enum ErrorLine {
  private static let rowKey = Array("{\"row\":".utf8)

  /// Makes the line, line feed included.
  ///
  /// - Parameters:
  ///   - row: The record's number in its input, from 1.
  ///   - object: A JSON object with its braces: `{"a":1}` becomes `{"row":7,"a":1}`, and `{}`
  ///     becomes `{"row":7}`.
  /// - Returns: The line's bytes.
  package static func make(row: UInt64, object: some Collection<UInt8>) -> [UInt8] {
    var line = rowKey + Array(String(row).utf8)
    let rest = object.dropFirst()
    if rest.count > 1 { line.append(UInt8(ascii: ",")) }
    line += rest
    line.append(UInt8(ascii: "\n"))
    return line
  }

  /// The row that a line begins with, or `nil` where it begins otherwise.
  static func row(of line: some Collection<UInt8>) -> UInt64? {
    guard line.starts(with: rowKey) else { return nil }
    let digits = line.dropFirst(rowKey.count).prefix { (0x30...0x39).contains($0) }
    return UInt64(String(decoding: digits, as: UTF8.self))
  }
}
