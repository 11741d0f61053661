import Digests
import Foundation

/// Looks for a token for Google's stores where Google's own programs do.
///
/// The file of `GOOGLE_APPLICATION_CREDENTIALS`, the one that `gcloud auth application-default
/// login` writes, then the machine's metadata. Source: "How Application Default Credentials works",
/// https://cloud.google.com/docs/authentication/application-default-credentials
struct GoogleTokens: Sendable {
  let sender: Sender

  private var environment: StoreEnvironment { sender.environment }

  /// A file with a key or with a user's consent.
  private struct KeyFile: Decodable {
    let type: String
    let client_email: String?
    let private_key: String?
    let private_key_id: String?
    let token_uri: String?
    let client_id: String?
    let client_secret: String?
    let refresh_token: String?
  }

  private struct Token: Decodable {
    let access_token: String
    let expires_in: Int64?
  }

  private struct Claims: Encodable {
    let iss: String
    let scope: String
    let aud: String
    let iat: Int64
    let exp: Int64
  }

  private static let scope = "https://www.googleapis.com/auth/devstorage.read_write"

  /// A token and the time of its end, in nanoseconds since 1970.
  func find() throws(ObjectError) -> (String, expiry: Int64?) {
    if let path = environment.variable("GOOGLE_APPLICATION_CREDENTIALS") {
      guard let bytes = FileManager.default.contents(atPath: path) else {
        throw denied("\(path) of GOOGLE_APPLICATION_CREDENTIALS cannot be read")
      }
      return try token(ofFile: bytes, path)
    }
    if let path = environment.homePath(".config/gcloud/application_default_credentials.json"),
      let bytes = FileManager.default.contents(atPath: path)
    {
      return try token(ofFile: bytes, path)
    }
    if let token = try machine() { return token }
    throw denied(
      "no credentials: set GOOGLE_APPLICATION_CREDENTIALS to a key file, run `gcloud auth "
        + "application-default login`, or run where a service account is attached")
  }

  private func denied(_ what: String) -> ObjectError {
    ObjectError(code: .denied, context: "Google Cloud Storage: \(what)")
  }

  private func token(
    ofFile data: Data, _ path: String
  ) throws(ObjectError) -> (String, expiry: Int64?) {
    // The decoder's error could quote the file, and with it the key.
    guard let file = try? JSONDecoder().decode(KeyFile.self, from: data) else {
      throw denied("\(path) is no key file")
    }
    let url = file.token_uri ?? "https://oauth2.googleapis.com/token"
    guard LocalAddress.mayBeToldSecrets(url) else {
      throw denied("\(path): its token_uri is not https")
    }
    if file.type == "service_account", let key = file.private_key, let email = file.client_email {
      let assertion = try assertion(email: email, key: key, keyID: file.private_key_id, url, path)
      return try exchange(
        url,
        [
          ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
          ("assertion", assertion),
        ], path)
    }
    if file.type == "authorized_user", let refresh = file.refresh_token, let id = file.client_id,
      let secret = file.client_secret
    {
      return try exchange(
        url,
        [
          ("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", id),
          ("client_secret", secret),
        ], path)
    }
    throw denied("\(path): credentials of type \"\(file.type.prefix(40))\" are not supported")
  }

  /// A signed claim to be the service account (RFC 7523).
  private func assertion(
    email: String, key: String, keyID: String?, _ url: String, _ path: String
  ) throws(ObjectError) -> String {
    let now = environment.wallClock() / 1_000_000_000
    var header = ["alg": "RS256", "typ": "JWT"]
    header["kid"] = keyID
    let claims = Claims(iss: email, scope: Self.scope, aud: url, iat: now, exp: now + 3_600)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let first = try? encoder.encode(header), let second = try? encoder.encode(claims) else {
      fatalError("words and numbers are always JSON")
    }
    let text = Self.base64URL(first) + "." + Self.base64URL(second)
    guard let signature = RSASignature.sign(Array(text.utf8), privateKey: key) else {
      throw denied("\(path): its private_key is no RSA key")
    }
    return text + "." + Self.base64URL(Data(signature))
  }

  /// RFC 4648, section 5, without padding.
  private static func base64URL(_ data: Data) -> String {
    data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
      .replacing("=", with: "")
  }

  private func exchange(
    _ url: String, _ form: [(name: String, value: String)], _ path: String
  ) throws(ObjectError) -> (String, expiry: Int64?) {
    let errand = Sender.Errand(name: "POST \(url.prefix(200))", bucket: url)
    let answer = try sender.send(errand) { _ throws(ObjectError) in
      let request = HTTPRequest(
        .post, url,
        headers: [HTTPHeader("content-type", "application/x-www-form-urlencoded")],
        body: Array(PercentCoding.query(form).utf8))
      return (request, HTTPSink.memory(limit: 1 << 20))
    }.answer
    guard answer.status == 200 else {
      throw denied(
        "\(path) gives no token: \(answer.status) \(errorCode(in: answer.body) ?? ""); make a new "
          + "key, or log in again")
    }
    return try read(answer)
  }

  private func read(_ answer: HTTPAnswer) throws(ObjectError) -> (String, expiry: Int64?) {
    // The decoder's error could quote the token.
    guard let token = try? JSONDecoder().decode(Token.self, from: Data(answer.body)) else {
      throw denied("the answer holds no token")
    }
    let expiry = token.expires_in.map {
      environment.wallClock() + min(max($0, 0), 86_400) * 1_000_000_000
    }
    return (token.access_token, expiry: expiry)
  }

  /// The token of the machine's service account; nil where there is no metadata service.
  private func machine() throws(ObjectError) -> (String, expiry: Int64?)? {
    let host = environment.variable("GCE_METADATA_HOST") ?? "metadata.google.internal"
    var request = HTTPRequest(
      .get, "http://\(host)/computeMetadata/v1/instance/service-accounts/default/token",
      headers: [HTTPHeader("Metadata-Flavor", "Google")])
    request.connectTime = .seconds(1)
    request.timeLimit = .seconds(5)
    request.bypassesProxy = true
    // Elsewhere than on Google's machines nothing answers there: that is a "no".
    guard let answer = try? sender.sendOnce(request), answer.status == 200 else { return nil }
    return try read(answer)
  }
}
