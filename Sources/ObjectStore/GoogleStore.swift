import Foundation

/// Google Cloud Storage by its JSON interface.
final class GoogleStore: StoreBackend {
  let sender: Sender
  /// Scheme and host.
  private let base: String
  /// Nil for the emulator, which asks for none.
  private let tokens: CredentialCache<String>?

  /// An object as Google describes it.
  private struct Resource: Decodable {
    let name: String
    let size: String?
    let generation: String?
    let updated: String?
    let metadata: [String: String]?

    var status: ObjectStatus? {
      guard let byteCount = size.flatMap({ UInt64($0) }) else { return nil }
      return ObjectStatus(
        byteCount: byteCount,
        version: generation.flatMap { UInt64($0) }.map(ObjectVersion.generation),
        modificationNanoseconds: updated.flatMap(Timestamp.nanoseconds(ofRFC3339:)) ?? 0,
        uploadMark: metadata?["nightshift-upload"])
    }
  }

  private struct Listing: Decodable {
    let items: [Resource]?
    let prefixes: [String]?
    let nextPageToken: String?
  }

  init(sender: Sender) {
    self.sender = sender
    if let host = sender.environment.variable("STORAGE_EMULATOR_HOST") {
      let url = host.contains("://") ? host : "http://\(host)"
      base = url.hasSuffix("/") ? String(url.dropLast()) : url
      tokens = nil
    } else {
      let url =
        sender.environment.variable("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE")
        ?? "https://storage.googleapis.com"
      // A token goes to no place where others could read it.
      let safe = LocalAddress.mayBeToldSecrets(url) ? url : "https://storage.googleapis.com"
      base = safe.hasSuffix("/") ? String(safe.dropLast()) : safe
      let search = GoogleTokens(sender: sender)
      tokens = CredentialCache(sender.environment) { () throws(ObjectError) in try search.find() }
    }
  }

  // MARK: Requests

  private func send(
    _ method: HTTPRequest.Method, _ url: String, _ errand: Sender.Errand,
    headers: [HTTPHeader] = [], body: [UInt8]? = nil
  ) throws(ObjectError) -> HTTPAnswer {
    let limit = sender.limits.answerByteLimit
    return try send(method, url, errand, body: body) { _ throws(ObjectError) in
      (headers, .memory(limit: limit))
    }
  }

  /// Sends a request with a token, once more with a new one where it was refused.
  private func send(
    _ method: HTTPRequest.Method, _ url: String, _ errand: Sender.Errand, body: [UInt8]? = nil,
    _ next: (Int) throws(ObjectError) -> ([HTTPHeader], HTTPSink)
  ) throws(ObjectError) -> HTTPAnswer {
    var errand = errand
    // Google limits rates with 403 too.
    errand.isTransient = { answer in
      let code = answer.status == 403 ? errorCode(in: answer.body) : nil
      return code == "rateLimitExceeded" || code == "userRateLimitExceeded"
    }
    var isRenewed = false
    while true {
      var serial = 0
      let answer = try sender.send(errand) { (filledCount) throws(ObjectError) in
        let (headers, sink) = try next(filledCount)
        var request = HTTPRequest(method, url, headers: headers, body: body)
        if let tokens {
          let (token, number) = try tokens.value()
          serial = number
          request.headers.append(HTTPHeader("authorization", "Bearer \(token)"))
        }
        return (request, sink)
      }.answer
      guard answer.status == 401, let tokens, !isRenewed else { return answer }
      isRenewed = true
      tokens.drop(serial: serial)
    }
  }

  private func objectURL(_ uri: ObjectURI, _ items: [(name: String, value: String)] = []) -> String
  {
    let url =
      "\(base)/storage/v1/b/\(PercentCoding.escaped(uri.bucket, keeping: .none))/o/"
      + PercentCoding.escaped(uri.key, keeping: .none)
    return items.isEmpty ? url : url + "?" + PercentCoding.query(items)
  }

  private func errand(_ verb: HTTPRequest.Method, _ uri: ObjectURI) -> Sender.Errand {
    Sender.Errand(name: "\(verb.rawValue) \(uri)", bucket: uri.bucket)
  }

