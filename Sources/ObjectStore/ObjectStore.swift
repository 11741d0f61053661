import Digests

/// Objects in S3, Google Cloud Storage and on HTTP servers, read and written by address.
///
/// Every call blocks its thread until the store has answered or the time for retries is over, and
/// any number of threads may call at once. Reads that name a version never get another. Requests
/// that fail in passing are repeated, paced for each bucket; `StoreLimits` says for how long.
package final class ObjectStore: Sendable {
  /// What the store waits for and how long.
  package let limits: StoreLimits
  private let environment: StoreEnvironment
  private let s3: S3Store
  private let google: GoogleStore
  private let http: PlainHTTPStore

  /// The store of this process, by its environment; connections and credentials are shared so.
  package static let shared = ObjectStore(limits: StoreLimits(variables: .process))

  /// Makes a store; credentials are looked for when the first request needs them.
  package init(environment: StoreEnvironment = .process, limits: StoreLimits = .standard) {
    self.limits = limits
    self.environment = environment
    let sender = Sender(environment: environment, limits: limits)
    s3 = S3Store(sender: sender)
    google = GoogleStore(sender: sender)
    http = PlainHTTPStore(sender: sender)
  }

  private func backend(_ uri: ObjectURI) -> any StoreBackend {
    switch uri.scheme {
    case .s3: s3
    case .gs: google
    case .http, .https: http
    }
  }

  // MARK: Reading

  /// The objects whose keys begin with the key of an address, page by page.
  ///
  /// - Parameters:
  ///   - prefix: The beginning; its key may be empty.
  ///   - stoppingAtSlash: Whether keys with a further slash are told only up to it.
  /// - Returns: The listing, of which nothing has been asked for yet.
  package func pages(of prefix: ObjectURI, stoppingAtSlash: Bool = false) -> ObjectPages {
    ObjectPages(
      prefix: prefix, stoppingAtSlash: stoppingAtSlash, backend: backend(prefix))
  }

  /// Size, version and time of an object.
  ///
  /// - Throws: `ObjectError`: `missing` and what every request can fail with.
  package func status(of uri: ObjectURI) throws(ObjectError) -> ObjectStatus {
    try backend(uri).status(of: uri)
  }

  /// Fills a buffer from an offset of one version of an object.
  ///
  /// - Parameters:
  ///   - uri: The object.
  ///   - version: The content that is meant; nil for whatever is there.
  ///   - byteCount: The object's size, where it is known; another size is a change.
  ///   - offset: Where to begin, before the object's end.
  ///   - buffer: What to fill; not empty.
  ///   - cancellation: Ends the call from another thread.
  /// - Returns: How many bytes were filled: fewer than the buffer has only at the object's end.
  /// - Throws: `ObjectError`: `changed` where the object is not that version any more.
  package func read(
    _ uri: ObjectURI, version: ObjectVersion?, byteCount: UInt64?, at offset: UInt64,
    into buffer: UnsafeMutableRawBufferPointer, cancellation: Cancellation? = nil
  ) throws(ObjectError) -> Int {
    var wanted = unsafe buffer
    if let byteCount {
      guard offset < byteCount else { return 0 }
      let count = Int(min(UInt64(buffer.count), byteCount - offset))
      unsafe wanted = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
    }
    var range = unsafe PinnedRange(
      uri: uri, version: version, byteCount: byteCount, offset: offset, buffer: wanted)
    range.cancellation = cancellation
    for _ in 1..<Self.damageLimit {
      do throws(ObjectError) {
        return try backend(uri).read(range)
      } catch {
        // Bytes that were damaged on their way come whole the next time, as a rule.
        guard error.code == .damaged else { throw error }
      }
    }
    return try backend(uri).read(range)
  }

  private static let damageLimit = 4

  /// All bytes of an object that fits into memory.
  ///
  /// - Parameters:
  ///   - uri: The object.
  ///   - byteLimit: The largest size taken.
  /// - Returns: The bytes.
  /// - Throws: `ObjectError`: `missing`, `unsupported` above the limit.
  package func contents(
    of uri: ObjectURI, byteLimit: Int = 64 << 20
  ) throws(ObjectError) -> [UInt8] {
    let status = try status(of: uri)
    guard status.byteCount <= UInt64(byteLimit) else {
      throw ObjectError(
        code: .unsupported,
        context: "\(uri.nameForMessages): \(status.byteCount) bytes; \(byteLimit) are taken at most"
      )
    }
    guard status.byteCount > 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: Int(status.byteCount))
    _ = try unsafe bytes.withUnsafeMutableBufferPointer { (buffer) throws(ObjectError) in
      try unsafe read(
        uri, version: status.version, byteCount: status.byteCount, at: 0,
        into: UnsafeMutableRawBufferPointer(buffer))
    }
    return bytes
  }

  // MARK: Writing

  /// Writes an object in one request.
  ///
  /// - Parameters:
  ///   - bytes: All of it.
  ///   - uri: Where.
  ///   - condition: What has to hold; a store that has no conditions does not tell, so probe it.
  /// - Returns: What the store says of the new object.
  /// - Throws: `ObjectError`: `refusedByCondition` where something else is there; an object with
  ///   exactly these bytes counts as ours, because the answer to a write can be lost.
  @discardableResult
  package func put(
    _ bytes: [UInt8], to uri: ObjectURI, condition: WriteCondition = .none
  ) throws(ObjectError) -> ObjectStatus {
    try backend(uri).put(bytes, to: uri, condition: condition)
  }

  /// Deletes an object; one that is not there is as good.
  package func delete(_ uri: ObjectURI) throws(ObjectError) {
    try backend(uri).delete(uri)
  }

  /// Begins an upload in parts.
  package func beginUpload(to uri: ObjectURI) throws(ObjectError) -> UploadSession {
    let mark = randomBytes(count: 16).map {
      String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
    }
    .joined()
    return try backend(uri).beginUpload(to: uri, mark: mark)
  }

  /// Sends the next part; all but the last are multiples of `pieceByteCount`.
  package func upload(
    _ bytes: [UInt8], isLast: Bool, of session: inout UploadSession
  ) throws(ObjectError) {
    try backend(session.uri).upload(bytes, isLast: isLast, of: &session)
  }

  /// Makes the object of the parts.
  ///
  /// - Throws: `ObjectError`: `conflict` where the upload has to begin again,
  ///   `refusedByCondition`.
  package func complete(
    _ session: UploadSession, condition: WriteCondition = .none
  ) throws(ObjectError) -> ObjectStatus {
    try backend(session.uri).complete(session, condition: condition)
  }

  /// Ends an upload without an object; one that has ended is as good.
  package func abort(_ session: UploadSession) throws(ObjectError) {
    try backend(session.uri).abort(session.uri, id: session.id)
  }

  /// Ends an upload that was found open.
  package func abort(_ upload: OpenUpload) throws(ObjectError) {
    try backend(upload.uri).abort(upload.uri, id: upload.id)
  }

  /// The uploads under way whose keys begin with the key of an address.
  package func openUploads(below prefix: ObjectURI) throws(ObjectError) -> [OpenUpload] {
    try backend(prefix).openUploads(below: prefix)
  }

  /// Ends all of these uploads without an object.
  package func abortUploads(below prefix: ObjectURI) throws(ObjectError) {
    for upload in try openUploads(below: prefix) { try abort(upload) }
  }

  /// Whether the store heeds `If-None-Match: *`: two writes of one key, which is then deleted.
  ///
  /// - Parameter prefix: Below which the key is made.
  /// - Returns: Whether the second write was refused.
  /// - Throws: `ObjectError`.
  package func honoursConditions(below prefix: ObjectURI) throws(ObjectError) -> Bool {
    let name = randomBytes(count: 8).map { String($0, radix: 16) }.joined()
    let uri = prefix.appending(".nightshift-probe-\(name)")
    do throws(ObjectError) {
      try put(Array("first".utf8), to: uri, condition: .absent)
    } catch {
      if error.code == .unsupported { return false }
      throw error
    }
    var isHonoured = false
    do throws(ObjectError) {
      try put(Array("second".utf8), to: uri, condition: .absent)
    } catch {
      guard error.code == .refusedByCondition || error.code == .unsupported else { throw error }
      isHonoured = error.code == .refusedByCondition
    }
    try delete(uri)
    return isHonoured
  }
}

