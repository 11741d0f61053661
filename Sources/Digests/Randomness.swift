import CCrypto

/// Bytes from libcrypto's cryptographic generator, for keys, tokens and nonces.
///
/// Ends the process when the generator cannot be seeded: there is no safe way to go on.
package func randomBytes(count: Int) -> [UInt8] {
  unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
    let status = unsafe RAND_bytes(buffer.baseAddress, Int32(count))
    guard status == 1 else { fatalError("RAND_bytes failed: no source of randomness") }
    initializedCount = count
  }
}