  private func failure(_ answer: HTTPAnswer, _ name: String) -> ObjectError {
    let code = errorCode(in: answer.body) ?? ""
    let context = "\(name): \(answer.status) \(code)"
    switch (answer.status, code) {
    case (401, _):
      return ObjectError(
        code: .denied,
        context: "\(context): the credentials are not accepted: log in again")
    case (403, "quotaExceeded"), (507, _):
      return ObjectError(code: .full, context: "\(context): the quota is used up: make space")
    case (403, _):
      return ObjectError(
        code: .denied, context: "\(context): the account may not do this: grant it")
    case (404, _): return ObjectError(code: .missing, context: context)
    case (409, _): return ObjectError(code: .conflict, context: context)
    case (412, _): return ObjectError(code: .refusedByCondition, context: context)
    default: return ObjectError(code: .malformed, context: "\(context): not what was expected")
    }
  }

  private static func resource(
    _ answer: HTTPAnswer, _ uri: ObjectURI
  ) throws(ObjectError) -> ObjectStatus {
    do {
      let resource = try JSONDecoder().decode(Resource.self, from: Data(answer.body))
      if let status = resource.status { return status }
    } catch {}  // said below, without quoting the answer
    throw ObjectError(code: .malformed, context: "\(uri): the store's description is not one")
  }

  // MARK: Objects

  func page(
    of prefix: ObjectURI, stoppingAtSlash: Bool, continuation: String?
  ) throws(ObjectError) -> ObjectPage {
    var items = [
      ("prefix", prefix.key), ("maxResults", "\(sender.limits.pageObjectCount)"),
      ("fields", "items(name,size,generation,updated),prefixes,nextPageToken"),
    ]
    if stoppingAtSlash { items.append(("delimiter", "/")) }
    if let continuation { items.append(("pageToken", continuation)) }
    let url =
      "\(base)/storage/v1/b/\(PercentCoding.escaped(prefix.bucket, keeping: .none))/o?"
      + PercentCoding.query(items)
    let errand = Sender.Errand(name: "GET \(prefix), its listing", bucket: prefix.bucket)
    let answer = try send(.get, url, errand)
    guard answer.status == 200 else { throw failure(answer, errand.name) }
    // The error would quote the listing.
    guard let listing = try? JSONDecoder().decode(Listing.self, from: Data(answer.body)) else {
      throw ObjectError(code: .malformed, context: "\(prefix): the listing is none")
    }
    let entries = try (listing.items ?? []).map { item throws(ObjectError) in
      guard let status = item.status else {
        throw ObjectError(code: .malformed, context: "\(prefix): a listing without sizes")
      }
      return ObjectEntry(uri: prefix.with(key: item.name), status: status)
    }
    return ObjectPage(
      entries: entries, folders: listing.prefixes ?? [], continuation: listing.nextPageToken)
  }

  func status(of uri: ObjectURI) throws(ObjectError) -> ObjectStatus {
    let errand = errand(.get, uri)
    let answer = try send(.get, objectURL(uri), errand)
    guard answer.status == 200 else { throw failure(answer, errand.name) }
    return try Self.resource(answer, uri)
  }

  func read(_ range: PinnedRange) throws(ObjectError) -> Int {
    var items = [("alt", "media")]
    if case .generation(let number) = range.version { items.append(("generation", "\(number)")) }
    let url = objectURL(range.uri, items)
    let (answer, count) = try range.fetch { (errand, next) throws(ObjectError) in
      try send(.get, url, errand, next)
    }
    switch answer.status {
    case 200, 206:
      try range.check(answer, count: count, limits: sender.limits)
      return count
    case 412: throw range.changed("it was replaced")
    case 404 where range.version != nil: throw range.changed("it was replaced or deleted")
    case 416: throw range.changed("it ends before byte \(range.offset)")
    default: throw failure(answer, errand(.get, range.uri).name)
    }
  }

  private static func items(_ condition: WriteCondition) -> [(name: String, value: String)] {
    switch condition {
    case .none: []
    case .absent: [("ifGenerationMatch", "0")]
    case .matches(.generation(let number)): [("ifGenerationMatch", "\(number)")]
    case .matches: [("ifGenerationMatch", "1")]  // no object has it
    }
  }

  private func uploadURL(
    _ uri: ObjectURI, _ kind: String, _ condition: WriteCondition
  ) -> String {
    let items = [("uploadType", kind), ("name", uri.key)] + Self.items(condition)
    return "\(base)/upload/storage/v1/b/\(PercentCoding.escaped(uri.bucket, keeping: .none))/o?"
      + PercentCoding.query(items)
  }

