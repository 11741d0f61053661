import Foundation
import ObjectStore
import TestSupport
import Testing

/// The places where credentials are looked for, each with an authority on loopback.
@Suite struct CredentialTests {
  private let servers = Servers.shared
  private let time = FakeTime()

  private var authority: String { "http://127.0.0.1:\(servers.authorities)" }

  private func token(_ key: String, _ variables: [String: String]) throws -> String? {
    var variables = variables
    variables["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:\(servers.motoProxy)"
    let store = ObjectStore(environment: time.environment(variables), limits: .small)
    try store.put([1], to: try ObjectURI("s3://bucket/credentials/\(key)"))
    return try Control.log("PUT .*credentials/\(key)", proxy: servers.motoProxy)
      .last?.headers["x-amz-security-token"]
  }

  private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result
  {
    let path = NSTemporaryDirectory() + "/object-store-\(UUID().uuidString)"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }  // the system's own folder
    return try body(path)
  }

  @Test func variablesComeFirst() throws {
    #expect(
      try token(
        "variables",
        [
          "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", "AWS_SESSION_TOKEN": "the-token",
          "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "AWS_ROLE_ARN": "x",
        ]) == "the-token")
  }

  @Test func aProfileIsRead() throws {
    try withFile("[batch]\naws_access_key_id=A\naws_secret_access_key=B\naws_session_token=T1\n") {
      let token = try token(
        "profile", ["AWS_SHARED_CREDENTIALS_FILE": $0, "AWS_PROFILE": "batch"])
      #expect(token == "T1")
    }
  }

  @Test func aProfileWithARoleAsksForIt() throws {
    let text = """
      [base]
      aws_access_key_id=A
      aws_secret_access_key=B
      [profile role]
      role_arn=arn:aws:iam::1:role/x
      source_profile=base
      """
    try withFile(text) {
      let token = try token(
        "role",
        ["AWS_CONFIG_FILE": $0, "AWS_PROFILE": "role", "AWS_ENDPOINT_URL_STS": authority])
      #expect(token?.hasPrefix("session-") == true)
    }
  }

  @Test func aWebIdentityIsExchanged() throws {
    try withFile("the-web-token\n") {
      let token = try token(
        "web",
        [
          "AWS_WEB_IDENTITY_TOKEN_FILE": $0, "AWS_ROLE_ARN": "arn:aws:iam::1:role/x",
          "AWS_ENDPOINT_URL_STS": authority,
        ])
      #expect(token?.hasPrefix("session-") == true)
    }
    let seen = Control.bodyText(try Control.send("GET", "/seen", port: servers.authorities))
    #expect(seen.contains("Action=AssumeRoleWithWebIdentity"))
    #expect(seen.contains("WebIdentityToken=the-web-token\""))
  }

  @Test func theContainerIsAsked() throws {
    let token = try token(
      "container",
      [
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(authority)/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "container-token",
      ])
    #expect(token?.hasPrefix("session-") == true)
  }

  @Test func theMachineIsAskedByItsSecondVersion() throws {
    let token = try token(
      "machine",
      [
        "AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": authority,
      ])
    #expect(token?.hasPrefix("session-") == true)
  }

  @Test func noCredentialsNamesThePlaces() throws {
    let said = words { () throws(ObjectError) in
      let store = ObjectStore(environment: time.environment([:]), limits: .small)
      try store.put([1], to: ObjectURI("s3://bucket/x"))
    }
    for place in ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "role", "AWS_SKIP_SIGNATURE"] {
      #expect(said.contains(place), "\(said)")
    }
  }

  @Test func secretsGoToNoStranger() throws {
    let said = words { () throws(ObjectError) in
      let store = ObjectStore(
        environment: time.environment(
          ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/container"]), limits: .small)
      try store.put([1], to: ObjectURI("s3://bucket/x"))
    }
    #expect(said.contains("neither https nor an address of this machine"), "\(said)")
  }

  @Test func publicBucketsNeedNoCredentials() throws {
    #expect(try token("none", ["AWS_SKIP_SIGNATURE": "true"]) == nil)
  }

  // MARK: Google

  /// What asking for an object that is not there ends with.
  private func googleWords(_ file: String, _ key: String = "none") throws -> String {
    try withFile(file) { path in
      words { () throws(ObjectError) in
        let store = ObjectStore(
          environment: time.environment([
            "GOOGLE_APPLICATION_CREDENTIALS": path,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": "http://127.0.0.1:\(servers.googleProxy)",
          ]), limits: .small)
        _ = try store.status(of: ObjectURI("gs://bucket/\(key)"))
      }
    }
  }

  @Test func aServiceAccountSignsItsClaim() throws {
    let key = try Self.newKey()
    let escaped = key.replacing("\n", with: "\\n")
    let said = try googleWords(
      #"{"type":"service_account","client_email":"batch@x.test","private_key":"\#(escaped)","#
        + #""token_uri":"\#(authority)/oauth"}"#, "token-used")
    #expect(said.contains("404"), "\(said)")
    let request = try Control.log("token-used", proxy: servers.googleProxy).last
    #expect(request?.headers["authorization"] == "Bearer ya29.token")
    let seen = Control.bodyText(try Control.send("GET", "/seen", port: servers.authorities))
    let mark = "assertion="
    let start = try #require(seen.firstRange(of: mark))
    let assertion = seen[start.upperBound...].prefix { $0 != "&" && $0 != "\"" }
    let parts = assertion.split(separator: ".")
    #expect(parts.count == 3)
    #expect(try Self.verifies(String(parts[0] + "." + parts[1]), String(parts[2]), key))
  }

  @Test func aUserRefreshesATokenAndOtherFilesAreRefused() throws {
    _ = try googleWords(
      #"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r1","#
        + #""token_uri":"\#(authority)/oauth"}"#)
    let seen = Control.bodyText(try Control.send("GET", "/seen", port: servers.authorities))
    #expect(seen.contains("refresh_token=r1"))
    let other = try googleWords(#"{"type":"external_account"}"#)
    #expect(other.contains("\"external_account\" are not supported"), "\(other)")
    let broken = try googleWords(
      #"{"type":"service_account","client_email":"e","private_key":"no key","token_uri":"\#(authority)/oauth"}"#
    )
    #expect(broken.contains("private_key is no RSA key"), "\(broken)")
    let plain = try googleWords(#"{"type":"authorized_user","token_uri":"http://192.0.2.1/x"}"#)
    #expect(plain.contains("token_uri is not https"), "\(plain)")
  }

  /// Numbers of a token's server that would overflow as nanoseconds.
  @Test func aTokenThatEndedLongAgoIsUsedOnce() throws {
    let said = try googleWords(
      #"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r2","#
        + #""token_uri":"\#(authority)/oauth-long-ago"}"#, "token-of-long-ago")
    #expect(said.contains("404"), "\(said)")
  }

  private static func run(_ arguments: [String], input: Data? = nil) throws -> (Int32, Data) {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, data)
  }

  private static func newKey() throws -> String {
    let (status, data) = try run(
      ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
    try #require(status == 0)
    return String(decoding: data, as: UTF8.self)
  }

  /// Whether another program agrees with the signature.
  private static func verifies(_ text: String, _ signature: String, _ key: String) throws -> Bool {
    let folder = NSTemporaryDirectory() + "/object-store-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }  // the system's own folder
    var padded = signature.replacing("-", with: "+").replacing("_", with: "/")
    padded += String(repeating: "=", count: (4 - padded.count % 4) % 4)
    try key.write(toFile: folder + "/key", atomically: true, encoding: .utf8)
    try text.write(toFile: folder + "/text", atomically: true, encoding: .utf8)
    try Data(base64Encoded: padded)?.write(to: URL(fileURLWithPath: folder + "/signature"))
    let (status, _) = try run([
      "openssl", "dgst", "-sha256", "-prverify", folder + "/key", "-signature",
      folder + "/signature", folder + "/text",
    ])
    return status == 0
  }
}
