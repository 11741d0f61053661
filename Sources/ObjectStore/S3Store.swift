import Digests
import Synchronization

/// S3, and every store that speaks its language.
///
/// AWS is asked under the bucket's own host name, any other endpoint with the bucket in the path.
final class S3Store: StoreBackend {
  let sender: Sender
  private let chain: AWSChain
  private let credentials: CredentialCache<FoundCredentials?>
  /// What the store taught about where buckets are and what time it is.
  private let lessons = Mutex(Lessons())

  private struct Lessons {
    var regions: [String: String] = [:]
    /// The store's clock minus ours, in seconds.
    var skew: Int64 = 0
  }

  /// A request before it is signed.
  struct Call {
    let method: HTTPRequest.Method
    let uri: ObjectURI
    var query: [(name: String, value: String)] = []
    var headers: [HTTPHeader] = []
    var body: [UInt8]?
    var errand: Sender.Errand

    init(_ method: HTTPRequest.Method, _ uri: ObjectURI) {
      self.method = method
      self.uri = uri
      errand = Sender.Errand(name: "\(method.rawValue) \(uri)", bucket: uri.bucket)
    }
  }

  init(sender: Sender) {
    self.sender = sender
    let chain = AWSChain(sender: sender)
    self.chain = chain
    credentials = CredentialCache(sender.environment) { () throws(ObjectError) in
      let found = try chain.find()
      return (found, expiry: found?.credentials.expiry)
    }
  }

  /// Sends a call whose answer is kept in memory.
  func send(_ call: Call) throws(ObjectError) -> Sender.Outcome {
    let limit = sender.limits.answerByteLimit
    return try send(call) { _ throws(ObjectError) in
      ([], .memory(limit: limit))
    }
  }

  /// Sends a call, signed anew each time, and mends once what the store's refusal tells how to.
  func send(
    _ call: Call, _ next: (Int) throws(ObjectError) -> ([HTTPHeader], HTTPSink)
  ) throws(ObjectError) -> Sender.Outcome {
    let digest = call.body.map { SHA256.digest(of: $0).description } ?? Self.digestOfNothing
    var mended: Set<Mending> = []
    while true {
      var serial = 0
      var used: FoundCredentials?
      let outcome = try sender.send(call.errand) { (filledCount) throws(ObjectError) in
        (used, serial) = try credentials.value()
        let (headers, sink) = try next(filledCount)
        return (try signed(call, adding: headers, digest, used), sink)
      }
      guard let mending = mend(outcome.answer, call, serial: serial),
        mended.insert(mending).inserted
      else { return outcome }
      if mending == .credentials, try credentials.value().0 == used { return outcome }
    }
  }

  private enum Mending: Hashable {
    case credentials
    case region
    case clock
  }

  private static let digestOfNothing = SHA256.digest(of: [UInt8]()).description

  /// Takes in what a refusal says; nil where nothing can be done about it.
  private func mend(_ answer: HTTPAnswer, _ call: Call, serial: Int) -> Mending? {
    guard [301, 307, 400, 401, 403].contains(answer.status) else { return nil }
    let code = errorCode(in: answer.body)
    if let region = answer["x-amz-bucket-region"] ?? leaf("Region", in: answer.body),
      region != self.region(of: call.uri.bucket), region.utf8.allSatisfy(\.isUnreserved)
    {
      lessons.withLock { $0.regions[call.uri.bucket] = region }
      return .region
    }
    if let date = answer["date"].flatMap(Timestamp.seconds(ofHTTP:)) {
      let skew = date - sender.environment.wallClock() / 1_000_000_000
      let isHead = call.method == .head && abs(skew) > 300
      if code == "RequestTimeTooSkewed" || isHead {
        lessons.withLock { $0.skew = skew }
        return .clock
      }
    }
    guard answer.status != 301, answer.status != 307 else { return nil }
    if code == nil || Self.credentialCodes.contains(code ?? "") || answer.status == 403 {
      credentials.drop(serial: serial)
      return .credentials
    }
    return nil
  }

