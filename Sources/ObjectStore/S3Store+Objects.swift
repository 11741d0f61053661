import Digests
import Foundation

extension S3Store {
  func status(of uri: ObjectURI) throws(ObjectError) -> ObjectStatus {
    let answer = try send(Call(.head, uri)).answer
    guard answer.status == 200 else {
      guard answer.status != 404 else {
        throw ObjectError(code: .missing, context: "\(uri): there is no such object")
      }
      // The answer to a HEAD says no more than its number; that to a GET has a code.
      var call = Call(.get, uri)
      call.headers = [HTTPHeader("range", "bytes=0-0")]
      let explanation = try send(call).answer
      throw failure(explanation.isSuccess ? answer : explanation, call.errand.name)
    }
    guard let byteCount = answer["content-length"].flatMap({ UInt64($0) }) else {
      throw ObjectError(code: .malformed, context: "\(uri): the store does not tell the size")
    }
    return Self.status(answer, byteCount: byteCount)
  }

  private static func status(_ answer: HTTPAnswer, byteCount: UInt64) -> ObjectStatus {
    let seconds = answer["last-modified"].flatMap(Timestamp.seconds(ofHTTP:)) ?? 0
    var status = ObjectStatus(
      byteCount: byteCount, version: version(answer),
      modificationNanoseconds: seconds * 1_000_000_000,
      uploadMark: answer["x-amz-meta-nightshift-upload"])
    status.tag = answer["etag"].flatMap(PinnedRange.tag).map(ObjectVersion.tag)
    return status
  }

  private static func version(_ answer: HTTPAnswer) -> ObjectVersion? {
    if let id = answer["x-amz-version-id"], id != "null", !id.isEmpty { return .id(id) }
    return answer["etag"].flatMap(PinnedRange.tag).map(ObjectVersion.tag)
  }

  func read(_ range: PinnedRange) throws(ObjectError) -> Int {
    var call = Call(.get, range.uri)
    switch range.version {
    case .tag(let tag): call.headers = [HTTPHeader("if-match", "\"\(tag)\"")]
    case .id(let id): call.query = [("versionId", id)]
    case .modified(let time): call.headers = [HTTPHeader("if-unmodified-since", time)]
    case .generation, nil: break
    }
    call.headers.append(HTTPHeader("x-amz-checksum-mode", "ENABLED"))
    let (answer, count) = try range.fetch { (errand, next) throws(ObjectError) in
      var call = call
      call.errand = errand
      return try send(call, next).answer
    }
    switch answer.status {
    case 200, 206:
      try range.check(answer, count: count, limits: sender.limits)
      try Self.checkDigest(answer, range, count)
      return count
    case 412: throw range.changed("it was replaced")
    case 404 where range.version != nil && errorCode(in: answer.body) != "NoSuchBucket":
      throw range.changed("it was deleted")
    case 416: throw range.changed("it ends before byte \(range.offset)")
    default: throw failure(answer, call.errand.name)
    }
  }

  /// Compares the digest that the store kept with the object, where the range is all of it.
  private static func checkDigest(
    _ answer: HTTPAnswer, _ range: PinnedRange, _ count: Int
  ) throws(ObjectError) {
    let total = ContentRange(answer["content-range"] ?? "")?.total ?? UInt64(count)
    guard let kept = answer["x-amz-checksum-sha256"], range.offset == 0, UInt64(count) == total,
      answer["x-amz-checksum-type"] != "COMPOSITE", !kept.contains("-")
    else { return }
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: range.buffer[..<count])
    let digest = unsafe SHA256.digest(of: bytes)
    guard Data(digest.bytes).base64EncodedString() == kept else {
      throw ObjectError(
        code: .damaged,
        context: "\(range.uri): the bytes that came do not have the object's SHA-256")
    }
  }

  func put(
    _ bytes: [UInt8], to uri: ObjectURI, condition: WriteCondition
  ) throws(ObjectError) -> ObjectStatus {
    var call = Call(.put, uri)
    call.body = bytes
    call.headers =
      Self.headers(condition) + [
        HTTPHeader("content-type", "application/octet-stream"),
        HTTPHeader("x-amz-sdk-checksum-algorithm", "SHA256"),
        HTTPHeader(
          "x-amz-checksum-sha256",
          Data(SHA256.digest(of: bytes).bytes).base64EncodedString()),
      ]
    // Another write of the key was under way: whether the condition holds is known a little later.
    call.errand.isTransient = { $0.status == 409 }
    let answer = try send(call).answer
    switch answer.status {
    case 200, 201, 204:
      return Self.status(answer, byteCount: UInt64(bytes.count))
    case 412 where condition != .none, 404 where condition != .none:
      // libcurl and we repeat requests whose answer was lost, so what is there may be ours.
      if let status = try statusIfEqual(uri, bytes) { return status }
      throw ObjectError(
        code: .refusedByCondition,
        context: "\(call.errand.name): \(answer.status), the object there is another")
    default: throw failure(answer, call.errand.name)
    }
  }

  private static func headers(_ condition: WriteCondition) -> [HTTPHeader] {
    switch condition {
    case .none: []
    case .absent: [HTTPHeader("if-none-match", "*")]
    case .matches(.tag(let tag)): [HTTPHeader("if-match", "\"\(tag)\"")]
    // Conditions on version ids do not exist; nothing has this tag, so nothing is overwritten.
    case .matches(let version): [HTTPHeader("if-match", "\"\(version)\"")]
    }
  }

  func delete(_ uri: ObjectURI) throws(ObjectError) {
    let call = Call(.delete, uri)
    let answer = try send(call).answer
    guard answer.isSuccess || answer.status == 404 else { throw failure(answer, call.errand.name) }
  }
}

extension StoreBackend {
  /// What the store says of an object if it has exactly these bytes; nil otherwise.
  func statusIfEqual(_ uri: ObjectURI, _ bytes: [UInt8]) throws(ObjectError) -> ObjectStatus? {
    let status: ObjectStatus
    do throws(ObjectError) {
      status = try self.status(of: uri)
    } catch {
      guard error.code == .missing else { throw error }
      return nil
    }
    guard status.byteCount == UInt64(bytes.count) else { return nil }
    guard !bytes.isEmpty else { return status }
    var there = [UInt8](repeating: 0, count: bytes.count)
    do throws(ObjectError) {
      _ = try unsafe there.withUnsafeMutableBufferPointer { (bytes) throws(ObjectError) in
        let range = unsafe PinnedRange(
          uri: uri, version: status.version, byteCount: status.byteCount, offset: 0,
          buffer: UnsafeMutableRawBufferPointer(bytes))
        return try read(range)
      }
    } catch {
      guard error.code == .changed else { throw error }
      return nil
    }
    return there == bytes ? status : nil
  }
}
