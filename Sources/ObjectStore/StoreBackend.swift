/// One page of a listing.
package struct ObjectPage: Hashable, Sendable {
  /// The objects in the order of their keys.
  package let entries: [ObjectEntry]
  /// Keys up to the next slash, each once, where the listing was asked to stop there.
  package let folders: [String]
  /// What the next page is asked for with; nil on the last one.
  let continuation: String?
}

/// A multipart upload that has begun.
package struct UploadSession: Hashable, Sendable {
  /// Where the object will be.
  package let uri: ObjectURI
  /// The store's name for it.
  package let id: String
  /// Given with the upload and kept with the object: tells ours from another's.
  let mark: String
  /// The parts so far, in order.
  package internal(set) var parts: [UploadedPart] = []

  /// Whether the beginning was asked for twice, so that a second upload may be open.
  var mayHaveTwin = false
  /// The object, where the last part has made it.
  var finished: ObjectStatus?

  /// Bytes in the parts so far.
  var byteCount: UInt64 { parts.reduce(0) { $0 + UInt64($1.byteCount) } }
}

/// One part of an upload.
package struct UploadedPart: Hashable, Sendable {
  /// Its ETag, with the quotes.
  let tag: String
  /// Size in bytes.
  let byteCount: Int
}

/// An upload that is neither complete nor aborted.
package struct OpenUpload: Hashable, Sendable {
  /// Where its object would be.
  package let uri: ObjectURI
  /// The store's name for it.
  package let id: String
  /// When it began, in nanoseconds since 1970; 0 where the store does not say.
  package let beginNanoseconds: Int64

  /// Makes one.
  package init(uri: ObjectURI, id: String, beginNanoseconds: Int64) {
    self.uri = uri
    self.id = id
    self.beginNanoseconds = beginNanoseconds
  }
}

/// One kind of store.
///
/// All calls block, and any thread may make them.
protocol StoreBackend: Sendable {
  func page(
    of prefix: ObjectURI, stoppingAtSlash: Bool, continuation: String?
  ) throws(ObjectError) -> ObjectPage
  func status(of uri: ObjectURI) throws(ObjectError) -> ObjectStatus
  func read(_ range: PinnedRange) throws(ObjectError) -> Int
  func put(
    _ bytes: [UInt8], to uri: ObjectURI, condition: WriteCondition
  ) throws(ObjectError) -> ObjectStatus
  func delete(_ uri: ObjectURI) throws(ObjectError)
  func beginUpload(to uri: ObjectURI, mark: String) throws(ObjectError) -> UploadSession
  func upload(
    _ bytes: [UInt8], isLast: Bool, of session: inout UploadSession
  ) throws(ObjectError)
  func complete(
    _ session: UploadSession, condition: WriteCondition
  ) throws(ObjectError) -> ObjectStatus
  func abort(_ uri: ObjectURI, id: String) throws(ObjectError)
  func openUploads(below prefix: ObjectURI) throws(ObjectError) -> [OpenUpload]
}
