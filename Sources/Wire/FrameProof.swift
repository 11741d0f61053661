internal import Digests
package import Jobs

/// How a request shows that its sender knows a secret, which itself never crosses the wire.
///
/// Field 3 of each request has 32 bytes: the HMAC-SHA-256, under a key, of the digest of the frame
/// without these bytes. A worker's key is its session's (`sessionKey`), a client's its token.
package enum FrameProof {
  package static let byteCount = 32

  /// What a frame is for: one of another kind, sent again as this one, has no proof.
  package enum Kind: String, Sendable {
    case fleet, bulk, client
  }

  /// The key of a worker's session: HMAC-SHA-256 under its token of the coordinator's nonce and the
  /// worker's number.
  ///
  /// A nonce is used once, so that what was heard of one session is of no use in another.
  package static func sessionKey(token: [UInt8], nonce: [UInt8], worker: WorkerID) -> [UInt8] {
    var message = Array("nightshift session 2".utf8) + nonce
    for byte in 0..<8 { message.append(UInt8(truncatingIfNeeded: worker.rawValue >> (8 * byte))) }
    return SHA256.authenticationCode(of: message, key: token).bytes
  }

  /// Writes the proof into a frame that was encoded without one.
  ///
  /// - Returns: False, and nothing is written, where the frame is no request.
  @discardableResult
  package static func make(in frame: inout [UInt8], _ kind: Kind, key: [UInt8]) -> Bool {
    guard let place = place(in: frame) else { return false }
    frame.replaceSubrange(place, with: code(of: frame, without: place, kind, key).bytes)
    return true
  }

  /// Whether a frame as it came was made by somebody who knows the key.
  package static func isMade(in frame: [UInt8], _ kind: Kind, key: [UInt8]) -> Bool {
    guard let place = place(in: frame), let proof = Digest256(bytes: frame[place]) else {
      return false
    }
    return code(of: frame, without: place, kind, key).isEqualInConstantTime(to: proof)
  }

  private static func code(
    of frame: [UInt8], without place: Range<Int>, _ kind: Kind, _ key: [UInt8]
  ) -> Digest256 {
    var hasher = SHA256()
    unsafe frame.withUnsafeBytes { bytes in
      unsafe hasher.update(UnsafeRawBufferPointer(rebasing: bytes[..<place.lowerBound]))
      unsafe hasher.update(UnsafeRawBufferPointer(rebasing: bytes[place.upperBound...]))
    }
    let message = Array("nightshift \(kind.rawValue) 2".utf8) + hasher.finish().bytes
    return SHA256.authenticationCode(of: message, key: key)
  }

  /// Where the proof stands: after the two versions, as fields are written in their order.
  private static func place(in frame: [UInt8]) -> Range<Int>? {
    var offset = 0
    for tag: UInt8 in [0x08, 0x10] {
      guard frame.count > offset, frame[offset] == tag else { return nil }
      offset += 1
      while frame.count > offset, frame[offset] >= 0x80 { offset += 1 }
      offset += 1
    }
    let start = offset + 2
    guard frame.count >= start + byteCount, frame[offset] == 0x1A,
      frame[offset + 1] == UInt8(byteCount)
    else { return nil }
    return start..<start + byteCount
  }
}
