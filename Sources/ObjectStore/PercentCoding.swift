/// Escapes of URLs (RFC 3986, section 2).
enum PercentCoding {
  /// Which bytes need no escape beside the unreserved ones.
  enum Kept {
    /// None: a value in a query.
    case none
    /// The slash: a path.
    case slash
    /// Everything that a written URL may hold, escapes included.
    case url
  }

  /// Escapes a text, with upper-case digits as AWS's signatures want them.
  static func escaped(_ text: String, keeping kept: Kept) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      if byte.isUnreserved || isKept(byte, kept) {
        bytes.append(byte)
      } else {
        bytes.append(UInt8(ascii: "%"))
        bytes.append(digits[Int(byte >> 4)])
        bytes.append(digits[Int(byte & 15)])
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Undoes escapes.
  ///
  /// - Parameters:
  ///   - text: The escaped text.
  ///   - plusIsSpace: Whether `+` stands for a space, as in forms.
  /// - Returns: Nil where an escape is cut off or what comes out is not UTF-8.
  static func unescaped(_ text: String, plusIsSpace: Bool = false) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    bytes.reserveCapacity(rest.count)
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "+"), plusIsSpace {
        bytes.append(UInt8(ascii: " "))
      } else if byte == UInt8(ascii: "%") {
        let pair = String(decoding: rest.prefix(2), as: UTF8.self)
        guard pair.utf8.count == 2, !pair.hasPrefix("+"), let value = UInt8(pair, radix: 16) else {
          return nil
        }
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }

  /// Joins names and values to a query, escaped and sorted as AWS's signatures want them.
  ///
  /// A name without a value keeps its `=`, which the signature has too.
  static func query(_ items: [(name: String, value: String)]) -> String {
    items.map { (escaped($0.name, keeping: .none), escaped($0.value, keeping: .none)) }
      .sorted { $0.0 == $1.0 ? $0.1.utf8 < $1.1.utf8 : $0.0.utf8 < $1.0.utf8 }
      .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
  }

  private static let digits = Array("0123456789ABCDEF".utf8)

  private static func isKept(_ byte: UInt8, _ kept: Kept) -> Bool {
    switch kept {
    case .none: false
    case .slash: byte == UInt8(ascii: "/")
    case .url: "/%!$&'()*+,;=:@?[]".utf8.contains(byte)
    }
  }
}

extension UInt8 {
  /// Letters, digits, `-`, `.`, `_` and `~`.
  var isUnreserved: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"), UInt8(ascii: "~"):
      true
    default: false
    }
  }
}

extension String.UTF8View {
  /// The order of the bytes, in which stores list keys.
  static func < (left: Self, right: Self) -> Bool { left.lexicographicallyPrecedes(right) }
}
