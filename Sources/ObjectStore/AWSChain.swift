import Foundation

/// Looks for AWS credentials where AWS's own programs do, in their order.
///
/// Variables, web identity (EKS), the profile's files, the container's address (ECS, EKS), the
/// machine's metadata (EC2, version 2 only). Source: "Standardized credential providers",
/// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
struct AWSChain: Sendable {
  let sender: Sender

  private var environment: StoreEnvironment { sender.environment }

  /// The region by variables or profile; nil where neither names one.
  var region: String? {
    environment.variable("AWS_REGION", "AWS_DEFAULT_REGION")
      ?? AWSProfiles(environment)[profileName]?["region"]
  }

  /// An endpoint other than AWS's own, by variables or profile.
  func endpoint(service: String) -> String? {
    environment.variable("AWS_ENDPOINT_URL_\(service.uppercased())", "AWS_ENDPOINT_URL")
      ?? AWSProfiles(environment)[profileName]?["endpoint_url"]
  }

  /// Finds credentials; nil where the environment asks for unsigned requests.
  ///
  /// - Throws: `ObjectError`: `denied` where there are none, naming the places.
  func find() throws(ObjectError) -> FoundCredentials? {
    if environment.isTrue("AWS_SKIP_SIGNATURE") { return nil }
    if let found = variables() { return found }
    if let found = try webIdentity() { return found }
    if let found = try profile(profileName, depth: 0) { return found }
    if let found = try container() { return found }
    if let found = try machine() { return found }
    throw ObjectError(
      code: .denied,
      context:
        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE "
        + "with ~/.aws/credentials, or run where a role is attached (looked at variables, web "
        + "identity, profile \"\(profileName)\", container and machine); for buckets that everyone "
        + "may read set AWS_SKIP_SIGNATURE=true")
  }

  private var profileName: String {
    environment.variable("AWS_PROFILE", "AWS_DEFAULT_PROFILE") ?? "default"
  }

