import CXXHash

/// XXH3-128, seed 0, of bytes that come in parts (libxxhash).
@safe package struct XXH3: ~Copyable {
  private let state: OpaquePointer

  /// Starts a digest of no bytes.
  package init() {
    guard let state = unsafe XXH3_createState() else { fatalError("XXH3_createState failed") }
    unsafe self.state = state
    guard unsafe XXH3_128bits_reset(state) == XXH_OK else {
      fatalError("XXH3_128bits_reset failed")
    }
  }

  deinit { _ = unsafe XXH3_freeState(state) }

  /// Adds the next bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    guard unsafe ns_xxh3_update(state, start, bytes.count) == XXH_OK else {
      fatalError("XXH3_128bits_update failed")
    }
  }

  /// Adds the next bytes.
  package mutating func update(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe update($0) }
  }

  /// Ends the digest.
  package consuming func finish() -> Digest128 {
    let hash = unsafe XXH3_128bits_digest(state)
    return Digest128(high: hash.high64, low: hash.low64)
  }

  /// Digests bytes that are all there.
  package static func digest(of bytes: UnsafeRawBufferPointer) -> Digest128 {
    let hash = unsafe XXH3_128bits(bytes.baseAddress, bytes.count)
    return Digest128(high: hash.high64, low: hash.low64)
  }

  /// Digests bytes that are all there.
  package static func digest(of bytes: [UInt8]) -> Digest128 {
    unsafe bytes.withUnsafeBytes { unsafe digest(of: $0) }
  }
}
