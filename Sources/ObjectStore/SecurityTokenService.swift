import Digests

/// AWS's service that gives credentials for a role.
struct SecurityTokenService {
  let sender: Sender
  let region: String
  let chain: AWSChain

  /// Credentials for a role by a token of another authority.
  func assume(
    role: String, webIdentity token: String, session: String
  ) throws(ObjectError) -> AWSCredentials {
    try ask([
      ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
      ("RoleSessionName", session), ("WebIdentityToken", token),
    ]) { _, _ in [] }
  }

  /// Credentials for a role by other credentials.
  func assume(
    role: String, with credentials: AWSCredentials
  ) throws(ObjectError) -> AWSCredentials {
    try ask([
      ("Action", "AssumeRole"), ("Version", "2011-06-15"), ("RoleArn", role),
      ("RoleSessionName", "nightshift"),
    ]) { host, body in
      let signature = RequestSignature(
        credentials: credentials, region: region, service: "sts",
        time: sender.environment.wallClock() / 1_000_000_000)
      return signature.headers(
        method: "POST", host: host, path: "/", query: "", headers: [],
        bodyDigest: SHA256.digest(of: body).description)
    }
  }

  private func ask(
    _ form: [(name: String, value: String)],
    sign: (_ host: String, _ body: [UInt8]) -> [HTTPHeader]
  ) throws(ObjectError) -> AWSCredentials {
    let endpoint = chain.endpoint(service: "sts") ?? "https://sts.\(region).amazonaws.com"
    let uri = try ObjectURI(endpoint)
    let body = Array(PercentCoding.query(form).utf8)
    let errand = Sender.Errand(name: "POST \(uri.scheme)://\(uri.bucket)", bucket: uri.bucket)
    let answer = try sender.send(errand) { _ throws(ObjectError) in
      var request = HTTPRequest(.post, "\(uri.scheme)://\(uri.bucket)/", body: body)
      request.headers = sign(uri.bucket, body)
      request.headers.append(HTTPHeader("content-type", "application/x-www-form-urlencoded"))
      return (request, HTTPSink.memory(limit: 1 << 20))
    }.answer
    guard answer.status == 200 else {
      throw ObjectError(
        code: .denied,
        context: "AWS: no credentials for the role: \(answer.status) "
          + (errorCode(in: answer.body) ?? ""))
    }
    return try Self.credentials(in: answer.body)
  }

  private static func credentials(in body: [UInt8]) throws(ObjectError) -> AWSCredentials {
    var found: [String: String] = [:]
    var reader = XMLReader(body)
    while let element = try reader.next() {
      if case .close(let name, let text) = element { found[name] = text }
    }
    guard let keyID = found["AccessKeyId"], let secret = found["SecretAccessKey"] else {
      throw ObjectError(code: .denied, context: "AWS: the answer for the role has no credentials")
    }
    return AWSCredentials(
      keyID: keyID, secret: secret, sessionToken: found["SessionToken"],
      expiry: found["Expiration"].flatMap(Timestamp.nanoseconds(ofRFC3339:)))
  }
}
