package import Fleet
import Jobs
package import Transport

/// How a coordinator is started.
package struct CoordinatorOptions: Sendable {
  /// Folder of the journal, the spool and the tokens.
  package var stateFolder: String
  /// Where the control listener binds; the bulk listener takes the next port, or any port where
  /// the control port is 0.
  package var listen: Address
  package var tls: TLSIdentity?
  /// Where workers are started; nil where somebody else starts them.
  package var fleet: FleetConfiguration?
  /// Allows a plain listener that others can reach.
  package var insecure = false
  /// Without living workers from before, leases are given at once after a restart.
  package var recoveryWindow = Limits.recoveryWindow
  package var leaseDuration = Limits.leaseDuration
  package var heartbeatInterval = Limits.heartbeatInterval
  package var deadManTime = Limits.deadManTime
  /// Records that a worker has at work for this long are stuck.
  package var stallTime = Limits.stallTime
  /// Failures of a shard before it is scored in a process apart; 0 for a test of that.
  package var chargeLimit = Limits.chargeLimit
  /// A submission that is still planned is dropped after this long without a question about it.
  package var submissionPatience = Duration.seconds(60)
  /// For the benchmark of leases alone: takes results without a partial.
  package var acceptsEmptyPartials = false
  /// Contexts of the control listener: requests handled at once.
  package var controlContextCount = 64
  package var bulkContextCount = 16
  /// Connections taken on each listener; each costs a few kilobytes and two descriptors.
  package var connectionLimit = 10_000

  /// This program's version, for people.
  package static let versionText = "nightshift \(releaseText)"
  /// The release without the name.
  package static let releaseText = "0.1.0"

  package init(stateFolder: String, listen: Address) {
    self.stateFolder = stateFolder
    self.listen = listen
  }
}

/// Why a coordinator cannot start, or had to stop.
package struct CoordinatorError: Error, CustomStringConvertible {
  package let context: String
  /// Whether the same may succeed later, with nobody's help.
  let isTransient: Bool

  package init(_ context: String) {
    self.init(context, isTransient: false)
  }

  init(_ context: String, isTransient: Bool) {
    self.context = context
    self.isTransient = isTransient
  }

  package var description: String { context }
}
