/// The types of PostgreSQL that are read; others have to be cast in the query.
package enum ValueType: Hashable, Sendable {
  case boolean
  case int16, int32, int64
  /// An object identifier, 32 bits without a sign.
  case oid
  case float32, float64
  case numeric
  /// text, varchar, char, name, json, and what else is UTF-8 as it comes.
  case text
  /// A version byte, then text.
  case jsonb
  case uuid
  case bytes
  /// Days since 2000-01-01, 32 bits.
  case date
  /// Microseconds since 2000-01-01, 64 bits: without and with a time zone.
  case timestamp, timestampUTC

  /// The type of a number in the server's catalogue (`pg_type.dat`), `nil` for others.
  package init?(oid: UInt32) {
    switch oid {
    case 16: self = .boolean
    case 21: self = .int16
    case 23: self = .int32
    case 20: self = .int64
    case 26: self = .oid
    case 700: self = .float32
    case 701: self = .float64
    case 1_700: self = .numeric
    case 19, 25, 114, 705, 1_042, 1_043: self = .text
    case 3_802: self = .jsonb
    case 2_950: self = .uuid
    case 17: self = .bytes
    case 1_082: self = .date
    case 1_114: self = .timestamp
    case 1_184: self = .timestampUTC
    default: return nil
    }
  }

  /// Whether a key of this type can divide a query.
  package var isInteger: Bool {
    switch self {
    case .int16, .int32, .int64: true
    default: false
    }
  }

  /// How many bytes a value has in a binary COPY; `nil` where that varies.
  package var byteCount: Int? {
    switch self {
    case .boolean: 1
    case .int16: 2
    case .int32, .oid, .float32, .date: 4
    case .int64, .float64, .timestamp, .timestampUTC: 8
    case .uuid: 16
    case .numeric, .text, .jsonb, .bytes: nil
    }
  }

  /// SQL that gives a value's size in bytes without reading it, where it can be large.
  func sizeExpression(_ column: String) -> String? {
    switch self {
    case .text, .jsonb: "octet_length(\(column)::text)"
    case .bytes: "octet_length(\(column))"
    default: nil
    }
  }
}

/// One column of a query.
package struct QueryColumn: Hashable, Sendable {
  package let name: String
  package let type: ValueType

  package init(name: String, type: ValueType) {
    self.name = name
    self.type = type
  }
}
