/// Where to listen or to dial: `tcp://host:port` or `tls+tcp://host:port`.
///
/// Nothing else is accepted. `ipc://` in particular never is: in libnng 1.5.2 one connection that
/// opens and closes at once ends such a listener for good (nng issue 1518).
package struct Address: Hashable, Sendable, CustomStringConvertible {
  /// A name, a dotted IPv4 address or an IPv6 address without its brackets.
  package let host: String
  /// 0 lets the system choose, for listening only.
  package let port: UInt16
  package let usesTLS: Bool

  /// Parses an address.
  ///
  /// - Throws: `TransportError` with code `refusedAddress` that says what is wrong.
  package init(_ text: String) throws(TransportError) {
    let (scheme, rest) = try Self.divideScheme(text)
    let (host, port) = try Self.divideHost(rest, of: text)
    guard port.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(port) else {
      throw Self.refusal(text, "the port is not a number from 0 to 65535")
    }
    self.init(host: host, port: port, usesTLS: scheme == "tls+tcp")
  }

  private init(host: String, port: UInt16, usesTLS: Bool) {
    self.host = host
    self.port = port
    self.usesTLS = usesTLS
  }

  package var description: String {
    "\(usesTLS ? "tls+tcp" : "tcp")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }

  /// True where only this machine can reach the address: 127.0.0.0/8, `::1` and `localhost`.
  package var isLoopback: Bool {
    host == "localhost" || host == "::1" || (ipv4Octets?.first == 127)
  }

  /// True for an address that stands for every interface.
  package var isWildcard: Bool { host == "0.0.0.0" || host == "::" }

  /// The same place with another port: the one that the system chose.
  package func withPort(_ port: UInt16) -> Address {
    Address(host: host, port: port, usesTLS: usesTLS)
  }

  /// Where this process itself reaches a listener that is bound to this address.
  var seenFromHere: Address {
    guard isWildcard else { return self }
    return Address(host: host == "::" ? "::1" : "127.0.0.1", port: port, usesTLS: usesTLS)
  }

  /// The four numbers of a dotted IPv4 address, or nil for anything else, shorthands included.
  private var ipv4Octets: [UInt8]? {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    let octets = parts.compactMap { part in part.count <= 3 ? UInt8(part) : nil }
    return parts.count == 4 && octets.count == 4 ? octets : nil
  }

  private static func divideScheme(_ text: String) throws(TransportError) -> (String, Substring) {
    for scheme in ["tls+tcp", "tcp"] where text.hasPrefix(scheme + "://") {
      return (scheme, text.dropFirst(scheme.count + 3))
    }
    throw refusal(text, "only tcp:// and tls+tcp:// are supported")
  }

  private static func divideHost(
    _ rest: Substring, of text: String
  ) throws(TransportError) -> (String, Substring) {
    guard let colon = rest.lastIndex(of: ":") else {
      throw refusal(text, "it has no port; write host:port")
    }
    var host = rest[..<colon]
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    if isBracketed { host = host.dropFirst().dropLast() }
    let allowed = isBracketed ? "0123456789abcdef:." : "0123456789abcdefghijklmnopqrstuvwxyz-._"
    let name = host.lowercased()
    guard !name.isEmpty, name.utf8.count <= 253, name.allSatisfy(allowed.contains) else {
      throw refusal(text, "the host is neither a name nor an address; IPv6 goes into [brackets]")
    }
    return (name, rest[rest.index(after: colon)...])
  }

  private static func refusal(_ text: String, _ reason: String) -> TransportError {
    TransportError(code: .refusedAddress, context: "address \"\(text.prefix(300))\": \(reason)")
  }
}
