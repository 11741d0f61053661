/// An object that is written from its beginning to its end, however long it gets.
///
/// Little is sent in one request; more goes up in parts. Nothing is there under the key before
/// `finish()`, and nothing stays behind after `abort()`. One thread at a time may call it.
package final class ObjectUpload {
  /// Where the object will be.
  package let uri: ObjectURI
  /// Bytes appended so far.
  package private(set) var byteCount: UInt64 = 0
  private let store: ObjectStore
  private let condition: WriteCondition
  private var pending: [UInt8] = []
  private var session: UploadSession?

  /// Parts of the usual size before they get larger: a store takes 10,000.
  private static let smallPartLimit = 2_000
  private static let growth = 8

  /// Prepares an upload; nothing is asked of the store yet.
  package init(to uri: ObjectURI, in store: ObjectStore, condition: WriteCondition = .none) {
    self.uri = uri
    self.store = store
    self.condition = condition
  }

  private var partByteCount: Int {
    (session?.parts.count ?? 0) < Self.smallPartLimit
      ? store.limits.pieceByteCount : store.limits.pieceByteCount * Self.growth
  }

  /// Appends bytes, and sends the parts that are full.
  ///
  /// - Throws: `ObjectError`; the upload is then good for `abort()` only.
  package func append(_ bytes: [UInt8]) throws(ObjectError) {
    byteCount += UInt64(bytes.count)
    var rest = bytes[...]
    while pending.count + rest.count > partByteCount {
      let missing = partByteCount - pending.count
      pending += rest.prefix(missing)
      rest = rest.dropFirst(missing)
      try sendPart(isLast: false)
    }
    pending += rest
  }

  private func sendPart(isLast: Bool) throws(ObjectError) {
    var current: UploadSession
    if let session { current = session } else { current = try store.beginUpload(to: uri) }
    session = current  // known before the part is sent, so that it can be aborted
    try store.upload(pending, isLast: isLast, of: &current)
    session = current
    pending.removeAll(keepingCapacity: true)
  }

  /// Makes the object.
  ///
  /// - Parameter later: What has to hold, where that was not known at the beginning; Google's store
  ///   takes no condition at the end of a long upload.
  /// - Returns: What the store says of it.
  /// - Throws: `ObjectError`: `refusedByCondition`, after which it may be called again; `damaged`
  ///   where the store has another size.
  package func finish(condition later: WriteCondition? = nil) throws(ObjectError) -> ObjectStatus {
    var condition = later ?? self.condition
    if later != nil, session != nil, uri.scheme == .gs { condition = .none }
    guard session != nil else {
      return try store.put(pending, to: uri, condition: condition)
    }
    if !pending.isEmpty { try sendPart(isLast: true) }  // not again after a refusal
    guard let session else { fatalError("a part has been sent, so the upload has begun") }
    let status = try store.complete(session, condition: condition)
    guard status.byteCount == byteCount else {
      throw ObjectError(
        code: .damaged,
        context: "\(uri): \(byteCount) bytes were sent, the store has \(status.byteCount)")
    }
    self.session = nil
    try abortTwins(of: session)
    return status
  }

  /// Ends what a lost answer to the beginning left open: nobody else writes this key.
  private func abortTwins(of session: UploadSession) throws(ObjectError) {
    guard session.mayHaveTwin else { return }
    for upload in try store.openUploads(below: uri) where upload.uri == uri {
      try store.abort(upload)
    }
  }

  /// Gives the upload up; the store keeps none of it.
  package func abort() throws(ObjectError) {
    guard let session else { return }
    try store.abort(session)
    try abortTwins(of: session)
    self.session = nil
  }
}
