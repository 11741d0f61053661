internal import CWire
package import Jobs
internal import Leasing

/// A worker's request on the bulk listener.
package struct BulkEnvelope: Hashable, Sendable {
  /// Version of the program that wrote it; what is encoded always has our own.
  package private(set) var version = Wire.version
  package let worker: WorkerID
  package let requestID: UInt64
  package let body: BulkRequest

  package init(worker: WorkerID, requestID: UInt64, body: BulkRequest) {
    self.worker = worker
    self.requestID = requestID
    self.body = body
  }
}

/// What crosses in megabytes.
package enum BulkRequest: Hashable, Sendable {
  case putPiece(PartialPiece)
  /// Stored bytes of the input of a lease's shard; the seal shows that the worker may read them.
  case getInput(SealedLease, offset: UInt64, byteCount: Int)
  case getModel(ContentDigest, offset: UInt64, byteCount: Int)
}

/// Some bytes of a partial.
package struct PartialPiece: Hashable, Sendable {
  package let lease: SealedLease
  package let partial: PartialName
  package let offset: UInt64
  /// At most `Limits.pieceByteCount`.
  package let bytes: [UInt8]

  package init(lease: SealedLease, partial: PartialName, offset: UInt64, bytes: [UInt8]) {
    self.lease = lease
    self.partial = partial
    self.offset = offset
    self.bytes = bytes
  }
}

/// The coordinator's answer on the bulk listener.
package struct BulkAnswerEnvelope: Hashable, Sendable {
  /// The request that is answered.
  package let requestID: UInt64
  package let body: BulkAnswer

  package init(requestID: UInt64, body: BulkAnswer) {
    self.requestID = requestID
    self.body = body
  }
}

/// What a worker gets on the bulk listener.
package enum BulkAnswer: Hashable, Sendable {
  case refusal(Refusal)
  /// The coordinator has the partial up to here.
  case pieceTaken(nextOffset: UInt64)
  /// At most `Limits.pieceByteCount`; `isEnd` where nothing follows them.
  case bytes([UInt8], isEnd: Bool)
}

extension BulkEnvelope {
  /// Reads a frame.
  ///
  /// - Parameters:
  ///   - frame: At most `Limits.bulkFrameByteCount` bytes.
  ///   - now: Becomes the deadline of the leases, which crosses the wire only as time left.
  ///   - budget: Memory that the frame may take; by default what its size justifies.
  /// - Throws: `WireError`.
  package init(
    decoding frame: [UInt8], now: Instant, budget: AllocationBudget? = nil
  ) throws(WireError) {
    self = try unsafe Frame.read(
      frame, limit: Limits.bulkFrameByteCount,
      budget: budget ?? .bulk(frameByteCount: frame.count), wire__bulk_request__unpack
    ) { (message: Wire__BulkRequest) throws(WireError) in
      try unsafe Frame.checkVersion(ofRequest: message)
      var envelope = unsafe BulkEnvelope(
        worker: WorkerID(message.worker), requestID: message.request_id,
        body: try BulkRequest(reading: message, now: now))
      unsafe envelope.version = message.version
      return envelope
    }
  }

  /// Writes a frame; a piece's bytes are copied once, into it.
  ///
  /// - Parameter key: Of the proof; without one it is zeros.
  /// - Returns: The frame.
  /// - Throws: `WireError` where a value is not within the protocol's limits.
  package func encode(key: [UInt8]? = nil) throws(WireError) -> [UInt8] {
    var content: [UInt8] = []
    if case .putPiece(let piece) = body { content = piece.bytes }
    return try unsafe content.withUnsafeBufferPointer { content throws(WireError) in
      let arena = MessageArena()
      let message = unsafe arena.message(wire__bulk_request__init) { message in
        unsafe Frame.begin(&message, requestID: requestID, arena)
        unsafe message.worker = worker.rawValue
        unsafe body.fill(&message, content: content, arena)
      }
      return try unsafe Frame.pack(
        message, in: arena, limit: Limits.bulkFrameByteCount, .bulk, key: key)
    }
  }
}

extension BulkRequest {
  init(reading message: Wire__BulkRequest, now: Instant) throws(WireError) {
    let sizes = 1...Limits.pieceByteCount
    switch unsafe message.body_case {
    case WIRE__BULK_REQUEST__BODY_PUT_PIECE:
      self = .putPiece(
        try unsafe PartialPiece(reading: Field.required(message.put_piece, "piece"), now: now))
    case WIRE__BULK_REQUEST__BODY_GET_INPUT:
      let get = try unsafe Field.required(message.get_input, "get_input")
      self = .getInput(
        try unsafe SealedLease(reading: Field.required(get.lease, "input.lease"), deadline: now),
        offset: try unsafe Field.count(get.offset, "get_input.offset"),
        byteCount: try unsafe Field.number(get.byte_count, in: sizes, "get_input.byte_count"))
    case WIRE__BULK_REQUEST__BODY_GET_MODEL:
      let get = try unsafe Field.required(message.get_model, "get_model")
      self = .getModel(
        try unsafe Field.digest(get.digest, "get_model.digest"),
        offset: try unsafe Field.count(
          get.offset, limit: Limits.modelByteCount, "get_model.offset"),
        byteCount: try unsafe Field.number(get.byte_count, in: sizes, "get_model.byte_count"))
    default: throw .invalid("body", "missing, or of a kind that this version does not know")
    }
  }

