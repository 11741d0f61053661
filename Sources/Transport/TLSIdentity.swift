import CNNG
import Glibc

/// Who this end is, and whom it trusts: mutual TLS is required both ways.
///
/// A certificate proves "one of ours", not which one: libnng 1.5.2 cannot name the peer.
package struct TLSIdentity: Equatable, Sendable {
  /// PEM files: the certificate authority, our certificate (with its chain) and our private key.
  package let caFile: String
  package let certificateFile: String
  package let keyFile: String
  /// The name that a dialled server's certificate must carry; nil means the host of the address.
  ///
  /// mbedTLS 2.28 compares it with the DNS names alone, so a numeric address has to be in the
  /// certificate as a DNS name too, as `cluster/certs` writes it.
  package let serverName: String?

  package init(
    caFile: String, certificateFile: String, keyFile: String, serverName: String? = nil
  ) {
    self.caFile = caFile
    self.certificateFile = certificateFile
    self.keyFile = keyFile
    self.serverName = serverName
  }

  /// Checks that the files can be read and that both certificates are valid today.
  ///
  /// - Parameter now: seconds since 1970.
  /// - Throws: `TransportError` with code `tls` naming the file and what is wrong with it.
  package func check(now: Int = time(nil)) throws(TransportError) {
    for file in [caFile, certificateFile] {
      guard let certificate = Certificate(pem: try Self.read(file)) else {
        throw Self.failure(file, "no PEM certificate in it")
      }
      guard now >= certificate.notBefore else {
        let hours = (certificate.notBefore - now) / 3600
        throw Self.failure(file, "valid only in \(hours) h; check the clock of this machine")
      }
      guard now <= certificate.notAfter else {
        let days = (now - certificate.notAfter) / 86_400
        throw Self.failure(file, "expired \(days) days ago; make a new one with cluster/certs")
      }
    }
    guard try Self.read(keyFile).contains("PRIVATE KEY-----") else {
      throw Self.failure(keyFile, "no PEM private key in it")
    }
  }

  /// What a peer has to prove in a handshake.
  enum Verification {
    /// The authority's signature, valid dates, and this name where there is one.
    case full(serverName: String?)
    /// Nothing: for finding out which of the checks fails, and for reaching ourselves.
    case none
  }

  /// Makes nng's configuration for one end.
  ///
  /// It goes onto a listener or dialer, never onto a socket, which in libnng 1.5.2 keeps no
  /// reference to it (issue 1835). Once in use it is frozen, so every endpoint gets its own.
  func configuration(
    mode: nng_tls_mode, verification: Verification
  ) throws(TransportError) -> TLSConfiguration {
    let configuration = try TLSConfiguration(mode: mode)
    let raw = unsafe configuration.raw
    let authority = try Self.read(caFile)
    guard unsafe nng_tls_config_ca_chain(raw, authority, nil) == 0 else {
      throw Self.failure(caFile, "not a certificate that mbedTLS can read")
    }
    let certificate = try Self.read(certificateFile)
    let key = try Self.read(keyFile)
    guard unsafe nng_tls_config_own_cert(raw, certificate, key, nil) == 0 else {
      throw Self.failure(certificateFile, "mbedTLS cannot read it or its key \(keyFile)")
    }
    switch verification {
    case .full(let serverName):
      let status = unsafe nng_tls_config_auth_mode(raw, NNG_TLS_AUTH_MODE_REQUIRED)
      try TransportError.check(status, "nng_tls_config_auth_mode")
      guard let serverName else { break }
      let named = unsafe nng_tls_config_server_name(raw, serverName)
      try TransportError.check(named, "nng_tls_config_server_name \(serverName)")
    case .none:
      let status = unsafe nng_tls_config_auth_mode(raw, NNG_TLS_AUTH_MODE_NONE)
      try TransportError.check(status, "nng_tls_config_auth_mode")
    }
    return configuration
  }

  private static func read(_ file: String) throws(TransportError) -> String {
    guard let stream = unsafe fopen(file, "re") else {
      throw unsafe failure(file, String(cString: strerror(errno)))
    }
    defer { unsafe fclose(stream) }
    let byteLimit = 1 << 20  // far above any certificate chain
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: byteLimit) { buffer, count in
      count = unsafe fread(buffer.baseAddress, 1, byteLimit, stream)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func failure(_ file: String, _ reason: String) -> TransportError {
    TransportError(code: .tls, context: "\(file): \(reason)")
  }
}

/// Owns one nng TLS configuration; endpoints hold references of their own.
@safe final class TLSConfiguration {
  let raw: OpaquePointer

  init(mode: nng_tls_mode) throws(TransportError) {
    var raw: OpaquePointer?
    try TransportError.check(unsafe nng_tls_config_alloc(&raw, mode), "nng_tls_config_alloc")
    guard let raw = unsafe raw else {
      throw TransportError(code: .tls, context: "nng_tls_config_alloc gave nothing")
    }
    unsafe self.raw = raw
  }

  deinit { unsafe nng_tls_config_free(raw) }
}
