import CCrypto

/// SHA-256 of bytes that come in parts (FIPS 180-4, by libcrypto).
///
/// libcrypto fails here only when memory has run out or its build lacks SHA-256; both end the
/// process, because a digest that could be missing would have to be handled everywhere.
@safe package struct SHA256: ~Copyable {
  private let context: OpaquePointer

  /// Starts a digest of no bytes.
  package init() {
    guard let context = unsafe EVP_MD_CTX_new() else { fatalError("EVP_MD_CTX_new failed") }
    unsafe self.context = context
    let status = unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil)
    guard status == 1 else { fatalError("EVP_DigestInit_ex failed") }
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  /// Adds the next bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    let status = unsafe EVP_DigestUpdate(context, start, bytes.count)
    guard status == 1 else { fatalError("EVP_DigestUpdate failed") }
  }

  /// Adds the next bytes.
  package mutating func update(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe update($0) }
  }

  /// Ends the digest.
  package consuming func finish() -> Digest256 {
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Digest256.byteCount) { buffer, count in
      let status = unsafe EVP_DigestFinal_ex(context, buffer.baseAddress, nil)
      guard status == 1 else { fatalError("EVP_DigestFinal_ex failed") }
      count = Digest256.byteCount
    }
    return digest256(of: bytes)
  }

  /// Digests bytes that are all there.
  package static func digest(of bytes: UnsafeRawBufferPointer) -> Digest256 {
    var hasher = SHA256()
    unsafe hasher.update(bytes)
    return hasher.finish()
  }

  /// Digests bytes that are all there.
  package static func digest(of bytes: [UInt8]) -> Digest256 {
    unsafe bytes.withUnsafeBytes { unsafe digest(of: $0) }
  }

  /// The HMAC-SHA256 of a message (RFC 2104).
  ///
  /// Compare it with `isEqualInConstantTime(to:)`.
  package static func authenticationCode(
    of message: UnsafeRawBufferPointer, key: [UInt8]
  ) -> Digest256 {
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Digest256.byteCount) { buffer, count in
      let code = unsafe HMAC(
        EVP_sha256(), key, Int32(key.count), message.baseAddress, message.count,
        buffer.baseAddress, nil)
      guard unsafe code != nil else { fatalError("HMAC failed") }
      count = Digest256.byteCount
    }
    return digest256(of: bytes)
  }

  /// The HMAC-SHA256 of a message (RFC 2104).
  ///
  /// Compare it with `isEqualInConstantTime(to:)`.
  package static func authenticationCode(of message: [UInt8], key: [UInt8]) -> Digest256 {
    unsafe message.withUnsafeBytes { unsafe authenticationCode(of: $0, key: key) }
  }
}

private func digest256(of bytes: [UInt8]) -> Digest256 {
  guard let digest = Digest256(bytes: bytes) else { fatalError("SHA-256 has 32 bytes") }
  return digest
}
