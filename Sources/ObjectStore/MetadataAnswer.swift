import Foundation

/// What the container's or the machine's metadata service said.
struct MetadataAnswer {
  let answer: HTTPAnswer

  private struct Keys: Decodable {
    let AccessKeyId: String
    let SecretAccessKey: String
    let Token: String?
    let Expiration: String?
  }

  /// Asks, a few times where need be.
  static func fetch(
    _ request: HTTPRequest, _ place: String, _ sender: Sender
  ) throws(ObjectError) -> MetadataAnswer {
    var attempt = 0
    while true {
      attempt += 1
      do throws(HTTPFailure) {
        let answer = try sender.sendOnce(request)
        if answer.status < 500 || attempt == 4 { return MetadataAnswer(answer: answer) }
      } catch {
        guard attempt < 4 else {
          throw ObjectError(code: .denied, context: "\(place): \(error.reason)")
        }
      }
      sender.environment.pause(.milliseconds(100 << attempt))
    }
  }

  /// The credentials in it.
  func credentials(_ place: String) throws(ObjectError) -> AWSCredentials {
    guard answer.status == 200 else {
      throw ObjectError(code: .denied, context: "\(place): status \(answer.status)")
    }
    // The error could quote the answer, and with it the secret.
    guard let keys = try? JSONDecoder().decode(Keys.self, from: Data(answer.body)) else {
      throw ObjectError(code: .denied, context: "\(place): the answer holds no credentials")
    }
    return AWSCredentials(
      keyID: keys.AccessKeyId, secret: keys.SecretAccessKey, sessionToken: keys.Token,
      expiry: keys.Expiration.flatMap(Timestamp.nanoseconds(ofRFC3339:)))
  }
}

/// Which addresses may be asked for secrets without TLS.
enum LocalAddress {
  /// Whether a URL is https, or leads to this machine or to what its container host answers at.
  static func mayBeToldSecrets(_ url: String) -> Bool {
    if url.hasPrefix("https://") { return true }
    guard let uri = try? ObjectURI(url), uri.scheme == .http else { return false }  // no address
    let host = uri.bucket
    if host.hasPrefix("[") {
      return host.hasPrefix("[::1]") || host.lowercased().hasPrefix("[fd00:ec2::23]")
    }
    let name = host.split(separator: ":").first.map(String.init) ?? ""
    return name == "localhost" || ["169.254.170.2", "169.254.170.23"].contains(name)
      || isLoopback(name)
  }

  /// Whether a host is an address of this machine.
  static func isLoopback(_ name: String) -> Bool {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}
