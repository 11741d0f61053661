import CCurl
import Synchronization

/// Sends requests over libcurl, any number of threads at once, and decides nothing about them.
///
/// Open connections are kept, and what TLS knows of them. TLS certificates are always verified.
/// Redirects are answers like others: who follows one has to sign it anew.
///
/// Each request has a handle of its own: up to version 8.1.1, libcurl goes on with the last header
/// of the request before, freed by then, where the first header line of an answer begins with a
/// blank.
@safe final class HTTPClient: Sendable {
  private let limits: StoreLimits
  /// A file with the certificates of the authorities to trust; nil for libcurl's own.
  private let certificatePath: String?
  private let idle = Mutex<[Connections]>([])

  private static let idleLimit = 64
  /// libcurl wants its first call before there are threads of its own; it counts further ones.
  private static let isStarted: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  /// What outlives a request: libcurl's share, which needs no locks as one request at a time has it.
  ///
  /// Guarded by `idle`: whoever takes it out is the only one to touch it.
  @safe private struct Connections: @unchecked Sendable {  // the mutex guards the pointer
    let raw: UnsafeMutableRawPointer
  }

  init(limits: StoreLimits, environment: StoreEnvironment) {
    self.limits = limits
    certificatePath = environment.variable("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    guard Self.isStarted else { fatalError("curl_global_init failed") }
  }

  deinit {
    idle.withLock { handles in
      for handle in handles { unsafe curl_share_cleanup(handle.raw) }
    }
  }

  /// Sends a request and waits for its answer.
  ///
  /// - Throws: `HTTPFailure` where no whole answer came. An answer of any status is returned.
  func send(
    _ request: HTTPRequest, into sink: HTTPSink, cancellation: Cancellation?
  ) throws(HTTPFailure) -> HTTPAnswer {
    let connections = takeConnections()
    defer { giveBack(connections) }
    guard let handle = unsafe curl_easy_init() else { fatalError("curl_easy_init: no memory") }
    defer { unsafe curl_easy_cleanup(handle) }
    _ = unsafe ns_curl_set_pointer(handle, CURLOPT_SHARE, connections.raw)
    let transfer = HTTPTransfer(sink: sink, cancellation: cancellation)
    unsafe setUp(handle, request)
    unsafe transfer.attach(to: handle)
    let code = withExtendedLifetime(transfer) {
      unsafe Self.perform(handle, request)
    }
    if transfer.isTooLarge {
      throw HTTPFailure(
        kind: .tooLarge, reason: "the answer is larger than it may be",
        filledCount: transfer.filledCount)
    }
    guard code == CURLE_OK || code == CURLE_WRITE_ERROR && transfer.isSatisfied else {
      let reason = unsafe String(cString: curl_easy_strerror(code))
      // A request that never went out says that nothing answers there.
      let isSent = unsafe ns_curl_get_long(handle, CURLINFO_REQUEST_SIZE) > 0
      let kind = code == CURLE_OPERATION_TIMEDOUT && !isSent ? .unreachable : Self.kind(of: code)
      throw HTTPFailure(
        kind: kind, reason: "\(reason) (libcurl \(code.rawValue))",
        filledCount: transfer.filledCount)
    }
    return HTTPAnswer(
      status: transfer.status, headers: transfer.headers, body: transfer.body,
      filledCount: transfer.filledCount)
  }

  private func takeConnections() -> Connections {
    if let connections = idle.withLock({ $0.popLast() }) { return connections }
    guard let raw = unsafe curl_share_init() else { fatalError("curl_share_init: no memory") }
    for data in [CURL_LOCK_DATA_CONNECT, CURL_LOCK_DATA_DNS, CURL_LOCK_DATA_SSL_SESSION] {
      guard unsafe ns_curl_share_data(raw, data) == CURLSHE_OK else {
        fatalError("libcurl shares no data of kind \(data.rawValue)")
      }
    }
    return unsafe Connections(raw: raw)
  }

  private func giveBack(_ connections: Connections) {
    let isKept = idle.withLock { idle in
      guard idle.count < Self.idleLimit else { return false }
      idle.append(connections)
      return true
    }
    if !isKept { unsafe curl_share_cleanup(connections.raw) }
  }

  // MARK: One request

  private func setUp(_ handle: UnsafeMutableRawPointer, _ request: HTTPRequest) {
    unsafe set(handle, CURLOPT_URL, request.url)
    unsafe set(handle, CURLOPT_PROTOCOLS_STR, "http,https")
    unsafe set(handle, CURLOPT_NOSIGNAL, 1)
    unsafe set(handle, CURLOPT_PATH_AS_IS, 1)  // keys hold "//" and "..": they are not folders
    unsafe set(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    unsafe set(handle, CURLOPT_SSL_VERIFYPEER, 1)
    unsafe set(handle, CURLOPT_SSL_VERIFYHOST, 2)
    if let certificatePath { unsafe set(handle, CURLOPT_CAINFO, certificatePath) }
    if request.bypassesProxy { unsafe set(handle, CURLOPT_NOPROXY, "*") }
    let connectTime = request.connectTime ?? limits.connectTime
    unsafe set(handle, CURLOPT_CONNECTTIMEOUT_MS, connectTime.wholeMilliseconds)
    unsafe set(handle, CURLOPT_LOW_SPEED_LIMIT, 1)
    unsafe set(handle, CURLOPT_LOW_SPEED_TIME, max(1, limits.stallTime.wholeMilliseconds / 1_000))
    if let timeLimit = request.timeLimit {
      unsafe set(handle, CURLOPT_TIMEOUT_MS, timeLimit.wholeMilliseconds)
    }
    unsafe set(handle, CURLOPT_BUFFERSIZE, 256 << 10)
    if request.method == .head {
      unsafe set(handle, CURLOPT_NOBODY, 1)
    } else if request.body != nil {
      unsafe set(handle, CURLOPT_POST, 1)
    }
    unsafe set(handle, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
  }

  /// Runs a request that is set up, with its headers and its body where libcurl sees them.
  private static func perform(
    _ handle: UnsafeMutableRawPointer, _ request: HTTPRequest
  ) -> CURLcode {
    var list: UnsafeMutablePointer<curl_slist>?
    defer { unsafe curl_slist_free_all(list) }
    // libcurl would ask for leave before large bodies, and call every body a form.
    var lines = ["Expect:", "Accept:", "User-Agent: nightshift"]
    lines += request.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
    let isTyped = request.headers.contains { $0.name.lowercased() == "content-type" }
    if !isTyped { lines.append("Content-Type:") }
    for line in lines { unsafe list = curl_slist_append(list, line) }
    _ = unsafe ns_curl_set_pointer(handle, CURLOPT_HTTPHEADER, list)
    guard let body = request.body else { return unsafe curl_easy_perform(handle) }
    return unsafe body.withUnsafeBytes { bytes in
      let start = unsafe bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)
      _ = unsafe ns_curl_set_offset(
        handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count))
      _ = unsafe ns_curl_set_pointer(handle, CURLOPT_POSTFIELDS, start)
      return unsafe curl_easy_perform(handle)
    }
  }

  private func set(_ handle: UnsafeMutableRawPointer, _ option: CURLoption, _ value: Int) {
    let code = unsafe ns_curl_set_long(handle, option, value)
    guard code == CURLE_OK else { fatalError("libcurl lacks option \(option.rawValue)") }
  }

  private func set(_ handle: UnsafeMutableRawPointer, _ option: CURLoption, _ value: String) {
    let code = unsafe ns_curl_set_text(handle, option, value)
    guard code == CURLE_OK else { fatalError("libcurl lacks option \(option.rawValue)") }
  }

  private static func kind(of code: CURLcode) -> HTTPFailure.Kind {
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT:
      .unreachable
    case CURLE_OPERATION_TIMEDOUT: .timedOut
    case CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING,
      CURLE_SSL_CONNECT_ERROR, CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL:
      .cut
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
      CURLE_SSL_ISSUER_ERROR:
      .certificate
    case CURLE_ABORTED_BY_CALLBACK: .cancelled
    default: .other
    }
  }
}

extension Duration {
  /// Rounded down to milliseconds.
  var wholeMilliseconds: Int {
    Int(components.seconds) * 1_000 + Int(components.attoseconds / 1_000_000_000_000_000)
  }

  /// In seconds, as messages write it.
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
