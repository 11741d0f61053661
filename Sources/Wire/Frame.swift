internal import CWire
internal import Jobs

/// Fields that each frame has, in every version.
protocol FrameMessage {
  var version: UInt32 { get set }
  var request_id: UInt64 { get set }
}

/// Fields that each request has beside them.
protocol RequestMessage: FrameMessage {
  var minimum_version: UInt32 { get set }
  var token: ProtobufCBinaryData { get set }
}

extension Wire__FleetRequest: @unsafe RequestMessage {}
extension Wire__BulkRequest: @unsafe RequestMessage {}
extension Wire__ClientRequest: @unsafe RequestMessage {}
extension Wire__FleetAnswer: @unsafe FrameMessage {}
extension Wire__BulkAnswer: @unsafe FrameMessage {}
extension Wire__ClientAnswer: @unsafe FrameMessage {}

/// What is common to reading and writing all kinds of frames.
enum Frame {
  typealias Unpack<Message> = (
    UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?
  ) -> UnsafeMutablePointer<Message>?

  /// Unpacks a frame within a budget, has it checked and turned into a value, and frees it.
  ///
  /// - Throws: `WireError`, with the request's number once that is known.
  static func read<Message: FrameMessage, Value>(
    _ frame: [UInt8], limit: Int, budget: AllocationBudget, _ unpack: Unpack<Message>,
    _ read: (Message) throws(WireError) -> Value
  ) throws(WireError) -> Value {
    guard frame.count <= limit else {
      throw WireError(.tooLarge, "a frame of \(frame.count) bytes; the limit is \(limit)")
    }
    return try unsafe budget.withAllocator { allocator throws(WireError) in
      let unpacked = unsafe frame.withUnsafeBufferPointer { bytes in
        unsafe unpack(allocator, bytes.count, bytes.baseAddress)
      }
      guard let message = unsafe unpacked else {
        throw budget.usage.isExceeded
          ? WireError(.overBudget, "a frame of \(frame.count) bytes takes too much memory")
          : WireError(.malformed, "a frame of \(frame.count) bytes is no such message")
      }
      defer { unsafe free(message, allocator) }
      do throws(WireError) {
        return try unsafe read(message.pointee)
      } catch {
        throw unsafe error.naming(request: message.pointee.request_id)
      }
    }
  }

  private static func free<Message>(
    _ message: UnsafeMutablePointer<Message>, _ allocator: UnsafeMutablePointer<ProtobufCAllocator>
  ) {
    let base = unsafe UnsafeMutableRawPointer(message)
      .assumingMemoryBound(to: ProtobufCMessage.self)
    unsafe protobuf_c_message_free_unpacked(base, allocator)
  }

  /// Sets what each request begins with.
  static func begin(
    _ message: inout some RequestMessage, token: [UInt8], requestID: UInt64, _ arena: MessageArena
  ) {
    message.version = Wire.version
    message.minimum_version = Wire.oldestVersion(spokenBy: Wire.version)
    if token.count != WireLimits.tokenByteCount {
      arena.refuse("token", "\(token.count) bytes instead of \(WireLimits.tokenByteCount)")
    }
    unsafe message.token = arena.bytes(token, limit: WireLimits.tokenByteCount, "token")
    message.request_id = requestID
  }

  /// Checks the peer's version and returns its token.
  static func token(of message: some RequestMessage) throws(WireError) -> [UInt8] {
    let refusal = Wire.versionRefusal(
      peer: message.version, peerMinimum: message.minimum_version)
    if let refusal { throw WireError(.version, refusal) }
    return try unsafe Field.bytes(
      message.token, exactly: WireLimits.tokenByteCount, "token")
  }

  /// Checks the version of an answer.
  static func checkVersion(of answer: some FrameMessage) throws(WireError) {
    let refusal = Wire.versionRefusal(
      peer: answer.version, peerMinimum: Wire.oldestVersion(spokenBy: answer.version))
    if let refusal { throw WireError(.version, refusal) }
  }
}
