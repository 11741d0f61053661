import Digests

/// Signs requests as AWS wants them: Signature Version 4.
///
/// libcurl can sign too, but 7.88 takes the time from the system's clock, so that a clock that is
/// off cannot be corrected by what the store says, and leaves the query unsorted. One function of
/// ours does it for every request, with a clock that tests can set. Source: "Signing AWS API
/// requests", https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request
package struct RequestSignature {
  private let credentials: AWSCredentials
  private let region: String
  private let service: String
  private let time: Int64

  /// Prepares signatures.
  ///
  /// - Parameters:
  ///   - credentials: The key.
  ///   - region: Where the service is.
  ///   - service: `s3` or `sts`.
  ///   - time: When requests are signed, in seconds since 1970.
  package init(credentials: AWSCredentials, region: String, service: String, time: Int64) {
    self.credentials = credentials
    self.region = region
    self.service = service
    self.time = time
  }

  /// The headers that a request needs beside its own.
  ///
  /// - Parameters:
  ///   - method: The verb.
  ///   - host: The value of the `Host` header.
  ///   - path: Escaped once, from its first slash.
  ///   - query: Escaped and sorted, without the question mark.
  ///   - headers: Those that go out; all are signed.
  ///   - bodyDigest: SHA-256 of the body, hexadecimal.
  /// - Returns: Date, digest, token and authorization, to be sent with the others.
  package func headers(
    method: String, host: String, path: String, query: String, headers: [HTTPHeader],
    bodyDigest: String
  ) -> [HTTPHeader] {
    let stamp = Timestamp.compact(time)
    var added = [HTTPHeader("x-amz-content-sha256", bodyDigest), HTTPHeader("x-amz-date", stamp)]
    if let token = credentials.sessionToken {
      added.append(HTTPHeader("x-amz-security-token", token))
    }
    let signed = (headers + added + [HTTPHeader("host", host)])
      .map { HTTPHeader($0.name.lowercased(), Self.trimmed($0.value)) }
      .sorted { $0.name.utf8 < $1.name.utf8 }
    let names = signed.map(\.name).joined(separator: ";")
    let canonical =
      [method, path, query].joined(separator: "\n") + "\n"
      + signed.map { "\($0.name):\($0.value)\n" }.joined() + "\n\(names)\n\(bodyDigest)"
    let scope = "\(stamp.prefix(8))/\(region)/\(service)/aws4_request"
    let text =
      "AWS4-HMAC-SHA256\n\(stamp)\n\(scope)\n"
      + SHA256.digest(of: Array(canonical.utf8)).description
    let signature = SHA256.authenticationCode(
      of: Array(text.utf8), key: key(day: String(stamp.prefix(8))))
    added.append(
      HTTPHeader(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=\(credentials.keyID)/\(scope), SignedHeaders=\(names), "
          + "Signature=\(signature)"))
    return added
  }

  private func key(day: String) -> [UInt8] {
    var key = Array("AWS4\(credentials.secret)".utf8)
    for part in [day, region, service, "aws4_request"] {
      key = SHA256.authenticationCode(of: Array(part.utf8), key: key).bytes
    }
    return key
  }

  /// Without spaces around, and with one where there were several.
  private static func trimmed(_ value: String) -> String {
    value.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
  }
}
