/// JSON on one line, in one spelling for the same values.
package struct JSONText {
  package private(set) var bytes: [UInt8] = []
  /// Whether the next element or member is the first of its container.
  private var isFirst = true

  package init() {}

  package mutating func beginObject() { open(UInt8(ascii: "{")) }
  package mutating func beginArray() { open(UInt8(ascii: "[")) }
  package mutating func endObject() { close(UInt8(ascii: "}")) }
  package mutating func endArray() { close(UInt8(ascii: "]")) }

  private mutating func open(_ byte: UInt8) {
    separate()
    bytes.append(byte)
    isFirst = true
  }

  private mutating func close(_ byte: UInt8) {
    bytes.append(byte)
    isFirst = false
  }

  private mutating func separate() {
    if !isFirst { bytes.append(UInt8(ascii: ",")) }
    isFirst = false
  }

  package mutating func key(_ key: String) {
    separate()
    quote(key.utf8)
    bytes.append(UInt8(ascii: ":"))
    isFirst = true
  }

  package mutating func null() {
    separate()
    bytes += "null".utf8
  }

  package mutating func flag(_ flag: Bool) {
    separate()
    bytes += (flag ? "true" : "false").utf8
  }

  package mutating func integer(_ number: Int) {
    separate()
    bytes += String(number).utf8
  }

  /// The shortest decimal that reads back as the same number; whole ones below 2⁵³ have no point.
  package mutating func number(_ number: Double) {
    guard number.isNaN || number.isInfinite else {
      if let whole = Int(exactly: number), abs(whole) < 1 << 53, number.sign == .plus || whole != 0
      {
        return integer(whole)
      }
      separate()
      bytes += "\(number)".utf8
      return
    }
    separate()
    bytes += (number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity").utf8
  }

  package mutating func numbers(_ numbers: some Sequence<Double>) {
    beginArray()
    for number in numbers { self.number(number) }
    endArray()
  }

  /// A text; what is not UTF-8 in it becomes replacement characters.
  package mutating func text(_ text: some Collection<UInt8>) {
    separate()
    quote(text)
  }

  private mutating func quote(_ text: some Collection<UInt8>) {
    bytes.append(UInt8(ascii: "\""))
    for byte in String(decoding: text, as: UTF8.self).utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case UInt8(ascii: "\n"): bytes += "\\n".utf8
      case 0..<0x20, 0x7f:
        bytes += "\\u00".utf8
        bytes += [byte >> 4, byte & 15].map { UInt8(ascii: "0") + $0 + ($0 > 9 ? 39 : 0) }
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// A value of another document.
  package mutating func copy(_ value: DocumentValue) throws(ModelError) {
    switch value.kind {
    case .null: null()
    case .boolean: flag(try value.boolean())
    case .string: text(try value.stringBytes())
    case .number: number(try value.double())
    case .array:
      if value.isNumbers { return numbers(try value.doubles()) }
      beginArray()
      for element in try value.elements() { try copy(element) }
      endArray()
    case .object:
      beginObject()
      for member in try value.members() {
        key(member.key)
        try copy(member.value)
      }
      endObject()
    }
  }
}
