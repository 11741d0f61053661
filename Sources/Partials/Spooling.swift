package import Jobs

/// Where partials lie in the folder of a coordinator's spool.
package enum Spooling {
  /// A job's folder.
  package static func folder(of job: JobID, in spool: String) -> String { "\(spool)/\(job)" }

  /// A complete partial that was verified and is durable.
  package static func path(of name: PartialName, job: JobID, in spool: String) -> String {
    "\(folder(of: job, in: spool))/\(name.digest.hexadecimal)"
  }

  /// A partial whose pieces are arriving.
  package static func arrival(of name: PartialName, job: JobID, in spool: String) -> String {
    "\(folder(of: job, in: spool))/incoming-\(name.digest.hexadecimal)"
  }

  /// A whole partial that a worker on the same machine put there, not yet verified.
  package static func offer(of name: PartialName, job: JobID, in spool: String) -> String {
    "\(folder(of: job, in: spool))/offered-\(name.digest.hexadecimal)"
  }
}
