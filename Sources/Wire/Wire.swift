internal import Jobs

/// The protocol's version, and who may talk to whom.
package enum Wire {
  /// Version that this program writes.
  package static let version: UInt32 = 2

  /// Oldest version that a program of `version` reads: the one before.
  ///
  /// Version 2 does not read version 1, which sent the tokens themselves, and there is no version 0.
  package static func oldestVersion(spokenBy version: UInt32) -> UInt32 {
    version <= 2 ? max(1, version) : version - 1
  }

  /// Why two programs cannot talk, in words for their users; `nil` where they can.
  ///
  /// Neighbouring versions go together, unless the newer program has dropped the older version.
  ///
  /// - Parameters:
  ///   - peer: Version of the other program.
  ///   - peerMinimum: Oldest version that the other program says it reads.
  ///   - own: Version of this program.
  /// - Returns: One sentence that names both versions.
  package static func versionRefusal(
    peer: UInt32, peerMinimum: UInt32, own: UInt32 = version
  ) -> String? {
    let distance = peer > own ? peer - own : own - peer
    guard peer > 0, distance <= 1, peerMinimum <= own, peer >= oldestVersion(spokenBy: own) else {
      return "protocol version \(peer) (reads \(peerMinimum) and later) and version \(own) "
        + "(reads \(oldestVersion(spokenBy: own)) and later) do not go together: "
        + "update the older program"
    }
    return nil
  }
}

/// Limits of the frames' contents; those that other modules share stand in `Limits`.
package enum WireLimits {
  /// What a hello proves to be made with.
  package static let nonceByteCount = 32
  /// A worker's, a source's or a job's name.
  package static let nameByteCount = 1 << 10
  /// `PATH_MAX` of Linux.
  package static let pathByteCount = 4 << 10
  /// Reasons, refusals and log messages; longer ones are cut when they are written.
  package static let reasonByteCount = 4 << 10
  /// Why one result of a message was refused: `Limits.resultsPerMessage` of them fit a frame.
  package static let finishTextByteCount = 200
  /// A job's reason in its summary; the whole of it stands in the job's description.
  package static let summaryReasonByteCount = 1 << 10
  /// JSON in one control frame (a job file, a description), with room for what goes beside it.
  package static let documentByteCount = 56 << 10
  /// One part of a job's configuration.
  package static let configurationPartByteCount = 48 << 10
  /// A job's whole configuration; it names every column of the inputs.
  package static let configurationByteCount: UInt64 = 64 << 20
  /// Leases in one heartbeat: all of the largest kind fit beside a full share of log events.
  package static let leasesPerHeartbeat = 384
  /// Ranges of one shard's input that a worker checks.
  package static let probesPerGrant = 8
  package static let jobsPerPage = 100
  package static let workersPerPage = 200
  package static let eventsPerPage = 500
  /// In a coordinator's answer about itself.
  package static let warnings = 8
  /// Threads of one worker.
  package static let threadsPerWorker = 1 << 12
  /// Offsets, sizes and sums beyond this are mistakes, and sums of them could overflow.
  package static let largestCount: UInt64 = 1 << 60
  /// Milliseconds that `Duration` holds as nanoseconds in 64 bits.
  static let largestMilliseconds: UInt64 = 1 << 42
  /// Bytes of the fields around a frame's list, with much to spare.
  static let envelopeByteCount = 256
}

extension Limits {
  /// Bytes that a list may take in a control frame.
  static let listByteCount = controlFrameByteCount - WireLimits.envelopeByteCount
}
