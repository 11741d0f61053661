extension S3Store {
  func beginUpload(to uri: ObjectURI, mark: String) throws(ObjectError) -> UploadSession {
    var call = Call(.post, uri)
    call.query = [("uploads", "")]
    call.body = []
    call.headers = [
      HTTPHeader("content-type", "application/octet-stream"),
      HTTPHeader("x-amz-meta-nightshift-upload", mark),
    ]
    call.errand.isBroken = { leaf("UploadId", in: $0.body) == nil }
    let outcome = try send(call)
    let answer = outcome.answer
    guard answer.status == 200, let id = leaf("UploadId", in: answer.body), !id.isEmpty else {
      throw failure(answer, call.errand.name)
    }
    var session = UploadSession(uri: uri, id: id, mark: mark)
    session.mayHaveTwin = outcome.isRepeated
    return session
  }

  func upload(
    _ bytes: [UInt8], isLast: Bool, of session: inout UploadSession
  ) throws(ObjectError) {
    var call = Call(.put, session.uri)
    call.query = [("partNumber", "\(session.parts.count + 1)"), ("uploadId", session.id)]
    call.body = bytes
    call.headers = [HTTPHeader("content-type", "application/octet-stream")]
    call.errand.isBroken = { $0["etag"] == nil }
    let answer = try send(call).answer
    guard answer.isSuccess, let tag = answer["etag"] else {
      throw failure(answer, "\(call.errand.name), part \(session.parts.count + 1)")
    }
    session.parts.append(UploadedPart(tag: tag, byteCount: bytes.count))
  }

  func complete(
    _ session: UploadSession, condition: WriteCondition
  ) throws(ObjectError) -> ObjectStatus {
    var call = Call(.post, session.uri)
    call.query = [("uploadId", session.id)]
    call.body = Array(Self.list(session.parts).utf8)
    call.headers = [HTTPHeader("content-type", "application/xml")]
    if condition == .absent { call.headers.append(HTTPHeader("if-none-match", "*")) }
    if case .matches(.tag(let tag)) = condition {
      call.headers.append(HTTPHeader("if-match", "\"\(tag)\""))
    }
    // S3 answers 200 before it knows, and then writes an error into the body.
    call.errand.isBroken = { answer in
      guard leaf("ETag", in: answer.body) == nil else { return false }
      return Self.passingCodes.contains(errorCode(in: answer.body) ?? "InternalError")
    }
    let answer: HTTPAnswer
    do throws(ObjectError) {
      answer = try send(call).answer
    } catch {
      guard error.code == .unavailable, let status = try finished(session) else { throw error }
      return status
    }
    // Of a repeated request the upload is not known any more, or its own object is in the way.
    let isRefused = !answer.isSuccess || errorCode(in: answer.body) != nil
    if isRefused, let status = try finished(session) { return status }
    guard !isRefused else { throw failure(answer, "\(call.errand.name), at its end") }
    return try status(of: session.uri)
  }

  private static let passingCodes: Set = [
    "InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout",
  ]

  /// The object's status if it came from this upload.
  private func finished(_ session: UploadSession) throws(ObjectError) -> ObjectStatus? {
    do throws(ObjectError) {
      let status = try self.status(of: session.uri)
      let isOurs = status.uploadMark == session.mark && status.byteCount == session.byteCount
      return isOurs ? status : nil
    } catch {
      guard error.code == .missing else { throw error }
      return nil
    }
  }

  private static func list(_ parts: [UploadedPart]) -> String {
    var text = "<CompleteMultipartUpload>"
    for (index, part) in parts.enumerated() {
      let tag = part.tag.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
        .replacing("\"", with: "&quot;")
      text += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(tag)</ETag></Part>"
    }
    return text + "</CompleteMultipartUpload>"
  }

  func abort(_ uri: ObjectURI, id: String) throws(ObjectError) {
    var call = Call(.delete, uri)
    call.query = [("uploadId", id)]
    let answer = try send(call).answer
    guard answer.isSuccess || answer.status == 404 else { throw failure(answer, call.errand.name) }
  }

  func openUploads(below prefix: ObjectURI) throws(ObjectError) -> [OpenUpload] {
    var uploads: [OpenUpload] = []
    var marker: (key: String, id: String)?
    repeat {
      var call = Call(.get, prefix.with(key: ""))
      call.query = [("uploads", ""), ("prefix", prefix.key)]
      if let marker {
        call.query += [("key-marker", marker.key), ("upload-id-marker", marker.id)]
      }
      let answer = try send(call).answer
      // Some stores say so where there are none, or have no such list.
      if errorCode(in: answer.body) == "NoSuchUpload" || answer.status == 501 { return uploads }
      guard answer.status == 200 else { throw failure(answer, "GET \(prefix), its uploads") }
      let former = marker
      marker = try Self.read(answer.body, prefix, into: &uploads)
      if let marker, let former, marker == former {
        throw ObjectError(
          code: .malformed, context: "\(prefix): the list of uploads does not go on")
      }
    } while marker != nil
    return uploads
  }

  /// Reads one page; answers where the next begins.
  private static func read(
    _ body: [UInt8], _ prefix: ObjectURI, into uploads: inout [OpenUpload]
  ) throws(ObjectError) -> (key: String, id: String)? {
    var reader = XMLReader(body)
    var fields: [String: String] = [:]
    var page: [String: String] = [:]
    var isInUpload = false
    while let event = try reader.next() {
      switch event {
      case .open("Upload"):
        isInUpload = true
        fields = [:]
      case .close("Upload", _):
        isInUpload = false
        // Some stores do not heed the prefix.
        guard let key = fields["Key"], let id = fields["UploadId"], key.hasPrefix(prefix.key)
        else { continue }
        let time = fields["Initiated"].flatMap(Timestamp.nanoseconds(ofRFC3339:)) ?? 0
        uploads.append(OpenUpload(uri: prefix.with(key: key), id: id, beginNanoseconds: time))
      case .close(let name, let text):
        if isInUpload { fields[name] = text } else { page[name] = text }
      case .open: break
      }
    }
    guard page["IsTruncated"] == "true", let key = page["NextKeyMarker"] else { return nil }
    return (key, page["NextUploadIdMarker"] ?? "")
  }
}