/// The pages of a listing, asked for one after the other, so that memory does not grow with it.
package struct ObjectPages {
  private let prefix: ObjectURI
  private let stoppingAtSlash: Bool
  private let backend: any StoreBackend
  private var continuation: String?
  private var lastKey: String?
  private var hasEnded = false

  init(prefix: ObjectURI, stoppingAtSlash: Bool, backend: any StoreBackend) {
    self.prefix = prefix
    self.stoppingAtSlash = stoppingAtSlash
    self.backend = backend
  }

  /// The next page; nil after the last.
  ///
  /// - Throws: `ObjectError`: `malformed` where keys do not ascend, which would hide that some are
  ///   missing or told twice.
  package mutating func next() throws(ObjectError) -> ObjectPage? {
    guard !hasEnded else { return nil }
    let page = try backend.page(
      of: prefix, stoppingAtSlash: stoppingAtSlash, continuation: continuation)
    for entry in page.entries {
      guard entry.uri.key.hasPrefix(prefix.key),
        lastKey.map({ $0.utf8 < entry.uri.key.utf8 }) ?? true
      else {
        throw ObjectError(
          code: .malformed,
          context: "\(prefix): the store does not list keys in their order, after "
            + "\"\(lastKey ?? "")\"")
      }
      lastKey = entry.uri.key
    }
    hasEnded = page.continuation == nil
    guard hasEnded || page.continuation != continuation else {
      throw ObjectError(code: .malformed, context: "\(prefix): the listing does not go on")
    }
    continuation = page.continuation
    return page
  }
}