  func put(
    _ bytes: [UInt8], to uri: ObjectURI, condition: WriteCondition
  ) throws(ObjectError) -> ObjectStatus {
    let errand = errand(.put, uri)
    // An empty body counts as none before some servers, so nothing is sent as one part of two.
    let answer =
      bytes.isEmpty
      ? try send(
        .post, uploadURL(uri, "multipart", condition), errand,
        headers: [HTTPHeader("content-type", "multipart/related; boundary=\(Self.boundary)")],
        body: Self.emptyObject)
      : try send(
        .post, uploadURL(uri, "media", condition), errand,
        headers: [HTTPHeader("content-type", "application/octet-stream")], body: bytes)
    if answer.status == 412, let status = try statusIfEqual(uri, bytes) { return status }
    guard answer.isSuccess else { throw failure(answer, errand.name) }
    return try Self.resource(answer, uri)
  }

  private static let boundary = "nightshift"

  /// An object without bytes, as a body of two parts: what it is, and what is in it.
  private static let emptyObject = Array(
    ("--\(boundary)\r\ncontent-type: application/json\r\n\r\n{}\r\n--\(boundary)\r\n"
      + "content-type: application/octet-stream\r\n\r\n\r\n--\(boundary)--\r\n").utf8)

  func delete(_ uri: ObjectURI) throws(ObjectError) {
    let errand = errand(.delete, uri)
    let answer = try send(.delete, objectURL(uri), errand)
    guard answer.isSuccess || answer.status == 404 else { throw failure(answer, errand.name) }
  }

  // MARK: Resumable uploads

  func beginUpload(to uri: ObjectURI, mark: String) throws(ObjectError) -> UploadSession {
    let errand = errand(.post, uri)
    let answer = try send(
      .post, uploadURL(uri, "resumable", .none), errand,
      headers: [HTTPHeader("content-type", "application/json")],
      body: Array("{\"metadata\":{\"nightshift-upload\":\"\(mark)\"}}".utf8))
    guard answer.isSuccess, let location = answer["location"] else {
      throw failure(answer, errand.name)
    }
    return UploadSession(uri: uri, id: location, mark: mark)
  }

  /// Sends one part; all but the last are whole multiples of 256 KiB.
  func upload(
    _ bytes: [UInt8], isLast: Bool, of session: inout UploadSession
  ) throws(ObjectError) {
    let first = session.byteCount
    let end = first + UInt64(bytes.count)
    let total = isLast ? "\(end)" : "*"
    let errand = errand(.put, session.uri)
    var start = first
    while start < end {
      // What a lost answer had taken already is passed over by the store.
      let answer = try send(
        .put, session.id, errand,
        headers: [HTTPHeader("content-range", "bytes \(start)-\(end - 1)/\(total)")],
        body: start == first ? bytes : Array(bytes[Int(start - first)...]))
      if isLast, answer.isSuccess {
        session.finished = try Self.resource(answer, session.uri)
        break
      }
      let kept = answer["range"].flatMap { $0.split(separator: "-").last }.flatMap { UInt64($0) }
      guard answer.status == 308, let kept, kept < end, kept + 1 > start else {
        throw failure(answer, "\(errand.name), from byte \(start) on")
      }
      start = kept + 1
    }
    session.parts.append(UploadedPart(tag: "", byteCount: bytes.count))
  }

  func complete(
    _ session: UploadSession, condition: WriteCondition
  ) throws(ObjectError) -> ObjectStatus {
    guard condition == .none else {
      throw ObjectError(
        code: .unsupported, context: "\(session.uri): a condition at the end of an upload")
    }
    if let status = session.finished { return status }
    let errand = errand(.put, session.uri)
    let answer = try send(
      .put, session.id, errand,
      headers: [HTTPHeader("content-range", "bytes */\(session.byteCount)")], body: [])
    guard answer.isSuccess else { throw failure(answer, "\(errand.name), at its end") }
    return try Self.resource(answer, session.uri)
  }

  /// Ends an upload; answered with 499, or 404 and 410 where it has ended.
  func abort(_ uri: ObjectURI, id: String) throws(ObjectError) {
    let errand = errand(.delete, uri)
    let answer = try send(.delete, id, errand)
    guard answer.isSuccess || [404, 410, 499].contains(answer.status) else {
      throw failure(answer, errand.name)
    }
  }

  /// None: Google lists no resumable uploads, bills nothing for them and ends them after a week.
  func openUploads(below prefix: ObjectURI) throws(ObjectError) -> [OpenUpload] { [] }
}
