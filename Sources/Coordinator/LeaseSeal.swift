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

  package func seal(_ grant: Grant) -> ContentDigest {
    let code = SHA256.authenticationCode(of: Self.message(grant), key: secret)
    return ContentDigest(words: code.words)
  }

  /// Whether a lease that a worker brings was given by this state folder's coordinator.
  package func accepts(_ grant: Grant, seal claimed: ContentDigest) -> Bool {
    guard let claimed = Digest256(bytes: claimed.bytes) else { return false }
    return SHA256.authenticationCode(of: Self.message(grant), key: secret)
      .isEqualInConstantTime(to: claimed)
  }

  /// Fixed-width little-endian fields: no two leases share a message.
  private static func message(_ grant: Grant) -> [UInt8] {
    let lease = grant.lease
    let fields: [UInt64] = [
      grant.job.rawValue, UInt64(lease.shard.rawValue), UInt64(lease.blocks.first),
      UInt64(lease.blocks.end), UInt64(lease.attempt.incarnation.rawValue),
      UInt64(lease.attempt.counter), lease.worker.rawValue,
      UInt64(bitPattern: lease.entry.code),
    ]
    return Array("nightshift lease 1".utf8)
      + fields.flatMap { field in (0..<8).map { UInt8(truncatingIfNeeded: field >> (8 * $0)) } }
  }
}
