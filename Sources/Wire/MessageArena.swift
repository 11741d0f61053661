internal import CWire

/// Keeps the C memory of one message alive while it is put together and packed.
///
/// protobuf-c's structs point at one another and at their texts. All of it lies here and is freed
/// with the arena. The first value that cannot be sent is remembered and thrown when the message
/// is packed, so that building a message needs no `try`.
@safe final class MessageArena {
  private var slabs: [UnsafeMutableRawPointer] = unsafe []
  private var freeByteCount = 0
  private var failure: WireError?

  /// Most messages fit one slab; what is larger gets its own.
  private static let slabByteCount = 8 << 10
  private static let alignment = 16

  deinit {
    while let slab = unsafe slabs.popLast() { unsafe slab.deallocate() }
  }

  /// Remembers why the message cannot be sent.
  func refuse(_ field: StaticString, _ what: String) {
    failure = failure ?? .invalid(field, what)
  }

  /// Room for some elements, not initialized, aligned for any of protobuf-c's types.
  private func allocate<Element>(
    _ type: Element.Type, count: Int
  ) -> UnsafeMutablePointer<Element> {
    let byteCount = (count * MemoryLayout<Element>.stride + 15) & ~15
    if byteCount > freeByteCount {
      freeByteCount = max(byteCount, Self.slabByteCount)
      unsafe slabs.append(.allocate(byteCount: freeByteCount, alignment: Self.alignment))
    }
    freeByteCount -= byteCount
    // Slabs are taken from their ends, so that the place needs no second variable.
    let place = unsafe slabs[slabs.count - 1] + freeByteCount
    return unsafe place.bindMemory(to: type, capacity: count)
  }

  /// A struct of the schema: set to its defaults by its generated function, then filled.
  func message<Message>(
    _ initialize: (UnsafeMutablePointer<Message>?) -> Void, _ fill: (inout Message) -> Void
  ) -> UnsafeMutablePointer<Message> {
    let message = unsafe allocate(Message.self, count: 1)
    unsafe initialize(message)
    unsafe fill(&message.pointee)
    return unsafe message
  }

  /// A repeated field's elements.
  func list<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element>? {
    guard !elements.isEmpty else { return nil }
    let list = unsafe allocate(Element.self, count: elements.count)
    for (index, element) in elements.enumerated() {
      unsafe (list + index).initialize(to: element)
    }
    return unsafe list
  }

  /// A repeated field's messages.
  func messages<Value, Message>(
    _ values: [Value], limit: Int, _ field: StaticString,
    _ build: (Value) -> UnsafeMutablePointer<Message>
  ) -> UnsafeMutablePointer<UnsafeMutablePointer<Message>?>? {
    if values.count > limit { refuse(field, "\(values.count) of at most \(limit)") }
    guard !values.isEmpty else { return nil }
    let list = unsafe allocate(UnsafeMutablePointer<Message>?.self, count: values.count)
    for (index, value) in values.enumerated() {
      unsafe (list + index).initialize(to: build(value))
    }
    return unsafe list
  }

  func bytes(_ bytes: [UInt8], limit: Int, _ field: StaticString) -> ProtobufCBinaryData {
    if bytes.count > limit { refuse(field, "\(bytes.count) bytes of at most \(limit)") }
    return unsafe ProtobufCBinaryData(len: bytes.count, data: list(bytes))
  }

  /// Words as bytes, the highest first.
  func words(_ words: some Collection<UInt64>) -> ProtobufCBinaryData {
    let list = unsafe allocate(UInt64.self, count: words.count)
    for (index, word) in words.enumerated() {
      unsafe (list + index).initialize(to: word.bigEndian)
    }
    let bytes = unsafe UnsafeMutableRawPointer(list).assumingMemoryBound(to: UInt8.self)
    return unsafe ProtobufCBinaryData(len: 8 * words.count, data: bytes)
  }

  /// Bytes that stay where they are; the caller keeps them alive until the message is packed.
  func borrowed(
    _ bytes: UnsafeBufferPointer<UInt8>, limit: Int, _ field: StaticString
  ) -> ProtobufCBinaryData {
    if bytes.count > limit { refuse(field, "\(bytes.count) bytes of at most \(limit)") }
    return unsafe ProtobufCBinaryData(
      len: bytes.count, data: UnsafeMutablePointer(mutating: bytes.baseAddress))
  }

  /// A text that has to arrive as it is: a name or a path.
  func text(_ text: String, limit: Int, _ field: StaticString) -> UnsafeMutablePointer<CChar> {
    var text = text
    let bytes = text.withUTF8 { unsafe [UInt8]($0) }
    if bytes.count > limit { refuse(field, "\(bytes.count) bytes of at most \(limit)") }
    if bytes.contains(0) { refuse(field, "has a NUL, which ends a text in C") }
    return unsafe terminated(bytes)
  }

  /// A text for people, cut where it is too long; a NUL, which C cannot carry, becomes U+FFFD.
  func remark(_ text: String, limit: Int) -> UnsafeMutablePointer<CChar> {
    unsafe terminated([UInt8](text.fittingWire(byteCount: limit).utf8))
  }

  private func terminated(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar> {
    let start = unsafe allocate(CChar.self, count: bytes.count + 1)
    for (index, byte) in bytes.enumerated() { unsafe start[index] = CChar(bitPattern: byte) }
    unsafe start[bytes.count] = 0
    return unsafe start
  }

  /// Writes the message as one frame.
  ///
  /// - Throws: `WireError` for a value that cannot be sent, or a frame beyond the limit.
  func pack<Message>(
    _ message: UnsafeMutablePointer<Message>, limit: Int
  ) throws(WireError) -> [UInt8] {
    if let failure { throw failure }
    let byteCount = unsafe Self.byteCount(of: message)
    guard byteCount <= limit else {
      throw WireError(.tooLarge, "a frame of \(byteCount) bytes; the limit is \(limit)")
    }
    let base = unsafe UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
    return unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { frame, count in
      count = unsafe protobuf_c_message_pack(base, frame.baseAddress)
    }
  }

  /// Bytes that a message takes in a frame, without what its field in an outer message adds.
  static func byteCount<Message>(of message: UnsafeMutablePointer<Message>) -> Int {
    let base = unsafe UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
    return unsafe protobuf_c_message_get_packed_size(base)
  }
}

extension String {
  /// The text without NUL and cut to some bytes of UTF-8, between two scalars.
  func fittingWire(byteCount limit: Int) -> String {
    let hasNull = utf8.contains(0)
    guard utf8.count > limit || hasNull else { return self }
    let ellipsis = "…"
    var text = String.UnicodeScalarView()
    var byteCount = 0
    let whole = unicodeScalars.map { $0 == "\0" ? "\u{FFFD}" : $0 }
    let wholeByteCount = whole.reduce(0) { $0 + UTF8.width($1) }
    guard wholeByteCount > limit else {
      text.append(contentsOf: whole)
      return String(text)
    }
    for scalar in whole {
      byteCount += UTF8.width(scalar)
      guard byteCount <= limit - ellipsis.utf8.count else { break }
      text.append(scalar)
    }
    return String(text) + ellipsis
  }
}
