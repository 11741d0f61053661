package import Digests

/// JSON with the order of its keys, so that the same values give the same bytes.
package indirect enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  case unsigned(UInt64)
  /// Must be finite.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])
  /// An array of numbers on one line.
  case numbers([UInt64])
  /// An array of digests, or nulls, on one line.
  case digests([Digest128?])
  /// JSON that is written as it is.
  case verbatim([UInt8])
  /// A value on one line, whatever is in it.
  case compact(JSONValue)

  package struct Member: Hashable, Sendable {
    package let key: String
    package let value: JSONValue

    package init(_ key: String, _ value: JSONValue) {
      self.key = key
      self.value = value
    }
  }

  /// An object with its keys in the order given.
  package static func members(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
    .object(members.map { Member($0.key, $0.value) })
  }
}

/// Prints JSON: two spaces an indent, a line for each member, a line feed at the end.
struct JSONPrinter {
  private(set) var bytes: [UInt8] = []

  /// Prints a whole document, handing over the text in parts of about a mebibyte.
  static func print<Failure: Error>(
    _ value: JSONValue, to sink: ([UInt8]) throws(Failure) -> Void
  ) throws(Failure) {
    var printer = JSONPrinter()
    try printer.print(value, depth: 0, isCompact: false, sink)
    printer.add("\n")
    try sink(printer.bytes)
  }

  private mutating func print<Failure: Error>(
    _ value: JSONValue, depth: Int, isCompact: Bool, _ sink: ([UInt8]) throws(Failure) -> Void
  ) throws(Failure) {
    if bytes.count > 1 << 20 {
      try sink(bytes)
      bytes.removeAll(keepingCapacity: true)
    }
    switch value {
    case .null: add("null")
    case .bool(let value): add(value ? "true" : "false")
    case .integer(let value): add(String(value))
    case .unsigned(let value): add(String(value))
    case .number(let value):
      precondition(value.isFinite)
      add(String(value))
    case .string(let value): add(quoted: value)
    case .compact(let value): try print(value, depth: depth, isCompact: true, sink)
    case .numbers(let values):
      try printList(values.count, sink) { $0.add(String(values[$1])) }
    case .digests(let values):
      try printList(values.count, sink) { printer, index in
        printer.add(values[index].map { "\"\($0)\"" } ?? "null")
      }
    case .verbatim(let text): bytes += text
    case .array(let values):
      add("[")
      for (index, value) in values.enumerated() {
        separate(index, depth + 1, isCompact)
        try print(value, depth: depth + 1, isCompact: isCompact, sink)
      }
      if !values.isEmpty { separate(nil, depth, isCompact) }
      add("]")
    case .object(let members):
      add("{")
      for (index, member) in members.enumerated() {
        separate(index, depth + 1, isCompact)
        add(quoted: member.key)
        add(": ")
        try print(member.value, depth: depth + 1, isCompact: isCompact, sink)
      }
      if !members.isEmpty { separate(nil, depth, isCompact) }
      add("}")
    }
  }

  private mutating func printList<Failure: Error>(
    _ count: Int, _ sink: ([UInt8]) throws(Failure) -> Void,
    _ item: (inout JSONPrinter, Int) -> Void
  ) throws(Failure) {
    add("[")
    for index in 0..<count {
      if index > 0 { add(", ") }
      item(&self, index)
      if bytes.count > 1 << 20 {
        try sink(bytes)
        bytes.removeAll(keepingCapacity: true)
      }
    }
    add("]")
  }

  /// What stands before an element (`index`) or before the closing bracket (`nil`).
  private mutating func separate(_ index: Int?, _ depth: Int, _ isCompact: Bool) {
    if let index, index > 0 { add(isCompact ? ", " : ",") }
    if !isCompact { add("\n" + String(repeating: "  ", count: depth)) }
  }

  private mutating func add(_ text: String) { bytes += text.utf8 }

  /// A string as RFC 8259 wants it; everything but quote, backslash and controls as it is.
  private mutating func add(quoted text: String) {
    add("\"")
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): add("\\\"")
      case UInt8(ascii: "\\"): add("\\\\")
      case UInt8(ascii: "\n"): add("\\n")
      case 0..<0x20, 0x7F:
        let digits = String(byte, radix: 16)
        add("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
      default: bytes.append(byte)
      }
    }
    add("\"")
  }
}
