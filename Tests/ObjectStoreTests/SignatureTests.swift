import Digests
import ObjectStore
import Testing

/// The examples of AWS's own page on signing requests to S3.
///
/// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
@Suite struct SignatureTests {
  struct Example: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let method: String
    let path: String
    let query: String
    let headers: [HTTPHeader]
    let body: String
    let signature: String
  }

  static let examples = [
    Example(
      testDescription: "GET of a range", method: "GET", path: "/test.txt", query: "",
      headers: [HTTPHeader("Range", "bytes=0-9")], body: "",
      signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    Example(
      testDescription: "PUT", method: "PUT", path: "/test%24file.text", query: "",
      headers: [
        HTTPHeader("Date", "Fri, 24 May 2013 00:00:00 GMT"),
        HTTPHeader("x-amz-storage-class", "REDUCED_REDUNDANCY"),
      ], body: "Welcome to Amazon S3.",
      signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    Example(
      testDescription: "a query without a value", method: "GET", path: "/", query: "lifecycle=",
      headers: [], body: "",
      signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    Example(
      testDescription: "a listing", method: "GET", path: "/", query: "max-keys=2&prefix=J",
      headers: [], body: "",
      signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
  ]

  @Test(arguments: examples) func anExampleHasItsSignature(example: Example) {
    let signature = RequestSignature(
      credentials: AWSCredentials(
        keyID: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        sessionToken: nil),
      region: "us-east-1", service: "s3", time: 1_369_353_600)
    let headers = signature.headers(
      method: example.method, host: "examplebucket.s3.amazonaws.com", path: example.path,
      query: example.query, headers: example.headers,
      bodyDigest: SHA256.digest(of: Array(example.body.utf8)).description)
    let authorization = headers.first { $0.name == "authorization" }?.value ?? ""
    #expect(authorization.hasSuffix("Signature=\(example.signature)"), "\(authorization)")
    #expect(headers.contains(HTTPHeader("x-amz-date", "20130524T000000Z")))
  }

  @Test func credentialsDoNotPrint() {
    let credentials = AWSCredentials(keyID: "AKIA1", secret: "hidden", sessionToken: "hidden")
    for text in ["\(credentials)", String(reflecting: credentials), dumped(credentials)] {
      #expect(!text.contains("hidden") && !text.contains("AKIA1"), "\(text)")
    }
  }

  private func dumped(_ value: some Any) -> String {
    var text = ""
    dump(value, to: &text)
    return text
  }
}
