/// One request as it goes out.
struct HTTPRequest {
  let method: Method
  /// Escaped, with its query; goes out as it is.
  let url: String
  var headers: [HTTPHeader] = []
  /// Nil where the method has none.
  var body: [UInt8]?
  /// Until the whole answer is there; nil for no limit but the one of silence.
  var timeLimit: Duration?
  /// Until a connection stands, where it differs from the store's limit.
  var connectTime: Duration?
  /// Whether the request goes straight to the host: addresses inside the machine or its network.
  var bypassesProxy = false

  enum Method: String {
    case get = "GET"
    case head = "HEAD"
    case put = "PUT"
    case post = "POST"
    case delete = "DELETE"
  }

  init(_ method: Method, _ url: String, headers: [HTTPHeader] = [], body: [UInt8]? = nil) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
  }

  /// Scheme, host and port of the URL; never a user's name or password.
  var endpoint: String {
    guard let mark = url.firstRange(of: "://") else { return "" }
    let authority = url[mark.upperBound...].prefix { !"/?#".contains($0) }
    let host = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
    return "\(url[..<mark.upperBound])\(host)"
  }
}

/// One header; names are compared without regard to case.
package struct HTTPHeader: Hashable {
  /// In any case.
  package let name: String
  /// Without the spaces around.
  package let value: String

  /// Makes a header.
  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// Where the body of a good answer goes.
@safe enum HTTPSink {
  /// Into the answer, up to a limit.
  case memory(limit: Int)
  /// Into a buffer that outlives the request: the bytes from `offset` of the object on.
  ///
  /// Where the server sends the whole object instead of the range (200, not 206), the bytes before
  /// the offset are passed over, and those after the buffer are not waited for.
  case buffer(UnsafeMutableRawBufferPointer, offset: UInt64)
}

/// One answer.
struct HTTPAnswer {
  let status: Int
  let headers: [HTTPHeader]
  /// What was kept in memory: all of it, or the beginning of an error's.
  let body: [UInt8]
  /// How many bytes a buffer was given.
  let filledCount: Int

  var isSuccess: Bool { (200..<300).contains(status) }

  /// The value of a header; nil without one.
  subscript(name: String) -> String? {
    headers.first { $0.name == name }?.value
  }

  /// The body as text.
  var text: String { String(decoding: body, as: UTF8.self) }
}

/// Why there is no whole answer.
struct HTTPFailure: Error {
  let kind: Kind
  /// libcurl's words; they name hosts and numbers, nothing of the request.
  let reason: String
  /// How many bytes a buffer was given before.
  let filledCount: Int

  enum Kind: Hashable {
    /// The name is unknown, or nothing listens there.
    case unreachable
    /// No byte for too long.
    case timedOut
    /// The connection broke before the end of the answer.
    case cut
    /// The certificate is not one that is trusted.
    case certificate
    /// The answer is larger than the limit.
    case tooLarge
    /// The caller gave up.
    case cancelled
    /// Anything else; a repetition would fail in the same way.
    case other
  }
}
