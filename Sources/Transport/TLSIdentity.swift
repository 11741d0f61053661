import CNNG
import Glibc

/// Who this end is, and whom it trusts: mutual TLS is required both ways.
///
/// A certificate proves "one of ours", not which one: libnng 1.5.2 cannot name the peer.
package struct TLSIdentity: Equatable, Sendable {
  /// PEM files: the certificate authorities, our certificate (with its chain) and our private key.
  package let caFile: String
  package let certificateFile: String
  package let keyFile: String
  /// The name that a dialled server's certificate must carry; nil means the host of the address.
  ///
  /// mbedTLS 2.28 compares it with the DNS names alone, so a numeric address has to be in the
  /// certificate as a DNS name too, as `cluster/certs` writes it.
  package let serverName: String?

  /// How long before the end of a certificate it is warned of.
  package static let warningSeconds = 7 * 86_400

  package init(
    caFile: String, certificateFile: String, keyFile: String, serverName: String? = nil
  ) {
    self.caFile = caFile
    self.certificateFile = certificateFile
    self.keyFile = keyFile
    self.serverName = serverName
  }

  /// Checks that the files can be read and that our certificate and an authority are valid today.
  ///
  /// - Parameter now: seconds since 1970.
  /// - Throws: `TransportError` with code `tls` naming the file and what is wrong with it.
  package func check(now: Int = time(nil)) throws(TransportError) {
    try read().check(now: now)
  }

  /// What is to be said of certificates that end within a week, or have ended.
  ///
  /// - Parameter now: seconds since 1970.
  /// - Returns: one sentence for each.
  package func warnings(now: Int = time(nil)) -> [String] {
    // Files that cannot be read are an error elsewhere.
    guard let material = try? read() else { return [] }
    let certificates =
      material.authorities.map { (caFile, "the authority's certificate", $0) }
      + Certificate.all(pem: material.certificate).prefix(1)
      .map { (certificateFile, "the certificate", $0) }
    return certificates.compactMap { file, kind, certificate in
      let left = certificate.notAfter - now
      guard left < Self.warningSeconds else { return nil }
      if let problem = certificate.problem(at: now) { return "\(file): \(kind) \(problem)" }
      return "\(file): \(kind) ends in \(Certificate.span(left)), on "
        + "\(Certificate.date(certificate.notAfter)); make a new one with cluster/certs"
    }
  }

  /// What a peer has to prove in a handshake.
  enum Verification {
    /// The authority's signature, valid dates, and this name where there is one.
    case full(serverName: String?)
    /// Nothing: for finding out which of the checks fails, and for reaching ourselves.
    case none
  }

  /// Reads the files as they are now.
  func read() throws(TransportError) -> TLSMaterial {
    TLSMaterial(
      identity: self, authority: try Self.read(caFile),
      certificate: try Self.read(certificateFile), key: try Self.read(keyFile))
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

  static func failure(_ file: String, _ reason: String) -> TransportError {
    TransportError(code: .tls, context: "\(file): \(reason)")
  }
}

/// The contents of an identity's files, as they were at one moment.
///
/// A server goes on with those it began with while the files change, until it has seen that the new
/// ones go together.
struct TLSMaterial: Equatable, Sendable {
  let identity: TLSIdentity
  /// PEM texts.
  let authority: String
  let certificate: String
  let key: String

  var authorities: [Certificate] { Certificate.all(pem: authority) }

  /// See `TLSIdentity.check`.
  func check(now: Int = time(nil)) throws(TransportError) {
    let files = [
      (identity.caFile, authorities),
      (identity.certificateFile, Array(Certificate.all(pem: certificate).prefix(1))),
    ]
    for (file, certificates) in files {
      guard let first = certificates.first else {
        throw TLSIdentity.failure(file, "no PEM certificate in it")
      }
      // While authorities change there are two, and one of them may have ended.
      guard certificates.allSatisfy({ $0.problem(at: now) != nil }),
        let problem = first.problem(at: now)
      else { continue }
      throw TLSIdentity.failure(file, problem)
    }
    guard key.contains("PRIVATE KEY-----") else {
      throw TLSIdentity.failure(identity.keyFile, "no PEM private key in it")
    }
  }

  /// Makes nng's configuration for one end.
  ///
  /// It goes onto a listener or dialer, never onto a socket, which in libnng 1.5.2 keeps no
  /// reference to it (issue 1835). Once in use it is frozen, so every endpoint gets its own.
  func configuration(
    mode: nng_tls_mode, verification: TLSIdentity.Verification
  ) throws(TransportError) -> TLSConfiguration {
    let configuration = try TLSConfiguration(mode: mode)
    let raw = unsafe configuration.raw
    guard unsafe nng_tls_config_ca_chain(raw, authority, nil) == 0 else {
      throw TLSIdentity.failure(identity.caFile, "not a certificate that mbedTLS can read")
    }
    guard unsafe nng_tls_config_own_cert(raw, certificate, key, nil) == 0 else {
      throw TLSIdentity.failure(
        identity.certificateFile, "mbedTLS cannot read it or its key \(identity.keyFile)")
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
