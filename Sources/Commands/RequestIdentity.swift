import Digests
import Foundation
package import Jobs
import Wire

/// One spelling for each request, and the job's name that follows from it.
package enum RequestIdentity {
  /// The request as JSON with sorted keys: equal requests have equal bytes.
  ///
  /// - Throws: `CommandError` where it exceeds what one message carries.
  package static func canonical(_ request: JobRequest) throws(CommandError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let content = try? encoder.encode(request) else {
      throw CommandError("the request cannot be written as JSON: a text in it is not Unicode")
    }
    guard content.count <= WireLimits.documentByteCount else {
      throw CommandError(
        "the request takes \(content.count) bytes, at most \(WireLimits.documentByteCount) fit: "
          + "quote the globs so that the shell leaves them alone, or name folders")
    }
    return Array(content)
  }

  /// The job's name under `run`: the first eight bytes of the canonical request's SHA-256.
  ///
  /// The same command names the same job, and so finds what a killed one left.
  package static func job(for request: JobRequest) throws(CommandError) -> JobID {
    let digest = SHA256.digest(of: try canonical(request))
    return JobID(digest.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
  }

  /// A job's name that nothing else has.
  package static func randomJob() -> JobID {
    JobID(randomBytes(count: 8).reduce(0) { $0 << 8 | UInt64($1) })
  }
}
