/// Servers of files: each URL one object that can be read, nothing else.
final class PlainHTTPStore: StoreBackend {
  private let sender: Sender

  private static let redirectLimit = 5

  init(sender: Sender) {
    self.sender = sender
  }

  /// Sends a request, and again to where the answer points.
  private func send(
    _ method: HTTPRequest.Method, _ uri: ObjectURI, _ errand: Sender.Errand,
    _ next: (Int) throws(ObjectError) -> ([HTTPHeader], HTTPSink)
  ) throws(ObjectError) -> HTTPAnswer {
    var target = uri
    for _ in 0...Self.redirectLimit {
      let answer = try sender.send(errand) { (filledCount) throws(ObjectError) in
        let (headers, sink) = try next(filledCount)
        return (HTTPRequest(method, target.description, headers: headers), sink)
      }.answer
      guard [301, 302, 303, 307, 308].contains(answer.status) else { return answer }
      target = try Self.follow(answer["location"] ?? "", from: target)
    }
    throw ObjectError(
      code: .unsupported,
      context: "\(uri.nameForMessages): more than \(Self.redirectLimit) redirects")
  }

  /// Where a redirect leads: never from TLS to none, never from elsewhere into this machine.
  static func follow(_ location: String, from uri: ObjectURI) throws(ObjectError) -> ObjectURI {
    let target: ObjectURI
    if location.hasPrefix("/"), !location.hasPrefix("//") {
      target = try ObjectURI("\(uri.scheme)://\(uri.bucket)\(location)")
    } else if location.hasPrefix("//") {
      target = try ObjectURI("\(uri.scheme):\(location)")
    } else if location.contains("://") {
      target = try ObjectURI(location)
    } else {
      let path = uri.key.prefix { $0 != "?" }
      let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
      target = uri.with(key: PercentCoding.escaped(folder + location, keeping: .url))
    }
    let isKindKept =
      target.scheme.isPlainHTTP && (uri.scheme == .http || target.scheme == .https)
      && (isInside(uri.bucket) || !isInside(target.bucket))
    guard isKindKept, !location.isEmpty else {
      throw ObjectError(
        code: .unsupported,
        context: "\(uri.nameForMessages): redirected to another kind of place, "
          + "\(target.scheme)://\(target.bucket)")
    }
    return target
  }

  /// Whether a host is this machine, or an address that only this machine's network knows.
  private static func isInside(_ host: String) -> Bool {
    if host.hasPrefix("[") { return true }  // told by no name which of them are outside
    let name = host.split(separator: ":").first.map(String.init) ?? ""
    let parts = name.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
    guard parts.count == 4, let first = parts[0], let second = parts[1], !parts.contains(nil)
    else { return name == "localhost" || name.hasSuffix(".internal") }
    return [0, 10, 127].contains(first) || (first, second) == (169, 254)
      || (first, second) == (192, 168) || first == 172 && (16..<32).contains(second)
  }

  func status(of uri: ObjectURI) throws(ObjectError) -> ObjectStatus {
    let limit = sender.limits.answerByteLimit
    let errand = Sender.Errand(name: "HEAD \(uri.nameForMessages)", bucket: uri.bucket)
    var answer = try send(.head, uri, errand) { _ throws(ObjectError) in
      ([], .memory(limit: limit))
    }
    var byteCount = answer["content-length"].flatMap { UInt64($0) }
    if !answer.isSuccess && answer.status != 404 || byteCount == nil {
      // Signed URLs hold for one verb only, and some servers do not know HEAD.
      var byte: UInt8 = 0
      answer = try unsafe withUnsafeMutableBytes(of: &byte) { (buffer) throws(ObjectError) in
        let target = UnsafeMutableRawBufferPointer(buffer)
        return try send(.get, uri, errand) { _ throws(ObjectError) in
          unsafe ([HTTPHeader("range", "bytes=0-0")], .buffer(target, offset: 0))
        }
      }
      byteCount =
        answer.status == 206
        ? ContentRange(answer["content-range"] ?? "")?.total
        : answer["content-length"].flatMap { UInt64($0) }
      if answer.status == 416 { byteCount = 0 }
    }
    guard answer.isSuccess || answer.status == 416 else { throw failure(answer, errand.name) }
    guard let byteCount else {
      throw ObjectError(
        code: .unsupported, context: "\(uri.nameForMessages): the server does not tell the size")
    }
    let time = answer["last-modified"]
    return ObjectStatus(
      byteCount: byteCount,
      version: answer["etag"].flatMap(PinnedRange.tag).map(ObjectVersion.tag)
        ?? time.map(ObjectVersion.modified),
      modificationNanoseconds: (time.flatMap(Timestamp.seconds(ofHTTP:)) ?? 0) * 1_000_000_000)
  }

  func read(_ range: PinnedRange) throws(ObjectError) -> Int {
    var pin: [HTTPHeader] = []
    if case .tag(let tag) = range.version { pin = [HTTPHeader("if-match", "\"\(tag)\"")] }
    if case .modified(let time) = range.version {
      pin = [HTTPHeader("if-unmodified-since", time)]
    }
    let (answer, count) = try range.fetch { (errand, next) throws(ObjectError) in
      try send(.get, range.uri, errand) { (filledCount) throws(ObjectError) in
        let (headers, sink) = try next(filledCount)
        return (headers + pin, sink)
      }
    }
    switch answer.status {
    case 200, 206:
      try range.check(answer, count: count, limits: sender.limits)
      return count
    case 412: throw range.changed("it was replaced")
    case 404, 410: throw range.changed("it was deleted")
    case 416: throw range.changed("it ends before byte \(range.offset)")
    default: throw failure(answer, "GET \(range.uri.nameForMessages)")
    }
  }

  private func failure(_ answer: HTTPAnswer, _ name: String) -> ObjectError {
    let code: ObjectError.Code =
      switch answer.status {
      case 401, 403: .denied
      case 404, 410: .missing
      default: .malformed
      }
    return ObjectError(code: code, context: "\(name): the server answered \(answer.status)")
  }

  // MARK: What files on servers cannot do

  private func refusal(_ uri: ObjectURI, _ what: String) -> ObjectError {
    ObjectError(
      code: .unsupported,
      context: "\(uri.nameForMessages): \(what) over \(uri.scheme)://; s3:// and gs:// can")
  }

  func page(
    of prefix: ObjectURI, stoppingAtSlash: Bool, continuation: String?
  ) throws(ObjectError) -> ObjectPage {
    throw refusal(prefix, "objects cannot be listed")
  }

  func put(
    _ bytes: [UInt8], to uri: ObjectURI, condition: WriteCondition
  ) throws(ObjectError) -> ObjectStatus {
    throw refusal(uri, "objects cannot be written")
  }

  func delete(_ uri: ObjectURI) throws(ObjectError) {
    throw refusal(uri, "objects cannot be deleted")
  }

  func beginUpload(to uri: ObjectURI, mark: String) throws(ObjectError) -> UploadSession {
    throw refusal(uri, "objects cannot be written")
  }

  func upload(
    _ bytes: [UInt8], isLast: Bool, of session: inout UploadSession
  ) throws(ObjectError) {
    throw refusal(session.uri, "objects cannot be written")
  }

  func complete(
    _ session: UploadSession, condition: WriteCondition
  ) throws(ObjectError) -> ObjectStatus {
    throw refusal(session.uri, "objects cannot be written")
  }

  func abort(_ uri: ObjectURI, id: String) throws(ObjectError) {
    throw refusal(uri, "uploads cannot be ended")
  }

  func openUploads(below prefix: ObjectURI) throws(ObjectError) -> [OpenUpload] { [] }
}
