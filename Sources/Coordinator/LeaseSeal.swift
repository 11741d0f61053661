import Digests
package import Jobs
package import Leasing

/// The MAC under which leases are given, so that a restarted coordinator recognises its own.
///
/// HMAC-SHA-256 under the state folder's secret over everything that the lease says, the
/// incarnation included in the attempt.
package struct LeaseSeal: Sendable {
  private let secret: [UInt8]

  package init(secret: [UInt8]) {
    self.secret = secret
  }

  /// Eight hexadecimal digits that name the state folder and tell nothing of its secret.
  package var name: String {
    let code = SHA256.authenticationCode(of: Array("nightshift fleet 1".utf8), key: secret)
    return String(ContentDigest(words: code.words).hexadecimal.prefix(8))
  }

  package func seal(_ grant: Grant) -> ContentDigest {
    let code = SHA256.authenticationCode(of: Self.message(grant), key: secret)
    return ContentDigest(words: code.words)
  }

  /// Whether a lease that a worker brings was given by this state folder's coordinator.
  package func accepts(_ grant: Grant, seal claimed: ContentDigest) -> Bool {
    SHA256.authenticationCode(of: Self.message(grant), key: secret)
      .isEqualInConstantTime(to: Digest256(words: claimed.words))
  }

  /// Fixed-width little-endian fields: no two leases share a message.
  private static func message(_ grant: Grant) -> [UInt8] {
    let lease = grant.lease
    var message = Array("nightshift lease 1".utf8)
    message.reserveCapacity(message.count + 8 * 8)
    func add(_ field: UInt64) {
      for byte in 0..<8 { message.append(UInt8(truncatingIfNeeded: field >> UInt64(8 * byte))) }
    }
    add(grant.job.rawValue)
    add(UInt64(lease.shard.rawValue))
    add(UInt64(lease.blocks.first))
    add(UInt64(lease.blocks.end))
    add(UInt64(lease.attempt.incarnation.rawValue))
    add(UInt64(lease.attempt.counter))
    add(lease.worker.rawValue)
    add(UInt64(bitPattern: lease.entry.code))
    if lease.isSuspect { add(1) }
    return message
  }
}
