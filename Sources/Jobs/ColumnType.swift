/// What the values of one column of a table are.
package enum ColumnType: String, Hashable, Sendable, Codable, CaseIterable {
  case boolean
  /// 64 bits, signed.
  case integer
  /// 64-bit floating point.
  case number
  /// 32-bit floating point.
  case float
  /// UTF-8.
  case text
  /// Bytes that are no text.
  case binary
  /// Days since 1970-01-01.
  case date
  /// Microseconds since 1970-01-01, UTC.
  case timestamp
}
