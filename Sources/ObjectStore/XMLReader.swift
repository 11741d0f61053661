/// Reads the handful of XML that stores answer with, event by event.
///
/// Takes elements, text, the five named entities, character references, comments and CDATA. A
/// document type is refused, so that no entity of the sender's can expand; depth is limited, and
/// the text is never longer than the answer.
package struct XMLReader {
  private let bytes: [UInt8]
  private var offset = 0
  private var names: [String] = []
  private var text: [UInt8] = []
  private var pendingClose = false

  private static let depthLimit = 32
  private static let nameByteLimit = 256

  /// One step through the document.
  package enum Event: Hashable {
    /// The beginning of an element.
    case open(String)
    /// The end of an element and the text directly before it, which is all of it for a leaf.
    case close(String, text: String)
  }

  /// Starts at the beginning of a document.
  package init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The next event; nil at the end.
  ///
  /// - Throws: `ObjectError`: `malformed` where it is no XML of this kind, with the offset.
  package mutating func next() throws(ObjectError) -> Event? {
    if pendingClose {
      pendingClose = false
      return try close(names.last ?? "")
    }
    while offset < bytes.count {
      guard bytes[offset] == UInt8(ascii: "<") else {
        try takeText()
        continue
      }
      if starts("<?") {
        try skip(past: "?>")
      } else if starts("<!--") {
        try skip(past: "-->")
      } else if starts("<![CDATA[") {
        let start = offset + 9
        try skip(past: "]]>")
        text += bytes[start..<(offset - 3)]
      } else if starts("<!") {
        throw malformed("a document type")
      } else if starts("</") {
        offset += 2
        let name = try takeName()
        try skip(past: ">")
        return try close(name)
      } else {
        return try open()
      }
    }
    guard names.isEmpty else { throw malformed("the end inside <\(names.last ?? "")>") }
    return nil
  }

  private mutating func open() throws(ObjectError) -> Event {
    offset += 1
    let name = try takeName()
    try skipAttributes()
    guard names.count < Self.depthLimit else { throw malformed("too many elements in each other") }
    names.append(name)
    text = []
    return .open(name)
  }

  private mutating func close(_ name: String) throws(ObjectError) -> Event {
    guard names.popLast() == name else { throw malformed("</\(name)> without its beginning") }
    defer { text = [] }
    return .close(name, text: String(decoding: text, as: UTF8.self))
  }

  /// The local name; prefixes of name spaces are left out.
  private mutating func takeName() throws(ObjectError) -> String {
    let start = offset
    while offset < bytes.count, bytes[offset].isUnreserved || bytes[offset] == UInt8(ascii: ":") {
      offset += 1
    }
    guard offset > start, offset - start <= Self.nameByteLimit else { throw malformed("no name") }
    let name = bytes[start..<offset]
    let local = name.lastIndex(of: UInt8(ascii: ":")).map { name[($0 + 1)...] } ?? name
    return String(decoding: local, as: UTF8.self)
  }

  private mutating func skipAttributes() throws(ObjectError) {
    var quote: UInt8?
    while offset < bytes.count {
      let byte = bytes[offset]
      offset += 1
      if let open = quote {
        if byte == open { quote = nil }
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
        quote = byte
      } else if byte == UInt8(ascii: ">") {
        pendingClose = bytes[offset - 2] == UInt8(ascii: "/")
        return
      }
    }
    throw malformed("a tag without its end")
  }

  private mutating func takeText() throws(ObjectError) {
    let end = bytes[offset...].firstIndex(of: UInt8(ascii: "<")) ?? bytes.count
    while offset < end {
      let stop = bytes[offset..<end].firstIndex(of: UInt8(ascii: "&")) ?? end
      text += bytes[offset..<stop]
      offset = stop
      if offset < end { try takeReference(end) }
    }
  }

  private mutating func takeReference(_ end: Int) throws(ObjectError) {
    guard let stop = bytes[offset..<min(end, offset + 12)].firstIndex(of: UInt8(ascii: ";")) else {
      throw malformed("& without its end")
    }
    let name = String(decoding: bytes[(offset + 1)..<stop], as: UTF8.self)
    switch name {
    case "lt": text.append(UInt8(ascii: "<"))
    case "gt": text.append(UInt8(ascii: ">"))
    case "amp": text.append(UInt8(ascii: "&"))
    case "quot": text.append(UInt8(ascii: "\""))
    case "apos": text.append(UInt8(ascii: "'"))
    default:
      let isHexadecimal = name.hasPrefix("#x")
      let digits = name.dropFirst(isHexadecimal ? 2 : 1)
      guard name.hasPrefix("#"), digits.first?.isHexDigit == true,
        let number = UInt32(digits, radix: isHexadecimal ? 16 : 10),
        let scalar = Unicode.Scalar(number)
      else { throw malformed("the entity &\(name);") }
      text += Array(String(Character(scalar)).utf8)
    }
    offset = stop + 1
  }

  private func starts(_ mark: StaticString) -> Bool {
    let count = mark.utf8CodeUnitCount
    guard bytes.count - offset >= count else { return false }
    return unsafe bytes[offset..<(offset + count)]
      .elementsEqual(UnsafeBufferPointer(start: mark.utf8Start, count: count))
  }

  private mutating func skip(past mark: StaticString) throws(ObjectError) {
    while offset < bytes.count {
      if starts(mark) {
        offset += mark.utf8CodeUnitCount
        return
      }
      offset += 1
    }
    throw malformed("the end inside a mark")
  }

  private func malformed(_ what: String) -> ObjectError {
    ObjectError(
      code: .malformed, context: "XML of an answer: \(what.prefix(80)) at byte \(offset)")
  }
}

/// The code of an error that a store answered with: S3's or STS's XML, or Google's JSON.
///
/// Nil where there is none. Codes are letters only, so nothing secret can be in one.
package func errorCode(in body: [UInt8]) -> String? {
  guard !body.isEmpty, body.count <= 64 << 10 else { return nil }
  if body.first == UInt8(ascii: "{") { return GoogleError.reason(in: body) }
  var reader = XMLReader(body)
  var isError = false
  // What cannot be read has no code.
  while let event = try? reader.next() {
    switch event {
    case .open("Error"): isError = true
    case .close("Code", let code) where isError:
      let isCode = code.utf8.count <= 64 && code.utf8.allSatisfy(\.isUnreserved)
      return isCode && !code.isEmpty ? code : nil
    default: break
    }
  }
  return nil
}

/// The text of a leaf of an answer; nil where it has none of that name.
func leaf(_ name: String, in body: [UInt8]) -> String? {
  var reader = XMLReader(body)
  // What cannot be read has no leaf.
  while let event = try? reader.next() {
    if case .close(name, let text) = event { return text }
  }
  return nil
}
