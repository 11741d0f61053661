import CCrypto

/// Signatures by RSA with SHA-256 (RFC 8017, section 8.2), as `RS256` of RFC 7518 has them.
package enum RSASignature {
  /// Signs a message.
  ///
  /// - Parameters:
  ///   - message: Any bytes.
  ///   - privateKey: A key without a password, in PEM.
  /// - Returns: The signature, or nil where the text holds no RSA key.
  package static func sign(_ message: [UInt8], privateKey: String) -> [UInt8]? {
    let text = Array(privateKey.utf8)
    let source = unsafe text.withUnsafeBytes { bytes in
      unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count))
    }
    guard let source = unsafe source else { return nil }
    // The buffer is not copied, so `text` has to outlive the reading.
    let key = unsafe withExtendedLifetime(text) {
      unsafe PEM_read_bio_PrivateKey(source, nil, { _, _, _, _ in 0 }, nil)
    }
    unsafe BIO_free(source)
    guard let key = unsafe key else { return nil }
    defer { unsafe EVP_PKEY_free(key) }
    guard unsafe EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA,
      let context = unsafe EVP_MD_CTX_new()
    else { return nil }
    defer { unsafe EVP_MD_CTX_free(context) }
    var count = 0
    guard unsafe EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1,
      unsafe EVP_DigestSign(context, nil, &count, message, message.count) == 1
    else { return nil }
    var signature = [UInt8](repeating: 0, count: count)
    guard unsafe EVP_DigestSign(context, &signature, &count, message, message.count) == 1 else {
      return nil
    }
    return Array(signature.prefix(count))
  }
}