  private func variables() -> FoundCredentials? {
    guard environment.variable("AWS_PROFILE") == nil || environment.variable("HOME") == nil,
      let keyID = environment.variable("AWS_ACCESS_KEY_ID"),
      let secret = environment.variable("AWS_SECRET_ACCESS_KEY")
    else { return nil }
    return FoundCredentials(
      credentials: AWSCredentials(
        keyID: keyID, secret: secret, sessionToken: environment.variable("AWS_SESSION_TOKEN")),
      source: "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
  }

  // MARK: Profiles

  private func profile(_ name: String, depth: Int) throws(ObjectError) -> FoundCredentials? {
    guard let values = AWSProfiles(environment)[name] else {
      guard environment.variable("AWS_PROFILE") == nil, depth == 0 else {
        throw ObjectError(
          code: .denied, context: "AWS: there is no profile \"\(name)\" in the profile files")
      }
      return nil
    }
    if let role = values["role_arn"], let source = values["source_profile"], depth < 4 {
      return try assume(role, from: source, of: name, depth: depth)
    }
    if let keyID = values["aws_access_key_id"], let secret = values["aws_secret_access_key"] {
      return FoundCredentials(
        credentials: AWSCredentials(
          keyID: keyID, secret: secret, sessionToken: values["aws_session_token"]),
        source: "the profile \"\(name)\"")
    }
    for key in ["sso_session", "sso_start_url", "credential_process", "credential_source"]
    where values[key] != nil {
      throw ObjectError(
        code: .denied,
        context: "AWS: the profile \"\(name)\" uses \(key), which is not supported here; run "
          + "`aws configure export-credentials --profile \(name) --format env` and set what it says"
      )
    }
    return nil
  }

  private func assume(
    _ role: String, from source: String, of name: String, depth: Int
  ) throws(ObjectError) -> FoundCredentials? {
    let base = source == name ? try plainKeys(of: name) : try profile(source, depth: depth + 1)
    guard let base else {
      throw ObjectError(
        code: .denied,
        context: "AWS: the profile \"\(name)\" starts from \"\(source)\", which has no keys")
    }
    let token = SecurityTokenService(sender: sender, region: region ?? "us-east-1", chain: self)
    return FoundCredentials(
      credentials: try token.assume(role: role, with: base.credentials),
      source: "the role of the profile \"\(name)\"")
  }

  private func plainKeys(of name: String) throws(ObjectError) -> FoundCredentials? {
    guard let values = AWSProfiles(environment)[name], let keyID = values["aws_access_key_id"],
      let secret = values["aws_secret_access_key"]
    else { return nil }
    return FoundCredentials(
      credentials: AWSCredentials(
        keyID: keyID, secret: secret, sessionToken: values["aws_session_token"]),
      source: "the profile \"\(name)\"")
  }

  // MARK: Roles of containers and machines

  private func webIdentity() throws(ObjectError) -> FoundCredentials? {
    guard let path = environment.variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
      let role = environment.variable("AWS_ROLE_ARN")
    else { return nil }
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw ObjectError(
        code: .denied, context: "AWS: \(path) of AWS_WEB_IDENTITY_TOKEN_FILE cannot be read")
    }
    let token = String(decoding: bytes, as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let service = SecurityTokenService(sender: sender, region: region ?? "us-east-1", chain: self)
    let session = environment.variable("AWS_ROLE_SESSION_NAME") ?? "nightshift"
    return FoundCredentials(
      credentials: try service.assume(role: role, webIdentity: token, session: session),
      source: "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE")
  }

  private func container() throws(ObjectError) -> FoundCredentials? {
    let relative = environment.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    let full = environment.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    guard let url = relative.map({ "http://169.254.170.2\($0)" }) ?? full else { return nil }
    guard LocalAddress.mayBeToldSecrets(url) else {
      throw ObjectError(
        code: .denied,
        context: "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this "
          + "machine or its container host")
    }
    var request = HTTPRequest(.get, url)
    request.bypassesProxy = true
    request.timeLimit = .seconds(10)
    if let token = try containerToken() {
      request.headers.append(HTTPHeader("Authorization", token))
    }
    let answer = try MetadataAnswer.fetch(request, "the container's credentials", sender)
    return FoundCredentials(
      credentials: try answer.credentials("the container's credentials"),
      source: "the container's role")
  }

  private func containerToken() throws(ObjectError) -> String? {
    guard let path = environment.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") else {
      return environment.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    }
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw ObjectError(
        code: .denied,
        context: "AWS: \(path) of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read")
    }
    return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// The role of an EC2 instance; nil where there is no metadata service.
  private func machine() throws(ObjectError) -> FoundCredentials? {
    if environment.isTrue("AWS_EC2_METADATA_DISABLED") { return nil }
    let base =
      environment.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? "http://169.254.169.254"
    let root = base.hasSuffix("/") ? String(base.dropLast()) : base
    var token = HTTPRequest(
      .put, root + "/latest/api/token",
      headers: [HTTPHeader("X-aws-ec2-metadata-token-ttl-seconds", "21600")], body: [])
    token.timeLimit = .seconds(2)
    token.connectTime = .seconds(1)
    token.bypassesProxy = true
    // Elsewhere than on EC2 nothing answers there: that is not an error but a "no".
    guard let answer = try? sender.sendOnce(token), answer.status == 200 else { return nil }
    func get(_ path: String) throws(ObjectError) -> MetadataAnswer {
      var request = HTTPRequest(
        .get, root + "/latest/meta-data/iam/security-credentials/" + path,
        headers: [HTTPHeader("X-aws-ec2-metadata-token", answer.text)])
      request.timeLimit = .seconds(10)
      request.bypassesProxy = true
      return try MetadataAnswer.fetch(request, "the machine's metadata", sender)
    }
    let roles = try get("").answer
    guard roles.status == 200, let role = roles.text.split(whereSeparator: \.isNewline).first else {
      return nil
    }
    return FoundCredentials(
      credentials: try get(String(role)).credentials("the machine's metadata"),
      source: "the machine's role \(role)")
  }
}