  func fill(
    _ message: inout Wire__BulkRequest, content: UnsafeBufferPointer<UInt8>, _ arena: MessageArena
  ) {
    switch self {
    case .putPiece(let piece):
      unsafe message.body_case = WIRE__BULK_REQUEST__BODY_PUT_PIECE
      unsafe message.put_piece = piece.packed(content: content, in: arena)
    case .getInput(let lease, let offset, let byteCount):
      unsafe message.body_case = WIRE__BULK_REQUEST__BODY_GET_INPUT
      unsafe message.get_input = arena.message(wire__get_input__init) { get in
        unsafe get.lease = lease.packed(in: arena)
        unsafe get.offset = offset
        unsafe get.byte_count = UInt32(clamping: byteCount)
      }
    case .getModel(let digest, let offset, let byteCount):
      unsafe message.body_case = WIRE__BULK_REQUEST__BODY_GET_MODEL
      unsafe message.get_model = arena.message(wire__get_model__init) { get in
        unsafe get.digest = arena.digest(digest)
        unsafe get.offset = offset
        unsafe get.byte_count = UInt32(clamping: byteCount)
      }
    }
  }
}

extension PartialPiece {
  init(reading message: Wire__PutPiece, now: Instant) throws(WireError) {
    lease = try unsafe SealedLease(
      reading: Field.required(message.lease, "piece.lease"), deadline: now)
    partial = PartialName(
      digest: try unsafe Field.digest(message.partial_digest, "piece.partial_digest"),
      byteCount: try unsafe Field.count(
        message.partial_byte_count, limit: Limits.partialByteCount, "piece.partial_byte_count"))
    offset = try unsafe Field.count(
      message.offset, limit: Limits.partialByteCount, "piece.offset")
    bytes = try unsafe Field.bytes(
      message.content, limit: Limits.pieceByteCount, "piece.content")
    guard offset + UInt64(bytes.count) <= partial.byteCount else {
      throw .invalid("piece.content", "\(bytes.count) bytes at \(offset) of \(partial.byteCount)")
    }
  }

  func packed(
    content: UnsafeBufferPointer<UInt8>, in arena: MessageArena
  ) -> UnsafeMutablePointer<Wire__PutPiece> {
    unsafe arena.message(wire__put_piece__init) { message in
      unsafe message.lease = lease.packed(in: arena)
      unsafe message.partial_digest = arena.digest(partial.digest)
      unsafe message.partial_byte_count = partial.byteCount
      unsafe message.offset = offset
      unsafe message.content = arena.borrowed(
        content, limit: Limits.pieceByteCount, "piece.content")
    }
  }
}

extension BulkAnswerEnvelope {
  /// Reads a frame.
  ///
  /// - Parameters:
  ///   - frame: At most `Limits.bulkFrameByteCount` bytes.
  ///   - budget: Memory that the frame may take; by default what its size justifies.
  /// - Throws: `WireError`.
  package init(
    decoding frame: [UInt8], budget: AllocationBudget? = nil
  ) throws(WireError) {
    self = try unsafe Frame.read(
      frame, limit: Limits.bulkFrameByteCount,
      budget: budget ?? .bulk(frameByteCount: frame.count), wire__bulk_answer__unpack
    ) { (message: Wire__BulkAnswer) throws(WireError) in
      try unsafe Frame.checkVersion(of: message)
      return unsafe BulkAnswerEnvelope(
        requestID: message.request_id, body: try BulkAnswer(reading: message))
    }
  }

  /// Writes a frame; the bytes of the input or the model are copied once, into it.
  ///
  /// - Throws: `WireError` where a value is not within the protocol's limits.
  package func encode() throws(WireError) -> [UInt8] {
    var content: [UInt8] = []
    if case .bytes(let bytes, isEnd: _) = body { content = bytes }
    return try unsafe content.withUnsafeBufferPointer { content throws(WireError) in
      let arena = MessageArena()
      let message = unsafe arena.message(wire__bulk_answer__init) { message in
        unsafe message.version = Wire.version
        unsafe message.request_id = requestID
        unsafe body.fill(&message, content: content, arena)
      }
      return try unsafe arena.pack(message, limit: Limits.bulkFrameByteCount)
    }
  }
}

extension BulkAnswer {
  init(reading message: Wire__BulkAnswer) throws(WireError) {
    switch unsafe message.body_case {
    case WIRE__BULK_ANSWER__BODY_REFUSAL:
      self = .refusal(try unsafe Refusal(reading: Field.required(message.refusal, "refusal")))
    case WIRE__BULK_ANSWER__BODY_NEXT_OFFSET:
      self = .pieceTaken(
        nextOffset: try unsafe Field.count(
          message.next_offset, limit: Limits.partialByteCount, "next_offset"))
    case WIRE__BULK_ANSWER__BODY_CONTENT:
      let content = try unsafe Field.required(message.content, "content")
      let bytes = try unsafe Field.bytes(
        content.bytes, limit: Limits.pieceByteCount, "content.bytes")
      self = unsafe .bytes(bytes, isEnd: content.is_end != 0)
    default: throw .invalid("body", "missing, or of a kind that this version does not know")
    }
  }

  func fill(
    _ message: inout Wire__BulkAnswer, content: UnsafeBufferPointer<UInt8>, _ arena: MessageArena
  ) {
    switch self {
    case .refusal(let refusal):
      unsafe message.body_case = WIRE__BULK_ANSWER__BODY_REFUSAL
      unsafe message.refusal = refusal.packed(in: arena)
    case .pieceTaken(let nextOffset):
      unsafe message.body_case = WIRE__BULK_ANSWER__BODY_NEXT_OFFSET
      unsafe message.next_offset = nextOffset
    case .bytes(_, let isEnd):
      unsafe message.body_case = WIRE__BULK_ANSWER__BODY_CONTENT
      unsafe message.content = arena.message(wire__content__init) { answer in
        unsafe answer.bytes = arena.borrowed(
          content, limit: Limits.pieceByteCount, "content.bytes")
        unsafe answer.is_end = isEnd ? 1 : 0
      }
    }
  }
}
