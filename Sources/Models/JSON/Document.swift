/// A JSON or UBJSON text, taken apart under limits.
///
/// Numbers stay where they are, as text or as big-endian bytes, and are read when they are asked
/// for, in the type that is wanted; arrays of nothing but numbers are one node, whatever their
/// length. So memory is a small multiple of the text's size: 32 bytes for every other value, which
/// takes two bytes and a comma of text at the least.
///
/// The grammars are RFC 8259, with `NaN`, `Infinity` and `-Infinity` as further numbers, and UBJSON
/// draft 12 (https://ubjson.org) without high-precision numbers. Of an object no key may stand
/// twice, text has to be UTF-8, and nothing may follow the value.
package final class Document: Sendable {
  let bytes: [UInt8]
  package let encoding: Encoding
  let nodes: [DocumentNode]
  /// Keys and strings without escapes, one after the other.
  let texts: [UInt8]

  package enum Encoding: Sendable { case json, ubjson }

  /// How deep values may be nested: trees of 200 levels, written as nested objects, and their frame.
  package static let depthLimit = 256

  /// Takes a text apart.
  ///
  /// - Throws: `ModelError` naming the path and the byte.
  package init(_ bytes: [UInt8], encoding: Encoding) throws(ModelError) {
    guard bytes.count <= ModelLimits.byteCount else {
      throw ModelError(
        code: .limitExceeded,
        context: "the model has \(bytes.count) bytes, the limit is \(ModelLimits.byteCount)")
    }
    var builder = DocumentBuilder()
    switch encoding {
    case .json:
      var parser = JSONParser(bytes, builder)
      try parser.parseDocument()
      builder = parser.builder
    case .ubjson:
      var parser = UBJSONParser(bytes, builder)
      try parser.parseDocument()
      builder = parser.builder
    }
    self.bytes = bytes
    self.encoding = encoding
    nodes = builder.nodes
    texts = builder.texts
  }

  /// The whole value.
  package var root: DocumentValue { DocumentValue(document: self, index: 0) }
}

/// One value of a document.
struct DocumentNode {
  var kind: Kind
  /// Of a truth value 1 or 0; of UBJSON numbers their type, 0 where each element has its own.
  var marker: UInt8 = 0
  /// Where it begins and ends among the bytes; of packed numbers, where they do.
  var start: UInt32
  var end: UInt32 = 0
  /// How many members, elements or bytes of text it has.
  var count: UInt32 = 0
  /// The node after it and all that is in it.
  var next: UInt32 = 0
  /// Where a string stands among the texts.
  var text: UInt32 = 0
  /// Where its key stands among the texts, if it is a member.
  var key: UInt32 = 0
  var keyCount: UInt32 = 0

  enum Kind: UInt8 { case null, boolean, number, string, array, numbers, object }
}

/// Nodes under construction.
struct DocumentBuilder {
  private(set) var nodes: [DocumentNode] = []
  var texts: [UInt8] = []
  /// The containers that the next value is in, from the outside.
  private var open: [Int] = []

  /// Where the key of the next value stands among the texts.
  var key: Range<Int> = 0..<0

  /// Begins a value; containers stay open until `close`.
  mutating func begin(
    _ kind: DocumentNode.Kind, at start: Int, marker: UInt8 = 0
  ) -> Int {
    if let parent = open.last { nodes[parent].count += 1 }
    let index = nodes.count
    nodes.append(
      DocumentNode(
        kind: kind, marker: marker, start: UInt32(start), next: UInt32(index + 1),
        key: UInt32(key.lowerBound), keyCount: UInt32(key.count)))
    return index
  }

  /// Ends a value that holds no others.
  mutating func end(_ index: Int, at end: Int, count: Int = 0, text: Int = 0) {
    nodes[index].end = UInt32(end)
    nodes[index].count = UInt32(count)
    nodes[index].text = UInt32(text)
  }

  mutating func enter(_ index: Int) { open.append(index) }

  /// Ends the innermost container.
  ///
  /// - Throws: if one of its keys stands twice.
  mutating func leave(at end: Int) throws(ModelError) {
    guard let index = open.popLast() else { return }
    nodes[index].end = UInt32(end)
    nodes[index].next = UInt32(nodes.count)
    guard nodes[index].kind == .object, let twice = repeatedKey(index) else { return }
    open.append(index)
    throw error("the key \(keyText(twice)) stands there twice", at: end)
  }

  /// Turns an array that was begun as one of numbers into one of any values.
  mutating func makeGeneral(_ index: Int) { nodes[index].kind = .array }

  /// A member whose key an earlier one has.
  private func repeatedKey(_ object: Int) -> Int? {
    let count = Int(nodes[object].count)
    var members: [Int] = []
    members.reserveCapacity(count)
    var member = object + 1
    while member < nodes.count {
      members.append(member)
      member = Int(nodes[member].next)
    }
    if count <= 32 {
      for (place, one) in members.enumerated() {
        for other in members[..<place] where equalKeys(one, other) { return one }
      }
      return nil
    }
    var known: Set<ArraySlice<UInt8>> = []
    return members.first { !known.insert(keyBytes($0)).inserted }
  }

  private func equalKeys(_ one: Int, _ other: Int) -> Bool {
    nodes[one].keyCount == nodes[other].keyCount && keyBytes(one) == keyBytes(other)
  }

  private func keyBytes(_ index: Int) -> ArraySlice<UInt8> {
    let start = Int(nodes[index].key)
    return texts[start..<start + Int(nodes[index].keyCount)]
  }

  private func keyText(_ index: Int) -> String {
    String(decoding: keyBytes(index).prefix(64), as: UTF8.self)
  }

  /// An error at a byte, with the path of the innermost container.
  func error(
    _ message: String, at position: Int, code: ModelError.Code = .malformed
  ) -> ModelError {
    var path = DocumentPath()
    for (parent, container) in zip(open, open.dropFirst()) {
      path.append(
        nodes[parent].kind == .object ? keyText(container) : nil,
        index: Int(nodes[parent].count) - 1)
    }
    return path.error(message, byte: position, code: code)
  }

  /// Checks that another container may be entered.
  func checkDepth(at position: Int) throws(ModelError) {
    guard open.count < Document.depthLimit else {
      throw error(
        "values are nested more than \(Document.depthLimit) deep", at: position,
        code: .limitExceeded)
    }
  }
}

/// Where a value stands in a document: keys and indices, as `learner.trees[17].id`.
struct DocumentPath {
  private var text = ""

  mutating func append(_ key: String?, index: Int) {
    if let key {
      text += text.isEmpty ? key : ".\(key)"
    } else {
      text += "[\(index)]"
    }
  }

  /// An error that names this path; of a very long one its end.
  func error(_ message: String, byte: Int, code: ModelError.Code) -> ModelError {
    let shown = text.count > 300 ? "…\(text.suffix(300))" : text
    let place = shown.isEmpty ? "byte \(byte)" : "\(shown) at byte \(byte)"
    return ModelError(code: code, context: "\(place): \(message)")
  }
}