  private static let credentialCodes: Set = [
    "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired",
    "InvalidAccessKeyId", "RequestExpired",
  ]

  // MARK: Addresses and signatures

  private func region(of bucket: String) -> String {
    lessons.withLock { $0.regions[bucket] } ?? chain.region ?? "us-east-1"
  }

  private func signed(
    _ call: Call, adding headers: [HTTPHeader], _ digest: String, _ found: FoundCredentials?
  ) throws(ObjectError) -> HTTPRequest {
    let region = region(of: call.uri.bucket)
    let (base, host, root) = try address(of: call.uri.bucket, region: region)
    let path = root + PercentCoding.escaped(call.uri.key, keeping: .slash)
    let query = PercentCoding.query(call.query)
    var request = HTTPRequest(
      call.method, base + path + (query.isEmpty ? "" : "?" + query),
      headers: call.headers + headers, body: call.body)
    guard let found else { return request }
    let skew = lessons.withLock(\.skew)
    let signature = RequestSignature(
      credentials: found.credentials, region: region, service: "s3",
      time: sender.environment.wallClock() / 1_000_000_000 + skew)
    request.headers += signature.headers(
      method: call.method.rawValue, host: host, path: path, query: query,
      headers: request.headers, bodyDigest: digest)
    return request
  }

  /// Scheme and host, the host alone, and the path up to the key.
  private func address(
    of bucket: String, region: String
  ) throws(ObjectError) -> (base: String, host: String, root: String) {
    if let endpoint = chain.endpoint(service: "s3") {
      let uri = try ObjectURI(endpoint)
      guard uri.scheme.isPlainHTTP else {
        throw ObjectError(
          code: .malformed, context: "AWS_ENDPOINT_URL begins with neither http:// nor https://")
      }
      let prefix = uri.key.isEmpty ? "" : "/" + uri.key.split(separator: "/").joined(separator: "/")
      return ("\(uri.scheme)://\(uri.bucket)", uri.bucket, "\(prefix)/\(bucket)/")
    }
    let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
    // TLS certificates cover one level of names only.
    if bucket.contains(".") {
      let host = "s3.\(region).\(domain)"
      return ("https://\(host)", host, "/\(bucket)/")
    }
    let host = "\(bucket).s3.\(region).\(domain)"
    return ("https://\(host)", host, "/")
  }

  /// What an answer that is no success means.
  func failure(_ answer: HTTPAnswer, _ name: String) -> ObjectError {
    let code = errorCode(in: answer.body) ?? ""
    let source = (try? credentials.value().0)?.source ?? "no credentials"  // words only
    let context = "\(name): \(answer.status) \(code)"
    switch (answer.status, code) {
    case (_, "ExpiredToken"), (_, "ExpiredTokenException"), (_, "TokenRefreshRequired"):
      return ObjectError(
        code: .denied,
        context: "\(context): the credentials from \(source) have expired: get new ones")
    case (_, "InvalidAccessKeyId"), (_, "SignatureDoesNotMatch"), (_, "InvalidToken"):
      return ObjectError(
        code: .denied, context: "\(context): the store does not accept the keys from \(source)")
    case (_, "RequestTimeTooSkewed"):
      return ObjectError(code: .denied, context: "\(context): set this machine's clock")
    case (_, "QuotaExceeded"), (_, "XMinioStorageFull"), (_, "InsufficientStorage"), (507, _):
      return ObjectError(
        code: .full, context: "\(context): the bucket is full: make space")
    case (401, _), (403, _):
      return ObjectError(
        code: .denied, context: "\(context): \(source) may not do this: grant it")
    case (404, _): return ObjectError(code: .missing, context: context)
    case (409, _): return ObjectError(code: .conflict, context: context)
    case (412, _): return ObjectError(code: .refusedByCondition, context: context)
    case (501, _): return ObjectError(code: .unsupported, context: context)
    default: return ObjectError(code: .malformed, context: "\(context): not what was expected")
    }
  }
}
