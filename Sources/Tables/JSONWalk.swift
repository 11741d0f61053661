import CKernels

/// A place in a text that is known to be one JSON value.
@unsafe struct JSONWalk {
  private let text: UnsafeBufferPointer<UInt8>
  private var index = 0

  init(_ text: UnsafeBufferPointer<UInt8>) { unsafe self.text = unsafe text }

  private static let space: Set<UInt8> = [0x20, 0x09, 0x0D, UInt8(ascii: ","), UInt8(ascii: ":")]

  /// The next byte that is no space and stands not between values only.
  private mutating func peek() -> UInt8 {
    while unsafe index < text.count, unsafe Self.space.contains(text[index]) {
      unsafe index += 1
    }
    return unsafe index < text.count ? unsafe text[index] : 0
  }

  /// Goes to an object's first member; false where the value is no object.
  mutating func enterObject() -> Bool {
    guard unsafe peek() == UInt8(ascii: "{") else { return false }
    unsafe index += 1
    return true
  }

  /// Passes a member's name; nil at the object's end.
  mutating func nextName() -> String? {
    guard unsafe peek() == UInt8(ascii: "\"") else { return nil }
    let start = unsafe index + 1
    unsafe skipString()
    let length = unsafe index - 1 - start
    let name = unsafe [UInt8](unsafeUninitializedCapacity: length) { output, count in
      guard let from = unsafe text.baseAddress, let to = output.baseAddress else { return }
      count = unsafe ns_json_unescape(from + start, length, to)
    }
    return String(decoding: name, as: UTF8.self)
  }

  /// Passes a value.
  mutating func skipValue() -> JSONLSchema.Kinds {
    switch unsafe peek() {
    case UInt8(ascii: "\""):
      unsafe skipString()
      return .text
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      unsafe skipNested()
      return .text
    case UInt8(ascii: "t"):
      unsafe index += 4
      return .boolean
    case UInt8(ascii: "f"):
      unsafe index += 5
      return .boolean
    case UInt8(ascii: "n"):
      unsafe index += 4
      return []
    default:
      return unsafe skipNumber()
    }
  }

  /// Number of values of an array; 0 for other values.
  mutating func valueCount() -> Int {
    guard unsafe peek() == UInt8(ascii: "[") else { return 0 }
    unsafe index += 1
    var count = 0
    while unsafe peek() != UInt8(ascii: "]") {
      _ = unsafe skipValue()
      count += 1
    }
    return count
  }

  private mutating func skipString() {
    unsafe index += 1
    while unsafe text[index] != UInt8(ascii: "\"") {
      unsafe index += text[index] == UInt8(ascii: "\\") ? 2 : 1
    }
    unsafe index += 1
  }

  private mutating func skipNested() {
    var depth = 0
    repeat {
      switch unsafe text[index] {
      case UInt8(ascii: "\""):
        unsafe skipString()
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      default: break
      }
      unsafe index += 1
    } while depth > 0
  }

  /// Passes a number: an integer where it has neither fraction nor exponent and fits 64 bits.
  private mutating func skipNumber() -> JSONLSchema.Kinds {
    let start = unsafe index
    while unsafe index < text.count, unsafe isInNumber(text[index]) { unsafe index += 1 }
    let digits = unsafe String(decoding: text[start..<index], as: UTF8.self)
    return Int64(digits) == nil ? .number : .integer
  }
}

private func isInNumber(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"),
    UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
    true
  default: false
  }
}
