import Glibc

/// What a listener answers to the first message of a TLS handshake, which nng does not tell.
///
/// TLS 1.2 sends the server's certificates in the clear, before anybody has proved anything: enough
/// to say which check of them fails.
enum ServerGreeting: Equatable, Sendable {
  /// Nothing listens, or the host has no address; the system's words.
  case refused(String)
  /// A connection stands, and nothing comes.
  case silent
  /// Something that is not TLS 1.2, or that has no common ground with us.
  case notTLS
  /// The certificate of the server itself.
  case certificate(Certificate)

  /// Connects, says hello and reads the answer; blocks for at most about twice the limit.
  static func read(from address: Address, within limit: Duration) -> ServerGreeting {
    let descriptor: Int32
    switch connection(to: address, limit: limit) {
    case .success(let open): descriptor = open
    case .failure(let error): return error.code == .timedOut ? .silent : .refused(error.context)
    }
    defer { close(descriptor) }
    let hello = clientHello()
    let sent = unsafe send(descriptor, hello, hello.count, Int32(MSG_NOSIGNAL))
    guard sent == hello.count else { return .notTLS }
    var records = HandshakeReader()
    var buffer = [UInt8](repeating: 0, count: 4_096)
    let end = ContinuousClock.now + limit
    while ContinuousClock.now < end {
      let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN || errno == EWOULDBLOCK { return .silent }
      guard count > 0 else { return .notTLS }
      switch records.take(buffer[..<count]) {
      case .more: continue
      case .failed: return .notTLS
      case .certificate(let bytes): return Certificate(der: bytes).map(Self.certificate) ?? .notTLS
      }
    }
    return .silent
  }

  private static func connection(
    to address: Address, limit: Duration
  ) -> Result<Int32, TransportError> {
    var found: UnsafeMutablePointer<addrinfo>?
    let host = address.seenFromHere.host
    let status = unsafe getaddrinfo(host, String(address.port), nil, &found)
    guard status == 0, let first = unsafe found else {
      let reason = unsafe String(cString: gai_strerror(status))
      return .failure(TransportError(code: .connectionRefused, context: "\(host): \(reason)"))
    }
    defer { unsafe freeaddrinfo(first) }
    let descriptor = unsafe socket(
      first.pointee.ai_family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    let (seconds, attoseconds) = limit.components
    var time = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      _ = unsafe setsockopt(
        descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }
    guard unsafe connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 else {
      let number = errno
      close(descriptor)
      let isLate = number == EINPROGRESS || number == ETIMEDOUT
      return .failure(
        TransportError(
          code: isLate ? .timedOut : .connectionRefused,
          context: unsafe String(cString: strerror(number))))
    }
    return .success(descriptor)
  }

  /// A ClientHello of TLS 1.2 (RFC 5246, section 7.4.1.2) that mbedTLS and OpenSSL can answer.
  private static func clientHello() -> [UInt8] {
    let suites: [UInt16] = [
      0xC02B, 0xC02C, 0xCCA9, 0xC023, 0xC024, 0xC009, 0xC00A,  // ECDHE with ECDSA
      0xC02F, 0xC030, 0xCCA8, 0xC027, 0xC013, 0xC014,  // ECDHE with RSA
    ]
    let groups: [UInt16] = [23, 24, 25, 29]
    let signatures: [UInt16] = [0x0403, 0x0503, 0x0603, 0x0401, 0x0501, 0x0601, 0x0804, 0x0805]
    let extensions =
      parameter(10, counted(words(groups), by: 2)) + parameter(11, [1, 0])
      + parameter(13, counted(words(signatures), by: 2))
    let body: [UInt8] =
      [3, 3] + (0..<32).map { _ in UInt8.random(in: 0...255) } + [0]
      + counted(words(suites), by: 2) + [1, 0] + counted(extensions, by: 2)
    return [22, 3, 1] + counted([1] + counted(body, by: 3), by: 2)
  }

  private static func words(_ values: [UInt16]) -> [UInt8] {
    values.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
  }

  private static func counted(_ bytes: [UInt8], by width: Int) -> [UInt8] {
    (0..<width).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * (width - 1 - $0))) } + bytes
  }

  private static func parameter(_ number: UInt16, _ content: [UInt8]) -> [UInt8] {
    words([number]) + counted(content, by: 2)
  }
}

/// Puts the records of a TLS 1.2 handshake together until the server's certificate is there.
package struct HandshakeReader {
  package enum Progress: Equatable {
    case more
    case failed
    /// The first certificate of the list.
    case certificate(ArraySlice<UInt8>)
  }

  /// More than any chain takes.
  private static let byteLimit = 1 << 17

  private var records: [UInt8] = []
  private var messages: [UInt8] = []

  package init() {}

  /// Takes bytes as they come; any peer may have sent anything.
  package mutating func take(_ bytes: some Collection<UInt8>) -> Progress {
    records += bytes
    guard records.count + messages.count < Self.byteLimit else { return .failed }
    while records.count >= 5 {
      guard records[0] == 22, records[1] == 3 else { return .failed }
      let count = Int(records[3]) << 8 | Int(records[4])
      guard records.count >= 5 + count else { break }
      messages += records[5..<5 + count]
      records.removeFirst(5 + count)
    }
    if let first = records.first, first != 22 { return .failed }
    return certificate()
  }

  private func certificate() -> Progress {
    var rest = messages[...]
    while rest.count >= 4 {
      let start = rest.startIndex
      let count = Self.number(rest[(start + 1)..<(start + 4)])
      guard rest.count >= 4 + count else { return .more }
      let body = rest[(start + 4)..<(start + 4 + count)]
      guard rest[start] == 11 else {
        rest = rest[(start + 4 + count)...]
        continue
      }
      // The list's length, then that of its first certificate.
      guard body.count >= 6 else { return .failed }
      let first = body.startIndex + 6
      let length = Self.number(body[(first - 3)..<first])
      guard body.endIndex - first >= length, length > 0 else { return .failed }
      return .certificate(body[first..<first + length])
    }
    return .more
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> Int {
    bytes.reduce(0) { $0 << 8 | Int($1) }
  }
}
