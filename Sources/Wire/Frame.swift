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
  var proof: ProtobufCBinaryData { get set }
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

  /// Sets what each request begins with; its proof is made of the packed frame.
  static func begin(
    _ message: inout some RequestMessage, requestID: UInt64, _ arena: MessageArena
  ) {
    message.version = Wire.version
    message.minimum_version = Wire.oldestVersion(spokenBy: Wire.version)
    let none = [UInt8](repeating: 0, count: FrameProof.byteCount)
    unsafe message.proof = arena.bytes(none, limit: FrameProof.byteCount, "proof")
    message.request_id = requestID
  }

  /// Packs a request, with a proof where there is a key.
  static func pack<Message>(
    _ message: UnsafeMutablePointer<Message>, in arena: MessageArena, limit: Int,
    _ kind: FrameProof.Kind,
    key: [UInt8]?
  ) throws(WireError) -> [UInt8] {
    var frame = try unsafe arena.pack(message, limit: limit)
    if let key { FrameProof.make(in: &frame, kind, key: key) }
    return frame
  }

  /// Checks the peer's version and that there is a proof; whether it is a good one, `FrameProof`
  /// knows.
  static func checkVersion(ofRequest message: some RequestMessage) throws(WireError) {
    let refusal = Wire.versionRefusal(
      peer: message.version, peerMinimum: message.minimum_version)
    if let refusal { throw WireError(.version, refusal) }
    _ = try unsafe Field.bytes(message.proof, exactly: FrameProof.byteCount, "proof")
  }

  /// Checks the version of an answer.
  static func checkVersion(of answer: some FrameMessage) throws(WireError) {
    let refusal = Wire.versionRefusal(
      peer: answer.version, peerMinimum: Wire.oldestVersion(spokenBy: answer.version))
    if let refusal { throw WireError(.version, refusal) }
  }
}
